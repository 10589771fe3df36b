// aitune-tune: the part of the aitune command that has the compiler in it.

#include <CLI/CLI.hpp>

#include "aitune/version.h"
#include "tools/commands.h"

int main(int argc, char** argv) {
  CLI::App app(std::string(aitune::tools::kProgramAbout), "aitune");
  app.set_version_flag("--version", aitune::kVersion);
  app.require_subcommand(1);
  aitune::tools::Common common;
  aitune::tools::add_tune_command(app, common);
  aitune::tools::add_refit_command(app, common);
  aitune::tools::add_cache_command(app, common);
  aitune::tools::add_report_command(app, common);
  aitune::tools::add_diff_command(app, common);
  aitune::tools::add_compare_command(app, common);
  return aitune::tools::parse_and_run(app, argc, argv, common);
}
