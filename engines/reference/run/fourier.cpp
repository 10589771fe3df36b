// Fourier transforms: lines of complex doubles, by Cooley and Tukey where the length is a power of two, by Bluestein
// else.

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <numeric>
#include <optional>

#include "engines/reference/run/complex.h"
#include "engines/reference/run/elements.h"
#include "engines/reference/run/views.h"

namespace aitune::reference {
namespace {

using Line = std::vector<Complex>;

constexpr std::int64_t kMaxLine = std::int64_t{1} << 28;

Complex root(double numerator, double denominator, bool inverse) {
  const double angle = 2 * std::numbers::pi * numerator / denominator;
  return {std::cos(angle), inverse ? std::sin(angle) : -std::sin(angle)};
}

void transform_power_of_two(Line& line, bool inverse) {
  const std::size_t n = line.size();
  for (std::size_t i = 1, j = 0; i < n; ++i) {
    std::size_t bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) std::swap(line[i], line[j]);
  }
  for (std::size_t length = 2; length <= n; length <<= 1) {
    std::vector<Complex> roots(length / 2);
    for (std::size_t k = 0; k < roots.size(); ++k)
      roots[k] = root(static_cast<double>(k), static_cast<double>(length), inverse);
    for (std::size_t begin = 0; begin < n; begin += length)
      for (std::size_t k = 0; k < length / 2; ++k) {
        const Complex a = line[begin + k], b = line[begin + k + length / 2] * roots[k];
        line[begin + k] = a + b;
        line[begin + k + length / 2] = a - b;
      }
  }
}

/// A transform of any length as a convolution whose length is a power of two.
void transform_any(Line& line, bool inverse) {
  const std::size_t n = line.size(), m = std::bit_ceil(2 * n - 1);
  Line chirp(n), a(m), b(m);
  for (std::size_t k = 0; k < n; ++k)
    chirp[k] = root(static_cast<double>(k * k % (2 * n)), static_cast<double>(2 * n), inverse);
  for (std::size_t k = 0; k < n; ++k) {
    a[k] = line[k] * chirp[k];
    b[k] = std::conj(chirp[k]);
    if (k > 0) b[m - k] = b[k];
  }
  transform_power_of_two(a, false);
  transform_power_of_two(b, false);
  for (std::size_t k = 0; k < m; ++k) a[k] *= b[k];
  transform_power_of_two(a, true);
  const bool real = std::ranges::all_of(line, [](Complex v) { return v.imag() == 0; });
  for (std::size_t k = 0; k < n; ++k) line[k] = a[k] / static_cast<double>(m) * chirp[k];
  if (!real) return;
  line[0] = line[0].real();  // exactly, as sums of real numbers are: their angle is 0 or pi
  if (n % 2 == 0) line[n / 2] = line[n / 2].real();
}

/// NaN and infinity reach every frequency, as they do in a sum of all.
void transform(Line& line, bool inverse) {
  if (line.size() <= 1) return;
  if (std::has_single_bit(line.size()))
    transform_power_of_two(line, inverse);
  else
    transform_any(line, inverse);
}

struct Field {
  Shape shape;
  Line values;
};

/// Calls f(line) for every line along `d` and puts what it leaves there into a field with that length.
template <typename F>
Field along(const Field& field, std::size_t d, std::int64_t length, F f) {
  Field result{field.shape, {}};
  result.shape[d] = length;
  std::int64_t outer = 1, inner = 1;
  for (std::size_t i = 0; i < d; ++i) outer *= field.shape[i];
  for (std::size_t i = d + 1; i < field.shape.size(); ++i) inner *= field.shape[i];
  result.values.resize(static_cast<std::size_t>(outer * length * inner));
  Line line;
  for (std::int64_t o = 0; o < outer; ++o)
    for (std::int64_t k = 0; k < inner; ++k) {
      line.resize(static_cast<std::size_t>(field.shape[d]));
      for (std::size_t i = 0; i < line.size(); ++i)
        line[i] =
            field.values[static_cast<std::size_t>((o * field.shape[d] + static_cast<std::int64_t>(i)) * inner + k)];
      f(line);
      for (std::int64_t i = 0; i < length; ++i)
        result.values[static_cast<std::size_t>((o * length + i) * inner + k)] = line[static_cast<std::size_t>(i)];
    }
  return result;
}

Field resized(const Field& field, std::size_t d, std::int64_t length) {
  if (field.shape[d] == length) return field;
  return along(field, d, length, [&](Line& line) { line.resize(static_cast<std::size_t>(length)); });
}

/// The half that a real signal's transform consists of, as all of it.
void complete(Line& half, std::int64_t length) {
  const auto n = static_cast<std::size_t>(length);
  half.resize(n / 2 + 1);
  half[0] = half[0].real();
  if (n % 2 == 0) half[n / 2] = half[n / 2].real();
  half.resize(n);
  for (std::size_t k = 1; k < (n + 1) / 2; ++k) half[n - k] = std::conj(half[k]);
}

enum class Form { complex, real_in, real_out };

struct Plan {
  Form form = Form::complex;
  bool inverse = false;
  bool halves = true;  ///< real_in: only the first half of the last dimension
  std::vector<std::size_t> dims;
  Shape sizes;  ///< of the signal along each dimension
  double scale = 1;
};

void run(const Call& call, const Plan& plan, bool conjugates_in = false, bool conjugates_out = false) {
  Field field{call.self().shape(), complex_values(call.self())};
  if (conjugates_in)
    for (Complex& v : field.values) v = std::conj(v);
  for (const std::int64_t n : plan.sizes) call.require(n >= 1 && n <= kMaxLine, "a transform has at least one element");
  call.require(call.out().dim() == call.self().dim(), "the result has another rank");
  for (std::size_t i = 0; i < plan.dims.size(); ++i) {
    const std::size_t d = plan.dims[i];
    const std::int64_t n = plan.sizes[i];
    call.require(n / 2 <= call.out().size(d), "the result has another shape");
    const bool last = i + 1 == plan.dims.size();
    if (plan.form == Form::real_out && last) {
      field = along(resized(field, d, n / 2 + 1), d, n, [&](Line& line) {
        complete(line, n);
        transform(line, plan.inverse);
      });
    } else {
      field = along(resized(field, d, n), d, n, [&](Line& line) { transform(line, plan.inverse); });
    }
  }
  if (plan.form == Form::real_in && plan.halves && !plan.dims.empty())
    field = resized(field, plan.dims.back(), plan.sizes.back() / 2 + 1);
  for (Complex& v : field.values) {
    v *= plan.scale;
    if (conjugates_out) v = std::conj(v);
  }
  call.require(field.shape == call.out().shape(), "the result has another shape");
  store_complex(call.out(), field.values);
}

double count_of(const Plan& plan) {
  double n = 1;
  for (const std::int64_t s : plan.sizes) n *= static_cast<double>(s);
  return n;
}

/// _fft_c2c and its like: 0 leaves the sum, 1 divides by the root of the count, 2 by the count.
void primitive(const Call& call, Form form, bool inverse) {
  Plan plan{form, inverse, true, {}, {}, 1};
  const Shape& shape = call.self().shape();
  call.require(!shape.empty(), "a 0-dim tensor has nothing to transform");
  for (const std::int64_t d : call.int_list("dim")) plan.dims.push_back(call.dim(d, shape.size()));
  for (const std::size_t d : plan.dims) plan.sizes.push_back(shape.at(d));
  if (call.has("onesided")) plan.halves = call.boolean("onesided");
  if (form == Form::real_out && !plan.sizes.empty()) plan.sizes.back() = call.integer("last_dim_size");
  const std::int64_t normalisation = call.integer("normalization");
  if (normalisation == 1) plan.scale = 1 / std::sqrt(count_of(plan));
  if (normalisation == 2) plan.scale = 1 / count_of(plan);
  run(call, plan);
}
void c2c(const Call& call) { primitive(call, Form::complex, !call.boolean("forward")); }
void r2c(const Call& call) { primitive(call, Form::real_in, false); }
void c2r(const Call& call) { primitive(call, Form::real_out, true); }

void normalise(const Call& call, Plan& plan, bool inverse) {
  const std::string norm = call.given("norm") ? call.string("norm") : "backward";
  call.require(norm == "forward" || norm == "backward" || norm == "ortho", "an unknown norm");
  if (norm == "ortho") plan.scale = 1 / std::sqrt(count_of(plan));
  if (norm == (inverse ? "backward" : "forward")) plan.scale = 1 / count_of(plan);
}

/// torch.fft's functions of one dimension (n, dim) and of several (s, dim).
template <Form form, bool inverse>
Plan named_plan(const Call& call) {
  Plan plan{form, inverse, true, {}, {}, 1};
  const Shape& shape = call.self().shape();
  call.require(!shape.empty(), "a 0-dim tensor has nothing to transform");
  std::vector<std::int64_t> sizes;
  if (call.has("n")) {
    plan.dims = {call.dim("dim", shape.size())};
    if (call.given("n")) sizes = {call.integer("n")};
  } else {
    if (call.given("s")) sizes = call.int_list("s");
    if (call.given("dim"))
      for (const std::int64_t d : call.int_list("dim")) plan.dims.push_back(call.dim(d, shape.size()));
    else
      for (std::size_t d = call.given("s") ? shape.size() - std::min(shape.size(), sizes.size()) : 0; d < shape.size();
           ++d)
        plan.dims.push_back(d);
  }
  call.require(sizes.empty() || sizes.size() == plan.dims.size(), "sizes and dimensions have different lengths");
  for (std::size_t i = 0; i < plan.dims.size(); ++i) {
    const std::int64_t own = shape.at(plan.dims[i]);
    const bool doubled = form == Form::real_out && i + 1 == plan.dims.size();
    plan.sizes.push_back(!sizes.empty() && sizes[i] != -1 ? sizes[i] : doubled ? 2 * (own - 1) : own);
  }
  return plan;
}
template <Form form, bool inverse>
void named(const Call& call) {
  Plan plan = named_plan<form, inverse>(call);
  normalise(call, plan, inverse);
  run(call, plan);
}
/// The transform of a signal whose transform is real: irfft of the conjugate, scaled as a forward one.
void hfft(const Call& call) {
  Plan plan = named_plan<Form::real_out, true>(call);
  normalise(call, plan, false);
  run(call, plan, true, false);
}
void ihfft(const Call& call) {
  Plan plan = named_plan<Form::real_in, false>(call);
  normalise(call, plan, true);
  run(call, plan, false, true);
}

/// The zero frequency to the middle, or back.
template <bool inverse>
void shift_spectrum(const Call& call) {
  Tensor t = call.self().contiguous();
  for (const std::size_t d : call.dims("dim", t.shape().size())) {
    if (t.shape().empty() || t.numel() == 0) break;
    const std::int64_t n = t.shape()[d], by = inverse ? (n + 1) / 2 : n / 2;
    Tensor next(t.dtype(), t.shape());
    Tensor head = slice(next, d, 0, by), tail = slice(next, d, by, n - by);
    copy_elements(head, slice(t, d, n - by, by));
    copy_elements(tail, slice(t, d, 0, n - by));
    t = next;
  }
  copy_elements(call.out(), t);
}

template <bool half>
void frequencies(const Call& call) {
  const std::int64_t n = call.integer("n");
  const double step = 1 / (static_cast<double>(n) * call.number("d"));
  std::vector<double> values;
  for (std::int64_t i = 0; i < call.out().numel(); ++i)
    values.push_back(static_cast<double>(half || i < (n + 1) / 2 ? i : i - n) * step);
  store<double>(call.out().dtype(), call.out().data(), 1, call.out().numel(), values.data());
}

/// Where a position before the start or after the end of a padded signal reads it; empty: zero.
std::optional<std::int64_t> padded(std::int64_t i, std::int64_t n, const std::string& mode) {
  if (i >= 0 && i < n) return i;
  if (mode == "reflect") return i < 0 ? -i : 2 * (n - 1) - i;
  if (mode == "replicate") return i < 0 ? 0 : n - 1;
  if (mode == "circular") return i < 0 ? i + n : i - n;
  return std::nullopt;
}

/// What the frames of stft and istft are cut and weighted by.
struct Frames {
  std::int64_t size, hop, margin;
  Line window;
  double scale;  ///< of normalized spectra
};

Frames frames_of(const Call& call) {
  const std::int64_t size = call.integer("n_fft");
  const std::int64_t hop = call.given("hop_length") ? call.integer("hop_length") : size / 4;
  const std::int64_t width = call.given("win_length") ? call.integer("win_length") : size;
  call.require(hop > 0 && size > 0 && size <= kMaxLine && width > 0 && width <= size,
               "n_fft, hop_length or win_length is out of range");
  Line window(static_cast<std::size_t>(size), 0);
  const Tensor* given = call.tensor_or_null("window");
  call.require(given == nullptr || given->numel() == width, "the window has another length than win_length");
  const Line own = given != nullptr ? complex_values(*given) : Line(static_cast<std::size_t>(width), 1);
  std::copy(own.begin(), own.end(), window.begin() + (size - width) / 2);
  return {size, hop, call.has("center") && call.boolean("center") ? size / 2 : 0, std::move(window),
          call.boolean("normalized") ? 1 / std::sqrt(static_cast<double>(size)) : 1};
}

/// Transforms of windows that step over the signal: [.., frequencies, frames].
void stft(const Call& call) {
  const Tensor& self = call.self();
  call.require(!self.shape().empty() && call.out().dim() >= 2, "signal or result has too few dimensions");
  const auto [size, hop, margin, window, scale] = frames_of(call);
  const std::int64_t length = self.shape().back();
  const std::string mode = call.has("pad_mode") ? call.string("pad_mode") : "reflect";
  call.require(margin == 0 || mode == "constant" || margin < length, "the padding is longer than the signal");
  const Line signal = complex_values(self);
  const bool pairs = !is_complex(call.out().dtype());
  const Shape& out = call.out().shape();
  const std::size_t rank = out.size() - (pairs ? 1 : 0);
  call.require(rank >= 2 && (!pairs || out.back() == 2), "the result has another shape");
  const std::int64_t bins = out[rank - 2], frames = out[rank - 1];
  const std::int64_t signals = length == 0 ? 0 : self.numel() / length;
  call.require(call.out().numel() == signals * bins * frames * (pairs ? 2 : 1), "the result has another shape");
  call.require(bins <= size && (frames - 1) * hop + size <= length + 2 * margin, "there are more frames than fit");
  Line result(static_cast<std::size_t>(signals * bins * frames)), line(static_cast<std::size_t>(size));
  for (std::int64_t s = 0; s < signals; ++s)
    for (std::int64_t f = 0; f < frames; ++f) {
      for (std::int64_t i = 0; i < size; ++i) {
        const auto from = padded(f * hop + i - margin, length, mode);
        line[static_cast<std::size_t>(i)] =
            from ? signal[static_cast<std::size_t>(s * length + *from)] * window[static_cast<std::size_t>(i)] : 0;
      }
      transform(line, false);
      for (std::int64_t k = 0; k < bins; ++k)
        result[static_cast<std::size_t>((s * bins + k) * frames + f)] = line[static_cast<std::size_t>(k)] * scale;
    }
  if (!pairs) return store_complex(call.out(), result);
  std::vector<double> parts;
  for (const Complex& v : result) parts.insert(parts.end(), {v.real(), v.imag()});
  store<double>(call.out().dtype(), call.out().data(), 1, call.out().numel(), parts.data());
}

/// Adds up the signals of the frames, each weighted, and divides by the sum of the squared weights. [.., bins, frames]
void istft(const Call& call) {
  const Tensor& self = call.self();
  call.require(self.dim() == 2 || self.dim() == 3, "the spectra have two or three dimensions");
  const auto [size, hop, margin, window, scale] = frames_of(call);
  const std::int64_t bins = self.shape()[static_cast<std::size_t>(self.dim() - 2)], frames = self.shape().back();
  const bool onesided = call.given("onesided") ? call.boolean("onesided") : bins != size;
  call.require(frames >= 1 && bins == (onesided ? size / 2 + 1 : size), "the spectra do not fit n_fft");
  const std::int64_t signals = self.numel() / (bins * frames), length = call.out().shape().back();
  call.require(hop <= kMaxLine / frames && call.out().numel() == signals * length, "the result has another shape");
  const bool real = !is_complex(call.out().dtype());
  const Line spectra = complex_values(self);
  const std::int64_t whole = (frames - 1) * hop + size;
  Line result(static_cast<std::size_t>(signals * length)), line;
  for (std::int64_t s = 0; s < signals; ++s) {
    Line sum(static_cast<std::size_t>(whole)), weight(static_cast<std::size_t>(whole));
    for (std::int64_t f = 0; f < frames; ++f) {
      line.resize(static_cast<std::size_t>(bins));
      for (std::int64_t k = 0; k < bins; ++k)
        line[static_cast<std::size_t>(k)] = spectra[static_cast<std::size_t>((s * bins + k) * frames + f)];
      if (real) complete(line, size);
      transform(line, true);
      for (std::int64_t i = 0; i < size; ++i) {
        const auto at = static_cast<std::size_t>(f * hop + i);
        const Complex w = window[static_cast<std::size_t>(i)];
        sum[at] += line[static_cast<std::size_t>(i)] * w / (static_cast<double>(size) * scale);
        weight[at] += w * w;
      }
    }
    for (std::int64_t i = 0; i < length && i + margin < whole; ++i)
      result[static_cast<std::size_t>(s * length + i)] =
          sum[static_cast<std::size_t>(i + margin)] / weight[static_cast<std::size_t>(i + margin)];
  }
  store_complex(call.out(), result);
}

}  // namespace

