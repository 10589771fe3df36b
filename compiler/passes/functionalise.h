#pragma once
#include "compiler/passes/pass.h"

namespace aitune {

/// Turns in-place operators into their functional forms, and removes what only matters to memory or training: clone,
/// detach, contiguous, dropout in evaluation mode, assertions, casts to the same dtype. Throws Unsupported, naming all
/// nodes, on writes that other names of the same memory would see, on writes to weights, and on training-mode nodes.
void functionalise(Graph& graph, const PassContext& context);

}  // namespace aitune
