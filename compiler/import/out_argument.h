#pragma once
// torch.add(x, y, out=z): the operator without `out`, and its result copied into the tensor that is given for it.

#include <fmt/format.h>

#include "base/error.h"
#include "compiler/graph/graph.h"
#include "compiler/import/known_sizes.h"

namespace aitune {

/// PyTorch gives a tensor of another size than the result's that size. Here it keeps its own: throws Unsupported.
inline void check_out_argument(const TensorType& out, const TensorType& result) {
  if (known_sizes_agree(out.shape, result.shape)) return;  // copying checks the others
  throw Unsupported(fmt::format("a result {} is to go into a tensor {} (out=), which would change its size",
                                to_string(result), to_string(out)),
                    "", "give out= a tensor of the size of the result, or take the result without out=");
}

}  // namespace aitune
