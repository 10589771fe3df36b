#pragma once
// Loops that may have no end.

#include "compiler/passes/pass.h"

namespace aitune {

/// Trips of a loop of which nothing says when it ends.
inline constexpr std::int64_t kMaxTrips = 100'000;

/// Looks at every loop, in regions too: one whose condition depends on nothing that changes from trip to trip is
/// refused (Unsupported, with its node); one that counts towards a bound is left as it is; for any other a warning
/// names the node, and it gets the limit kMaxTrips unless it has one.
void bound_loops(Graph& graph, const PassContext& context);

}  // namespace aitune
