#pragma once
#include "compiler/passes/pass.h"

namespace aitune {

/// Computes with complex numbers as with pairs of real ones, which engines compile: arithmetic, movement, products,
/// sums, and Fourier transforms of f32 signals with known sizes, as products with constant matrices. Complex inputs are
/// taken apart, and complex outputs put together, at the edges; so are the operands of what has no rule here.
void split_complex(Graph& graph, const PassContext& context);

}  // namespace aitune
