#include "tools/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <system_error>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "compiler/tuning/progress_state.h"
#include "tools/log.h"

namespace aitune::tools {
namespace {

class TerminalProgress final : public Progress {
 public:
  TerminalProgress(bool terminal, bool quiet, double budget) : terminal_(terminal), quiet_(quiet), state_(budget) {}
  ~TerminalProgress() override { clear(); }

  void stage(std::string_view name) override {
    state_.stage(name);
    if (quiet_) return;
    if (terminal_)
      show("");
    else
      fmt::print(stderr, "[{:6.1f} s] {}\n", state_.elapsed(), name);
  }
  void block(std::string_view name, std::size_t index, std::size_t total) override { state_.block(name, index, total); }
  void ahead(double seconds) override { state_.ahead(seconds); }
  void step(std::string_view what, std::size_t done, std::size_t total) override {
    state_.step(done, total);
    if (quiet_ || !terminal_) return;
    const double now = state_.elapsed();
    if (now - last_ < kMostOften && done < total) return;
    last_ = now;
    show(total == 0 || done == total ? std::string(what) : fmt::format("{}/{} {}", done + 1, total, what));
  }
  void measured(std::string_view plan, double milliseconds) override {
    state_.measured(plan, milliseconds);
    if (!quiet_ && !terminal_)
      fmt::print(stderr, "[{:6.1f} s] {} takes {}\n", state_.elapsed(), plan, human_time(milliseconds));
  }
  void warn(std::string_view message) override {
    clear();
    fmt::print(stderr, "warning: {}\n", message);
  }

 private:
  static constexpr double kMostOften = 0.05;  // seconds

  /// What is known comes first: a line is cut to what a terminal has room for.
  void show(const std::string& detail) {
    std::string line =
        fmt::format("[{:6.1f} s] {}{} {}", state_.elapsed(), state_.current_stage(), state_.text(), detail);
    line.resize(std::min(line.size(), columns() - 1));
    fmt::print(stderr, "\r\033[K{}", line);
    std::fflush(stderr);
    shown_ = true;
  }
  /// Of the terminal now: a line that wraps would stay when the next one is drawn over it.
  static std::size_t columns() {
    constexpr std::size_t kUsual = 80, kLeast = 20;
    winsize size{};
    const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return std::max<std::size_t>(known ? size.ws_col : kUsual, kLeast);
  }
  void clear() {
    if (!shown_) return;
    fmt::print(stderr, "\r\033[K");
    std::fflush(stderr);
    shown_ = false;
  }

  const bool terminal_, quiet_;
  bool shown_ = false;
  double last_ = 0;
  ProgressState state_;
};

int report(bool json, const Error& error) noexcept {
  try {
    if (json) {
      const nlohmann::ordered_json object = {{"error",
                                              {{"code", error_code_name(error.code())},
                                               {"message", error.what()},
                                               {"where", error.where()},
                                               {"fix", error.fix()},
                                               {"status", exit_status(error.code())}}}};
      std::puts(object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    }
  } catch (const std::exception&) {
    // Refused the memory for the object: the line below says what there is to say.
  }
  std::fprintf(stderr, "aitune: %s\n", error.what());
  return exit_status(error.code());
}

}  // namespace

int exit_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::ok:
      return 0;
    case ErrorCode::invalid_argument:
    case ErrorCode::not_found:
    case ErrorCode::corrupt:
    case ErrorCode::unsupported:
      return kExitInput;
    case ErrorCode::incompatible:
    case ErrorCode::unavailable:
    case ErrorCode::io:
    case ErrorCode::validation:
      return kExitMachine;
    case ErrorCode::internal:
      return kExitInternal;
  }
  return kExitInternal;
}

int guarded(const bool& json, const std::function<void()>& body) {
  try {
    body();
    return 0;
  } catch (const Error& error) {
    return report(json, error);
  } catch (const std::bad_alloc&) {
    return report(json, IoError("there is not enough memory", "", "Use a machine with more memory, or smaller inputs"));
  } catch (const std::system_error& error) {  // no more threads, or standard output is gone
    return report(json, IoError(error.what(), "the system refused",
                                "Check the limits of this process: threads, open files, disk space"));
  } catch (const std::exception& error) {
    return report(json, InternalError(std::string("internal error: ") + error.what(), "",
                                      "This is a bug of aitune: please report it with the command line"));
  }
}

void print_json(const nlohmann::ordered_json& object) {
  fmt::print("{}\n", object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

void flush_output() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return;
  throw IoError(fmt::format("cannot write: {}", std::generic_category().message(errno)), "standard output");
}

std::unique_ptr<Progress> make_progress(const Common& common, double budget) {
  const char* variable = std::getenv("AITUNE_LOG");
  const bool by_variable = common.log_level.empty() && variable != nullptr && *variable != 0;
  if (common.log_level.empty() && !by_variable)
    return std::make_unique<TerminalProgress>(isatty(STDERR_FILENO) != 0, common.quiet, budget);
  const LogLevel level =
      by_variable ? parse_log_level(variable, "AITUNE_LOG") : parse_log_level(common.log_level, "--log-level");
  return make_log_progress(common.quiet ? std::max(level, LogLevel::warn) : level,
                           [](const std::string& line) { fmt::print(stderr, "{}\n", line); });
}

}  // namespace aitune::tools
