// Complex numbers: taking them apart, putting them together, and their arithmetic.

#include "engines/reference/run/complex.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "engines/reference/run/elementwise.h"
#include "engines/reference/run/views.h"

namespace aitune::reference {

Tensor as_real(const Tensor& t) {
  if (!is_complex(t.dtype())) throw InvalidArgument("the tensor is not complex");
  Shape shape = t.shape(), strides = t.strides();
  for (std::int64_t& s : strides) s *= 2;
  shape.push_back(2);
  strides.push_back(1);
  return {t.dtype() == DType::c128 ? DType::f64 : DType::f32, std::move(shape), std::move(strides), t.owner(),
          t.data()};
}

std::vector<Complex> complex_values(const Tensor& t) {
  const auto count = static_cast<std::size_t>(t.numel());
  std::vector<Complex> values(count);
  if (is_complex(t.dtype())) {
    const Contiguous<double> parts(as_real(t));
    for (std::size_t i = 0; i < count; ++i)
      values[i] = {parts[static_cast<std::int64_t>(2 * i)], parts[static_cast<std::int64_t>(2 * i + 1)]};
  } else {
    const Contiguous<double> parts(t);
    for (std::size_t i = 0; i < count; ++i) values[i] = parts[static_cast<std::int64_t>(i)];
  }
  return values;
}

std::vector<Complex> complex_values(const Tensor& t, const Shape& shape) {
  return complex_values(view(t, shape, broadcast_strides(t, shape)));
}

void store_complex(const Tensor& out, const std::vector<Complex>& values) {
  const bool whole = is_complex(out.dtype());
  if (out.numel() != static_cast<std::int64_t>(values.size()))
    throw InvalidArgument("the result has another number of elements");
  std::vector<double> parts;
  parts.reserve(values.size() * (whole ? 2 : 1));
  for (const Complex& v : values) {
    parts.push_back(v.real());
    if (whole) parts.push_back(v.imag());
  }
  store<double>(whole ? as_real(out).dtype() : out.dtype(), out.data(), 1, static_cast<std::int64_t>(parts.size()),
                parts.data());
}

Parts parts_of(const Tensor& t) {
  if (!is_complex(t.dtype())) return {t, std::nullopt};
  const Tensor pairs = as_real(t);
  const std::size_t last = pairs.shape().size() - 1;
  return {select(pairs, last, 0), select(pairs, last, 1)};
}

std::vector<Complex> complex_bilinear(const Tensor& a, const Tensor& b, const Shape& shape,
                                      const std::function<void(const Tensor&, const Tensor&, double*)>& f) {
  const Parts x = parts_of(a), y = parts_of(b);
  std::vector<Complex> sums(static_cast<std::size_t>(element_count(shape)));
  std::vector<double> part(sums.size() + 1);
  const auto add = [&](const Tensor& left, const Tensor& right, Complex factor) {
    f(left, right, part.data());
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += factor * part[i];
  };
  constexpr Complex kI = {0, 1};
  add(x.real, y.real, 1);
  if (y.imaginary) add(x.real, *y.imaginary, kI);
  if (x.imaginary) add(*x.imaginary, y.real, kI);
  if (x.imaginary && y.imaginary) add(*x.imaginary, *y.imaginary, -1);
  return sums;
}

void complex_binary(const Call& call, const Tensor& a, const Tensor& b, Complex (*f)(Complex, Complex)) {
  std::vector<Complex> x = complex_values(a, call.out().shape());
  const std::vector<Complex> y = complex_values(b, call.out().shape());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = f(x[i], y[i]);
  store_complex(call.out(), x);
}

void complex_unary(const Call& call, Complex (*f)(Complex)) {
  std::vector<Complex> x = complex_values(call.self());
  for (Complex& v : x) v = f(v);
  store_complex(call.out(), x);
}

Tensor conjugated(const Tensor& t) {
  Tensor result(t.dtype(), t.shape());
  std::vector<Complex> values = complex_values(t);
  for (Complex& v : values) v = std::conj(v);
  store_complex(result, values);
  return result;
}

Tensor magnitudes(const Tensor& t) {
  if (!is_complex(t.dtype())) return t;
  Tensor result(DType::f64, t.shape());
  std::ranges::transform(complex_values(t), result.as<double>(), [](Complex v) { return std::abs(v); });
  return result;
}

namespace {

/// One of the two numbers of each element.
void part(const Call& call, std::int64_t which) {
  const Tensor& self = call.self();
  if (!is_complex(self.dtype())) {
    call.require(which == 0, "a real tensor has no imaginary part");
    return copy_elements(call.out(), self);
  }
  const Tensor parts = as_real(self);
  copy_elements(call.out(), select(parts, parts.shape().size() - 1, which));
}
void real(const Call& call) { part(call, 0); }
void imag(const Call& call) { part(call, 1); }

void view_as_real(const Call& call) { copy_elements(call.out(), as_real(call.self())); }
void view_as_complex(const Call& call) {
  Tensor to = as_real(call.out());
  copy_elements(to, call.self());
}

void conjugate(const Call& call) {
  if (!is_complex(call.self().dtype())) return copy_elements(call.out(), call.self());
  copy_elements(call.out(), conjugated(call.self()));
}

void resolve(const Call& call) { copy_elements(call.out(), call.self()); }

void angle(const Call& call) {
  if (is_complex(call.self().dtype()))
    return complex_unary(call, [](Complex v) { return Complex(std::atan2(v.imag(), v.real())); });
  apply_floating(call, call.self(), [](auto x) {
    using T = decltype(x);
    return x != x ? x : x < T(0) ? std::numbers::pi_v<T> : T(0);
  });
}

void join(const Call& call, std::string_view first, std::string_view second, Complex (*f)(Complex, Complex)) {
  complex_binary(call, call.tensor(first), call.tensor(second), f);
}
void complex(const Call& call) {
  join(call, "real", "imag", [](Complex a, Complex b) { return Complex(a.real(), b.real()); });
}
void polar(const Call& call) {
  join(call, "abs", "angle",
       [](Complex a, Complex b) { return Complex(a.real() * std::cos(b.real()), a.real() * std::sin(b.real())); });
}

/// Whether the imaginary part is 0; real numbers have none.
void isreal(const Call& call) {
  const Tensor& self = call.self();
  if (!is_complex(self.dtype())) return copy_elements(call.out(), scalar(DType::b8, 1));
  const Tensor pairs = as_real(self), imaginary = select(pairs, pairs.shape().size() - 1, 1);
  map<double, 1>(call.out(), {&imaginary}, [](double v) { return v == 0 ? 1.0 : 0.0; });
}

}  // namespace

void add_complex_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_real_default}, real);
  table.add({aten_imag_default}, imag);
  table.add({aten_view_as_real_default}, view_as_real);
  table.add({aten_view_as_complex_default}, view_as_complex);
  table.add({aten_conj_default, aten__conj_default, aten_conj_physical_default}, conjugate);
  table.add({aten_resolve_conj_default, aten_resolve_neg_default}, resolve);
  table.add({aten_angle_default}, angle);
  table.add({aten_isreal_default}, isreal);
  table.add({aten_complex_default}, complex);
  table.add({aten_polar_default}, polar);
}

}  // namespace aitune::reference
