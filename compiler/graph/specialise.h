#pragma once
// A graph for some of its sizes alone.

#include "compiler/graph/graph.h"

namespace aitune {

/// A copy of the graph in which every symbol of `sizes` is the number given there, in types and arguments alike.
/// Weights share their bytes. The result verifies if the graph does and the sizes are within its ranges.
Graph specialise(const Graph& graph, const SymValues& sizes);

}  // namespace aitune
