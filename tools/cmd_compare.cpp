// aitune compare: whether two files, or a file and its model, give the same, and where they part.

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "compiler/import/import.h"
#include "compiler/report/compare.h"
#include "format/zip_reader.h"
#include "runtime/archive.h"
#include "runtime/bundle.h"
#include "tools/commands.h"
#include "tools/numbers.h"
#include "tools/samples.h"
#include "tools/terminal.h"

namespace aitune::tools {
namespace {

struct CompareCommand {
  std::string a, b;
  std::vector<std::string> inputs;
  CompareOptions options;
};

/// What the first of the two expects: it names its inputs.
std::vector<ExpectedInput> expected_inputs(const std::string& path) {
  std::vector<ExpectedInput> expected;
  if (const ZipReader zip = ZipReader::open(path); zip.find_in_top(kManifestEntry) || is_bundle(zip)) {
    for (const ManifestModule& module : read_manifest(zip).modules)
      for (const ManifestTensor& input : module.inputs) expected.push_back({input.name, input.shape.size()});
  } else {
    for (const ModelInput& input : model_inputs(path, detect_ir(path))) expected.push_back({input.name, input.rank});
  }
  return expected;
}

void print_first(const FirstDifference& first) {
  if (first.block)
    fmt::print("first block that differs: {} ({}), in step {} ({})\n", *first.block, first.engine, *first.step,
               first.kernel.substr(0, 64));
  fmt::print("first value that differs: %{}, relative error {:.1e} on sample {}\n", first.value, first.error,
             first.sample);
  for (const ComparedNode& node : first.nodes)
    fmt::print("  computes %{} = {}{}{}\n", node.name, node.op, node.module.empty() ? "" : " in " + node.module,
               node.code.empty() ? "" : " at " + node.code);
  if (!first.value_before.empty())
    fmt::print("the value before, %{}, agrees: {:.1e}\n", first.value_before, first.error_before);
}

void compare(const CompareCommand& command, Common& common) {
  CompareOptions options = command.options;
  if (!command.inputs.empty()) options.inputs = read_samples(command.inputs, expected_inputs(command.a));
  auto progress = make_progress(common);
  const CompareReport report = compare_models(command.a, command.b, options, *progress);
  progress.reset();  // takes its line off the terminal
  if (!report.same) common.status = kExitMachine;
  if (common.json) {
    auto json = nlohmann::ordered_json::parse(report.to_json());
    json["a"] = command.a;
    json["b"] = command.b;
    print_json(json);
    return;
  }
  for (const OutputComparison& output : report.outputs)
    fmt::print("{} {}: relative error at most {:.1e} (sample {}), allowed {:.1e}\n",
               output.error <= report.tolerance ? "same  " : "differs", output.name, output.error, output.sample,
               report.tolerance);
  if (report.first)
    print_first(*report.first);
  else if (!report.same)
    fmt::print("none of the {} values that both have differs before the outputs do\n", report.values);
  else
    fmt::print("the same on {} sample{}\n", report.samples, report.samples == 1 ? "" : "s");
}

}  // namespace

void add_compare_command(CLI::App& app, Common& common) {
  auto* command = app.add_subcommand("compare", std::string(about_command("compare")));
  const auto options = std::make_shared<CompareCommand>();
  command->add_option("a", options->a, "an .ait file, or a saved model, which the reference engine runs")->required();
  command->add_option("b", options->b, "another, which counts as right")->required();
  command->add_option("-i,--input", options->inputs, "inputs; the samples in A, or in B, if left out");
  command
      ->add_option("--tolerance", options->options.tolerance,
                   "relative error allowed; what the files were tuned with if left out")
      ->check(number_above_zero());
  command->add_option("--threads", options->options.threads, "threads, 0 as tuned")->check(integer_from(0, 1024));
  add_common_options(*command, common);
  add_custom_ops_option(*command);
  command->callback([options, &common] { compare(*options, common); });
}

}  // namespace aitune::tools
