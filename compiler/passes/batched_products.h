#pragma once
#include "compiler/passes/pass.h"

namespace aitune {

/// Products over several batch dimensions, as attention without a fused form has them: bmm wants them merged, which
/// copies where they do not lie one within the other (heads do not: [batch, rows, heads, depth]). They become matmul
/// over all dimensions, which strides express.
void split_batches(Graph& graph, const PassContext& context);

}  // namespace aitune
