// The guide's interface: Module, tune, save, load.

#include <algorithm>
#include <map>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include "base/custom_ops.h"

#include "aitune/aitune.hpp"
#include "compiler/import/import.h"
#include "compiler/passes/evaluate.h"
#include "compiler/tuning/artifact.h"
#include "compiler/tuning/dryrun.h"
#include "compiler/tuning/refit.h"
#include "compiler/tuning/strategy.h"
#include "compiler/tuning/tune.h"
#include "format/manifest.h"
#include "format/safetensors.h"
#include "format/source.h"
#include "format/zip_reader.h"
#include "runtime/archive.h"
#include "runtime/instance.h"
#include "runtime/program.h"

namespace aitune {
namespace {

std::string config_json(const TorchTensorRTAotBackendConfig& config, std::span<const Input> shapes) {
  nlohmann::ordered_json json;
  json["backend"] = "TorchTensorRTAotBackend";
  json["ir"] = ir_name(config.ir);
  json["pickle_protocol"] = config.pickle_protocol;
  if (!shapes.empty()) json["inputs"] = nlohmann::ordered_json::parse(inputs_to_json(shapes));
  json["compile_config"] = nlohmann::ordered_json::parse(config.compile_config.to_json());
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

/// The ranges that a graph was tuned for, under its own inputs' names, which the model's may differ from.
std::vector<Input> shapes_of(const Graph& graph, const SymValues& preferred) {
  std::vector<Input> inputs;
  for (const Value* value : graph.inputs) {
    Input input{value->name, {}, {}, {}};
    bool prefers = true;
    for (const SymInt& size : value->type.shape) {
      const SymRange range = size.range(graph.symbols);
      const bool limited = range.max < std::int64_t{1} << 40;
      input.min_shape.push_back(limited ? range.min : Input::kAsIs);
      input.max_shape.push_back(limited ? range.max : Input::kAsIs);
      std::vector<std::string> symbols;
      size.collect_symbols(symbols);
      prefers = prefers && std::ranges::all_of(symbols, [&](const auto& s) { return preferred.contains(s); });
      if (prefers) input.opt_shape.push_back(limited ? size.evaluate(preferred) : Input::kAsIs);
    }
    if (!prefers) input.opt_shape.clear();
    inputs.push_back(std::move(input));
  }
  return inputs;
}

/// Writes a dry run where the user wants it.
TuneReport report_dryrun(DryrunReport dryrun, const std::string& setting, bool print) {
  const std::string text = dryrun.text();
  if (print) fmt::print("{}", text);
  if (setting != "true") write_file(setting, text);
  TuneReport report;
  report.warnings = dryrun.warnings;
  for (const auto& f : dryrun.fallbacks)
    report.fallbacks.push_back(fmt::format("{} ({}x): {}", f.op, f.count, f.reason));
  report.compiled_share =
      dryrun.nodes == 0 ? 1 : static_cast<double>(dryrun.compiled_nodes) / static_cast<double>(dryrun.nodes);
  report.dryrun = std::move(dryrun);
  return report;
}

std::vector<NamedTensors> sample_inputs(const ZipReader& zip, const Manifest& manifest) {
  std::vector<NamedTensors> samples;
  for (const auto& sample : manifest.samples) {
    const ZipEntry& entry = zip.at(sample.inputs);
    zip.verify_crc(entry);
    samples.push_back(read_safetensors(zip.bytes(entry), zip.owner(), zip.where() + "/" + sample.inputs));
  }
  return samples;
}

}  // namespace

std::vector<NamedTensors> recorded_inputs(const std::filesystem::path& path) {
  const ZipReader zip = ZipReader::open(path);
  if (!zip.find_in_top(kManifestEntry))
    throw InvalidArgument("there are no samples to tune on", path.string(),
                          "Give at least one set of inputs, representative of production");
  const Manifest manifest = Manifest::from_json(zip.text(zip.at(kManifestEntry)), path.string());
  if (!manifest.portable)
    throw Incompatible("no plan in the file fits this machine, and the program is not in it", path.string(),
                       "Tune the original model on this machine, or save with portable=true");
  return sample_inputs(zip, manifest);
}

std::vector<Input> recorded_shapes(const std::filesystem::path& path) {
  const ZipReader zip = ZipReader::open(path);
  if (!zip.find_in_top(kManifestEntry)) return {};
  const Manifest manifest = Manifest::from_json(zip.text(zip.at(kManifestEntry)), path.string());
  const auto config = nlohmann::ordered_json::parse(manifest.config);
  const auto inputs = config.find("inputs");
  return inputs == config.end() ? std::vector<Input>() : parse_inputs_json(inputs->dump(), path.string());
}

struct Module::Impl {
  std::filesystem::path source;
  std::string name;
  TuneStrategy strategy;
  TorchTensorRTAotBackendConfig config;  // of the backend that stayed
  std::optional<IRType> ir;   // of `source`, where it is not the configuration's: an .ait holds a dynamo program
  std::vector<Input> shapes;  // that it was tuned for
  std::optional<ImportedModel> imported;
  std::optional<TunedModel> tuned;
  std::unique_ptr<Instance> instance;

