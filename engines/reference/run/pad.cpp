// Padding, and the rearrangements of channels and pixels.

#include <algorithm>

#include "engines/reference/run/elements.h"
#include "engines/reference/run/kernel.h"
#include "engines/reference/run/views.h"

namespace aitune::reference {
namespace {

std::vector<std::int64_t> amounts(const Call& call) { return call.int_list(call.has("pad") ? "pad" : "padding"); }

void pad_constant(const Call& call, const Tensor& value) {
  copy_elements(call.out(), value);
  Tensor from = call.self(), to = call.out();
  const auto pad = amounts(call);
  // Negative amounts crop the input.
  for (std::size_t i = 0; i < pad.size() / 2; ++i) {
    const std::size_t d = from.shape().size() - 1 - i;
    const std::int64_t before = pad[2 * i], after = pad[2 * i + 1];
    from = slice(from, d, std::max<std::int64_t>(-before, 0),
                 from.shape()[d] + std::min<std::int64_t>(before, 0) + std::min<std::int64_t>(after, 0));
    to = slice(to, d, std::max<std::int64_t>(before, 0), from.shape()[d]);
  }
  copy_elements(to, from);
}

Tensor fill_value(const Call& call) {
  if (!call.given("value")) return scalar(0);
  if (const auto* i = std::get_if<std::int64_t>(&call["value"])) return scalar(*i);
  return scalar(DType::f64, call.number("value"));
}

enum class Border { reflect, replicate, circular };

std::int64_t source(std::int64_t i, std::int64_t n, Border border) {
  if (border == Border::replicate) return std::clamp<std::int64_t>(i, 0, n - 1);
  if (border == Border::circular) return ((i % n) + n) % n;
  if (i < 0) i = -i;
  return i >= n ? 2 * (n - 1) - i : i;
}

/// Pads dimension after dimension, copying slice by slice.
void pad_border(const Call& call, Border border) {
  const auto pad = amounts(call);
  Tensor t = call.self();
  for (std::size_t i = 0; i < pad.size() / 2; ++i) {
    const std::size_t d = t.shape().size() - 1 - i;
    const std::int64_t before = pad[2 * i], size = t.shape()[d];
    call.require(border != Border::reflect || (before < size && pad[2 * i + 1] < size), "reflection beyond the input");
    Shape shape = t.shape();
    shape[d] += before + pad[2 * i + 1];
    Tensor next(t.dtype(), shape);
    for (std::int64_t k = 0; k < shape[d]; ++k) {
      Tensor to = select(next, d, k);
      copy_elements(to, select(t, d, source(k - before, size, border)));
    }
    t = next;
  }
  copy_elements(call.out(), t);
}

void constant_pad(const Call& call) { pad_constant(call, fill_value(call)); }
void circular_pad(const Call& call) { pad_border(call, Border::circular); }
void reflection_pad(const Call& call) { pad_border(call, Border::reflect); }
void replication_pad(const Call& call) { pad_border(call, Border::replicate); }

void pad(const Call& call) {
  const std::string& mode = call.string("mode");
  if (mode == "constant") return constant_pad(call);
  if (mode == "reflect") return reflection_pad(call);
  if (mode == "replicate") return replication_pad(call);
  call.require(mode == "circular", "mode is none of constant, reflect, replicate, circular");
  pad_border(call, Border::circular);
}

/// Copies through a finer shape: both tensors are split, the input's dimensions permuted.
void rearrange(const Call& call, const Shape& split, const std::vector<std::size_t>& order) {
  const Tensor whole = call.self().contiguous();
  const Tensor from = permute(view(whole, split, contiguous_strides(split)), order);
  Tensor to = view(call.out(), from.shape(), contiguous_strides(from.shape()));
  copy_elements(to, from);
}

std::int64_t leading(const Shape& shape) {
  std::int64_t n = 1;
  for (std::size_t i = 0; i + 3 < shape.size(); ++i) n *= shape[i];
  return n;
}

void pixel_shuffle(const Call& call) {
  const Shape& s = call.self().shape();
  const std::size_t k = s.size();
  const std::int64_t r = call.integer("upscale_factor");
  rearrange(call, {leading(s), s[k - 3] / (r * r), r, r, s[k - 2], s[k - 1]}, {0, 1, 4, 2, 5, 3});
}

void pixel_unshuffle(const Call& call) {
  const Shape& s = call.self().shape();
  const std::size_t k = s.size();
  const std::int64_t r = call.integer("downscale_factor");
  rearrange(call, {leading(s), s[k - 3], s[k - 2] / r, r, s[k - 1] / r, r}, {0, 1, 3, 5, 2, 4});
}

void channel_shuffle(const Call& call) {
  const Shape& s = call.self().shape();
  const std::int64_t groups = call.integer("groups");
  call.require(groups > 0 && s.size() >= 3 && s[1] % groups == 0, "the groups do not divide the channels");
  std::int64_t space = 1;
  for (std::size_t i = 2; i < s.size(); ++i) space *= s[i];
  rearrange(call, {s[0], groups, s[1] / groups, space}, {0, 2, 1, 3});
}

}  // namespace

void add_pad_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_constant_pad_nd_default}, constant_pad);
  table.add({aten_pad_default}, pad);
  table.add({aten_reflection_pad1d_default, aten_reflection_pad2d_default, aten_reflection_pad3d_default},
            reflection_pad);
  table.add({aten__pad_circular_default}, circular_pad);
  table.add({aten_replication_pad1d_default, aten_replication_pad2d_default, aten_replication_pad3d_default},
            replication_pad);
  table.add({aten_pixel_shuffle_default}, pixel_shuffle);
  table.add({aten_pixel_unshuffle_default}, pixel_unshuffle);
  table.add({aten_channel_shuffle_default}, channel_shuffle);
}

}  // namespace aitune::reference
