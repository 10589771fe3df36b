#pragma once
// torch.export's map and scan: a graph for every slice of tensors along their first dimension.

#include "compiler/graph/graph.h"
#include "compiler/import/dynamo/problems.h"
#include "compiler/import/dynamo/scope.h"

namespace aitune::dynamo {

/// Imports the inner graph once for each slice, as if its nodes stood outside; what slices give is stacked. Unsupported
/// where the number of slices moves, or is very large.
void import_unrolled(const JsonView& node, Scope& scope, Graph& graph, Problems& problems);

}  // namespace aitune::dynamo
