#pragma once
// torch.cond and torch.while_loop.

#include "compiler/import/dynamo/problems.h"
#include "compiler/import/dynamo/scope.h"

namespace aitune::dynamo {

/// Imports a call of higher_order.cond or higher_order.while_loop as a node with regions. What it needs and aitune does
/// not have goes to `problems`.
void import_control_flow(const JsonView& node, Scope& scope, Graph& graph, Problems& problems);

}  // namespace aitune::dynamo
