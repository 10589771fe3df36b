// aitune verify: proves on this machine that a file is whole and that its plan still gives the recorded outputs.

#include <algorithm>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/error.h"
#include "format/manifest.h"
#include "format/safetensors.h"
#include "format/zip_reader.h"
#include "runtime/archive.h"
#include "runtime/bundle.h"
#include "tools/apart.h"
#include "tools/commands.h"
#include "tools/model.h"
#include "tools/plan_text.h"
#include "tools/terminal.h"

namespace aitune::tools {
namespace {

/// One plan of the file by itself.
struct Checked {
  explicit Checked(std::shared_ptr<const Program> program) : instance(std::move(program)) {}
  const Plan& plan() const { return instance.program().plan(); }
  std::string entry() const { return plan_entry(instance.program()); }

  Instance instance;
  std::size_t samples = 0;
};

std::vector<Tensor> run_watched(Checked& checked, const std::vector<Tensor>& inputs, Whereabouts& whereabouts) {
  const Plan& plan = checked.plan();
  whereabouts.next(step_text(plan, 0));
  const StepObserver observer = [&](std::size_t step, std::chrono::nanoseconds) {
    whereabouts.next(step_text(plan, step + 1));
  };
  return checked.instance.run(inputs, &observer);
}

/// Names the first block whose recorded outputs (of sample 0, by the general plan) differ, where the file has them.
std::string first_wrong_block(Checked& general, const ZipReader& zip, const std::vector<Tensor>& inputs, double bound) {
  const std::string entry = std::string(kSampleFolder) + "0.blocks.safetensors";
  const Plan& plan = general.plan();
  if (!zip.find_in_top(entry))
    return plan.blocks.size() == 1 ? "; the plan has one block, 0" + block_places(plan, 0) : "";
  const auto expected = read_safetensors(zip.bytes(zip.at(entry)), zip.owner(), entry);
  std::string found;
  general.instance.run_blocks(inputs, [&](std::size_t block, const std::vector<Tensor>& outputs) {
    for (std::size_t i = 0; i < outputs.size() && found.empty(); ++i)
      for (const auto& [name, tensor] : expected)
        if (name == fmt::format("block{}.{}", block, i) && !(relative_error(outputs[i], tensor) <= bound))
          found = fmt::format("; the first block that is off is {} ({}){}", block, plan.blocks[block].engine,
                              block_places(plan, block));
  });
  return found;
}

const Tensor& recorded_output(const NamedTensors& outputs, const std::string& name, const std::string& where) {
  for (const auto& [recorded_name, tensor] : outputs)
    if (recorded_name == name) return tensor;
  throw Corrupt(fmt::format("no output '{}' was recorded", name), where, "Tune the model again");
}

/// Every plan that this machine would run: the general one first.
std::vector<std::unique_ptr<Checked>> plans_of(const std::string& path, const std::string& module, const Model& model) {
  std::vector<std::unique_ptr<Checked>> plans;
  LoadOptions options;
  options.module = module;
  options.special_plans = false;
  plans.push_back(std::make_unique<Checked>(Program::open(path, options)));
  for (std::size_t i = 0; i < model.program().special_count(); ++i)
    plans.push_back(std::make_unique<Checked>(Program::special(model.shared_program(), i)));
  return plans;
}

/// What was found of one module.
struct Verified {
  std::string name;
  std::size_t entries = 0, samples = 0;
  std::vector<std::pair<std::string, std::size_t>> plans;  ///< with the number of samples that each served
  double worst = 0, bound = 0;
};

Verified verify_module(const std::string& path, const std::string& module, Whereabouts& whereabouts) {
  whereabouts.next("reading the file");
  const ZipReader zip = open_ait(path, module);
  verify_entries(zip);
  LoadOptions options;
  options.module = module;
  Model model(path, options);
  const auto plans = plans_of(path, module, model);
  Checked& general = *plans.front();
  const Manifest& manifest = *model.program().manifest();
  const auto inputs = recorded(zip, manifest, false), expected = recorded(zip, manifest, true);
  const auto bound_row = manifest.bounds.find(general.plan().precision);
  Verified verified{.name = manifest.name, .entries = manifest.entries.size(), .samples = inputs.size()};
  verified.bound = bound_row == manifest.bounds.end() ? 1e-4 : bound_row->second;
  const auto check = [&](Checked& checked, std::size_t s, const std::vector<Tensor>& ordered) {
    ++checked.samples;
    const auto& unsettled = manifest.samples[s].unsettled;
    for (const auto& [name, tensor] : model.name_outputs(run_watched(checked, ordered, whereabouts))) {
      if (std::ranges::find(unsettled, name) != unsettled.end()) continue;
      const Tensor& reference = recorded_output(expected[s], name, fmt::format("{}: sample {}", zip.where(), s));
      const double error = relative_error(tensor, reference);
      verified.worst = std::max(verified.worst, error);
      if (error <= verified.bound) continue;
      const std::string place =
          &checked == &general
              ? first_wrong_block(general, zip, s == 0 ? ordered : model.in_order(inputs[0], "sample 0"),
                                  verified.bound)
              : fmt::format(" (special plan {})", checked.entry());
      throw ValidationError(fmt::format("output {} of sample {} is off: relative error {:.2e}, allowed {:.0e}{}", name,
                                        s, error, verified.bound, place),
                            zip.where(),
                            "Tune the model again on this machine; aitune compare FILE MODEL names the node");
    }
  };
  for (std::size_t s = 0; s < inputs.size(); ++s) {
    const auto ordered = model.in_order(inputs[s], fmt::format("sample {}", s));
    check(general, s, ordered);
    const std::string used = plan_entry(model.program_for(ordered));
    for (std::size_t i = 1; i < plans.size(); ++i)
      if (plans[i]->entry() == used) check(*plans[i], s, ordered);
  }
  for (const auto& plan : plans) verified.plans.emplace_back(plan->entry(), plan->samples);
  return verified;
}

nlohmann::ordered_json to_json(const Verified& verified) {
  auto checked = nlohmann::ordered_json::array();
  for (const auto& [entry, samples] : verified.plans) checked.push_back({{"entry", entry}, {"samples", samples}});
  return {{"ok", true},       {"entries", verified.entries},      {"samples", verified.samples},
          {"plans", checked}, {"relative_error", verified.worst}, {"bound", verified.bound}};
}

void print(const std::string& what, const Verified& verified) {
  fmt::print(
      "{}: whole ({} entries), and right: {} samples on {} plan{}, relative error at most {:.1e} (allowed {:.0e})\n",
      what, verified.entries, verified.samples, verified.plans.size(), verified.plans.size() == 1 ? "" : "s",
      verified.worst, verified.bound);
  for (const auto& [entry, samples] : verified.plans)
    if (samples == 0) fmt::print("no sample has the sizes of {}\n", entry);
}

/// All modules of a file that holds several.
void verify_bundle(const ZipReader& bundle, const std::string& path, const Common& common, Whereabouts& whereabouts) {
  whereabouts.next("reading the file");
  verify_entries(bundle);
  auto modules = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < bundled_modules(bundle).size(); ++i) {
    const Verified verified = verify_module(path, std::to_string(i), whereabouts);
    if (!common.json) print(fmt::format("{}: module {} ({})", path, i, verified.name), verified);
    modules.push_back({{"name", verified.name}});
    modules.back().update(to_json(verified));
  }
  if (common.json) print_json({{"ok", true}, {"modules", modules}});
}

void verify_file(const std::string& path, const std::string& module, const Common& common, Whereabouts& whereabouts) {
  const ZipReader zip = ZipReader::open(path);
  if (module.empty() && is_bundle(zip)) return verify_bundle(zip, path, common, whereabouts);
  const Verified verified = verify_module(path, module, whereabouts);
  if (common.json)
    print_json(to_json(verified));
  else
    print(path, verified);
}

}  // namespace

void add_verify_command(CLI::App& app, Common& common) {
  auto* command = app.add_subcommand("verify", "Check a file's checksums, and its outputs on the recorded samples");
  const auto model = std::make_shared<std::string>(), module = std::make_shared<std::string>();
  command->add_option("model", *model, "the .ait file")->required();
  add_module_option(*command, *module);
  add_common_options(*command, common);
  // What is verified may be anything: it must not take the command down with it.
  add_custom_ops_option(*command);
  command->callback([model, module, &common] {
    common.status = run_apart(common.json, *model, [&](Whereabouts& w) { verify_file(*model, *module, common, w); });
  });
}

}  // namespace aitune::tools
