#pragma once
// What is done with GemmKernels before any code is made: their simplest form, and the packing of constant operands.

#include <cstddef>
#include <optional>
#include <vector>

#include "base/tensor.h"
#include "compiler/kernels/kernel.h"

namespace aitune::kernels {

/// The same product with as few dims as possible: dims of extent 1 dropped, neighbours merged where A, B and every
/// access step through them evenly, and batch dims turned into rows where all of them share one packed B. At least one
/// m and one k dim stay. Tiles are chosen for this form; task_count, packed_b, collect_params and fingerprint apply it
/// themselves. Throws InternalError for a malformed kernel (wrong number of strides, k < 1, unsupported dtypes).
GemmKernel canonical(const GemmKernel& kernel);
/// The same convolution with the dims before its rows and columns of outputs (images, frames) merged as canonical()
/// merges them, and everything else as it was: what Winograd's algorithm is written for. Its sizes are among
/// collect_params().
GemmKernel with_images_merged(const GemmKernel& kernel);

/// Packs a constant B for packed_b(kernel, tile). `b` has the kernel's k dims and n as shape, any strides, and the
/// kernel's b_type or, where that is none of integers, f32; elements are converted to b_type (round to nearest even)
/// and the rest is zero. Throws InvalidArgument where the shape does not fit.
std::vector<std::byte> pack_b(const GemmKernel& kernel, const GemmTile& tile, const Tensor& b);

/// How the innermost reduction dim is cut into tiles of A.
struct AmxSteps {
  std::int64_t step = 32;  ///< elements of a tile's row, even, at most 32
  std::int64_t whole = 0;  ///< steps
  std::int64_t rest = 0;   ///< elements after them: one more step, the missing elements of both operands zero
  std::int64_t count() const { return whole + (rest > 0 ? 1 : 0); }
};

/// The steps for tiles with `amx`; none where such tiles cannot compute the product. `form` is canonical.
std::optional<AmxSteps> amx_steps(const GemmKernel& form);

/// The last two m dims as one run of rows that A steps through evenly. Where rows of an image have a halo, so has the
/// run: of `pitch` rows only the first `width` exist, others are computed for nothing and dropped.
struct FlatRows {
  std::int64_t extent = 0, pitch = 0, width = 0;
};

/// The run for tiles with `flat`; none where the dims are not constant or A does not step evenly. `form` is canonical.
std::optional<FlatRows> flat_rows(const GemmKernel& form);

/// The extents of m that a tile divides into register tiles (the last) and walks one by one (the others).
std::vector<SymInt> row_extents(const GemmKernel& form, const GemmTile& tile);

/// Rounded up; b is positive.
SymInt ceil_div(const SymInt& a, std::int64_t b);

}  // namespace aitune::kernels
