#pragma once
// Constants of several plans in one segment.

#include <span>

#include "format/plan.h"

namespace aitune {

/// Moves the constants of other plans (special ones, those for other machines) into the first one's segment, where
/// equal ones are stored once.
void share_constants(BuiltPlan& first, std::span<BuiltPlan* const> others);

}  // namespace aitune
