#pragma once
// torch.export's map and scan: a graph for every slice of tensors along their first dimension.

#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/import/dynamo/problems.h"
#include "compiler/import/dynamo/region_values.h"
#include "compiler/import/dynamo/scope.h"

namespace aitune::dynamo {

/// A call of map or scan: what a slice hands on to the next one, what is sliced, and what all see.
struct SlicedCall {
  JsonView node, graph;
  std::vector<RegionOperand> carried, sliced, additional;
  SymInt count;  // of slices
  std::vector<RegionResult> results;
};

/// Imports a call of map or scan. Few slices stand in the graph one after the other, as if their nodes stood outside;
/// many, and a number of them that moves, become a loop.
void import_sliced(const JsonView& node, Scope& scope, Graph& graph, Problems& problems);

/// The call as a loop that carries a counter, what slices hand on, and what they give, row by row.
void loop_over_slices(SlicedCall call, Scope& scope, Graph& graph, Problems& problems);

}  // namespace aitune::dynamo
