// Fourier transforms as torch.fft and torch.stft call them, in terms of _fft_r2c, _fft_c2r and _fft_c2c.

#include <algorithm>
#include <numeric>

#include "compiler/ops/schema.h"
#include "compiler/passes/decompose.h"

namespace aitune {
namespace {

/// As native/SpectralOpsUtils.h numbers them.
enum class Scale : std::int64_t { none = 0, by_root_n = 1, by_n = 2 };

Scale scale_of(const Node& node, bool forward) {
  const Arg& norm = argument(node, "norm");
  if (!norm.is_none() && norm.string() == "ortho") return Scale::by_root_n;
  const bool scales_forward = !norm.is_none() && norm.string() == "forward";
  return forward == scales_forward ? Scale::by_n : Scale::none;
}

Arg scale_argument(Scale scale) { return SymInt(static_cast<std::int64_t>(scale)); }

DType complex_with(DType dtype) { return dtype == DType::f64 || dtype == DType::c128 ? DType::c128 : DType::c64; }

/// What is transformed: these dims, brought to these sizes.
struct Transform {
  std::vector<std::int64_t> dims;
  SymShape sizes;
};

/// Sizes are those of the result, except that the last one of a transform to or from half a spectrum is the signal's.
Transform transform_of(const Node& node, bool to_real) {
  const SymShape& shape = operand(node)->type.shape;
  Transform t;
  SymShape sizes;
  if (node.op->args.at(1).name == "n") {
    t.dims = {wrap_dim(argument(node, "dim").integer(), shape.size())};
    if (!argument(node, "n").is_none()) sizes = {argument(node, "n").sym()};
  } else {
    if (!argument(node, "s").is_none()) sizes = argument(node, "s").sym_list();
    if (!argument(node, "dim").is_none()) {
      for (const std::int64_t dim : argument(node, "dim").int_list()) t.dims.push_back(wrap_dim(dim, shape.size()));
    } else {
      const std::size_t count = sizes.empty() ? shape.size() : sizes.size();
      for (std::size_t d = shape.size() - count; d < shape.size(); ++d) t.dims.push_back(static_cast<std::int64_t>(d));
    }
  }
  for (std::size_t i = 0; i < t.dims.size(); ++i) {
    const SymInt& own = shape.at(static_cast<std::size_t>(t.dims[i]));
    const bool doubled = to_real && i + 1 == t.dims.size();
    t.sizes.push_back(!sizes.empty() && !sizes[i].is(-1) ? sizes[i] : doubled ? (own - 1) * 2 : own);
  }
  return t;
}

/// Cut, or filled with zeros at its end. Nothing where it is not known which.
Value* resized_along(Inserter& insert, Value* x, std::int64_t dim, const SymInt& size) {
  const SymInt own = x->type.shape.at(static_cast<std::size_t>(dim));
  if (own == size) return x;
  if (!own.is_constant() || !size.is_constant()) return nullptr;
  if (size.constant() < own.constant()) return insert.slice(x, dim, 0, size);
  std::vector<std::int64_t> pads(2 * (rank(x) - static_cast<std::size_t>(dim)), 0);
  pads.back() = size.constant() - own.constant();
  return insert.call("aten.constant_pad_nd.default", {x, to_args(pads), 0.0});
}

Value* brought_to(Inserter& insert, Value* x, const Transform& t, bool half_spectrum) {
  for (std::size_t i = 0; i < t.dims.size() && x != nullptr; ++i) {
    const bool half = half_spectrum && i + 1 == t.dims.size();
    x = resized_along(insert, x, t.dims[i], half ? floordiv(t.sizes[i], 2) + 1 : t.sizes[i]);
  }
  return x;
}

template <bool Forward>
Replacement complex_transform(Inserter& insert, Node& node) {
  const Transform t = transform_of(node, false);
  if (t.dims.empty()) return std::nullopt;
  Value* x = brought_to(insert, insert.cast(operand(node), complex_with(operand(node)->type.dtype)), t, false);
  if (x == nullptr) return std::nullopt;
  return {
      {insert.call("aten._fft_c2c.default", {x, to_args(t.dims), scale_argument(scale_of(node, Forward)), Forward})}};
}

/// rfft, rfft2, rfftn; and ihfft, ihfft2, ihfftn, each of which is the conjugate of its inverse.
template <bool Forward>
Replacement from_real(Inserter& insert, Node& node) {
  const Transform t = transform_of(node, false);
  const DType dtype = operand(node)->type.dtype;
  if (t.dims.empty()) return std::nullopt;
  Value* x = brought_to(insert, insert.cast(operand(node), is_floating(dtype) ? dtype : DType::f32), t, false);
  if (x == nullptr) return std::nullopt;
  Value* spectrum =
      insert.call("aten._fft_r2c.default", {x, to_args(t.dims), scale_argument(scale_of(node, Forward)), true});
  return {{Forward ? spectrum : insert.call("aten.conj.default", {spectrum})}};
}

/// irfft, irfft2, irfftn; and hfft, hfft2, hfftn, each of which takes the conjugate.
template <bool Forward>
Replacement to_real(Inserter& insert, Node& node) {
  const Transform t = transform_of(node, true);
  if (t.dims.empty()) return std::nullopt;
  Value* x = brought_to(insert, insert.cast(operand(node), complex_with(operand(node)->type.dtype)), t, true);
  if (x == nullptr) return std::nullopt;
  if (Forward) x = insert.call("aten.conj.default", {x});
  return {{insert.call("aten._fft_c2r.default",
                       {x, to_args(t.dims), scale_argument(scale_of(node, Forward)), t.sizes.back()})}};
}

/// Zero frequency in the middle, or back at the start.
template <bool Back>
Replacement shifted_spectrum(Inserter& insert, Node& node) {
  Value* x = operand(node);
  const Arg& dim = argument(node, "dim");
  std::vector<std::int64_t> dims(rank(x)), shifts;
  std::iota(dims.begin(), dims.end(), 0);
  if (!dim.is_none()) dims = dim.int_list();
  for (std::int64_t& d : dims) {
    d = wrap_dim(d, rank(x));
    const auto size = x->type.shape.at(static_cast<std::size_t>(d)).as_constant();
    if (!size) return std::nullopt;
    shifts.push_back(Back ? (*size + 1) / 2 : *size / 2);
  }
  if (dims.empty()) return {{x}};
  return {{insert.call("aten.roll.default", {x, to_args(shifts), to_args(dims)})}};
}

/// The window in the middle of n_fft zeros; all of it where there is none.
Value* centred_window(Inserter& insert, const Node& node, std::int64_t size, DType dtype) {
  const Arg& length = argument(node, "win_length");
  const std::int64_t width = length.is_none() ? size : length.integer();
  Value* window = argument(node, "window").value_or_null();
  if (window == nullptr && width == size) return nullptr;
  if (window == nullptr) window = insert.expand(insert.scalar(dtype, 1), {SymInt(width)});
  if (width == size) return window;
  const std::int64_t left = (size - width) / 2;
  return insert.call("aten.constant_pad_nd.default",
                     {window, to_args(std::vector<std::int64_t>{left, size - width - left}), 0.0});
}

/// torch.stft of a real signal: windows of it, each times the window function, each transformed.
Replacement short_time_transform(Inserter& insert, Node& node) {
  Value* x = operand(node);
  const DType dtype = x->type.dtype;
  Value* window = argument(node, "window").value_or_null();
  if (!is_floating(dtype) || (window != nullptr && window->type.dtype != dtype)) return std::nullopt;
  if (has_argument(node, "align_to_window") && !argument(node, "align_to_window").is_none()) return std::nullopt;
  const std::int64_t size = argument(node, "n_fft").integer();
  const Arg& hop = argument(node, "hop_length");
  SymShape batched = x->type.shape;
  if (rank(x) == 1) batched.insert(batched.begin(), SymInt(1));
  x = insert.view(x, batched);
  if (has_argument(node, "center") && argument(node, "center").boolean()) {
    const ArgList around = to_args(std::vector<std::int64_t>{size / 2, size / 2});
    const std::string& mode = argument(node, "pad_mode").string();
    if (mode == "reflect")
      x = insert.call("aten.reflection_pad1d.default", {x, around});
    else if (mode == "constant")
      x = insert.call("aten.constant_pad_nd.default", {x, around, 0.0});
    else
      return std::nullopt;
  }
  Value* frames = insert.call("aten.unfold.default",
                              {x, SymInt(1), SymInt(size), SymInt(hop.is_none() ? size / 4 : hop.integer())});
  if (Value* function = centred_window(insert, node, size, dtype))
    frames = insert.call("aten.mul.Tensor", {frames, function});
  const Scale scale = argument(node, "normalized").boolean() ? Scale::by_root_n : Scale::none;
  const Arg& half = argument(node, "onesided");
  Value* spectra = insert.call("aten._fft_r2c.default", {frames, to_args(std::vector<std::int64_t>{2}),
                                                         scale_argument(scale), half.is_none() || half.boolean()});
  spectra = insert.permute(spectra, {0, 2, 1});
  const SymShape& out = node.output()->type.shape;
  if (is_complex(node.output()->type.dtype)) return {{insert.view(spectra, out)}};
  return {{insert.view(insert.call("aten.view_as_real.default", {spectra}), out)}};
}

/// torch.istft of a real signal: the frames' signals, each times the window function, added up and divided by the sum
/// of the functions' squares. That it is nowhere 0 is not checked.
Replacement inverse_short_time_transform(Inserter& insert, Node& node) {
  Value* x = operand(node);
  const TensorType& out = node.output()->type;
  Value* given = argument(node, "window").value_or_null();
  if (is_complex(out.dtype) || (given != nullptr && given->type.dtype != out.dtype)) return std::nullopt;
  const std::int64_t size = argument(node, "n_fft").integer();
  const Arg &hop = argument(node, "hop_length"), &length = argument(node, "length");
  const std::int64_t step = hop.is_none() ? size / 4 : hop.integer();
  if (rank(x) == 2) x = insert.call("aten.unsqueeze.default", {x, SymInt(0)});
  x = insert.slice(insert.permute(x, {0, 2, 1}), 2, 0, size / 2 + 1);
  const Scale scale = argument(node, "normalized").boolean() ? Scale::by_root_n : Scale::by_n;
  Value* frames = insert.call("aten._fft_c2r.default",
                              {x, to_args(std::vector<std::int64_t>{2}), scale_argument(scale), SymInt(size)});
  Value* window = centred_window(insert, node, size, out.dtype);
  if (window == nullptr) window = insert.expand(insert.scalar(out.dtype, 1), {SymInt(size)});
  Value* sum = overlap_add(insert, insert.call("aten.mul.Tensor", {frames, window}), step);
  if (sum == nullptr) return std::nullopt;
  Value* squares = insert.view(insert.call("aten.mul.Tensor", {window, window}), {SymInt(1), SymInt(1), SymInt(size)});
  Value* weight = overlap_add(insert, insert.expand(squares, {SymInt(1), frames->type.shape[1], SymInt(size)}), step);
  Value* signal = insert.call("aten.div.Tensor", {sum, weight});
  const SymInt whole = signal->type.shape.back();
  const SymInt start = argument(node, "center").boolean() ? size / 2 : 0, end = start + out.shape.back();
  if (!length.is_none()) {
    const auto beyond = (end - whole).as_constant();
    if (!beyond) return std::nullopt;
    if (*beyond > 0)
      signal =
          insert.call("aten.constant_pad_nd.default", {signal, to_args(std::vector<std::int64_t>{0, *beyond}), 0.0});
  }
  return {{insert.view(insert.slice(signal, 1, start, end), out.shape)}};
}

}  // namespace

void add_fourier_rules(DecomposeRules& rules) {
  for (const auto* name : {"aten.fft_fft.default", "aten.fft_fft2.default", "aten.fft_fftn.default"})
    rules[name] = complex_transform<true>;
  for (const auto* name : {"aten.fft_ifft.default", "aten.fft_ifft2.default", "aten.fft_ifftn.default"})
    rules[name] = complex_transform<false>;
  for (const auto* name : {"aten.fft_rfft.default", "aten.fft_rfft2.default", "aten.fft_rfftn.default"})
    rules[name] = from_real<true>;
  for (const auto* name : {"aten.fft_ihfft.default", "aten.fft_ihfft2.default", "aten.fft_ihfftn.default"})
    rules[name] = from_real<false>;
  for (const auto* name : {"aten.fft_irfft.default", "aten.fft_irfft2.default", "aten.fft_irfftn.default"})
    rules[name] = to_real<false>;
  for (const auto* name : {"aten.fft_hfft.default", "aten.fft_hfft2.default", "aten.fft_hfftn.default"})
    rules[name] = to_real<true>;
  rules["aten.fft_fftshift.default"] = shifted_spectrum<false>;
  rules["aten.fft_ifftshift.default"] = shifted_spectrum<true>;
  rules["aten.stft.default"] = short_time_transform;
  rules["aten.stft.center"] = short_time_transform;
  rules["aten.istft.default"] = inverse_short_time_transform;
}

}  // namespace aitune
