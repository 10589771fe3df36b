#pragma once
// What is done with GemmKernels before any code is made: their simplest form, and the packing of constant operands.

#include <cstddef>
#include <vector>

#include "base/tensor.h"
#include "compiler/kernels/kernel.h"

namespace aitune::kernels {

/// The same product with as few dims as possible: dims of extent 1 dropped, neighbours merged where A, B and every
/// access step through them evenly, and batch dims turned into rows where all of them share one packed B. At least one m
/// and one k dim stay. Tiles are chosen for this form; task_count, packed_b, collect_params and fingerprint apply it
/// themselves. Throws InternalError for a malformed kernel (wrong number of strides, k < 1, unsupported dtypes).
GemmKernel canonical(const GemmKernel& kernel);

/// Packs a constant B for packed_b(kernel, tile). `b` has the kernel's k dims and n as shape, any strides, and dtype f32
/// or the kernel's b_type; elements are converted to b_type (round to nearest even) and the rest is zero.
/// Throws InvalidArgument where the shape does not fit.
std::vector<std::byte> pack_b(const GemmKernel& kernel, const GemmTile& tile, const Tensor& b);

/// Rounded up; b is positive.
SymInt ceil_div(const SymInt& a, std::int64_t b);

}  // namespace aitune::kernels
