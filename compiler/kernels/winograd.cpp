#include "compiler/kernels/winograd.h"

#include <array>
#include <cmath>
#include <cstring>

#include "base/error.h"

namespace aitune::kernels {

std::optional<WinogradForm> winograd_form(const GemmKernel& kernel, int outputs, int lanes) {
  if (outputs != 2 && outputs != 4) return std::nullopt;
  const bool types = (kernel.a_type == DType::f32 || kernel.a_type == DType::bf16) && kernel.a_type == kernel.b_type;
  if (!types || !kernel.b_strides.empty()) return std::nullopt;
  if (!kernel.batch.empty() || kernel.m.size() < 2 || kernel.k.size() != 3 || !kernel.n.is_constant())
    return std::nullopt;
  if (kernel.k[0] != 3 || kernel.k[1] != 3 || kernel.k[2] % lanes != 0) return std::nullopt;
  const std::size_t m = kernel.m.size();
  const auto rows = kernel.m[m - 2].as_constant(), columns = kernel.m[m - 1].as_constant();
  if (!rows || !columns || *rows < 1 || *columns < 1) return std::nullopt;
  const std::vector<SymInt>& s = kernel.a_strides;
  if (s.size() != m + 3 || !s[m - 2].is_constant() || !s[m - 1].is_constant()) return std::nullopt;
  if (s[m - 2] != s[m] || s[m - 1] != s[m + 1] || !s[m + 2].is(1)) return std::nullopt;
  WinogradForm form;
  form.outputs = outputs;
  form.points = outputs + 2;
  form.rows = *rows;
  form.columns = *columns;
  form.channels = kernel.k[2];
  for (std::size_t d = 0; d + 2 < m; ++d) form.images *= kernel.m[d];
  return form;
}

WinogradMatrices winograd_matrices(int outputs) {
  if (outputs == 2) {  // points 0, 1, -1, infinity
    return {{1, 0, -1, 0, 0, 1, 1, 0, 0, -1, 1, 0, 0, -1, 0, 1},
            {1, 0, 0, 0.5, 0.5, 0.5, 0.5, -0.5, 0.5, 0, 0, 1},
            {1, 1, 1, 0, 0, 1, -1, 1}};
  }
  // Points 0, +-sqrt(1/2), +-sqrt(2), infinity: they lose fewer bits than 0, +-1, +-2.
  const double r = std::sqrt(2.0), h = r / 2;
  return {{1, 0,  -2.5, 0,    1, 0,  //
           0, -r, -2,   h,    1, 0,  //
           0, r,  -2,   -h,   1, 0,  //
           0, -h, -0.5, r,    1, 0,  //
           0, h,  -0.5, -r,   1, 0,  //
           0, 1,  0,    -2.5, 0, 1},
          {1, 0, 0,                   //
           -2. / 3, -r / 3, -1. / 3,  //
           -2. / 3, r / 3, -1. / 3,   //
           1. / 6, r / 6, 1. / 3,     //
           1. / 6, -r / 6, 1. / 3,    //
           0, 0, 1},
          {1, 1,     1,      1,     1,      0,  //
           0, h,     -h,     r,     -r,     0,  //
           0, 0.5,   0.5,    2,     2,      0,  //
           0, h / 2, -h / 2, 2 * r, -2 * r, 1}};
}

std::vector<std::byte> pack_winograd(const GemmKernel& kernel, const GemmTile& tile, const Tensor& b) {
  const auto form = winograd_form(kernel, tile.winograd, tile.lanes);
  if (!form) throw InternalError("not a convolution for Winograd's algorithm", kernel.name);
  const std::int64_t n = kernel.n.constant(), channels = form->channels;
  if ((b.dtype() != DType::f32 && b.dtype() != DType::bf16) || b.shape() != Shape{3, 3, channels, n}) {
    throw InvalidArgument("an operand of " + describe(b.dtype(), b.shape()) + " cannot be packed", kernel.name);
  }
  const std::vector<double> g = winograd_matrices(form->outputs).filter;
  const int points = form->points;
  const PackedB packed = packed_b(kernel, tile);
  std::vector<std::byte> bytes(static_cast<std::size_t>(packed.elements()) * 4);
  const Shape& s = b.strides();
  const auto element = [&](std::int64_t i) {
    return b.dtype() == DType::bf16 ? bf16_to_float(b.as<std::uint16_t>()[i]) : b.as<float>()[i];
  };
  std::array<double, 6 * 3> half{};
  for (std::int64_t j = 0; j < n; ++j) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const std::int64_t filter = c * s[2] + j * s[3];
      for (int p = 0; p < points; ++p) {
        for (int x = 0; x < 3; ++x) {
          double sum = 0;
          for (int y = 0; y < 3; ++y) sum += g[p * 3 + y] * element(filter + y * s[0] + x * s[1]);
          half[p * 3 + x] = sum;
        }
      }
      std::int64_t to = (j / packed.width * packed.depth + c) * packed.width + j % packed.width;
      for (int p = 0; p < points; ++p) {
        for (int q = 0; q < points; ++q) {
          double sum = 0;
          for (int x = 0; x < 3; ++x) sum += half[p * 3 + x] * g[q * 3 + x];
          const auto value = static_cast<float>(sum);
          std::memcpy(bytes.data() + to * 4, &value, 4);
          to += channels * packed.width;
        }
      }
    }
  }
  return bytes;
}

}  // namespace aitune::kernels
