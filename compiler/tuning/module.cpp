// The guide's interface: Module, tune, save, load.

#include <algorithm>
#include <chrono>
#include <fstream>
#include <limits>
#include <map>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include "base/custom_ops.h"

#include "aitune/aitune.hpp"
#include "compiler/import/import.h"
#include "compiler/passes/evaluate.h"
#include "compiler/tuning/artifact.h"
#include "compiler/tuning/decision_diff.h"
#include "compiler/tuning/dryrun.h"
#include "compiler/tuning/json_numbers.h"
#include "compiler/tuning/refit.h"
#include "compiler/tuning/strategy.h"
#include "compiler/tuning/timing_cache.h"
#include "compiler/tuning/tune.h"
#include "format/json_problem.h"
#include "format/manifest.h"
#include "format/safetensors.h"
#include "format/source.h"
#include "format/zip_reader.h"
#include "format/zip_writer.h"
#include "runtime/archive.h"
#include "runtime/bundle.h"
#include "runtime/instance.h"
#include "runtime/program.h"

namespace aitune {
namespace {

constexpr std::string_view kExtraFolder = "extra/";
constexpr std::uint64_t kMaxDecisions = 64 << 20;

bool is_zip(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return file.get() == 'P' && file.get() == 'K';
}

std::string config_json(const TorchTensorRTAotBackendConfig& config, std::span<const Input> shapes) {
  nlohmann::ordered_json json;
  json["backend"] = "TorchTensorRTAotBackend";
  json["ir"] = ir_name(config.ir);
  json["pickle_protocol"] = config.pickle_protocol;
  if (!shapes.empty()) json["inputs"] = nlohmann::ordered_json::parse(inputs_to_json(shapes));
  json["compile_config"] = nlohmann::ordered_json::parse(config.compile_config.recorded_json());
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

/// The ranges that a graph was tuned for, under its own inputs' names, which the model's may differ from.
std::vector<Input> shapes_of(const ImportedModel& model, const SymValues& preferred) {
  const Graph& graph = model.graph;
  std::vector<Input> inputs;
  for (const Value* value : graph.inputs) {
    // Buffers are no part of the samples that the next import gets.
    const auto is_it = [&](const NamedTensors::value_type& buffer) { return buffer.first == value->name; };
    if (std::ranges::any_of(model.buffers, is_it)) continue;
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

/// Puts a value into a place for a while. What was there before comes back.
template <typename Place, typename Value>
class Lent {
 public:
  Lent(Place& place, Value& value) : place_(place), value_(value), before_(std::move(place)) {
    place_ = std::move(value);
  }
  ~Lent() {
    if constexpr (std::is_same_v<Place, Value>)
      value_ = std::move(place_);
    else
      value_ = std::move(*place_);
    place_ = std::move(before_);
  }
  Lent(const Lent&) = delete;
  Lent& operator=(const Lent&) = delete;

 private:
  Place& place_;
  Value& value_;
  Place before_;
};

/// A line for whatever has no effect, as decisions are given.
void warn_beside_decisions(const TuneStrategy& strategy, const CompilationSettings& settings, Progress& progress) {
  const std::string_view engine = settings.engine.empty() ? "cpu" : std::string_view(settings.engine);
  for (const auto& lines : {ignored_settings(settings, engine), ignored_beside_decisions(settings, engine)})
    for (const std::string& line : lines) progress.warn(line);
  if (strategy.kind() != TuneStrategy::Kind::one_backend)
    progress.warn(fmt::format("{} is ignored: what is built comes from the decision log", strategy.name()));
}

/// What was decided was decided for this module and this configuration.
void check_configuration(const Decisions& decisions, const std::string& name, const std::string& config) {
  std::vector<std::string> lines;
  if (decisions.name != name)
    lines.push_back(fmt::format("the module was called '{}', and is '{}' now", shown(decisions.name), name));
  for (const Difference& d : compare_configurations(decisions.config, config))
    lines.push_back(fmt::format("{} was {}, and is {} now", shown(d.what), d.a.empty() ? "not there" : shown(d.a),
                                d.b.empty() ? "not there" : d.b));
  if (lines.empty()) return;
  throw InvalidArgument(fmt::format("what was decided does not fit: {}", fmt::join(lines, "; ")), "decision log",
                        "Give the name and the settings that it was made with, or tune anew without it");
}

/// The configuration that a file was tuned with, whose fields nobody vouches for.
nlohmann::ordered_json recorded_config(const Manifest& manifest, const std::string& where) {
  auto config = nlohmann::ordered_json::parse(manifest.config);
  auto& fields = config["compile_config"];
  if (fields.is_null()) fields = nlohmann::ordered_json::object();
  if (!fields.is_object()) throw Corrupt("its settings are no JSON object", where + ": configuration");
  return config;
}

int recorded_protocol(const nlohmann::ordered_json& config, const std::string& where) {
  const auto protocol = config.find("pickle_protocol");
  if (protocol == config.end()) return kDefaultPickleProtocol;
  if (!protocol->is_number_integer() || *protocol < 2 || *protocol > 5)
    throw Corrupt(fmt::format("its pickle_protocol is {}", shown(protocol->dump())), where + ": configuration");
  return protocol->get<int>();
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
  if (is_bundle(zip)) static_cast<void>(read_manifest(zip));  // says that
  if (!zip.find_in_top(kManifestEntry))
    throw InvalidArgument("there are no samples to tune on", path.string(),
                          "Give at least one set of inputs, representative of production");
  const Manifest manifest = Manifest::from_json(zip.text(zip.at(kManifestEntry)), path.string());
  if (!manifest.portable)
    throw Incompatible("no plan in the file fits this machine, and the program is not in it", path.string(),
                       "Tune the original model on this machine, or save with portable=true");
  return sample_inputs(zip, manifest);
}

ExtraFiles recorded_extra(const std::filesystem::path& path) {
  ExtraFiles extra;
  if (!is_zip(path)) return extra;
  const ZipReader zip = ZipReader::open(path);
  if (!zip.find_in_top(kManifestEntry)) return extra;
  for (const ManifestEntry& entry : read_manifest(zip).entries)
    if (entry.name.starts_with(kExtraFolder))
      extra[entry.name.substr(kExtraFolder.size())] = zip.text(zip.at(entry.name));
  return extra;
}

std::vector<Input> recorded_shapes(const std::filesystem::path& path) {
  const ZipReader zip = ZipReader::open(path);
  if (!zip.find_in_top(kManifestEntry)) return {};
  const Manifest manifest = Manifest::from_json(zip.text(zip.at(kManifestEntry)), path.string());
  const auto config = recorded_config(manifest, path.string());
  const auto inputs = config.find("inputs");
  return inputs == config.end() ? std::vector<Input>() : parse_inputs_json(inputs->dump(), path.string());
}

CompilationSettings recorded_settings(const std::filesystem::path& path) {
  CompilationSettings settings;
  if (!is_zip(path)) return settings;
  const ZipReader zip = ZipReader::open(path);
  if (!zip.find_in_top(kManifestEntry)) return settings;
  const auto config = recorded_config(read_manifest(zip), path.string());
  settings.read_json(config["compile_config"].dump(), path.string() + ": configuration");
  return settings;
}

Decisions read_decisions(const std::filesystem::path& path) {
  if (!is_zip(path)) return Decisions::from_json(read_file(path, kMaxDecisions), path.string());
  const ZipReader zip = ZipReader::open(path);
  const ZipEntry* entry = zip.find_in_top(kDecisionsEntry);
  if (!entry) {
    static_cast<void>(read_manifest(zip));  // which says what else the file is
    throw Unsupported("the file does not say how it was tuned", path.string(), "Tune it again with this aitune");
  }
  zip.verify_crc(*entry);
  return Decisions::from_json(zip.text(*entry), path.string());
}

TorchTensorRTAotBackendConfig configuration_of(const Decisions& decisions) {
  const std::string where = "decision log: configuration";
  const auto json = nlohmann::ordered_json::parse(decisions.config);
  TorchTensorRTAotBackendConfig config;
  try {
    config.ir = parse_ir(json.at("ir").get<std::string>());
    config.pickle_protocol = whole_number<int>(json.at("pickle_protocol"));
    if (json.contains("inputs")) config.inputs = parse_inputs_json(json.at("inputs").dump(), where);
    config.compile_config.read_json(json.at("compile_config").dump(), where);
  } catch (const nlohmann::ordered_json::exception& error) {
    throw Corrupt(json_problem(error), where);
  }
  return config;
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

  /// Of an input that is a buffer which the model writes to; nothing for others.
  std::optional<Tensor> first_value(std::size_t input) const {
    const Program& program = instance->program();
    if (const Program::State* state = program.state(input); state != nullptr && !state->buffer.empty())
      return state->first_value;
    if (imported)
      for (const auto& [buffer, value] : imported->buffers)
        if (buffer == program.plan().inputs[input].name) return value;
    return std::nullopt;
  }

  Instance& ready() {
    if (!instance) throw InvalidArgument("the module has nothing to run yet", name, "Call tune() or load() first");
    return *instance;
  }
};

namespace {

/// Entries of files are called after the module.
std::string checked_name(std::string name) {
  if (!name.empty() && !is_entry_name("module/" + name))
    throw InvalidArgument(fmt::format("files cannot hold the name {:?}", name.substr(0, 100)), "module",
                          "Leave out control characters, backslashes, '..' and slashes at the ends");
  return name;
}

}  // namespace

Module::Module(std::filesystem::path model, std::string name, TuneStrategy strategy)
    : impl_(std::make_unique<Impl>(
          Impl{std::move(model), checked_name(std::move(name)), std::move(strategy), {}, {}, {}, {}, {}, {}})) {}
Module::Module(std::string name)
    : impl_(std::make_unique<Impl>(
          Impl{{}, checked_name(std::move(name)), OneBackendStrategy{}, {}, {}, {}, {}, {}, {}})) {}
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
    if (!slots[i]) slots[i] = impl_->first_value(i);
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

/// The settings, with what is left of their budget since tuning began.
CompilationSettings with_rest_of_budget(const CompilationSettings& settings,
                                        std::chrono::steady_clock::time_point start) {
  constexpr double kLeast = 1e-9;  // 0 is no budget
  CompilationSettings rest = settings;
  const double passed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (rest.tune_budget_seconds > 0) rest.tune_budget_seconds = std::max(kLeast, rest.tune_budget_seconds - passed);
  return rest;
}

/// What can be known of the paths in settings before the long work begins.
void check_paths(const CompilationSettings& settings) {
  if (!settings.timing_cache_path.empty() && settings.timing_cache_path != "none")
    refuse_no_timing_cache(settings.timing_cache_path, "setting timing_cache_path");
  std::error_code ignored;
  const std::filesystem::path engines = settings.engine_cache_dir;
  if (std::filesystem::exists(engines, ignored) && !std::filesystem::is_directory(engines, ignored))
    throw InvalidArgument(fmt::format("'{}' is no folder", engines.string()), "setting engine_cache_dir",
                          "Give a folder, or leave it out for the user's");
  if (!settings.dryrun.empty() && settings.dryrun != "true") static_cast<void>(AtomicFile(settings.dryrun));
}

/// A model as one backend reads it, with its samples in call order.
struct ReadModel {
  ImportedModel imported;
  std::vector<std::vector<Tensor>> calls, calibration;
  SymValues preferred;
};

ReadModel read_model(const std::filesystem::path& source, IRType ir, const TorchTensorRTAotBackendConfig& config,
                     std::span<const NamedTensors> samples, std::span<const NamedTensors> calibration,
                     const std::vector<Input>& shapes, Progress& progress) {
  for (const std::string& library : config.compile_config.custom_ops) load_custom_ops(library);
  if (!calibration.empty() && !config.compile_config.enable_autocast)
    progress.warn("the samples for calibration are ignored: enable_autocast is off");
  progress.stage("import");
  std::vector<NamedTensors> all(samples.begin(), samples.end());
  all.insert(all.end(), calibration.begin(), calibration.end());
  auto [imported, calls] =
      import_model(source, ir, all, shapes, reference_evaluator(), config.compile_config.max_data_dependent_size);
  check_program(imported, source);
  for (const std::string& warning : imported.warnings) progress.warn(warning);
  if (config.compile_config.portable && imported.portable.empty() && ir != IRType::dynamo)
    progress.warn(fmt::format(
        "portable=false: torch.export has no form for this program of ir={}, so that the file runs where its "
        "plan fits, and cannot be compiled again for other machines",
        ir_name(ir)));
  ReadModel ready{std::move(imported), {}, {}, {}};
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const bool sample = i < samples.size();
    const std::string where =
        sample ? fmt::format("sample {}", i) : fmt::format("calibration sample {}", i - samples.size());
    (sample ? ready.calls : ready.calibration).push_back(order_inputs(ready.imported.graph, calls[i], where));
  }
  ready.preferred = preferred_sizes(ready.imported.graph, shapes);
  return ready;
}

}  // namespace

TuneReport tune(Module& module, std::span<const NamedTensors> samples, Progress* progress) {
  TuneOptions options;
  options.progress = progress;
  return tune(module, samples, options);
}

TuneReport tune(Module& module, std::span<const NamedTensors> samples, const TuneOptions& how) {
  Module::Impl& impl = *module.impl_;
  Progress silent;
  Progress& out = how.progress ? *how.progress : silent;
  if (impl.source.empty())
    throw InvalidArgument("there is no model to tune", impl.name, "Make the Module with the path of a .pt2 file");
  const auto start = std::chrono::steady_clock::now();
  std::optional<std::vector<Input>> recorded;  // read once, where a configuration has none
  const auto shapes_for = [&](const TorchTensorRTAotBackendConfig& config) {
    if (!config.inputs.empty()) return config.inputs;
    if (!recorded) recorded = recorded_shapes(impl.source);
    return *recorded;
  };
  const auto read_for = [&](const TorchTensorRTAotBackendConfig& config) {
    return read_model(impl.source, impl.ir.value_or(config.ir), config, samples, how.calibration, shapes_for(config),
                      out);
  };
  const auto kept_shapes = [&](const TorchTensorRTAotBackendConfig& config, const ImportedModel& model) {
    const auto shapes = shapes_for(config);
    return shapes.empty() ? std::vector<Input>() : shapes_of(model, preferred_sizes(model.graph, shapes));
  };
  const auto first = config_of(impl.strategy.backends().front(), common_config(impl.strategy));
  if (!first.compile_config.dryrun.empty()) {
    check_paths(first.compile_config);
    if (impl.strategy.backends().size() > 1)
      out.warn(fmt::format("{} is ignored: a dry run looks at the first backend alone", impl.strategy.name()));
    const ReadModel ready = read_for(first);
    return report_dryrun(dry_run(ready.imported.graph, ready.calls, first.compile_config, out, ready.preferred),
                         first.compile_config.dryrun, how.progress == nullptr);
  }
  for (const Backend& backend : impl.strategy.backends()) check_paths(config_of(backend, first).compile_config);
  double best = std::numeric_limits<double>::infinity();  // of all backends
  const auto build = [&](const TorchTensorRTAotBackendConfig& config) {
    ReadModel ready = read_for(config);
    Built built;
    built.config = config;
    std::vector<Input> shapes = kept_shapes(config, ready.imported);
    SearchHooks hooks{how.stop, {}, ready.calibration};
    if (how.improved)
      hooks.improved = [&](TunedModel& tuned) {
        if (tuned.report.milliseconds >= best) return;
        best = tuned.report.milliseconds;
        TorchTensorRTAotBackendConfig its_config = config;
        const Lent lent_tuned(impl.tuned, tuned);
        const Lent lent_imported(impl.imported, ready.imported);
        const Lent lent_shapes(impl.shapes, shapes);
        const Lent lent_config(impl.config, its_config);
        how.improved(module);
      };
    const CompilationSettings settings = with_rest_of_budget(config.compile_config, start);
    if (how.decisions) {
      check_configuration(*how.decisions, impl.name, config_json(config, shapes));
      warn_beside_decisions(impl.strategy, settings, out);
      built.tuned = repeat_graph(ready.imported.graph, ready.calls, settings, *how.decisions, out, ready.preferred);
    } else {
      built.tuned = tune_graph(ready.imported.graph, ready.calls, settings, out, ready.preferred, hooks);
    }
    LoadOptions options;
    options.num_threads = config.compile_config.num_threads;
    built.program = Program::from_built(built.tuned.plan, options, built.tuned.specials);
    built.imported = std::move(ready.imported);
    return built;
  };
  Built built = how.decisions ? build(first) : choose_backend(impl.strategy, build, out);
  impl.run_plan(std::move(built.program));
  impl.shapes = kept_shapes(built.config, built.imported);
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
  const Decisions decisions = read_decisions(file);
  auto config = recorded_config(manifest, file.string());
  const int protocol = recorded_protocol(config, file.string());
  CompilationSettings settings;
  auto& fields = config["compile_config"];
  fields["strip_engine_weights"] = false;
  fields.erase("dryrun");
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
  const ExtraFiles extra = recorded_extra(file);
  out.stage("save");
  const bool portable = settings.portable && !imported.portable.empty();
  write_artifact(
      output, {imported, tuned, manifest.name, config.dump(), protocol, portable, tuned.report.accepted_error, extra});
}

void repeat(const std::filesystem::path& decisions, const std::filesystem::path& model,
            std::span<const NamedTensors> samples, const std::filesystem::path& output, Progress* progress) {
  const Decisions decided = read_decisions(decisions);
  Module module(model, decided.name, OneBackendStrategy(TorchTensorRTAotBackend(configuration_of(decided))));
  TuneOptions how;
  how.progress = progress;
  how.decisions = &decided;
  tune(module, samples, how);
  save(module, output, recorded_extra(decisions));
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
