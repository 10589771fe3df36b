// aitune inspect: what an .ait holds.

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "format/json_problem.h"
#include "format/manifest.h"
#include "format/plan_memory.h"
#include "format/zip_reader.h"
#include "runtime/archive.h"
#include "runtime/bundle.h"
#include "tools/commands.h"
#include "tools/measured_text.h"
#include "tools/model.h"
#include "tools/plan_text.h"
#include "tools/terminal.h"

namespace aitune::tools {
namespace {

struct InspectOptions {
  std::string model, module;
  bool steps = false, decisions = false;
};

std::string tensor_line(const ManifestTensor& tensor) {
  return fmt::format("{}: {}[{}]", tensor.name, dtype_name(tensor.dtype), fmt::join(tensor.shape, ","));
}

std::string limit_text(const SymRange& range) {
  return range.max == SymRange::kNoMax ? "any" : std::to_string(range.max);
}

std::vector<std::string> nodes_of(const Plan& plan, const PlanStep& step) {
  std::vector<std::string> nodes;
  for (const auto i : step.sources)
    nodes.push_back(plan.sources[i].node + (plan.sources[i].module.empty() ? "" : "@" + plan.sources[i].module));
  return nodes;
}

/// What the manifest's row does not say of a plan.
void add_plan(const ZipReader& zip, const ManifestPlan& row, bool steps, nlohmann::ordered_json& json) {
  const auto loaded = read_plan(zip.bytes(zip.at(row.entry)), row.entry);
  const Plan& plan = loaded.plan;
  json["code_bytes"] = loaded.code.size();
  json["constant_bytes"] = loaded.constants.size();
  if (const auto largest = largest_arena(plan)) json["largest_arena_bytes"] = *largest;
  json["arena_formula"] = arena_formula(plan);
  json["step_count"] = plan.steps.size();
  json["blocks"] = nlohmann::ordered_json::array();
  for (const auto& block : plan.blocks) json["blocks"].push_back({{"engine", block.engine}, {"why", block.why}});
  if (!steps) return;
  json["steps"] = nlohmann::ordered_json::array();
  for (const auto& step : plan.steps)
    json["steps"].push_back({{"name", step.name},
                             {"block", step.block},
                             {"nodes", nodes_of(plan, step)},
                             {"model_nodes", nodes_json(plan, step)}});
}

/// What a run needs beside its inputs and outputs.
void print_memory(const Plan& plan) {
  const auto largest = largest_arena(plan);
  const std::string formula = arena_formula(plan);
  const bool moves = formula.find_first_not_of("0123456789") != std::string::npos;
  fmt::print("  intermediate results of a run: {}{}\n",
             largest ? (plan.symbols.empty() ? "" : "at most ") + human_bytes(static_cast<double>(*largest))
                     : "grow with the sizes, without limit",
             moves ? fmt::format(" ({} bytes)", formula) : "");
}

void print_plan(const ZipReader& zip, const ManifestPlan& row, std::size_t special_plans, bool steps) {
  const auto loaded = read_plan(zip.bytes(zip.at(row.entry)), row.entry);
  const Plan& plan = loaded.plan;
  fmt::print("{} {}\n", row.special_of.empty() ? "plan" : "special plan", row.entry);
  if (!row.symbols.empty()) {
    std::vector<std::string> sizes;
    for (const auto& [name, range] : row.symbols)
      sizes.push_back(range.min == range.max ? fmt::format("{} = {}", name, range.min)
                                             : fmt::format("{} from {} to {}", name, range.min, limit_text(range)));
    fmt::print("  serves {}{}\n", fmt::join(sizes, ", "),
               special_plans > 0 ? ", but for what special plans serve" : "");
  }
  fmt::print(
      "  precision {}, for {}\n  {} steps in {} blocks, code {}, constants {}\n", row.precision, row.target.str(),
      plan.steps.size(), plan.blocks.size(), human_bytes(static_cast<double>(loaded.code.size())),
      plan.shared_constants == 0 ? human_bytes(static_cast<double>(loaded.constants.size()))
                                 : "shared with " + (row.special_of.empty() ? row.constants_of : row.special_of));
  print_memory(plan);
  for (std::size_t b = 0; b < plan.blocks.size(); ++b)
    fmt::print("  block {}: {}{}\n", b, plan.blocks[b].engine,
               plan.blocks[b].why.empty() ? "" : " (" + plan.blocks[b].why + ")");
  if (!steps) return;
  for (std::size_t s = 0; s < plan.steps.size(); ++s)
    fmt::print("  {:4} {} <- {}\n", s, plan.steps[s].name, nodes_text(plan, plan.steps[s]));
}

/// The decision log as it is in the file.
void print_decisions(const ZipReader& zip) {
  constexpr std::string_view kEntry = "data/aitune/decisions.json";
  constexpr int kMaxDepth = 64;
  const ZipEntry* entry = zip.find_in_top(kEntry);
  if (!entry)
    throw Unsupported("the file does not say how it was tuned", zip.where(), "Tune it again with this aitune");
  zip.verify_crc(*entry);
  const auto limit_depth = [](int depth, nlohmann::ordered_json::parse_event_t /*event*/, auto& /*value*/) {
    if (depth > kMaxDepth) throw Corrupt("its decisions nest too deep");
    return true;
  };
  try {
    const auto json = nlohmann::ordered_json::parse(zip.text(*entry), limit_depth);
    fmt::print("{}\n", json.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  } catch (const nlohmann::ordered_json::exception& error) {
    throw Corrupt(json_problem(error), zip.where() + "/" + std::string(kEntry));
  }
}

nlohmann::ordered_json to_json(const ZipReader& zip, bool steps) {
  const Manifest manifest = read_manifest(zip);
  auto json = nlohmann::ordered_json::parse(manifest.to_json());
  json["bytes"] = zip.file_bytes().size();
  for (std::size_t i = 0; i < manifest.plans.size(); ++i) add_plan(zip, manifest.plans[i], steps, json["plans"][i]);
  return json;
}

void print(const ZipReader& zip, bool steps) {
  const Manifest manifest = read_manifest(zip);
  fmt::print("{}: {} made by aitune {}, {}, {} the PyTorch program\n", zip.where(), manifest.name,
             manifest.aitune_version, human_bytes(static_cast<double>(zip.file_bytes().size())),
             manifest.portable ? "with" : "without");
  for (const auto& module : manifest.modules) {
    fmt::print("module {}\n", module.name);
    for (const auto& t : module.inputs) fmt::print("  input  {}\n", tensor_line(t));
    for (const auto& t : module.outputs) fmt::print("  output {}\n", tensor_line(t));
    for (const auto& [name, range] : module.symbols)
      fmt::print("  {} from {} to {}\n", name, range.min, limit_text(range));
  }
  for (const auto& plan : manifest.plans) {
    const auto belongs = [&](const ManifestPlan& other) { return other.special_of == plan.entry; };
    print_plan(zip, plan, static_cast<std::size_t>(std::ranges::count_if(manifest.plans, belongs)), steps);
  }
  const auto measured = nlohmann::ordered_json::parse(manifest.measured);
  const auto number = [&](const char* key) {
    const auto found = measured.find(key);
    return found != measured.end() && found->is_number() ? found->get<double>() : std::nan("");
  };
  if (!std::isnan(number("latency_ms")))
    fmt::print("measured: {} (reference engine {}), relative error {:.1e} on {} samples\n",
               human_time(number("latency_ms")), human_time(number("baseline_ms")), number("relative_error"),
               number("samples"));
  const std::string where = zip.where() + "/" + std::string(kManifestEntry) + ": measured";
  fmt::print("{}{}", backends_text(measured, where),
             mixture_text(measured, where, std::numeric_limits<std::size_t>::max()));
  fmt::print("configuration {}\n", manifest.config);
}

/// All modules of a file that holds several.
void inspect_bundle(const ZipReader& bundle, const InspectOptions& options, const Common& common) {
  const auto modules = bundled_modules(bundle);
  auto list = nlohmann::ordered_json::array();
  if (!common.json)
    fmt::print("{}: {} modules, {}\n", options.model, modules.size(),
               human_bytes(static_cast<double>(bundle.file_bytes().size())));
  for (const BundledModule& module : modules) {
    const ZipReader zip(module.bytes, module.where);
    if (common.json)
      list.push_back(to_json(zip, options.steps));
    else
      print(zip, options.steps);
  }
  if (common.json) print_json({{"bytes", bundle.file_bytes().size()}, {"files", list}});
}

void inspect(const InspectOptions& options, const Common& common) {
  const ZipReader whole = ZipReader::open(options.model);
  if (is_bundle(whole) && options.module.empty() && !options.decisions) return inspect_bundle(whole, options, common);
  if (!is_bundle(whole) && !whole.find_in_top(kManifestEntry))
    throw InvalidArgument("it is no .ait file: there is no " + std::string(kManifestEntry) + " in it", options.model,
                          "aitune tune makes .ait files");
  const ZipReader zip = open_ait(options.model, options.module);
  if (options.decisions) return print_decisions(zip);
  if (common.json)
    print_json(to_json(zip, options.steps));
  else
    print(zip, options.steps);
}

}  // namespace

void add_inspect_command(CLI::App& app, Common& common) {
  auto* command = app.add_subcommand("inspect", "Show what an .ait file holds");
  const auto options = std::make_shared<InspectOptions>();
  command->add_option("model", options->model, "the .ait file")->required();
  command->add_flag("--steps", options->steps, "list every step with its nodes");
  command->add_flag("--decisions", options->decisions,
                    "print the decision log, JSON: aitune tune --decisions builds the same file from it");
  add_module_option(*command, options->module);
  add_common_options(*command, common);
  add_custom_ops_option(*command);
  command->callback([options, &common] { inspect(*options, common); });
}

}  // namespace aitune::tools
