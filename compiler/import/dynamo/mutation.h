#pragma once
// Programs that write to what they were given.

#include <string>
#include <vector>

#include "compiler/graph/graph.h"

namespace aitune::dynamo {

/// The inputs and weights that nodes of the graph write into, through any chain of views: "input x", "buffer bn.mean".
/// In-place operators on intermediate results are fine and not listed.
std::vector<std::string> mutated_names(const Graph& graph);

}  // namespace aitune::dynamo
