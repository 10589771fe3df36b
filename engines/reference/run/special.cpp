// Elementwise functions that are rarely met.

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "engines/reference/run/elementwise.h"

namespace aitune::reference {
namespace {

template <typename F>
void binary(const Call& call, F f) {
  const Tensor a = operand(call, "self"), b = operand(call, call.has("other") ? "other" : "values");
  visit_compute(compute_of(call.out().dtype()), [&]<typename C>(C) { map<C, 2>(call.out(), {&a, &b}, f); });
}
template <auto F>
void binary_kernel(const Call& call) {
  binary(call, F);
}

constexpr auto kHeaviside = [](auto x, auto at_zero) {
  using T = decltype(x);
  return x == T(0) ? at_zero : x > T(0) ? T(1) : T(0);
};
constexpr auto kXlog1py = [](auto x, auto y) {
  using T = decltype(x);
  return y != y ? y : x == T(0) ? T(0) : static_cast<T>(x * std::log1p(y));
};
constexpr auto kLdexp = [](auto x, auto y) { return static_cast<decltype(x)>(x * std::exp2(y)); };

/// The greatest common divisor, 0 for two zeros; |min| wraps.
std::int64_t gcd(std::int64_t a, std::int64_t b) {
  auto x = a < 0 ? 0 - static_cast<std::uint64_t>(a) : static_cast<std::uint64_t>(a);
  auto y = b < 0 ? 0 - static_cast<std::uint64_t>(b) : static_cast<std::uint64_t>(b);
  while (y != 0) x = std::exchange(y, x % y);
  return static_cast<std::int64_t>(x);
}
void gcd_kernel(const Call& call) {
  if (is_floating(call.out().dtype())) call.unsupported(std::string(dtype_name(call.out().dtype())));
  map<std::int64_t, 2>(call.out(), {&call.self(), &call.tensor("other")}, gcd);
}
void lcm_kernel(const Call& call) {
  if (is_floating(call.out().dtype())) call.unsupported(std::string(dtype_name(call.out().dtype())));
  map<std::int64_t, 2>(call.out(), {&call.self(), &call.tensor("other")}, [](std::int64_t a, std::int64_t b) {
    const std::int64_t g = gcd(a, b);
    if (g == 0 || g == -1) return std::int64_t{0};
    const std::int64_t product = wrap_mul(a / g, b);
    return product < 0 ? wrap_sub(std::int64_t{0}, product) : product;
  });
}

/// The next number of a short type, by its bits.
template <typename ToBits, typename FromBits>
float next_short(float a, float b, ToBits to_bits, FromBits from_bits) {
  if (a != a || b != b) return std::numeric_limits<float>::quiet_NaN();
  if (a == b) return b;
  if (a == 0) return from_bits(static_cast<std::uint16_t>(std::signbit(b) ? 0x8001 : 0x0001));
  const std::uint16_t bits = to_bits(a);
  const bool away = (a < b) == (a > 0);
  return from_bits(static_cast<std::uint16_t>(away ? bits + 1 : bits - 1));
}
void nextafter(const Call& call) {
  const DType type = call.out().dtype();
  binary(call, [type](auto a, auto b) {
    if constexpr (std::is_same_v<decltype(a), float>) {
      if (type == DType::bf16) return next_short(a, b, float_to_bf16, bf16_to_float);
      if (type == DType::f16) return next_short(a, b, float_to_f16, f16_to_float);
    }
    if constexpr (std::floating_point<decltype(a)>)
      return std::nextafter(a, b);
    else
      return a;
  });
}

template <bool Positive>
void infinite(const Call& call) {
  const Tensor& self = call.self();
  visit_compute(compute_of(self.dtype()), [&]<typename C>(C) {
    map<C, 1>(call.out(), {&self}, [](C x) {
      if constexpr (std::floating_point<C>)
        return x == (Positive ? 1 : -1) * std::numeric_limits<C>::infinity() ? C(1) : C(0);
      else
        return C(0);
    });
  });
}

constexpr auto kEntropy = [](auto x) {
  using T = decltype(x);
  return x != x      ? x
         : x > T(0)  ? static_cast<T>(-x * std::log(x))
         : x == T(0) ? T(0)
                     : -std::numeric_limits<T>::infinity();
};
constexpr auto kNormalCdf = [](auto x) {
  using T = decltype(x);
  return static_cast<T>(0.5 * std::erfc(static_cast<double>(-x) * 0.70710678118654752440));
};

/// The modified Bessel function of order 0: its series, and its asymptotic form where that converges fast.
double bessel_i0(double x) {
  x = std::abs(x);
  if (std::isnan(x) || std::isinf(x)) return x;
  if (x < 20) {
    double term = 1, sum = 1;
    for (int k = 1; k < 80; ++k) {
      term *= (x / (2 * k)) * (x / (2 * k));
      sum += term;
    }
    return sum;
  }
  double term = 1, sum = 1;
  for (int k = 1; k < 30; ++k) {
    const double next = term * (2 * k - 1) * (2 * k - 1) / (8 * k * x);
    if (std::abs(next) > std::abs(term)) break;
    term = next;
    sum += term;
  }
  return std::exp(x - 0.5 * std::log(2 * 3.14159265358979323846 * x)) * sum;
}
constexpr auto kBesselI0 = [](auto x) { return static_cast<decltype(x)>(bessel_i0(static_cast<double>(x))); };

/// In evaluation the slope is the middle of its range.
void rrelu(const Call& call) {
  if (call.boolean("training")) call.unsupported("rrelu in training mode: export the model after eval()");
  const double slope = (call.number("lower") + call.number("upper")) / 2;
  apply_floating(call, call.self(), [slope](auto x) {
    return x <= 0 ? static_cast<decltype(x)>(x * static_cast<decltype(x)>(slope)) : x;
  });
}

}  // namespace

void add_special_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_heaviside_default}, binary_kernel<kHeaviside>);
  table.add({aten_special_xlog1py_default, aten_special_xlog1py_other_scalar, aten_special_xlog1py_self_scalar},
            binary_kernel<kXlog1py>);
  table.add({aten_ldexp_Tensor}, binary_kernel<kLdexp>);
  table.add({aten_gcd_default}, gcd_kernel);
  table.add({aten_lcm_default}, lcm_kernel);
  table.add({aten_nextafter_default}, nextafter);
  table.add({aten_isposinf_default}, infinite<true>);
  table.add({aten_isneginf_default}, infinite<false>);
  table.add({aten_special_entr_default}, floating_kernel<kEntropy>);
  table.add({aten_special_ndtr_default}, floating_kernel<kNormalCdf>);
  table.add({aten_i0_default}, floating_kernel<kBesselI0>);
  table.add({aten_rrelu_default}, rrelu);
}

}  // namespace aitune::reference
