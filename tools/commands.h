#pragma once
// The subcommands of aitune, one file each. A function adds its options to a CLI11 app; the callback throws Error.

#include <string>

namespace CLI {
class App;
}

namespace aitune::tools {

/// Options that every subcommand has.
struct Common {
  bool json = false;
  int status = 0;  ///< of a command that has reported its error itself
};

void add_run_command(CLI::App& app, Common& common);
void add_bench_command(CLI::App& app, Common& common);
void add_inspect_command(CLI::App& app, Common& common);
void add_verify_command(CLI::App& app, Common& common);
void add_doctor_command(CLI::App& app, Common& common);
void add_tune_command(CLI::App& app, Common& common);
void add_refit_command(CLI::App& app, Common& common);
void add_cache_command(CLI::App& app, Common& common);

/// Parses the command line and runs the subcommand's callback; returns the exit status. A wrong command line is an
/// InvalidArgument; errors are reported as guarded() does.
int parse_and_run(CLI::App& app, int argc, char** argv, Common& common);

}  // namespace aitune::tools