  void run_plan(std::shared_ptr<const Program> program) { instance = std::make_unique<Instance>(std::move(program)); }

  Instance& ready() {
    if (!instance) throw InvalidArgument("the module has nothing to run yet", name, "Call tune() or load() first");
    return *instance;
  }
};

Module::Module(std::filesystem::path model, std::string name, TuneStrategy strategy)
    : impl_(std::make_unique<Impl>(
          Impl{std::move(model), std::move(name), std::move(strategy), {}, {}, {}, {}, {}, {}})) {}
Module::Module(std::string name)
    : impl_(std::make_unique<Impl>(Impl{{}, std::move(name), OneBackendStrategy{}, {}, {}, {}, {}, {}, {}})) {}
Module::~Module() = default;
Module::Module(Module&&) noexcept = default;
Module& Module::operator=(Module&&) noexcept = default;

const std::string& Module::name() const { return impl_->name; }

std::vector<Tensor> Module::operator()(std::span<const Tensor> inputs) { return impl_->ready().run(inputs); }

NamedTensors Module::operator()(const NamedTensors& inputs) {
  Instance& instance = impl_->ready();
  const Program& program = instance.program();
  std::vector<std::optional<Tensor>> slots(program.plan().inputs.size());
  for (const auto& [name, tensor] : inputs) {
    auto at = program.find_input(name);
    for (std::size_t i = 0; !at && i < slots.size(); ++i)
      if (std::to_string(i) == name) at = i;
    if (!at) throw InvalidArgument(fmt::format("the module has no input '{}'", name), impl_->name);
    slots[*at] = tensor;
  }
  std::vector<Tensor> ordered;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (!slots[i])
      throw InvalidArgument(fmt::format("input '{}' is missing", program.plan().inputs[i].name), impl_->name);
    ordered.push_back(*slots[i]);
  }
  auto outputs = instance.run(ordered);
  NamedTensors named;
  for (std::size_t i = 0; i < outputs.size(); ++i)
    named.emplace_back(program.plan().outputs[i].name, std::move(outputs[i]));
  return named;
}

namespace {

/// A model as one backend reads it, with its samples in call order.
struct ReadModel {
  ImportedModel imported;
  std::vector<std::vector<Tensor>> calls;
  SymValues preferred;
};

ReadModel read_model(const std::filesystem::path& source, IRType ir, const TorchTensorRTAotBackendConfig& config,
                     std::span<const NamedTensors> samples, const std::vector<Input>& shapes, Progress& progress) {
  for (const std::string& library : config.compile_config.custom_ops) load_custom_ops(library);
  progress.stage("import");
  auto [imported, calls] =
      import_model(source, ir, samples, shapes, reference_evaluator(), config.compile_config.max_data_dependent_size);
  check_program(imported, source);
  for (const std::string& warning : imported.warnings) progress.warn(warning);
  if (config.compile_config.portable && imported.portable.empty())
    progress.warn(fmt::format(
        "portable=false: torch.export has no form for this program of ir={}, so that the file runs where its "
        "plan fits, and cannot be compiled again for other machines",
        ir_name(ir)));
  ReadModel ready{std::move(imported), {}, {}};
  for (std::size_t i = 0; i < calls.size(); ++i)
    ready.calls.push_back(order_inputs(ready.imported.graph, calls[i], fmt::format("sample {}", i)));
  ready.preferred = preferred_sizes(ready.imported.graph, shapes);
  return ready;
}

}  // namespace

TuneReport tune(Module& module, std::span<const NamedTensors> samples, Progress* progress) {
  Module::Impl& impl = *module.impl_;
  Progress silent;
  Progress& out = progress ? *progress : silent;
  if (impl.source.empty())
    throw InvalidArgument("there is no model to tune", impl.name, "Make the Module with the path of a .pt2 file");
  const auto recorded = recorded_shapes(impl.source);
  const auto shapes_for = [&](const auto& config) { return config.inputs.empty() ? recorded : config.inputs; };
  const auto read_for = [&](const TorchTensorRTAotBackendConfig& config) {
    return read_model(impl.source, impl.ir.value_or(config.ir), config, samples, shapes_for(config), out);
  };
  const auto first = config_of(impl.strategy.backends().front(), common_config(impl.strategy));
  if (!first.compile_config.dryrun.empty()) {
    const ReadModel ready = read_for(first);
    return report_dryrun(dry_run(ready.imported.graph, ready.calls, first.compile_config, out, ready.preferred),
                         first.compile_config.dryrun, progress == nullptr);
  }
  const auto build = [&](const TorchTensorRTAotBackendConfig& config) {
    ReadModel ready = read_for(config);
    Built built;
    built.config = config;
    built.tuned = tune_graph(ready.imported.graph, ready.calls, config.compile_config, out, ready.preferred);
    LoadOptions options;
    options.num_threads = config.compile_config.num_threads;
    built.program = Program::from_built(built.tuned.plan, options, built.tuned.specials);
    built.imported = std::move(ready.imported);
    return built;
  };
  Built built = choose_backend(impl.strategy, build, out);
  impl.run_plan(std::move(built.program));
  const auto shapes = shapes_for(built.config);
  impl.shapes = shapes.empty() ? std::vector<Input>()
                               : shapes_of(built.imported.graph, preferred_sizes(built.imported.graph, shapes));
  impl.config = std::move(built.config);
  impl.imported = std::move(built.imported);
  impl.tuned = std::move(built.tuned);
  return impl.tuned->report;
}

void save(const Module& module, const std::filesystem::path& path, const ExtraFiles& extra) {
  const Module::Impl& impl = *module.impl_;
  if (!impl.tuned)
    throw InvalidArgument("the module is not tuned", impl.name, "Call tune() before save(), and not with dryrun");
  const auto& config = impl.config;
  write_artifact(path, {*impl.imported, *impl.tuned, impl.name, config_json(config, impl.shapes),
                        config.pickle_protocol, config.compile_config.portable && !impl.imported->portable.empty(),
                        impl.tuned->report.accepted_error, extra, config.compile_config.strip_engine_weights});
}

void refit(const std::filesystem::path& file, const std::filesystem::path& model, const std::filesystem::path& output,
           Progress* progress) {
  Progress silent;
  Progress& out = progress ? *progress : silent;
  const ZipReader zip = ZipReader::open(file);
  verify_entries(zip);
  const Manifest manifest = read_manifest(zip);
  const ZipEntry* entry = zip.find_in_top(kDecisionsEntry);
  if (!entry)
    throw Unsupported("the file does not say how it was tuned", file.string(), "Tune it again with this aitune");
  const Decisions decisions = Decisions::from_json(zip.text(*entry), file.string());
  auto config = nlohmann::ordered_json::parse(manifest.config);
  CompilationSettings settings;
  auto& fields = config["compile_config"];
  fields["strip_engine_weights"] = false;
  fields["dryrun"] = false;
  fields.erase("custom_ops");  // a file does not make us load libraries
  settings.read_json(fields.dump(), file.string() + ": configuration");

  out.stage("import");
  const auto samples = sample_inputs(zip, manifest);
  auto [imported, calls] = import_model(model, detect_ir(model), samples, recorded_shapes(file), reference_evaluator());
  check_program(imported, model);
  for (const std::string& warning : imported.warnings) out.warn(warning);
  std::vector<std::vector<Tensor>> ordered;
  for (std::size_t i = 0; i < calls.size(); ++i)
    ordered.push_back(order_inputs(imported.graph, calls[i], fmt::format("sample {}", i)));
  const TunedModel tuned = refit_graph(imported.graph, ordered, settings, decisions, out);
  ExtraFiles extra;
  for (const ManifestEntry& e : manifest.entries)
    if (e.name.starts_with("extra/")) extra[e.name.substr(6)] = zip.text(zip.at(e.name));
  out.stage("save");
  const bool portable = settings.portable && !imported.portable.empty();
  write_artifact(output, {imported, tuned, manifest.name, config.dump(), config.value("pickle_protocol", 4), portable,
                          tuned.report.accepted_error, extra});
}

void load(Module& module, const std::filesystem::path& path, bool rebuild) {
  Module::Impl& impl = *module.impl_;
  for (const std::string& library : common_config(impl.strategy).compile_config.custom_ops) load_custom_ops(library);
  try {
    impl.run_plan(Program::open(path));
  } catch (const Incompatible&) {
    if (!rebuild) throw;
    impl.source = path;
    impl.ir = IRType::dynamo;
    tune(module, recorded_inputs(path));
  }
}

}  // namespace aitune
