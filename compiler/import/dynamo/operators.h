#pragma once
// Exported nodes that become nodes of our graph.

#include "compiler/import/dynamo/scope.h"

namespace aitune::dynamo {

/// Imports every node of the scope's graph, in order: operators are appended to `graph`, arithmetic on sizes is folded,
/// assertions are dropped, regions that change nothing are inlined. All targets must be known (refuse_unknown_targets).
void import_nodes(Scope& scope, Graph& graph);

}  // namespace aitune::dynamo
