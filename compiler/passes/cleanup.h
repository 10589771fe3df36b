#pragma once
#include "compiler/passes/pass.h"

namespace aitune {

/// Removes nodes without effect on the outputs, and weights that no node uses.
void eliminate_dead_code(Graph& graph, const PassContext& context);

/// Calls of one operator with equal arguments become one; so do weights with the same bytes of the same memory.
void eliminate_common_subexpressions(Graph& graph, const PassContext& context);

/// Whether two calls with equal arguments give equal results.
bool is_deterministic(const Node& node);

}  // namespace aitune
