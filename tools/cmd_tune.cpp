// aitune tune: a saved PyTorch model in, a tuned .ait out.

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "aitune/aitune.hpp"
#include "compiler/import/import.h"
#include "compiler/report/render.h"
#include "format/source.h"
#include "tools/commands.h"
#include "tools/interrupt.h"
#include "tools/measured_text.h"
#include "tools/numbers.h"
#include "tools/report_file.h"
#include "tools/samples.h"
#include "tools/terminal.h"

namespace aitune::tools {
namespace {

struct CommandLine {
  std::string model, output, name, ir, precision;
  std::vector<std::string> inputs, shapes, settings, settings_files;
  std::string dryrun;
  std::optional<int> pickle_protocol;
  std::string report;
  std::string strategy = "one-backend";
  std::vector<std::string> backends;
  double latency_budget = 0, min_speedup = kDefaultMinSpeedupPercent;
  std::string decisions, budget;
};

/// Seconds of "90", "60s", "5m" or "1h".
std::string seconds_of(const std::string& text) {
  constexpr std::pair<char, double> kUnits[] = {{'s', 1}, {'m', 60}, {'h', 3600}};
  double value = 0, unit = 1;
  const char* const end = text.data() + text.size();
  auto [rest, error] = std::from_chars(text.data(), end, value);
  for (const auto& [name, seconds] : kUnits)
    if (error == std::errc() && rest + 1 == end && *rest == name) {
      unit = seconds;
      ++rest;
    }
  if (error != std::errc() || rest != end || !(value > 0))
    throw InvalidArgument(fmt::format("'{}' is no time", text), "--budget", "Give seconds, or 60s, 5m, 1h");
  return fmt::format("{}", value * unit);
}

/// What the command line says, over what decisions were made with, if there are any.
TorchTensorRTAotBackendConfig make_config(const CommandLine& options, const Decisions* decisions) {
  TorchTensorRTAotBackendConfig config;
  if (decisions) config = configuration_of(*decisions);
  if (!options.ir.empty())
    config.ir = parse_ir(options.ir);
  else if (!decisions)
    config.ir = detect_ir(options.model);
  if (options.pickle_protocol) config.pickle_protocol = *options.pickle_protocol;
  if (!options.shapes.empty()) config.inputs.clear();
  for (const auto& file : options.settings_files) config.compile_config.read_file(file);
  for (const auto& text : options.settings) {
    const auto equals = text.find('=');
    if (equals == std::string::npos) throw InvalidArgument(fmt::format("'{}' is not key=value", text), "--set");
    config.compile_config.set(text.substr(0, equals), text.substr(equals + 1));
  }
  if (!options.precision.empty()) config.compile_config.set("enabled_precisions", options.precision);
  if (!options.budget.empty()) config.compile_config.set("tune_budget_seconds", seconds_of(options.budget));
  // A path that the settings name stays.
  if (!options.dryrun.empty() && (options.dryrun != "true" || config.compile_config.dryrun.empty()))
    config.compile_config.set("dryrun", options.dryrun);
  for (const auto& text : options.shapes) {
    if (text.find('=') != std::string::npos)
      config.inputs.push_back(parse_input(text));
    else
      for (Input& input : read_inputs_file(text)) config.inputs.push_back(std::move(input));
  }
  return config;
}

/// Settings of a backend beside the common ones: key=value pairs with commas between. A part without = goes on with the
/// value before it: "enabled_precisions=fp32,bf16,num_threads=2" sets two.
void set_pairs(CompilationSettings& settings, const std::string& text) {
  std::vector<std::string> pairs;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    const std::string part = text.substr(at, comma - at);
    if (pairs.empty() || part.find('=') != std::string::npos)
      pairs.push_back(part);
    else
      pairs.back() += "," + part;
    at = comma + 1;
  }
  for (const std::string& pair : pairs) {
    const auto equals = pair.find('=');
    if (equals == std::string::npos)
      throw InvalidArgument(fmt::format("'{}' is no backend", text), "--backend",
                            "Give eager, a JSON or YAML file of settings, or key=value,key=value");
    settings.set(pair.substr(0, equals), pair.substr(equals + 1));
  }
}

Backend parse_backend(const std::string& text, TorchTensorRTAotBackendConfig config) {
  if (text == "eager") return TorchEagerBackend{};
  if (text.find('=') == std::string::npos && text.find('.') != std::string::npos)
    config.compile_config.read_file(text);
  else
    set_pairs(config.compile_config, text);
  return TorchTensorRTAotBackend{std::move(config)};
}

/// By the names that --strategy takes.
const std::map<std::string, TuneStrategy (*)(const CommandLine&, std::vector<Backend>)>& strategies() {
  using Backends = std::vector<Backend>;
  static const std::map<std::string, TuneStrategy (*)(const CommandLine&, Backends)> table = {
      {"one-backend",
       [](const CommandLine& o, Backends b) -> TuneStrategy {
         if (b.size() > 1)
           throw InvalidArgument("several backends, and the strategy takes one", "--backend",
                                 "Choose a strategy that decides among them with --strategy");
         return OneBackendStrategy(std::move(b.front()), o.min_speedup);
       }},
      {"first-wins",
       [](const CommandLine& o, Backends b) -> TuneStrategy { return FirstWinsStrategy(std::move(b), o.min_speedup); }},
      {"max-throughput",
       [](const CommandLine& o, Backends b) -> TuneStrategy {
         return MaxThroughputStrategy(std::move(b), o.min_speedup);
       }},
      {"min-latency",
       [](const CommandLine& o, Backends b) -> TuneStrategy {
         return MinLatencyStrategy(std::move(b), o.min_speedup);
       }},
      {"latency-budget", [](const CommandLine& o, Backends b) -> TuneStrategy {
         return LatencyBudgetStrategy(o.latency_budget, std::move(b), o.min_speedup);
       }}};
  return table;
}

TuneStrategy make_strategy(const CommandLine& options, const TorchTensorRTAotBackendConfig& config) {
  std::vector<Backend> backends;
  for (const auto& text : options.backends) backends.push_back(parse_backend(text, config));
  if (backends.empty()) backends.push_back(TorchTensorRTAotBackend{config});
  return strategies().at(options.strategy)(options, std::move(backends));
}

void print_report(const TuneReport& report, const std::string& path) {
  constexpr std::size_t kProductsShown = 8;
  const auto measured = nlohmann::ordered_json::parse(report.to_json());
  fmt::print("{}", backends_text(measured, path));
  for (const auto& c : report.candidates)
    fmt::print("{}: {}, relative error {:.1e}, {} steps, built in {:.1f} s{}\n", c.precision,
               human_time(c.milliseconds), c.worst_error, c.steps, c.build_seconds,
               c.correct ? "" : " (refused: " + c.problem + ")");
  for (const auto& s : report.special_plans) {
    std::string sizes;
    for (const auto& [name, size] : s.sizes) sizes += fmt::format("{}{} = {}", sizes.empty() ? "" : ", ", name, size);
    fmt::print("special plan for {}: {}, the general plan {}{}\n", sizes, human_time(s.milliseconds),
               human_time(s.general_milliseconds), s.problem.empty() ? "" : " (not kept: " + s.problem + ")");
  }
  for (const auto& f : report.fallbacks) fmt::print("on the reference engine: {}\n", f);
  fmt::print("{} written: {}, {} a run (reference engine {}), tuned in {:.1f} s\n", path, report.chosen,
             human_time(report.milliseconds), human_time(report.baseline_milliseconds), report.seconds);
  fmt::print("{}", mixture_text(measured, path, kProductsShown));
}

/// An option that needs another, or has no effect beside one.
struct OptionRule {
  const char* option;
  bool (*refused)(const CommandLine&, const CLI::App&);
  const char *why, *fix;
};

constexpr const char* kNeverEmpty[] = {"--output", "--name",   "--ir",        "--precision",
                                       "--budget", "--report", "--decisions", "--dryrun"};

bool has(const CLI::App& command, const char* option) { return command.count(option) > 0; }
bool is_from_log(const CommandLine& o, const CLI::App& /*command*/) { return !o.decisions.empty(); }

constexpr const char* kChoicesAreMade = "it has no effect beside --decisions: the log says what is built";
constexpr const char* kLeaveOut = "Leave one of the two out";
constexpr OptionRule kOptionRules[] = {
    {"--strategy", is_from_log, kChoicesAreMade, kLeaveOut},
    {"--min-speedup", is_from_log, kChoicesAreMade, kLeaveOut},
    {"--latency-budget", is_from_log, kChoicesAreMade, kLeaveOut},
    {"--budget", is_from_log, kChoicesAreMade, kLeaveOut},
    {"--latency-budget", [](const CommandLine& o, const CLI::App&) { return o.strategy != "latency-budget"; },
     "it has no effect on this strategy", "Add --strategy latency-budget, or leave it out"},
    {"--min-speedup", [](const CommandLine& o, const CLI::App&) { return o.strategy == "one-backend"; },
     "it has no effect on the strategy one-backend, which keeps its backend however fast it is",
     "Choose another with --strategy, such as first-wins, or leave it out"},
    {"--report", [](const CommandLine&, const CLI::App& c) { return has(c, "--dryrun"); },
     "a dry run builds nothing to report on", "Give --dryrun=FILE to have a file of what it says"},
};

/// Refuses options that would change nothing: settings that do bring a warning, as files share them.
void check_options(const CommandLine& options, const CLI::App& command) {
  for (const char* option : kNeverEmpty)
    if (has(command, option) && command.get_option(option)->as<std::string>().empty())
      throw InvalidArgument("it is empty", option, "Give a value, or leave it out");
  for (const OptionRule& rule : kOptionRules)
    if (has(command, rule.option) && rule.refused(options, command))
      throw InvalidArgument(rule.why, rule.option, rule.fix);
  if (options.strategy == "latency-budget" && options.decisions.empty() && !has(command, "--latency-budget"))
    throw InvalidArgument("the strategy latency-budget needs to know the budget", "--latency-budget",
                          "Give the milliseconds that a call may take, a number above 0");
}

/// What can be known about the output before the long work begins.
void check_output(const CommandLine& options) {
  if (options.output.empty())
    throw InvalidArgument("there is no file to write", "--output",
                          "Give one with -o OUT.ait, or look first with --dryrun");
  std::vector<std::string> read = options.inputs;
  read.insert(read.end(), {options.model, options.decisions});
  std::erase_if(read, [](const std::string& file) { return file.ends_with(".ait"); });  // these may be tuned in place
  refuse_loss(options.output, read);
  const AtomicFile can_be_written(options.output);
}

/// Writes what is there so far whenever it gets better; from then on Ctrl-C ends the search, and not the process.
class Keeper {
 public:
  explicit Keeper(std::string path) : path_(std::move(path)) {}
  void keep(const Module& module) {
    if (!interrupt_) interrupt_.emplace();
    save(module, path_);
  }

