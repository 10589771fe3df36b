#pragma once
// Nodes that compute with sizes become SymInts.

#include "compiler/import/dynamo/scope.h"

namespace aitune::dynamo {

/// Defines the outputs of a symbolic node (sym_size, + - * // % on sizes, ...) in the scope. Sizes stay
/// formulas; arithmetic on numbers that data decide enters the graph.
void fold_symbolic_node(const JsonView& node, Scope& scope, Graph& graph);

}  // namespace aitune::dynamo
