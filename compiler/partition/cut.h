#pragma once
// Where a graph whose nodes have engines is cut into blocks.

#include <cstddef>
#include <vector>

#include "compiler/graph/graph.h"

namespace aitune {

/// Numbers the blocks: result[i] is the level of node i (in graph order), where engine_of[i] < engine_count is its
/// engine. Nodes of one level have one engine and form a block; along every edge levels do not fall, so blocks are
/// convex and run in the order of their levels. Levels may be left out. Among the cyclic orders of engines, the one
/// with the fewest blocks is taken.
std::vector<std::size_t> cut_levels(const Graph& graph, const std::vector<std::size_t>& engine_of,
                                    std::size_t engine_count);

}  // namespace aitune
