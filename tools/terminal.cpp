#include "tools/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <system_error>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/log.h"
#include "tools/time_left.h"

namespace aitune::tools {
namespace {

using Clock = std::chrono::steady_clock;

class TerminalProgress final : public Progress {
 public:
  TerminalProgress(bool terminal, bool quiet, double budget)
      : terminal_(terminal),
        quiet_(quiet),
        time_left_([this] { return Clock::now() - start_; },
                   budget > 0 ? std::optional(TimeLeft::Seconds(budget)) : std::nullopt) {}
  ~TerminalProgress() override { clear(); }

  void stage(std::string_view name) override {
    stage_ = name;
    block_.clear();
    time_left_.stage();
    if (quiet_) return;
    if (terminal_)
      show("");
    else
      fmt::print(stderr, "[{:6.1f} s] {}\n", elapsed(), stage_);
  }
  void block(std::string_view name, std::size_t index, std::size_t total) override {
    time_left_.block(index, total);
    block_ = total > 1 ? fmt::format(" {} of {}", name, total) : "";
  }
  void behind(double seconds) override { time_left_.behind(TimeLeft::Seconds(seconds)); }
  void step(std::string_view what, std::size_t done, std::size_t total) override {
    time_left_.step(done, total);
    if (quiet_ || !terminal_) return;
    const auto now = Clock::now();
    if (now - last_ < std::chrono::milliseconds(50) && done < total) return;
    last_ = now;
    show(total == 0 || done == total ? std::string(what) : fmt::format("{}/{} {}", done + 1, total, what));
  }
  void measured(std::string_view plan, double milliseconds) override {
    if (best_.empty() || milliseconds < best_milliseconds_) {
      best_milliseconds_ = milliseconds;
      best_ = fmt::format("best so far {}, {}", plan, human_time(milliseconds));
    }
    if (!quiet_ && !terminal_)
      fmt::print(stderr, "[{:6.1f} s] {} takes {}\n", elapsed(), plan, human_time(milliseconds));
  }
  void warn(std::string_view message) override {
    clear();
    fmt::print(stderr, "warning: {}\n", message);
  }

 private:
  double elapsed() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  /// What is known comes first: a line is cut to what a terminal has room for.
  void show(const std::string& detail) {
    std::string line = fmt::format("[{:6.1f} s] {}{}", elapsed(), stage_, block_);
    if (!best_.empty()) line += ", " + best_;
    if (const auto left = time_left_.left()) line += fmt::format(", about {:.0f} s left", left->count());
    line += " " + detail;
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
  std::string stage_, block_, best_;
  double best_milliseconds_ = 0;
  Clock::time_point start_ = Clock::now(), last_{};
  TimeLeft time_left_;
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

std::string human_time(double ms) {
  return ms < 1     ? fmt::format("{:.0f} us", ms * 1e3)
         : ms < 1e4 ? fmt::format("{:.3g} ms", ms)
                    : fmt::format("{:.3g} s", ms / 1e3);
}

std::string human_bytes(double bytes) {
  return bytes < 1e3   ? fmt::format("{:.0f} B", bytes)
         : bytes < 1e6 ? fmt::format("{:.1f} kB", bytes / 1e3)
                       : fmt::format("{:.1f} MB", bytes / 1e6);
}

}  // namespace aitune::tools
