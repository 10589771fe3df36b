// aitune extract: one module of a file that holds several, as a file of its own.

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "format/source.h"
#include "runtime/archive.h"
#include "tools/commands.h"
#include "tools/model.h"
#include "tools/samples.h"
#include "tools/terminal.h"

namespace aitune::tools {
namespace {

struct ExtractOptions {
  std::string model, module, output;
};

void extract(const ExtractOptions& options, const Common& common) {
  refuse_loss(options.output, {&options.model, 1});
  const ZipReader zip = open_ait(options.model, options.module);
  verify_entries(zip);
  write_file(options.output, zip.file_bytes());
  if (common.json)
    print_json({{"file", options.output}, {"module", read_manifest(zip).name}});
  else
    fmt::print("{} written\n", options.output);
}

}  // namespace

void add_extract_command(CLI::App& app, Common& common) {
  auto* command = app.add_subcommand("extract", "Take one module out of a file that holds several");
  const auto options = std::make_shared<ExtractOptions>();
  command->add_option("model", options->model, "the .ait file")->required();
  add_module_option(*command, options->module);
  command->add_option("-o,--output", options->output, "the .ait file to write")->required();
  add_common_options(*command, common);
  command->callback([options, &common] { extract(*options, common); });
}

}  // namespace aitune::tools
