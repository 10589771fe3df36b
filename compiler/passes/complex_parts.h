#pragma once
// Complex tensors as pairs of real ones.

#include <vector>

#include "compiler/passes/rewrite.h"

namespace aitune {

/// Real and imaginary part of a value, of one shape and type; no imaginary part: it is zero.
struct ComplexParts {
  Value* re = nullptr;
  Value* im = nullptr;
};

/// The discrete Fourier transform over `dims` (non-negative, all sizes constant) of an f32 signal, times `scale`:
/// X[k] = sum of x[j] exp(-2 pi i j k / n), or with + where it is not `forward`. Products with constant matrices; sizes
/// that are too large for one are split into two factors (Cooley and Tukey, 1965). Leaves nothing of the spectrum out.
/// Without parts: a size is neither small enough nor the product of two that are.
ComplexParts fourier_transform(Inserter& insert, ComplexParts x, const std::vector<std::int64_t>& dims, bool forward,
                               double scale);

/// The real signal of `size` elements along `dim` whose spectrum begins with `x`, times `scale`: the sum of
/// x[k] exp(+2 pi i j k / n) over the whole spectrum. nullptr under the same conditions.
Value* real_signal(Inserter& insert, ComplexParts x, std::int64_t dim, std::int64_t size, double scale);

}  // namespace aitune
