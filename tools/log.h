#pragma once
// Lines with levels on stderr, in the manner of spdlog.

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "compiler/tuning/progress.h"

namespace aitune::tools {

enum class LogLevel { trace, debug, info, warn, error, critical, off };

/// By its name, as spdlog has them, and "warning", "err" and any case. Throws InvalidArgument with `where` and the
/// names.
LogLevel parse_log_level(std::string_view name, std::string_view where);
std::string_view log_level_name(LogLevel level);

/// "[2026-01-31 08:15:00.123] [aitune] [info] tune fp32", of UTC.
std::string log_line(LogLevel level, std::string_view message, std::chrono::system_clock::time_point when);

/// Progress as lines of `least` and above: stages and measured plans are info, blocks debug, candidates trace.
std::unique_ptr<Progress> make_log_progress(LogLevel least, std::function<void(const std::string&)> write);

}  // namespace aitune::tools
