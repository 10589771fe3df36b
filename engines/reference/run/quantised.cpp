// Quantised tensors: q = clamp(round(x / scale) + zero point, 0, 255), and products of such with s8 weights.

#include <algorithm>
#include <cmath>

#include "engines/reference/run/elementwise.h"
#include "engines/reference/run/gemm.h"

namespace aitune::reference {
namespace {

/// As torch.quantize_per_tensor rounds: halves to even, then the zero point. NaN becomes 0.
void quantise(const Call& call) {
  const auto inverse = static_cast<float>(call.number("inverse_scale"));
  const auto zero = static_cast<float>(call.integer("zero_point"));
  map<float, 1>(call.out(), {&call.tensor("input")}, [=](float x) {
    const float q = std::nearbyint(x * inverse) + zero;
    return q >= 0 ? std::min(q, 255.0F) : 0.0F;
  });
}

void quantised_linear(const Call& call) {
  const Tensor &input = call.tensor("input"), &weight = call.tensor("weight");
  const Tensor &scales = call.tensor("scale"), &offsets = call.tensor("offset");
  call.require(input.dim() >= 1 && weight.dim() == 2 && input.dtype() == DType::u8 && weight.dtype() == DType::i8,
               "it multiplies u8 by an i8 matrix");
  const std::int64_t k = weight.size(1), n = weight.size(0);
  const std::int64_t m = k == 0 ? call.out().numel() / std::max<std::int64_t>(n, 1) : input.numel() / k;
  call.require(input.shape().back() == k && call.out().numel() == m * n && scales.numel() == n && offsets.numel() == n,
               "the sizes of its operands do not fit");
  const Contiguous<double> x(input), w(weight);
  const Contiguous<float> scale(scales), offset(offsets);
  std::vector<double> sums(static_cast<std::size_t>(m * n));
  Gemm<double>().run(m, n, k, {x.data(), k, 1}, {w.data(), 1, k}, sums.data(), n);
  Result<float> out(call.out());
  for (std::int64_t i = 0; i < m * n; ++i)
    out.data()[i] = static_cast<float>(sums[static_cast<std::size_t>(i)]) * scale[i % n] + offset[i % n];
  out.commit();
}

}  // namespace

void add_quantised_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aitune_quantise_default}, quantise);
  table.add({aitune_quantised_linear_default}, quantised_linear);
}

}  // namespace aitune::reference
