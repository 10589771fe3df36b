// Mathematical functions of one tensor.

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "base/special_math.h"
#include "engines/reference/run/complex.h"
#include "engines/reference/run/elementwise.h"

namespace aitune::reference {
namespace {

template <typename T>
constexpr T kPi = std::numbers::pi_v<T>;

constexpr auto kSign = [](auto x) {
  using T = decltype(x);
  return x > T(0) ? T(1) : x < T(0) ? T(-1) : T(0);  // 0 for NaN, as in PyTorch
};
constexpr auto kFloor = [](auto x) {
  if constexpr (std::integral<decltype(x)>)
    return x;
  else
    return std::floor(x);
};
constexpr auto kCeil = [](auto x) {
  if constexpr (std::integral<decltype(x)>)
    return x;
  else
    return std::ceil(x);
};
constexpr auto kTrunc = [](auto x) {
  if constexpr (std::integral<decltype(x)>)
    return x;
  else
    return std::trunc(x);
};
constexpr auto kRound = [](auto x) {
  if constexpr (std::integral<decltype(x)>)
    return x;
  else
    return std::nearbyint(x);
};
constexpr auto kAbs = [](auto x) {
  if constexpr (std::integral<decltype(x)>)
    return x < 0 ? wrap_sub(decltype(x)(0), x) : x;
  else
    return std::abs(x);
};
constexpr auto kNeg = [](auto x) {
  if constexpr (std::integral<decltype(x)>)
    return wrap_sub(decltype(x)(0), x);
  else
    return -x;
};
constexpr auto kSinc = [](auto x) {
  using T = decltype(x);
  return x == T(0) ? T(1) : std::sin(kPi<T> * x) / (kPi<T> * x);
};
constexpr auto kErfinv = [](auto x) { return static_cast<decltype(x)>(special::inverse_erf(static_cast<double>(x))); };

void round_decimals(const Call& call) {
  const std::int64_t decimals = call.integer("decimals");
  apply_any(call, call.self(), [decimals](auto x) {
    using T = decltype(x);
    if constexpr (std::integral<T>) {
      return x;
    } else {
      const T scale = static_cast<T>(std::pow(10.0, static_cast<double>(std::abs(decimals))));
      return decimals < 0 ? std::nearbyint(x / scale) * scale : std::nearbyint(x * scale) / scale;
    }
  });
}

void logit(const Call& call) {
  const bool clamps = call.given("eps");
  const double eps = clamps ? call.number("eps") : 0;
  apply_floating(call, call.self(), [=](auto x) {
    using T = decltype(x);
    if (clamps) {
      const T low = T(eps), high = T(1) - T(eps);
      x = x < low ? low : x > high ? high : x;
    }
    return std::log(x / (T(1) - x));
  });
}

void nan_to_num(const Call& call) {
  const auto value = [&](std::string_view name) {
    return call.given(name) ? std::optional(call.number(name)) : std::nullopt;
  };
  const auto nan = value("nan"), high = value("posinf"), low = value("neginf");
  const bool complex = is_complex(call.out().dtype());  // part by part
  Tensor to = complex ? as_real(call.out()) : call.out();
  const Tensor from = complex ? as_real(call.self()) : call.self();
  const DType type = to.dtype();
  const double largest = type == DType::f16    ? 65504.0
                         : type == DType::bf16 ? 3.3895313892515355e38
                         : type == DType::f32  ? std::numeric_limits<float>::max()
                                               : std::numeric_limits<double>::max();
  const auto number = [&](auto x) {
    using T = decltype(x);
    if constexpr (std::floating_point<T>) {
      if (std::isnan(x)) return static_cast<T>(nan.value_or(0));
      if (std::isinf(x)) return static_cast<T>(x > 0 ? high.value_or(largest) : low.value_or(-largest));
    }
    return x;
  };
  visit_compute(compute_of(type), [&]<typename C>(C) { map<C, 1>(to, {&from}, number); });
}

/// Predicates look at the input in its own compute type.
template <auto F>
void predicate(const Call& call) {
  const Tensor& self = call.self();
  visit_compute(compute_of(self.dtype()), [&]<typename C>(C) { map<C, 1>(call.out(), {&self}, F); });
}

constexpr auto kIsNan = [](auto x) { return decltype(x)(x != x); };
constexpr auto kIsInf = [](auto x) {
  if constexpr (std::integral<decltype(x)>)
    return decltype(x)(0);
  else
    return decltype(x)(std::isinf(x));
};
constexpr auto kIsFinite = [](auto x) {
  if constexpr (std::integral<decltype(x)>)
    return decltype(x)(1);
  else
    return decltype(x)(std::isfinite(x));
};
constexpr auto kIsZero = [](auto x) { return decltype(x)(x == decltype(x)(0)); };
constexpr auto kSignBit = [](auto x) {
  if constexpr (std::integral<decltype(x)>)
    return decltype(x)(x < 0);
  else
    return decltype(x)(std::signbit(x));
};

void bitwise_not(const Call& call) {
  if (call.out().dtype() == DType::b8) return predicate<kIsZero>(call);
  if (is_floating(call.out().dtype())) call.unsupported(std::string(dtype_name(call.out().dtype())));
  map<std::int64_t, 1>(call.out(), {&call.self()}, [](std::int64_t x) { return ~x; });
}

/// A predicate of complex numbers: F of either part, both together with `All`.
template <auto F, bool All>
void complex_predicate(const Call& call) {
  if (!is_complex(call.self().dtype())) return predicate<F>(call);
  const Parts parts = parts_of(call.self());
  map<double, 2>(call.out(), {&parts.real, &*parts.imaginary},
                 [](double re, double im) { return All ? F(re) * F(im) : std::max(F(re), F(im)); });
}

Complex complex_abs(Complex v) { return std::abs(v); }
Complex complex_neg(Complex v) { return -v; }
Complex complex_sgn(Complex v) { return v == 0.0 ? v : v / std::abs(v); }
Complex complex_square(Complex v) { return v * v; }
Complex complex_exp(Complex v) { return std::exp(v); }
Complex complex_log(Complex v) { return std::log(v); }
Complex complex_sqrt(Complex v) { return std::sqrt(v); }
Complex complex_reciprocal(Complex v) { return 1.0 / v; }
Complex complex_exp2(Complex v) { return std::exp(v * std::numbers::ln2); }
Complex complex_log2(Complex v) { return std::log(v) / std::numbers::ln2; }
Complex complex_log10(Complex v) { return std::log10(v); }
Complex complex_rsqrt(Complex v) { return 1.0 / std::sqrt(v); }
Complex complex_sin(Complex v) { return std::sin(v); }
Complex complex_cos(Complex v) { return std::cos(v); }
Complex complex_tan(Complex v) { return std::tan(v); }
Complex complex_asin(Complex v) { return std::asin(v); }
Complex complex_acos(Complex v) { return std::acos(v); }
Complex complex_atan(Complex v) { return std::atan(v); }
Complex complex_sinh(Complex v) { return std::sinh(v); }
Complex complex_cosh(Complex v) { return std::cosh(v); }
Complex complex_tanh(Complex v) { return std::tanh(v); }
Complex complex_asinh(Complex v) { return std::asinh(v); }
Complex complex_acosh(Complex v) { return std::acosh(v); }
Complex complex_atanh(Complex v) { return std::atanh(v); }
Complex complex_sinc(Complex v) {
  const Complex x = kPi<double> * v;
  return v == 0.0 ? Complex(1) : std::sin(x) / x;
}
/// exp(v) - 1 without the loss where v is small: the real part is expm1(a) cos(b) + (cos(b) - 1).
Complex complex_expm1(Complex v) {
  const double half = std::sin(v.imag() / 2);
  return {std::expm1(v.real()) * std::cos(v.imag()) - 2 * half * half, std::exp(v.real()) * std::sin(v.imag())};
}
/// log(1 + v): half the logarithm of |1 + v|^2, whose distance from 1 is what is known well where v is small.
Complex complex_log1p(Complex v) {
  const Complex sum = 1.0 + v;
  if (!(std::abs(v) < 0.5)) return std::log(sum);
  return {0.5 * std::log1p(v.real() * (2 + v.real()) + v.imag() * v.imag()), std::atan2(v.imag(), sum.real())};
}

constexpr auto kSquare = [](auto x) { return wrap_mul(x, x); };
constexpr auto kExp = [](auto x) { return std::exp(x); };
constexpr auto kLog = [](auto x) { return std::log(x); };
constexpr auto kSqrt = [](auto x) { return std::sqrt(x); };
constexpr auto kReciprocal = [](auto x) { return decltype(x)(1) / x; };

}  // namespace

void add_math_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_abs_default, aten_abs__default}, with_complex<any_kernel<kAbs>, complex_abs>);
  table.add({aten_neg_default, aten_neg__default}, with_complex<any_kernel<kNeg>, complex_neg>);
  table.add({aten_sign_default, aten_sign__default}, any_kernel<kSign>);
  table.add({aten_sgn_default}, with_complex<any_kernel<kSign>, complex_sgn>);
  table.add({aten_floor_default, aten_floor__default}, any_kernel<kFloor>);
  table.add({aten_ceil_default, aten_ceil__default}, any_kernel<kCeil>);
  table.add({aten_trunc_default, aten_trunc__default}, any_kernel<kTrunc>);
  table.add({aten_round_default, aten_round__default}, any_kernel<kRound>);
  table.add({aten_round_decimals}, round_decimals);
  table.add({aten_frac_default}, floating_kernel<[](auto x) { return x - std::trunc(x); }>);
  table.add({aten_square_default, aten_square__default}, with_complex<any_kernel<kSquare>, complex_square>);
  table.add({aten_exp_default, aten_exp__default}, with_complex<floating_kernel<kExp>, complex_exp>);
  table.add({aten_exp2_default}, with_complex<floating_kernel<[](auto x) { return std::exp2(x); }>, complex_exp2>);
  table.add({aten_expm1_default, aten_expm1__default},
            with_complex<floating_kernel<[](auto x) { return std::expm1(x); }>, complex_expm1>);
  table.add({aten_log_default, aten_log__default}, with_complex<floating_kernel<kLog>, complex_log>);
  table.add({aten_log2_default}, with_complex<floating_kernel<[](auto x) { return std::log2(x); }>, complex_log2>);
  table.add({aten_log10_default}, with_complex<floating_kernel<[](auto x) { return std::log10(x); }>, complex_log10>);
  table.add({aten_log1p_default, aten_log1p__default},
            with_complex<floating_kernel<[](auto x) { return std::log1p(x); }>, complex_log1p>);
  table.add({aten_sqrt_default, aten_sqrt__default}, with_complex<floating_kernel<kSqrt>, complex_sqrt>);
  table.add({aten_rsqrt_default, aten_rsqrt__default},
            with_complex<floating_kernel<[](auto x) { return decltype(x)(1) / std::sqrt(x); }>, complex_rsqrt>);
  table.add({aten_reciprocal_default, aten_reciprocal__default},
            with_complex<floating_kernel<kReciprocal>, complex_reciprocal>);
  table.add({aten_sin_default, aten_sin__default},
            with_complex<floating_kernel<[](auto x) { return std::sin(x); }>, complex_sin>);
  table.add({aten_cos_default, aten_cos__default},
            with_complex<floating_kernel<[](auto x) { return std::cos(x); }>, complex_cos>);
  table.add({aten_tan_default}, with_complex<floating_kernel<[](auto x) { return std::tan(x); }>, complex_tan>);
  table.add({aten_asin_default}, with_complex<floating_kernel<[](auto x) { return std::asin(x); }>, complex_asin>);
  table.add({aten_acos_default}, with_complex<floating_kernel<[](auto x) { return std::acos(x); }>, complex_acos>);
  table.add({aten_atan_default}, with_complex<floating_kernel<[](auto x) { return std::atan(x); }>, complex_atan>);
  table.add({aten_sinh_default}, with_complex<floating_kernel<[](auto x) { return std::sinh(x); }>, complex_sinh>);
  table.add({aten_cosh_default}, with_complex<floating_kernel<[](auto x) { return std::cosh(x); }>, complex_cosh>);
  table.add({aten_asinh_default}, with_complex<floating_kernel<[](auto x) { return std::asinh(x); }>, complex_asinh>);
  table.add({aten_acosh_default}, with_complex<floating_kernel<[](auto x) { return std::acosh(x); }>, complex_acosh>);
  table.add({aten_atanh_default}, with_complex<floating_kernel<[](auto x) { return std::atanh(x); }>, complex_atanh>);
  table.add({aten_tanh_default, aten_tanh__default},
            with_complex<floating_kernel<[](auto x) { return std::tanh(x); }>, complex_tanh>);
  table.add({aten_erf_default, aten_erf__default}, floating_kernel<[](auto x) { return std::erf(x); }>);
  table.add({aten_erfc_default}, floating_kernel<[](auto x) { return std::erfc(x); }>);
  table.add({aten_erfinv_default}, floating_kernel<kErfinv>);
  table.add({aten_lgamma_default}, floating_kernel<[](auto x) { return std::lgamma(x); }>);
  table.add({aten_sinc_default}, with_complex<floating_kernel<kSinc>, complex_sinc>);
  table.add({aten_deg2rad_default}, floating_kernel<[](auto x) { return x * decltype(x)(kPi<double> / 180.0); }>);
  table.add({aten_rad2deg_default}, floating_kernel<[](auto x) { return x * decltype(x)(180.0 / kPi<double>); }>);
  table.add({aten_logit_default, aten_logit__default}, logit);
  table.add({aten_nan_to_num_default, aten_nan_to_num__default}, nan_to_num);
  table.add({aten_isnan_default}, complex_predicate<kIsNan, false>);
  table.add({aten_isinf_default}, complex_predicate<kIsInf, false>);
  table.add({aten_isfinite_default}, complex_predicate<kIsFinite, true>);
  table.add({aten_logical_not_default, aten_logical_not__default}, complex_predicate<kIsZero, true>);
  table.add({aten_signbit_default}, predicate<kSignBit>);
  table.add({aten_bitwise_not_default, aten_bitwise_not__default}, bitwise_not);
}

}  // namespace aitune::reference
