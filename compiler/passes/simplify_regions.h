#pragma once
// `if` and `loop`: what is known when tuning leaves them.

#include "compiler/passes/pass.h"

namespace aitune {

/// An `if` whose condition is constant becomes what it would run; a loop that does not begin becomes what it carries.
/// Weights among the operands move into the regions, where engines see them as constants. Operands that no region
/// reads, results that nobody reads, and values that a loop carries without changing them are taken out.
void simplify_regions(Graph& graph, const PassContext& context);

}  // namespace aitune
