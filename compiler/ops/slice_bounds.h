#pragma once
// Bounds of slices that lie beyond what sizes can be: x[:, -63:] of fewer than 63 columns is all of them.

#include "compiler/graph/graph.h"

namespace aitune {

/// Clamps constant bounds of a slice of a size that moves, as PyTorch clamps them when it runs: to the beginning or the
/// end where they lie beyond it for all sizes in the graph's ranges, and by a formula where for some. The shape rule
/// takes the others for bounds within the size. Calls of other operators stay.
void clamp_slice(const Graph& graph, const OpInfo& op, ArgList& args);

}  // namespace aitune
