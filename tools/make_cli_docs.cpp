// Run by the build: writes completions and the manual page to the folder that it is given.

#include <CLI/CLI.hpp>
#include <filesystem>

#include "aitune/version.h"
#include "format/source.h"
#include "tools/cli_docs.h"
#include "tools/commands.h"
#include "tools/terminal.h"

int main(int argc, char** argv) {
  using namespace aitune;
  using namespace aitune::tools;
  return guarded(false, [&] {
    if (argc != 2) throw InvalidArgument("give one folder", "make_cli_docs");
    const std::filesystem::path folder = argv[1];
    CLI::App app(std::string(kProgramAbout), "aitune");
    app.set_version_flag("--version", kVersion);
    Common common;
    for (const auto add : {add_tune_command, add_run_command, add_bench_command, add_inspect_command,
                           add_verify_command, add_extract_command, add_refit_command, add_cache_command,
                           add_report_command, add_diff_command, add_compare_command, add_doctor_command})
      add(app, common);
    std::filesystem::create_directories(folder);
    write_file(folder / "aitune", bash_completion(app));
    write_file(folder / "_aitune", zsh_completion(app));
    write_file(folder / "aitune.fish", fish_completion(app));
    write_file(folder / "aitune.1", manual_page(app, kVersion));
  });
}
