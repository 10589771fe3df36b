#pragma once
// Nodes that compute with sizes become SymInts.

#include "compiler/import/dynamo/scope.h"

namespace aitune::dynamo {

/// Defines the outputs of a symbolic node (sym_size, + - * // % on sizes, ...) in the scope; nothing enters the graph.
void fold_symbolic_node(const JsonView& node, Scope& scope);

}  // namespace aitune::dynamo
