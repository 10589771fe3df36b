// Quantised tensors: q = clamp(round(x / scale) + zero point, 0, 255), and products of such with s8 weights.

#include <algorithm>
#include <cmath>

#include "engines/reference/run/elementwise.h"
#include "engines/reference/run/gemm.h"
#include "engines/reference/run/views.h"

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

/// A scale or a zero point: a number, a tensor of one, or one for each channel.
Tensor parameter(const Call& call, std::string_view name) {
  if (!call.has("axis")) {
    const Tensor given = operand(call, name);
    call.require(given.numel() == 1, "scale and zero_point are numbers");
    return view(given, {}, {});
  }
  const Tensor& given = call.tensor(name);
  const std::size_t rank = call.self().shape().size(), axis = call.dim("axis", rank);
  call.require(given.dim() == 1 && given.numel() == call.self().shape().at(axis),
               "scale and zero_point have an element for each channel");
  Shape shape(rank, 1), strides(rank, 0);
  shape[axis] = given.numel();
  strides[axis] = given.strides()[0];
  return view(given, shape, strides);
}

/// Rounded to a quantised type's steps, in float as PyTorch does; the second result says where it was within range.
void fake_quantise(const Call& call) {
  const auto low = static_cast<float>(call.integer("quant_min")), high = static_cast<float>(call.integer("quant_max"));
  const Tensor scale = parameter(call, "scale"), zero = parameter(call, "zero_point");
  const Tensor* enabled = call.has("fake_quant_enabled") ? &call.tensor("fake_quant_enabled") : nullptr;
  const bool off = enabled != nullptr && Contiguous<std::int64_t>(*enabled)[0] == 0;
  const auto step = [](float x, float s, float z) { return std::nearbyint(x * (1.0F / s)) + z; };
  if (off)
    copy_elements(call.out(), call.self());
  else
    map<float, 3>(call.out(), {&call.self(), &scale, &zero}, [&](float x, float s, float z) {
      const float q = step(x, s, z);
      return std::isnan(q) ? q : (std::clamp(q, low, high) - z) * s;
    });
  if (call.out_count() < 2) return;
  map<float, 3>(call.out(1), {&call.self(), &scale, &zero}, [&](float x, float s, float z) {
    const float q = step(x, s, z);
    return off || (q >= low && q <= high) ? 1.0F : 0.0F;
  });
}

}  // namespace

void add_quantised_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aitune_quantise_default}, quantise);
  table.add({aitune_quantised_linear_default}, quantised_linear);
  table.add({aten_fake_quantize_per_tensor_affine_default, aten_fake_quantize_per_tensor_affine_tensor_qparams,
             aten_fake_quantize_per_tensor_affine_cachemask_default, aten_fake_quantize_per_channel_affine_default,
             aten_fake_quantize_per_channel_affine_cachemask_default,
             aten__fake_quantize_per_tensor_affine_cachemask_tensor_qparams_default},
            fake_quantise);
}

}  // namespace aitune::reference