 private:
  std::string path_;
  std::optional<Interrupt> interrupt_;
};

/// What became of a search that did not try everything.
void print_stopped(const TuneReport& report, Common& common) {
  constexpr int kSignalled = 128;  // the status of shells for what a signal has ended
  if (report.stopped == "interrupted") {
    common.status = kSignalled + Interrupt::signal();
    fmt::print(stderr,
               "aitune: interrupted: the file has the best that was found so far; the same command goes on from the "
               "timings that were measured\n");
  } else if (!report.stopped.empty() && !common.json) {
    fmt::print("the search ended with its budget: the same command goes on from the timings that were measured\n");
  }
}

void tune_model(const CommandLine& options, Common& common) {
  std::optional<Decisions> decisions;
  if (!options.decisions.empty()) decisions = read_decisions(options.decisions);
  const TorchTensorRTAotBackendConfig config = make_config(options, decisions ? &*decisions : nullptr);
  const TuneStrategy strategy = make_strategy(options, config);
  if (!options.report.empty()) check_report_file(options.report);
  const bool dryrun = !config.compile_config.dryrun.empty();
  if (!dryrun) check_output(options);
  auto progress = make_progress(common, config.compile_config.tune_budget_seconds);
  std::vector<ExpectedInput> expected;
  for (const auto& input : model_inputs(options.model, config.ir)) expected.push_back({input.name, input.rank});
  const auto samples = options.inputs.empty() ? recorded_inputs(options.model) : read_samples(options.inputs, expected);
  std::string name = options.name;
  if (name.empty()) name = decisions ? decisions->name : std::filesystem::path(options.model).stem().string();
  Module module(options.model, name, strategy);
  TuneOptions how;
  how.progress = progress.get();
  if (decisions) how.decisions = &*decisions;
  Keeper keeper(options.output);
  how.improved = [&keeper](const Module& better) { keeper.keep(better); };
  how.stop = [] { return Interrupt::signal() != 0; };
  const TuneReport report = tune(module, samples, how);
  if (report.dryrun) {
    progress.reset();  // takes its line off the terminal
    if (common.json)
      print_json(nlohmann::ordered_json::parse(report.dryrun->to_json()));
    else
      fmt::print("{}", report.dryrun->text());
    return;
  }
  progress->stage("save");
  save(module, options.output, decisions ? recorded_extra(options.decisions) : ExtraFiles());
  if (!options.report.empty()) write_report(options.output, options.report, {}, *progress);
  progress.reset();
  if (common.json) {
    auto json = nlohmann::ordered_json::parse(report.to_json());
    json["file"] = options.output;
    if (!options.report.empty()) json["report"] = options.report;
    print_json(json);
  } else {
    print_report(report, options.output);
  }
  if (!decisions) print_stopped(report, common);
}

}  // namespace

