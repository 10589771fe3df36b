// aitune refit: other weights into a tuned file, without tuning again.

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "aitune/aitune.hpp"
#include "base/custom_ops.h"
#include "tools/commands.h"
#include "tools/terminal.h"

namespace aitune::tools {
namespace {

struct RefitOptions {
  std::string file, model, output;
  std::vector<std::string> custom_ops;
  bool quiet = false;
};

void refit_file(const RefitOptions& options, const Common& common) {
  for (const auto& library : options.custom_ops) load_custom_ops(library);
  const auto progress = make_progress(options.quiet);
  refit(options.file, options.model, options.output, progress.get());
  if (common.json)
    print_json({{"file", options.output}});
  else
    fmt::print("{} written: the plans of {} with the weights of {}\n", options.output, options.file, options.model);
}

}  // namespace

void add_refit_command(CLI::App& app, Common& common) {
  auto* command = app.add_subcommand("refit", "Put other weights of the same shapes into an .ait file");
  const auto options = std::make_shared<RefitOptions>();
  command->add_option("file", options->file, "the .ait file, with or without weights")->required();
  command->add_option("model", options->model, "the model with the new weights, in the form that was tuned")
      ->required();
  command->add_option("-o,--output", options->output, "the .ait file to write")->required();
  command->add_option("--custom-ops", options->custom_ops, "libraries of custom operators that the model uses");
  command->add_flag("-q,--quiet", options->quiet, "warnings only");
  command->add_flag("--json", common.json, "print JSON");
  command->callback([options, &common] { refit_file(*options, common); });
}

}  // namespace aitune::tools
