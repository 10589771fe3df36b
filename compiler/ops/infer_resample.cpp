// Pooling, upsampling, padding and channel rearrangements: the last dimensions change by arithmetic.

#include <cmath>

#include <fmt/format.h>

#include "base/error.h"
#include "compiler/ops/infer.h"

namespace aitune::infer {
namespace {

SymInt pooled_size(const Call& call, const SymInt& size, std::int64_t kernel, std::int64_t stride, std::int64_t padding,
                   std::int64_t dilation, bool ceil_mode) {
  call.require(kernel > 0 && stride > 0 && dilation > 0 && padding >= 0,
               "kernel, stride and dilation must be positive");
  call.require(2 * padding <= kernel, "the padding is more than half of the kernel");
  if (!ceil_mode) return window_size(size, 2 * padding, dilation, kernel, stride);
  const SymInt windows = ceil_div(size + 2 * padding - dilation * (kernel - 1) - 1, stride) + 1;
  const auto n = windows.as_constant();
  // The last window must start inside the input or its left padding.
  if (n) return (*n - 1) * stride >= size.constant() + padding ? *n - 1 : *n;
  if (padding + stride <= dilation * (kernel - 1) + 1) return windows;
  throw Unsupported("ceil_mode with a symbolic size, where the last window may fall away", call.op().name,
                    "Export with a fixed size or without ceil_mode");
}

TensorType pooled(const Call& call) {
  TensorType t = call.tensor("self");
  const auto kernel = call.int_list("kernel_size"), padding = call.int_list("padding");
  auto stride = call.int_list("stride");
  if (stride.empty()) stride = kernel;
  const std::size_t n = kernel.size();
  const auto dilation = call.has("dilation") ? call.int_list("dilation") : std::vector<std::int64_t>(n, 1);
  call.require(stride.size() == n && padding.size() == n && dilation.size() == n, "the lists have different lengths");
  call.require(t.shape.size() == n + 1 || t.shape.size() == n + 2, "the input has the wrong rank");
  const std::size_t first = t.shape.size() - n;
  for (std::size_t i = 0; i < n; ++i)
    t.shape[first + i] =
        pooled_size(call, t.shape[first + i], kernel[i], stride[i], padding[i], dilation[i], call.boolean("ceil_mode"));
  return t;
}

Types pool(const Call& call) { return {pooled(call)}; }

Types pool_with_indices(const Call& call) {
  const TensorType t = pooled(call);
  return {t, {DType::i64, t.shape}};
}

/// The gradient of the input, from that of the result.
Types pool_backward(const Call& call) {
  const TensorType result = pooled(call);
  for (const std::string_view name : {"grad_output", "indices"}) {
    if (!call.has(name)) continue;
    const SymShape& shape = call.shape(name);
    call.require(shape.size() == result.shape.size(), "the gradient has another rank than the input");
    for (std::size_t d = 0; d < shape.size(); ++d) unify(call, shape[d], result.shape[d]);
  }
  call.require(!call.has("indices") || call.tensor("indices").dtype == DType::i64, "the positions are no i64");
  return {call.tensor("self")};
}

Types adaptive_pool_backward(const Call& call) {
  const SymShape &self = call.shape("self"), &gradient = call.shape("grad_output");
  call.require((self.size() == 3 || self.size() == 4) && gradient.size() == self.size(),
               "gradient and input have three or four dimensions");
  for (std::size_t d = 0; d + 2 < self.size(); ++d) unify(call, self[d], gradient[d]);
  return {call.tensor("self")};
}

/// Windows whose places the samples choose, one for each dimension of each plane.
Types fractional_pool(const Call& call) {
  TensorType t = call.tensor("self");
  const auto kernel = call.int_list("kernel_size"), size = call.int_list("output_size");
  const std::size_t n = call.op().id == OpId::aten_fractional_max_pool2d_default ? 2 : 3;
  call.require(kernel.size() == n && size.size() == n, "kernel_size or output_size has the wrong length");
  call.require(t.shape.size() == n + 1 || t.shape.size() == n + 2, "the input has the wrong rank");
  const TensorType& samples = call.tensor("random_samples");
  call.require(samples.dtype == t.dtype && samples.shape.size() == 3, "the samples have the wrong dtype or rank");
  const std::size_t first = t.shape.size() - n;
  call.require_at_least(samples.shape[0], first == 2 ? t.shape[0] : SymInt(1), "there are too few samples");
  unify(call, samples.shape[1], t.shape[first - 1]);
  unify(call, samples.shape[2], static_cast<std::int64_t>(n));
  for (std::size_t i = 0; i < n; ++i) {
    call.require(kernel[i] > 0 && size[i] > 0 && kernel[i] < 1 << 30 && size[i] < 1 << 30,
                 "kernel_size and output_size must be positive");
    call.require_at_least(t.shape[first + i], kernel[i] + size[i] - 1, "the windows do not fit the input");
    t.shape[first + i] = size[i];
  }
  return {t, {DType::i64, t.shape}};
}

Types adaptive_pool(const Call& call) {
  TensorType t = call.tensor("self");
  const SymShape size = call.sym_list("output_size");
  call.require(t.shape.size() == size.size() + 1 || t.shape.size() == size.size() + 2, "the input has the wrong rank");
  std::copy(size.begin(), size.end(), t.shape.end() - static_cast<std::ptrdiff_t>(size.size()));
  if (call.op().result_count == 2) return {t, {DType::i64, t.shape}};
  return {t};
}

/// floor(size * scale): exact where the scale is a ratio of small integers.
SymInt scaled(const Call& call, const SymInt& size, double scale) {
  if (const auto n = size.as_constant()) return static_cast<std::int64_t>(std::floor(static_cast<double>(*n) * scale));
  for (std::int64_t q = 1; q <= 64; ++q) {
    const double p = scale * static_cast<double>(q);
    if (p == std::floor(p) && p < 1e9) return floordiv(size * static_cast<std::int64_t>(p), q);
  }
  throw Unsupported(fmt::format("scaling the symbolic size {} by {}", size.str(), scale), call.op().name,
                    "Export with output sizes instead of scale factors");
}

Types upsample(const Call& call) {
  TensorType t = call.tensor(call.has("self") ? "self" : "input");
  call.require(t.shape.size() >= 3, "the input has the wrong rank");
  const std::size_t n = t.shape.size() - 2;
  if (call.given("output_size")) {
    const SymShape size = call.sym_list("output_size");
    call.require(size.size() == n, "output_size has the wrong length");
    std::copy(size.begin(), size.end(), t.shape.begin() + 2);
    return {t};
  }
  call.require(call.given("scale_factors"), "neither output_size nor scale_factors is given");
  const ArgList& scales = call["scale_factors"].list();
  call.require(scales.size() == n, "scale_factors has the wrong length");
  for (std::size_t i = 0; i < n; ++i) t.shape[i + 2] = scaled(call, t.shape[i + 2], scales[i].number());
  return {t};
}

Types pad(const Call& call) {
  TensorType t = call.tensor("self");
  const SymShape amounts = call.sym_list(call.has("pad") ? "pad" : "padding");
  call.require(amounts.size() % 2 == 0 && amounts.size() / 2 <= t.shape.size(), "the padding has the wrong length");
  for (std::size_t i = 0; i < amounts.size() / 2; ++i) {
    SymInt& size = t.shape[t.shape.size() - 1 - i];
    size += amounts[2 * i] + amounts[2 * i + 1];
  }
  return {t};
}

Types pixel_shuffle(const Call& call) {
  TensorType t = call.tensor("self");
  const bool up = call.has("upscale_factor");
  const SymInt r = call.sym(up ? "upscale_factor" : "downscale_factor");
  call.require(t.shape.size() >= 3 && !r.is(0), "the input needs three dimensions, and the factor must be positive");
  SymInt& c = t.shape[t.shape.size() - 3];
  SymInt& h = t.shape[t.shape.size() - 2];
  SymInt& w = t.shape[t.shape.size() - 1];
  c = up ? floordiv(c, r * r) : c * r * r;
  h = up ? h * r : floordiv(h, r);
  w = up ? w * r : floordiv(w, r);
  return {t};
}

Types max_unpool(const Call& call) {
  TensorType t = call.tensor("self");
  const SymShape size = call.sym_list("output_size");
  call.require(t.shape.size() == size.size() + 1 || t.shape.size() == size.size() + 2, "the input has the wrong rank");
  call.require(call.tensor("indices").dtype == DType::i64, "the positions are no i64");
  for (std::size_t d = 0; d < t.shape.size(); ++d) unify(call, t.shape[d], call.shape("indices")[d]);
  std::copy(size.begin(), size.end(), t.shape.end() - static_cast<std::ptrdiff_t>(size.size()));
  return {t};
}

Types channel_shuffle(const Call& call) { return {call.tensor("self")}; }

}  // namespace

void add_resample_rules(RuleTable& table) {
  using enum OpId;
  table.add({aten_max_pool1d_default, aten_max_pool2d_default, aten_max_pool3d_default, aten_avg_pool1d_default,
             aten_avg_pool2d_default, aten_avg_pool3d_default},
            pool);
  table.add({aten_max_unpool2d_default, aten_max_unpool3d_default}, max_unpool);
  table.add({aten_max_pool1d_with_indices_default, aten_max_pool2d_with_indices_default,
             aten_max_pool3d_with_indices_default},
            pool_with_indices);
  table.add({aten_fractional_max_pool2d_default, aten_fractional_max_pool3d_default}, fractional_pool);
  table.add({aten_avg_pool2d_backward_default, aten_max_pool2d_with_indices_backward_default}, pool_backward);
  table.add({aten__adaptive_avg_pool2d_backward_default}, adaptive_pool_backward);
  table.add({aten_adaptive_avg_pool1d_default, aten_adaptive_avg_pool2d_default, aten_adaptive_avg_pool3d_default,
             aten__adaptive_avg_pool2d_default, aten__adaptive_avg_pool3d_default, aten_adaptive_max_pool1d_default,
             aten_adaptive_max_pool2d_default, aten_adaptive_max_pool3d_default},
            adaptive_pool);
  table.add({aten_upsample_nearest1d_default,        aten_upsample_nearest1d_vec,
             aten_upsample_nearest2d_default,        aten_upsample_nearest2d_vec,
             aten__upsample_nearest_exact2d_default, aten__upsample_nearest_exact2d_vec,
             aten_upsample_bilinear2d_default,       aten_upsample_bilinear2d_vec,
             aten_upsample_linear1d_default,         aten_upsample_linear1d_vec,
             aten_upsample_bicubic2d_default,        aten_upsample_bicubic2d_vec,
             aten_upsample_nearest3d_default,        aten_upsample_nearest3d_vec,
             aten__upsample_nearest_exact1d_default, aten__upsample_nearest_exact1d_vec,
             aten__upsample_nearest_exact3d_default, aten__upsample_nearest_exact3d_vec,
             aten__upsample_bilinear2d_aa_default,   aten__upsample_bilinear2d_aa_vec,
             aten__upsample_bicubic2d_aa_default,    aten__upsample_bicubic2d_aa_vec,
             aten_upsample_trilinear3d_default,      aten_upsample_trilinear3d_vec},
            upsample);
  table.add({aten_constant_pad_nd_default, aten_pad_default, aten_reflection_pad1d_default,
             aten_reflection_pad2d_default, aten_reflection_pad3d_default, aten_replication_pad1d_default,
             aten_replication_pad2d_default, aten_replication_pad3d_default, aten__pad_circular_default},
            pad);
  table.add({aten_pixel_shuffle_default, aten_pixel_unshuffle_default}, pixel_shuffle);
  table.add({aten_channel_shuffle_default}, channel_shuffle);
}

}  // namespace aitune::infer
