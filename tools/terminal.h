#pragma once
// What every subcommand shares: how errors end a program, and how progress is shown.

#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "compiler/tuning/progress.h"

namespace aitune::tools {

/// Exit statuses beside 0.
inline constexpr int kExitInput = 1;  ///< something given is wrong or not supported
inline constexpr int kExitMachine =
    2;  ///< this machine cannot do it: disk, device, missing library; or results are wrong
inline constexpr int kExitInternal = 3;  ///< a bug of aitune

int exit_status(ErrorCode code);

/// Runs a command's body; an error becomes one message on stderr (and a JSON object on stdout with `json`) and a
/// status.
int guarded(const bool& json, const std::function<void()>& body);  ///< `json` is read when an error comes

/// A line that is rewritten in place on a terminal, plain lines elsewhere; stderr. `quiet` shows warnings alone.
std::unique_ptr<Progress> make_progress(bool quiet);

/// "1.5 ms", "12.3 MB"
std::string human_time(double milliseconds);
std::string human_bytes(double bytes);

}  // namespace aitune::tools
