// aitune tune: a saved PyTorch model in, a tuned .ait out.

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "aitune/aitune.hpp"
#include "compiler/import/import.h"
#include "tools/commands.h"
#include "tools/samples.h"
#include "tools/terminal.h"

namespace aitune::tools {
namespace {

struct TuneOptions {
  std::string model, output, name, ir, precision;
  std::vector<std::string> inputs, settings;
  int pickle_protocol = kDefaultPickleProtocol;
  bool quiet = false;
};

TorchTensorRTAotBackendConfig make_config(const TuneOptions& options) {
  TorchTensorRTAotBackendConfig config;
  config.ir = options.ir.empty() ? detect_ir(options.model) : parse_ir(options.ir);
  config.pickle_protocol = options.pickle_protocol;
  for (const auto& text : options.settings) {
    const auto equals = text.find('=');
    if (equals == std::string::npos) throw InvalidArgument(fmt::format("'{}' is not key=value", text), "--set");
    config.compile_config.set(text.substr(0, equals), text.substr(equals + 1));
  }
  if (!options.precision.empty()) config.compile_config.set("enabled_precisions", options.precision);
  return config;
}

void print_report(const TuneReport& report, const std::string& path) {
  for (const auto& c : report.candidates)
    fmt::print("{}: {}, relative error {:.1e}, {} steps, built in {:.1f} s{}\n", c.precision,
               human_time(c.milliseconds), c.worst_error, c.steps, c.build_seconds,
               c.correct ? "" : " (refused: " + c.problem + ")");
  for (const auto& f : report.fallbacks) fmt::print("on the reference engine: {}\n", f);
  fmt::print("{} written: {}, {} a run (reference engine {}), tuned in {:.1f} s\n", path, report.chosen,
             human_time(report.milliseconds), human_time(report.baseline_milliseconds), report.seconds);
}

void tune_model(const TuneOptions& options, const Common& common) {
  const OneBackendStrategy strategy{TorchTensorRTAotBackend{make_config(options)}};
  const auto progress = make_progress(options.quiet);
  std::vector<ExpectedInput> expected;
  {
    // Which tensors a sample has, before the long work begins.
    progress->stage("import");
    for (const auto& input : model_inputs(options.model, strategy.backend().config().ir))
      expected.push_back({input.name, input.rank});
  }
  const auto samples = options.inputs.empty() ? recorded_inputs(options.model) : read_samples(options.inputs, expected);
  const std::string name = options.name.empty() ? std::filesystem::path(options.model).stem().string() : options.name;
  Module module(options.model, name, strategy);
  const TuneReport report = tune(module, samples, progress.get());
  progress->stage("save");
  save(module, options.output);
  if (common.json) {
    auto json = nlohmann::ordered_json::parse(report.to_json());
    json["file"] = options.output;
    fmt::print("{}\n", json.dump(2));
  } else {
    print_report(report, options.output);
  }
}

}  // namespace

void add_tune_command(CLI::App& app, Common& common) {
  auto* command = app.add_subcommand("tune", "Tune a model for this machine and save it as an .ait file");
  const auto options = std::make_shared<TuneOptions>();
  std::string settings = "a setting as key=value; there are:";
  for (const auto& help : setting_help()) settings += fmt::format("\n{} ({}): {}", help.field, help.type, help.meaning);
  command
      ->add_option("model", options->model,
                   "the model: a .pt2 file of torch.export.save, or an .ait file to tune again")
      ->required();
  command->add_option(
      "-i,--input", options->inputs,
      "samples: .npz, .safetensors, .npy or NAME=FILE.npy; several, or lists; an .ait file brings its own");
  command->add_option("-o,--output", options->output, "the .ait file to write")->required();
  command->add_option("--name", options->name, "the module's name; the file's if left out");
  command->add_option("--ir", options->ir, "form of the model: dynamo, ts or fx; found from the file if left out");
  command->add_option("--precision", options->precision, "enabled_precisions: fp32, bf16, or both with a comma");
  command->add_option("--set", options->settings, settings);
  command->add_option("--pickle-protocol", options->pickle_protocol, "protocol of the pickles in the file, 2 to 5");
  command->add_flag("-q,--quiet", options->quiet, "warnings only");
  command->add_flag("--json", common.json, "print JSON");
  command->callback([options, &common] { tune_model(*options, common); });
}

}  // namespace aitune::tools
