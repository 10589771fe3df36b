#pragma once
// Regions of exported programs: torch.no_grad() and torch.autocast blocks become nodes with a graph inside.

#include "compiler/import/dynamo/problems.h"
#include "compiler/import/dynamo/scope.h"

namespace aitune::dynamo {

/// Imports the nodes of a region that only switches gradients, or autocast off, as if they stood outside.
/// Unsupported for regions that switch autocast on.
void inline_region(const JsonView& node, Scope& scope, Graph& graph, Problems& problems);

}  // namespace aitune::dynamo