void add_fourier_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten__fft_c2c_default}, c2c);
  table.add({aten__fft_r2c_default}, r2c);
  table.add({aten__fft_c2r_default}, c2r);
  table.add({aten_fft_fft_default, aten_fft_fft2_default, aten_fft_fftn_default}, named<Form::complex, false>);
  table.add({aten_fft_ifft_default, aten_fft_ifft2_default, aten_fft_ifftn_default}, named<Form::complex, true>);
  table.add({aten_fft_rfft_default, aten_fft_rfft2_default, aten_fft_rfftn_default}, named<Form::real_in, false>);
  table.add({aten_fft_irfft_default, aten_fft_irfft2_default, aten_fft_irfftn_default}, named<Form::real_out, true>);
  table.add({aten_fft_hfft_default, aten_fft_hfft2_default, aten_fft_hfftn_default}, hfft);
  table.add({aten_fft_ihfft_default, aten_fft_ihfft2_default, aten_fft_ihfftn_default}, ihfft);
  table.add({aten_fft_fftshift_default}, shift_spectrum<false>);
  table.add({aten_fft_ifftshift_default}, shift_spectrum<true>);
  table.add({aten_fft_fftfreq_default}, frequencies<false>);
  table.add({aten_fft_rfftfreq_default}, frequencies<true>);
  table.add({aten_stft_default, aten_stft_center}, stft);
  table.add({aten_istft_default}, istft);
}

}  // namespace aitune::reference
