#include "tools/commands.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/custom_ops.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/target.h"
#include "tools/crash.h"
#include "tools/log.h"
#include "tools/numbers.h"
#include "tools/terminal.h"

namespace aitune::tools {
namespace {

/// "run: --threads: ..." of CLI11 as one of our errors, with the subcommands where one of them is missing or unknown.
[[noreturn]] void refuse_command_line(const CLI::App& app, const CLI::ParseError& error, std::string_view first) {
  std::string command, problem = error.what();
  for (const CLI::App* sub : app.get_subcommands()) command = sub->get_name();
  std::ranges::replace(problem, '\n', ' ');
  while (!problem.empty() && (problem.back() == ' ' || problem.back() == '.')) problem.pop_back();
  if (!command.empty()) throw InvalidArgument(problem, command, fmt::format("See: aitune {} --help", command));
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(sub->get_name());
  if (!first.empty() && first[0] != '-') problem = fmt::format("there is no command '{}'", first);
  throw InvalidArgument(problem, "command line",
                        fmt::format("The commands are {}; see: aitune --help", fmt::join(names, ", ")));
}

/// Refuses variables that are wrong, before they are wanted.
void check_environment() {
  static_cast<void>(host_cpu());
  static_cast<void>(memory_limit());
  if (const char* level = std::getenv("AITUNE_LOG"); level && *level)
    static_cast<void>(parse_log_level(level, "AITUNE_LOG"));
}

}  // namespace

void add_module_option(CLI::App& command, std::string& module) {
  command.add_option("--module", module, "which module, by name or number (0, 1, ...), of a file that holds several");
}

void add_weight_budget_option(CLI::App& command, std::uint64_t& budget) {
  command
      .add_option("--weight-budget", budget,
                  "bytes of weights that may be in memory, such as 64MB; the others stay in the file. 0: no limit, or "
                  "what two steps need if the file was tuned with enable_weight_streaming")
      ->transform(as_bytes());
}

void add_custom_ops_option(CLI::App& command) {
  command
      .add_option_function<std::vector<std::string>>(
          "--custom-ops",
          [](const std::vector<std::string>& libraries) {
            for (const std::string& library : libraries) load_custom_ops(library);
          },
          "libraries of custom operators that the model needs; they are loaded into this process")
      ->allow_extra_args(false);
}

void add_common_options(CLI::App& command, Common& common) {
  command.add_flag("--json", common.json, "print JSON");
  command.add_flag("-q,--quiet", common.quiet, "print nothing but warnings, errors, and JSON if it is asked for");
  command.add_option("--log-level", common.log_level,
                     "progress as log lines of this level and above: trace, debug, info, warn, error, critical or off; "
                     "AITUNE_LOG if left out");
  command.parse_complete_callback([&common] {  // before the command itself
    check_environment();
    if (!common.log_level.empty()) static_cast<void>(parse_log_level(common.log_level, "--log-level"));
    if (common.quiet && !common.json && std::freopen("/dev/null", "w", stdout) == nullptr)
      throw IoError(std::string("cannot open it: ") + std::strerror(errno), "/dev/null");
  });
}

int parse_and_run(CLI::App& app, int argc, char** argv, Common& common) {
  report_crashes();
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error of write(), not the end of the process
  // A command line that cannot be parsed still says how its error is wanted.
  common.json = std::any_of(argv, argv + argc, [](const char* word) { return std::string_view(word) == "--json"; });
  const int status = guarded(common.json, [&] {
    // CLI11 calls the subcommand while it parses; its own exceptions must not be taken for ours.
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      if (error.get_exit_code() != 0) refuse_command_line(app, error, argc > 1 ? argv[1] : "");
      app.exit(error);  // --help and --version
    }
    flush_output();
  });
  if (status != 0 && common.error_status != 0) return common.error_status;
  return status != 0 ? status : common.status;
}

}  // namespace aitune::tools
