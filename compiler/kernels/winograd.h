#pragma once
// Winograd's minimal filtering for 3x3 convolutions of stride 1: F(2x2, 3x3) needs 16 products for 4 outputs instead of
// 36, F(4x4, 3x3) needs 36 for 16 instead of 144. Squares of the input and the filters are transformed, one matrix
// product is done for each of the points, and the results are transformed back.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/tensor.h"
#include "compiler/kernels/kernel.h"

namespace aitune::kernels {

/// A convolution that Winograd's algorithm can do, seen as squares of outputs.
struct WinogradForm {
  int outputs = 4;                     ///< along each side of a square
  int points = 6;                      ///< outputs + 2: inputs along each side, and points along each dim
  std::int64_t rows = 0, columns = 0;  ///< of an output image
  std::int64_t channels = 0;           ///< of the input
  SymInt images = 1;                   ///< all m dims but the last two
  std::int64_t square_rows() const { return (rows + outputs - 1) / outputs; }
  std::int64_t square_columns() const { return (columns + outputs - 1) / outputs; }
  SymInt squares() const { return images * SymInt(square_rows() * square_columns()); }
};

/// The form, if `kernel` is a convolution of f32 or bf16 with k = (3, 3, channels), stride 1, constant image size,
/// channels that lie together and are a multiple of `lanes`, and packed B. `outputs` is 2 or 4.
std::optional<WinogradForm> winograd_form(const GemmKernel& kernel, int outputs, int lanes);

/// The 1-d transforms, row-major: input (points x points), filter (points x 3), output (outputs x points).
struct WinogradMatrices {
  std::vector<double> input, filter, output;
};
WinogradMatrices winograd_matrices(int outputs);

/// Filters transformed for packed_b(kernel, tile): [panel][point][channel][width], f32 whatever the kernel's type. `b`
/// is as for pack_b.
std::vector<std::byte> pack_winograd(const GemmKernel& kernel, const GemmTile& tile, const Tensor& b);

}  // namespace aitune::kernels
