#pragma once
// What every subcommand shares: how errors end a program, and how progress is shown.

#include <functional>
#include <memory>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "base/error.h"
#include "base/units.h"
#include "compiler/tuning/progress.h"
#include "tools/commands.h"

namespace aitune::tools {

/// Exit statuses beside 0.
inline constexpr int kExitInput = 1;  ///< something given is wrong or not supported
inline constexpr int kExitMachine =
    2;  ///< this machine cannot do it: disk, device, missing library; or results are wrong
inline constexpr int kExitInternal = 3;  ///< a bug of aitune

int exit_status(ErrorCode code);

/// Runs a command's body; an error becomes one message on stderr (and with `json` an object {"error": ...} on stdout,
/// where nothing else is then) and a status.
int guarded(const bool& json, const std::function<void()>& body);  ///< `json` is read when an error comes

/// What a command with --json prints: one object on stdout. Text that is not UTF-8 (names of files) is made so.
void print_json(const nlohmann::ordered_json& object);

/// Throws IoError unless all that was printed has arrived: a full disk behind stdout is an error like any other.
void flush_output();

/// On stderr: a line that is rewritten in place on a terminal, plain lines elsewhere; log lines where a level is given,
/// by the command line or by AITUNE_LOG; warnings alone if quiet.
/// Time left is never more than what is left of `budget` seconds, if that is not 0.
std::unique_ptr<Progress> make_progress(const Common& common, double budget = 0);

}  // namespace aitune::tools
