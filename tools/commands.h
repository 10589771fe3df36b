#pragma once
// The subcommands of aitune, one file each. A function adds its options to a CLI11 app; the callback throws Error.

#include <array>
#include <string>
#include <string_view>

namespace CLI {
class App;
}

namespace aitune::tools {

inline constexpr std::string_view kProgramAbout =
    "Ahead-of-time compiler for PyTorch models: tune once, run anywhere with a small runtime.";

/// A command that needs the compiler: aitune hands it over to aitune-tune.
struct CompilerCommand {
  std::string_view name, about;
};
inline constexpr std::array kCompilerCommands = {
    CompilerCommand{"tune", "Tune a model for this machine and save it as an .ait file"},
    CompilerCommand{"refit", "Put other weights of the same shapes into an .ait file"},
    CompilerCommand{"cache", "List, verify or prune what tuning remembers"},
    CompilerCommand{"report", "Write a report on a tuned model: a page to look at, Markdown or JSON"},
    CompilerCommand{"diff", "Name the decisions in which two files differ"},
    CompilerCommand{"compare", "Compare two files, or a file and its model, and find where they part"},
};
/// What it is about.
constexpr std::string_view about_command(std::string_view name) {
  for (const CompilerCommand& command : kCompilerCommands)
    if (command.name == name) return command.about;
  return {};
}

/// Options that every subcommand has.
struct Common {
  bool json = false;
  bool quiet = false;     ///< nothing but warnings, errors and JSON is printed
  std::string log_level;  ///< as given; empty: AITUNE_LOG, or progress as a terminal shows it
  int status = 0;         ///< of a command that has reported its error itself
  int error_status = 0;   ///< of every error of a command that does not tell kinds of them apart; 0: by kind
};

void add_run_command(CLI::App& app, Common& common);
void add_bench_command(CLI::App& app, Common& common);
void add_inspect_command(CLI::App& app, Common& common);
void add_verify_command(CLI::App& app, Common& common);
void add_extract_command(CLI::App& app, Common& common);
void add_doctor_command(CLI::App& app, Common& common);
void add_tune_command(CLI::App& app, Common& common);
void add_refit_command(CLI::App& app, Common& common);
void add_cache_command(CLI::App& app, Common& common);
void add_diff_command(CLI::App& app, Common& common);
void add_report_command(CLI::App& app, Common& common);
void add_compare_command(CLI::App& app, Common& common);

/// Adds the options in Common: --json, --quiet and --log-level.
void add_common_options(CLI::App& command, Common& common);

/// Adds --custom-ops, whose libraries are loaded while the command line is read.
void add_custom_ops_option(CLI::App& command);
/// --module, for files that hold several.
void add_module_option(CLI::App& command, std::string& module);
/// --weight-budget, in bytes.
void add_weight_budget_option(CLI::App& command, std::uint64_t& budget);

/// Parses the command line and runs the subcommand's callback; returns the exit status. A wrong command line is an
/// InvalidArgument; errors are reported as guarded() does.
int parse_and_run(CLI::App& app, int argc, char** argv, Common& common);

}  // namespace aitune::tools
