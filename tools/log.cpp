#include "tools/log.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <ctime>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"

namespace aitune::tools {
namespace {

constexpr std::array<std::string_view, 7> kNames = {"trace", "debug", "info", "warn", "error", "critical", "off"};

class LogProgress final : public Progress {
 public:
  LogProgress(LogLevel least, std::function<void(const std::string&)> write)
      : least_(least), write_(std::move(write)) {}

  void stage(std::string_view name) override { log(LogLevel::info, std::string(name)); }
  void block(std::string_view name, std::size_t index, std::size_t total) override {
    log(LogLevel::debug, fmt::format("{} ({} of {})", name, index + 1, total));
  }
  void step(std::string_view what, std::size_t done, std::size_t total) override {
    if (least_ > LogLevel::trace) return;
    log(LogLevel::trace,
        total == 0 ? std::string(what) : fmt::format("{} ({} of {})", what, std::min(done + 1, total), total));
  }
  void measured(std::string_view plan, double milliseconds) override {
    log(LogLevel::info, fmt::format("{} takes {:.4g} ms", plan, milliseconds));
  }
  void warn(std::string_view message) override { log(LogLevel::warn, std::string(message)); }

 private:
  void log(LogLevel level, const std::string& message) {
    if (level >= least_) write_(log_line(level, message, std::chrono::system_clock::now()));
  }

  const LogLevel least_;
  const std::function<void(const std::string&)> write_;
};

}  // namespace

std::string_view log_level_name(LogLevel level) { return kNames.at(static_cast<std::size_t>(level)); }

LogLevel parse_log_level(std::string_view name, std::string_view where) {
  std::string lower(name);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (lower == "warning") lower = "warn";
  if (lower == "err") lower = "error";
  const auto found = std::ranges::find(kNames, lower);
  if (found == kNames.end())
    throw InvalidArgument(fmt::format("there is no log level '{}'", name), std::string(where),
                          fmt::format("The levels are {}", fmt::join(kNames, ", ")));
  return static_cast<LogLevel>(found - kNames.begin());
}

std::string log_line(LogLevel level, std::string_view message, std::chrono::system_clock::time_point when) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
  const auto milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(when.time_since_epoch()).count() % 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("[{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}] [aitune] [{}] {}", utc.tm_year + 1900, utc.tm_mon + 1,
                     utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, milliseconds, log_level_name(level), message);
}

std::unique_ptr<Progress> make_log_progress(LogLevel least, std::function<void(const std::string&)> write) {
  return std::make_unique<LogProgress>(least, std::move(write));
}

}  // namespace aitune::tools