void add_tune_command(CLI::App& app, Common& common) {
  auto* command = app.add_subcommand("tune", std::string(about_command("tune")));
  const auto options = std::make_shared<CommandLine>();
  std::string settings = "a setting as key=value; there are:";
  for (const auto& help : setting_help())
    settings += fmt::format("\n{} ({}; {}): {}{}", help.field, help.type, help.default_value, help.meaning,
                            help.ignored_by_cpu.empty() ? "" : fmt::format(" [ignored: {}]", help.ignored_by_cpu));
  command
      ->add_option("model", options->model,
                   "the model: a file of torch.export.save (.pt2), of torch.jit.save, or of torch.save of a torch.fx "
                   "GraphModule; or "
                   "an .ait file to tune again")
      ->required();
  command->add_option(
      "-i,--input", options->inputs,
      "samples: .npz, .safetensors, .npy or NAME=FILE.npy; several, or lists; an .ait file brings its own");
  command->add_option("-o,--output", options->output, "the .ait file to write; not needed with --dryrun");
  command->add_option(
      "--shapes", options->shapes,
      "sizes that an input may have: NAME=MIN:OPT:MAX, such as x=1x3x224x224:4x3x224x224:16x3x224x224, or ranges in "
      "one "
      "shape, x=1..4..16x3x224x224, where * leaves a size as it is; or a JSON file. May be given several times");
  command->add_flag("--dryrun{true}", options->dryrun,
                    "build nothing, and print how the model would be cut; --dryrun=FILE also writes it there");
  command->add_option("--name", options->name, "the module's name; the file's if left out");
  command->add_option("--ir", options->ir, "form of the model: dynamo, ts or fx; found from the file if left out");
  command->add_option("--precision", options->precision,
                      "enabled_precisions: fp32, bf16, int8, or some of them with commas");
  command->add_option("--settings", options->settings_files,
                      "a JSON or YAML file with settings by name; --set and --precision come after it");
  command->add_option("--set", options->settings, settings);
  std::vector<std::string> names;
  for (const auto& [name, make] : strategies()) names.push_back(name);
  command->add_option("--strategy", options->strategy, "how one of the backends is chosen")
      ->check(CLI::IsMember(names))
      ->capture_default_str();
  command->add_option("--backend", options->backends,
                      "a backend for the strategy to try: settings beside those of --set, as key=value,key=value or a "
                      "JSON or YAML file; or eager, the reference engine. May be given several times");
  command
      ->add_option("--latency-budget", options->latency_budget,
                   "milliseconds that a call may take, for the strategy latency-budget")
      ->check(number_above_zero());
  command
      ->add_option("--min-speedup", options->min_speedup,
                   "per cent that a backend must be faster than the reference engine, where the strategy asks it")
      ->check(number_from(0))
      ->capture_default_str();
  command->add_option("--pickle-protocol", options->pickle_protocol, "protocol of the pickles in the file, 2 to 5")
      ->check(integer_from(2, 5));
  command->add_option("--decisions", options->decisions,
                      "build what this decision log says (of aitune inspect --decisions), or that in this .ait file, "
                      "instead of searching: the same file, byte for byte; name and settings come from it, too");
  command->add_option("--budget", options->budget,
                      "time that the search may take, such as 60s, 5m or 1h: tune_budget_seconds");
  command->add_option("--report", options->report, "also write a report to this file: .html, .md or .json");
  add_common_options(*command, common);
  command->callback([options, command, &common] {
    check_options(*options, *command);
    tune_model(*options, common);
  });
}

}  // namespace aitune::tools
