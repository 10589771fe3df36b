// aitune refit: other weights into a tuned file, without tuning again.

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "aitune/aitune.hpp"
#include "base/custom_ops.h"
#include "format/source.h"
#include "tools/commands.h"
#include "tools/samples.h"
#include "tools/terminal.h"

namespace aitune::tools {
namespace {

struct RefitOptions {
  std::string file, model, output;
};

void refit_file(const RefitOptions& options, const Common& common) {
  refuse_loss(options.output, {&options.model, 1});
  static_cast<void>(AtomicFile(options.output));  // what cannot be written is known before the long work
  auto progress = make_progress(common);
  refit(options.file, options.model, options.output, progress.get());
  progress.reset();  // takes its line off the terminal
  if (common.json)
    print_json({{"file", options.output}});
  else
    fmt::print("{} written: the plans of {} with the weights of {}\n", options.output, options.file, options.model);
}

}  // namespace

void add_refit_command(CLI::App& app, Common& common) {
  auto* command = app.add_subcommand("refit", std::string(about_command("refit")));
  const auto options = std::make_shared<RefitOptions>();
  command->add_option("file", options->file, "the .ait file, with or without weights")->required();
  command->add_option("model", options->model, "the model with the new weights, in the form that was tuned")
      ->required();
  command->add_option("-o,--output", options->output, "the .ait file to write")->required();
  add_custom_ops_option(*command);
  add_common_options(*command, common);
  command->callback([options, &common] { refit_file(*options, common); });
}

}  // namespace aitune::tools
