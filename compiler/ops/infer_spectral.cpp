// Complex numbers and Fourier transforms.

#include "compiler/ops/infer.h"

namespace aitune::infer {
namespace {

const TensorType& self_of(const Call& call) { return call.tensor("self"); }

Types same_spectrum(const Call& call) { return {self_of(call)}; }

Types real_part(const Call& call) { return {{real_of(self_of(call).dtype), self_of(call).shape}}; }

Types imaginary_part(const Call& call) {
  call.require(is_complex(self_of(call).dtype), "a real tensor has no imaginary part");
  return real_part(call);
}

Types as_real(const Call& call) {
  TensorType t = self_of(call);
  call.require(is_complex(t.dtype), "the operand is not complex");
  t.dtype = real_of(t.dtype);
  t.shape.push_back(2);
  return {t};
}

Types as_complex(const Call& call) {
  TensorType t = self_of(call);
  call.require(t.dtype == DType::f32 || t.dtype == DType::f64, "the operand is neither f32 nor f64");
  call.require(!t.shape.empty() && !differ(t.shape.back(), 2), "the last dimension has not two elements");
  t.dtype = complex_of(t.dtype);
  t.shape.pop_back();
  return {t};
}

Types angle(const Call& call) { return {{real_of(floating(self_of(call).dtype)), self_of(call).shape}}; }

Types two_parts(const Call& call) {
  const bool polar = call.has("abs");
  const TensorType &a = call.tensor(polar ? "abs" : "real"), &b = call.tensor(polar ? "angle" : "imag");
  call.require(a.dtype == b.dtype && (a.dtype == DType::f32 || a.dtype == DType::f64),
               "both parts are f32, or both f64");
  return {{complex_of(a.dtype), broadcast(call, a.shape, b.shape)}};
}

/// _fft_c2c, _fft_r2c, _fft_c2r
Types primitive(const Call& call) {
  TensorType t = self_of(call);
  std::vector<std::size_t> dims;
  for (const std::int64_t d : call.int_list("dim")) dims.push_back(call.dim(d, t.shape.size()));
  if (call.has("last_dim_size")) {
    call.require(is_complex(t.dtype) && !dims.empty() && !t.shape.empty(),
                 "the operand is not complex, or has no dimension");
    t.shape[dims.back()] = call.sym("last_dim_size");
    return {{real_of(t.dtype), t.shape}};
  }
  if (call.has("onesided")) {
    call.require(is_floating(t.dtype) && !dims.empty() && !t.shape.empty(),
                 "the operand is not real, or has no dimension");
    if (call.boolean("onesided")) t.shape[dims.back()] = floordiv(t.shape[dims.back()], 2) + 1;
    return {{complex_of(t.dtype), t.shape}};
  }
  call.require(is_complex(t.dtype), "the operand is not complex");
  return {t};
}

struct Dims {
  std::vector<std::size_t> dims;
  SymShape sizes;
};

Dims transformed(const Call& call, bool real_out) {
  const SymShape& shape = self_of(call).shape;
  Dims d;
  SymShape sizes;
  if (call.has("n")) {
    d.dims = {call.dim("dim", shape.size())};
    if (call.given("n")) sizes = {call.sym("n")};
  } else {
    if (call.given("s")) sizes = call.sym_list("s");
    if (call.given("dim")) {
      for (const std::int64_t i : call.int_list("dim")) d.dims.push_back(call.dim(i, shape.size()));
    } else {
      call.require(sizes.size() <= shape.size(), "more sizes than dimensions");
      for (std::size_t i = call.given("s") ? shape.size() - sizes.size() : 0; i < shape.size(); ++i)
        d.dims.push_back(i);
    }
  }
  call.require(!shape.empty(), "a 0-dim tensor has nothing to transform");
  call.require(sizes.empty() || sizes.size() == d.dims.size(), "sizes and dimensions have different lengths");
  for (std::size_t i = 0; i < d.dims.size(); ++i) {
    const SymInt& own = shape[d.dims[i]];
    const bool doubled = real_out && i + 1 == d.dims.size();
    d.sizes.push_back(!sizes.empty() && !sizes[i].is(-1) ? sizes[i] : doubled ? (own - 1) * 2 : own);
    call.require_at_least(d.sizes.back(), 1, "a transform has at least one element");
  }
  return d;
}

Types resized(const Call& call, DType dtype, const Dims& d, bool halves) {
  SymShape shape = self_of(call).shape;
  for (std::size_t i = 0; i < d.dims.size(); ++i) shape[d.dims[i]] = d.sizes[i];
  if (halves && !d.dims.empty()) shape[d.dims.back()] = floordiv(d.sizes.back(), 2) + 1;
  return {{dtype, shape}};
}

Types complex_transform(const Call& call) {
  return resized(call, complex_of(self_of(call).dtype), transformed(call, false), false);
}
Types from_real(const Call& call) {
  call.require(!is_complex(self_of(call).dtype), "the operand is complex");
  return resized(call, complex_of(self_of(call).dtype), transformed(call, false), true);
}
Types to_real(const Call& call) {
  return resized(call, real_of(complex_of(self_of(call).dtype)), transformed(call, true), false);
}

Types frequencies(const Call& call) {
  const SymInt n = call.sym("n");
  const bool half = call.op().id == OpId::aten_fft_rfftfreq_default;
  return {{call.dtype_or("dtype", DType::f32), {half ? floordiv(n, 2) + 1 : n}}};
}

Types stft(const Call& call) {
  TensorType t = self_of(call);
  call.require(t.shape.size() == 1 || t.shape.size() == 2, "the signal has one or two dimensions");
  call.require(is_floating(t.dtype) || is_complex(t.dtype), "the signal is not floating point");
  const std::int64_t size = call.integer("n_fft"),
                     hop = call.given("hop_length") ? call.integer("hop_length") : size / 4;
  call.require(size > 0 && hop > 0, "n_fft and hop_length are positive");
  SymInt length = t.shape.back();
  if (call.has("center") && call.boolean("center")) length += size / 2 * 2;
  call.require_at_least(length, size, "the signal is shorter than n_fft");
  const bool window_complex = call.given("window") && is_complex(call.tensor("window").dtype);
  const bool onesided = call.given("onesided") ? call.boolean("onesided") : !is_complex(t.dtype) && !window_complex;
  t.shape.back() = onesided ? size / 2 + 1 : size;
  t.shape.push_back(floordiv(length - size, hop) + 1);
  const bool complex =
      call.given("return_complex") ? call.boolean("return_complex") : is_complex(t.dtype) || window_complex;
  if (complex) return {{complex_of(t.dtype), t.shape}};
  t.shape.push_back(2);
  return {{real_of(t.dtype), t.shape}};
}

Types istft(const Call& call) {
  TensorType t = self_of(call);
  call.require(t.shape.size() == 2 || t.shape.size() == 3, "the spectra have two or three dimensions");
  call.require(is_complex(t.dtype), "the spectra are not complex");
  const std::int64_t size = call.integer("n_fft"),
                     hop = call.given("hop_length") ? call.integer("hop_length") : size / 4;
  call.require(size > 0 && hop > 0, "n_fft and hop_length are positive");
  const SymInt bins = t.shape[t.shape.size() - 2], frames = t.shape.back();
  const bool onesided = call.given("onesided") ? call.boolean("onesided") : !bins.is(size);
  unify(call, bins, onesided ? size / 2 + 1 : size);
  call.require_at_least(frames, 1, "there is no frame");
  t.shape.pop_back();
  t.shape.back() = (frames - 1) * hop + size - (call.boolean("center") ? size / 2 * 2 : 0);
  if (call.given("length")) {
    t.shape.back() = call.sym("length");
    call.require_at_least(t.shape.back(), 1, "length is positive");
  }
  if (!call.boolean("return_complex")) t.dtype = real_of(t.dtype);
  return {t};
}

}  // namespace

void add_spectral_rules(RuleTable& table) {
  using enum OpId;
  table.add({aten_conj_default, aten__conj_default, aten_conj_physical_default, aten_resolve_conj_default,
             aten_resolve_neg_default, aten_fft_fftshift_default, aten_fft_ifftshift_default},
            same_spectrum);
  table.add({aten_real_default}, real_part);
  table.add({aten_imag_default}, imaginary_part);
  table.add({aten_view_as_real_default}, as_real);
  table.add({aten_view_as_complex_default}, as_complex);
  table.add({aten_angle_default}, angle);
  table.add({aten_complex_default, aten_polar_default}, two_parts);
  table.add({aten__fft_c2c_default, aten__fft_r2c_default, aten__fft_c2r_default}, primitive);
  table.add({aten_fft_fft_default, aten_fft_ifft_default, aten_fft_fft2_default, aten_fft_ifft2_default,
             aten_fft_fftn_default, aten_fft_ifftn_default},
            complex_transform);
  table.add({aten_fft_rfft_default, aten_fft_ihfft_default, aten_fft_rfft2_default, aten_fft_rfftn_default,
             aten_fft_ihfft2_default, aten_fft_ihfftn_default},
            from_real);
  table.add({aten_fft_irfft_default, aten_fft_hfft_default, aten_fft_irfft2_default, aten_fft_irfftn_default,
             aten_fft_hfft2_default, aten_fft_hfftn_default},
            to_real);
  table.add({aten_fft_fftfreq_default, aten_fft_rfftfreq_default}, frequencies);
  table.add({aten_stft_default, aten_stft_center}, stft);
  table.add({aten_istft_default}, istft);
}

}  // namespace aitune::infer
