#pragma once
// How much memory a plan needs, known before anything runs.

#include <cstdint>
#include <optional>
#include <string>

#include "format/plan.h"

namespace aitune {

/// Bytes of intermediate results at the largest sizes that the plan serves; nothing where a size that they depend on
/// has no limit to speak of.
std::optional<std::int64_t> largest_arena(const Plan& plan);

/// The same at the smallest sizes: less does no call need. Nothing where it cannot be said.
std::optional<std::int64_t> smallest_arena(const Plan& plan);

/// The same as a formula of the plan's symbols, "12288*s0 + 64"; empty where that would be longer than a line.
std::string arena_formula(const Plan& plan);

}  // namespace aitune
