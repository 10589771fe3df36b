// The aitune command. What needs the compiler is handed to aitune-tune beside it.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstring>
#include <string_view>

#include "aitune/version.h"
#include "base/error.h"
#include "tools/commands.h"
#include "tools/compiler_program.h"
#include "tools/terminal.h"

namespace {

using namespace aitune;
using namespace aitune::tools;

/// Becomes aitune-tune; comes back only with an error.
void hand_over(int argc, char** argv) {
  const std::string program = compiler_program();
  if (program.empty())
    throw Unavailable("the compiler is not installed", std::string("aitune ") + argv[1],
                      "Install aitune with its compiler (aitune-tune), or tune on another machine");
  std::vector<char*> words(argv, argv + argc);
  words.push_back(nullptr);
  execv(program.c_str(), words.data());
  throw IoError(std::string("cannot start it: ") + std::strerror(errno), program);
}

}  // namespace

int main(int argc, char** argv) {
  for (const auto& [name, about] : kCompilerCommands)
    if (argc > 1 && name == argv[1]) return guarded(false, [&] { hand_over(argc, argv); });
  CLI::App app(std::string(kProgramAbout), "aitune");
  app.set_version_flag("--version", kVersion);
  app.require_subcommand(1);
  Common common;
  for (const auto& [name, about] : kCompilerCommands) app.add_subcommand(std::string(name), std::string(about));
  add_run_command(app, common);
  add_bench_command(app, common);
  add_inspect_command(app, common);
  add_verify_command(app, common);
  add_extract_command(app, common);
  add_doctor_command(app, common);
  return parse_and_run(app, argc, argv, common);
}
