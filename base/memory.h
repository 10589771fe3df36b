#pragma once
// How much memory a process here can have at all.

#include <cstdint>

namespace aitune {

/// Bytes: what the machine has, with its swap, or what the control group or RLIMIT_AS leaves of it; not what is free at
/// the moment. AITUNE_MEMORY in the environment, a number of bytes, stands for a smaller machine;
/// throws InvalidArgument for any other text there. Reads /proc and /sys.
std::uint64_t memory_limit();

}  // namespace aitune
