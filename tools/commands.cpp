#include "tools/commands.h"

#include <CLI/CLI.hpp>

#include "tools/terminal.h"

namespace aitune::tools {

int parse_and_run(CLI::App& app, int argc, char** argv, const Common& common) {
  int status = 0;
  // CLI11 calls the subcommand while it parses; its own exceptions must not be taken for ours.
  const int guarded_status = guarded(common.json, [&] {
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      status = app.exit(error) == 0 ? 0 : kExitInput;
    }
  });
  return guarded_status != 0 ? guarded_status : status;
}

}  // namespace aitune::tools
