// aitune report: all that is known of a tuned model, as a page, a text or JSON.

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "compiler/report/gather.h"
#include "compiler/report/render.h"
#include "format/manifest.h"
#include "format/source.h"
#include "format/zip_reader.h"
#include "runtime/archive.h"
#include "tools/commands.h"
#include "tools/numbers.h"
#include "tools/report_file.h"
#include "tools/samples.h"
#include "tools/terminal.h"

namespace aitune::tools {
namespace {

struct ReportCommand {
  std::string model, output = "report.html";
  std::vector<std::string> inputs;
  ReportOptions report;
  bool no_reference = false;
};

std::vector<ExpectedInput> expected_inputs(const std::string& model) {
  std::vector<ExpectedInput> expected;
  for (const ManifestModule& module : read_manifest(ZipReader::open(model)).modules)
    for (const ManifestTensor& input : module.inputs) expected.push_back({input.name, input.shape.size()});
  return expected;
}

void report(const ReportCommand& command, const Common& common) {
  check_report_file(command.output);
  ReportOptions options = command.report;
  options.reference = !command.no_reference;
  if (!command.inputs.empty()) options.inputs = read_samples(command.inputs, expected_inputs(command.model)).front();
  auto progress = make_progress(common);
  write_report(command.model, command.output, options, *progress);
  progress.reset();  // takes its line off the terminal
  if (common.json)
    print_json({{"file", command.output}});
  else
    fmt::print("{} written\n", command.output);
}

}  // namespace

void check_report_file(const std::string& file) {
  check_report_name(file);
  const AtomicFile can_be_written(file);
}

void write_report(const std::string& model, const std::string& file, const ReportOptions& options, Progress& progress) {
  const ModelReport gathered = gather_report(model, options, progress);
  write_file(file, render_report(gathered, file));
}

void add_report_command(CLI::App& app, Common& common) {
  auto* command = app.add_subcommand("report", std::string(about_command("report")));
  const auto options = std::make_shared<ReportCommand>();
  command->add_option("model", options->model, "the .ait file")->required();
  command->add_option("-o,--output", options->output, "the file to write; its ending says how: .html, .md or .json")
      ->capture_default_str();
  command->add_option("-i,--input", options->inputs, "inputs to measure with; the first recorded sample if left out");
  command->add_option("--seconds", options->report.seconds, "how long to measure")->check(number_from(0.01, 3600));
  command->add_option("--threads", options->report.threads, "threads, 0 as tuned")->check(integer_from(0, 1024));
  command->add_flag("--no-reference", options->no_reference,
                    "do not run the reference engine: quick, but without the latency before and errors by value");
  add_common_options(*command, common);
  add_custom_ops_option(*command);
  command->callback([options, &common] { report(*options, common); });
}

}  // namespace aitune::tools
