#pragma once
// What becomes of a command whose process is struck by a signal.

namespace aitune::tools {

/// From here on, a crash prints one message and ends the process with kExitInternal, and a file that shrinks while it
/// is mapped does so with kExitMachine, instead of dying by the signal. A plan's machine code is trusted; this is for
/// the day when that was a mistake.
void report_crashes();

/// Back to dying by the signal, for a child process whose parent looks at how it ended.
void die_of_crashes();

}  // namespace aitune::tools
