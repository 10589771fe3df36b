#pragma once
#include "compiler/passes/pass.h"

namespace aitune {

/// With LowerOptions::decompose_attention: scaled_dot_product_attention becomes products, a softmax and what masks
/// need, each a node of its own. Attention over a depth that moves stays, unless its scale is given.
void decompose_attention(Graph& graph, const PassContext& context);

}  // namespace aitune
