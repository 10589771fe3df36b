#pragma once
// Exported nodes that become nodes of our graph.

#include <optional>
#include <string>

#include "compiler/import/dynamo/problems.h"
#include "compiler/import/dynamo/scope.h"

namespace aitune::dynamo {

/// Imports every node of the scope's graph, in order: operators are appended to `graph`, arithmetic on sizes is folded,
/// assertions are dropped, regions that change nothing are inlined. Calls that are not supported go to
/// `problems` (unknown operators are there already); their results are taken as the file declares them, and the graph
/// is of no use then.
void import_nodes(Scope& scope, Graph& graph, Problems& problems);

/// The program's own name for a size that data decide: what it declares of the result where that size stands; "data"
/// for lack of one.
std::string declared_symbol(const std::optional<SymInt>& size);

}  // namespace aitune::dynamo
