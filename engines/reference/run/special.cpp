// Elementwise functions that are rarely met.

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "base/special_math.h"
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

/// A function of one number, computed in double.
template <double (*F)(double)>
void of_number(const Call& call) {
  const Tensor& x = call.tensor(call.has("x") ? "x" : "self");
  apply_floating(call, x, [](auto value) { return static_cast<decltype(value)>(F(static_cast<double>(value))); });
}
/// One of a family, by its order.
template <double (*F)(int, double), int Order>
double of_order(double x) {
  return F(Order, x);
}

/// A function of two numbers, each a tensor or not.
template <double (*F)(double, double)>
void of_numbers(const Call& call) {
  const bool polynomial = call.has("n");
  const Tensor a = operand(call, polynomial ? "x" : "self"), b = operand(call, polynomial ? "n" : "other");
  visit_floating(call.out().dtype(), [&]<typename C>(C) {
    map<C, 2>(call.out(), {&a, &b},
              [](C x, C y) { return static_cast<C>(F(static_cast<double>(x), static_cast<double>(y))); });
  });
}

/// The polynomial of degree n on [0, 1].
template <double (*F)(double, double)>
double on_unit_interval(double x, double n) {
  return F(2 * x - 1, n);
}

void polygamma(const Call& call) {
  const std::int64_t n = call.integer("n");
  call.require(n >= 0, "a derivative has an order of 0 or more");
  apply_floating(call, call.self(), [order = static_cast<double>(n)](auto x) {
    return static_cast<decltype(x)>(special::polygamma(order, static_cast<double>(x)));
  });
}

void multivariate_log_gamma(const Call& call) {
  constexpr std::int64_t kMostDims = 1 << 16;
  const std::int64_t p = call.integer("p");
  call.require(p >= 1 && p <= kMostDims, "p is between 1 and 65536");
  apply_floating(call, call.self(), [p](auto x) {
    return static_cast<decltype(x)>(special::multivariate_log_gamma(static_cast<double>(x), p));
  });
}

/// A number between 0.5 and 1 and the power of two that it is multiplied with; 0 for what is not finite.
void fraction_and_exponent(const Call& call) {
  const Tensor& x = call.self();
  call.require(is_floating(x.dtype()) && call.out_count() == 2, "splits tensors of floating-point numbers");
  visit_floating(x.dtype(), [&]<typename C>(C) {
    int exponent = 0;
    map<C, 1>(call.out(0), {&x}, [&](C value) { return std::frexp(value, &exponent); });
    map<C, 1>(call.out(1), {&x}, [&](C value) {
      exponent = 0;
      if (std::isfinite(value)) static_cast<void>(std::frexp(value, &exponent));
      return static_cast<C>(exponent);
    });
  });
}

/// In evaluation the slope is the middle of its range.
void rrelu(const Call& call) {
  if (call.boolean("training")) call.unsupported("rrelu in training mode: export the model after eval()");
  const double slope = (call.number("lower") + call.number("upper")) / 2;
  apply_floating(call, call.self(), [slope](auto x) {
    return x <= 0 ? static_cast<decltype(x)>(x * static_cast<decltype(x)>(slope)) : x;
  });
}

void add_polynomials(KernelTable& table) {
  using enum OpId;
  table.add({aten_special_chebyshev_polynomial_t_default, aten_special_chebyshev_polynomial_t_x_scalar,
             aten_special_chebyshev_polynomial_t_n_scalar},
            of_numbers<special::chebyshev_t>);
  table.add({aten_special_chebyshev_polynomial_u_default, aten_special_chebyshev_polynomial_u_x_scalar,
             aten_special_chebyshev_polynomial_u_n_scalar},
            of_numbers<special::chebyshev_u>);
  table.add({aten_special_chebyshev_polynomial_v_default, aten_special_chebyshev_polynomial_v_x_scalar,
             aten_special_chebyshev_polynomial_v_n_scalar},
            of_numbers<special::chebyshev_v>);
  table.add({aten_special_chebyshev_polynomial_w_default, aten_special_chebyshev_polynomial_w_x_scalar,
             aten_special_chebyshev_polynomial_w_n_scalar},
            of_numbers<special::chebyshev_w>);
  table.add({aten_special_shifted_chebyshev_polynomial_t_default, aten_special_shifted_chebyshev_polynomial_t_x_scalar,
             aten_special_shifted_chebyshev_polynomial_t_n_scalar},
            of_numbers<on_unit_interval<special::chebyshev_t>>);
  table.add({aten_special_shifted_chebyshev_polynomial_u_default, aten_special_shifted_chebyshev_polynomial_u_x_scalar,
             aten_special_shifted_chebyshev_polynomial_u_n_scalar},
            of_numbers<on_unit_interval<special::chebyshev_u>>);
  table.add({aten_special_shifted_chebyshev_polynomial_v_default, aten_special_shifted_chebyshev_polynomial_v_x_scalar,
             aten_special_shifted_chebyshev_polynomial_v_n_scalar},
            of_numbers<on_unit_interval<special::chebyshev_v>>);
  table.add({aten_special_shifted_chebyshev_polynomial_w_default, aten_special_shifted_chebyshev_polynomial_w_x_scalar,
             aten_special_shifted_chebyshev_polynomial_w_n_scalar},
            of_numbers<on_unit_interval<special::chebyshev_w>>);
  table.add({aten_special_hermite_polynomial_h_default, aten_special_hermite_polynomial_h_x_scalar,
             aten_special_hermite_polynomial_h_n_scalar},
            of_numbers<special::hermite_h>);
  table.add({aten_special_hermite_polynomial_he_default, aten_special_hermite_polynomial_he_x_scalar,
             aten_special_hermite_polynomial_he_n_scalar},
            of_numbers<special::hermite_he>);
  table.add({aten_special_laguerre_polynomial_l_default, aten_special_laguerre_polynomial_l_x_scalar,
             aten_special_laguerre_polynomial_l_n_scalar},
            of_numbers<special::laguerre>);
  table.add({aten_special_legendre_polynomial_p_default, aten_special_legendre_polynomial_p_x_scalar,
             aten_special_legendre_polynomial_p_n_scalar},
            of_numbers<special::legendre>);
}

}  // namespace

void add_special_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_heaviside_default}, binary_kernel<kHeaviside>);
  table.add({aten_special_xlog1py_default, aten_special_xlog1py_other_scalar, aten_special_xlog1py_self_scalar},
            binary_kernel<kXlog1py>);
  table.add({aten_ldexp_Tensor, aten_ldexp__default}, binary_kernel<kLdexp>);
  table.add({aten_gcd_default}, gcd_kernel);
  table.add({aten_lcm_default}, lcm_kernel);
  table.add({aten_nextafter_default}, nextafter);
  table.add({aten_isposinf_default}, infinite<true>);
  table.add({aten_isneginf_default}, infinite<false>);
  table.add({aten_special_entr_default}, floating_kernel<kEntropy>);
  table.add({aten_special_ndtr_default}, floating_kernel<kNormalCdf>);
  table.add({aten_i0_default, aten_special_modified_bessel_i0_default}, of_number<of_order<special::bessel_i, 0>>);
  table.add({aten_special_i1_default, aten_special_modified_bessel_i1_default},
            of_number<of_order<special::bessel_i, 1>>);
  table.add({aten_special_i0e_default}, of_number<of_order<special::scaled_bessel_i, 0>>);
  table.add({aten_special_i1e_default}, of_number<of_order<special::scaled_bessel_i, 1>>);
  table.add({aten_special_modified_bessel_k0_default}, of_number<of_order<special::bessel_k, 0>>);
  table.add({aten_special_modified_bessel_k1_default}, of_number<of_order<special::bessel_k, 1>>);
  table.add({aten_special_scaled_modified_bessel_k0_default}, of_number<of_order<special::scaled_bessel_k, 0>>);
  table.add({aten_special_scaled_modified_bessel_k1_default}, of_number<of_order<special::scaled_bessel_k, 1>>);
  table.add({aten_special_bessel_j0_default}, of_number<of_order<special::bessel_j, 0>>);
  table.add({aten_special_bessel_j1_default}, of_number<of_order<special::bessel_j, 1>>);
  table.add({aten_special_bessel_y0_default}, of_number<of_order<special::bessel_y, 0>>);
  table.add({aten_special_bessel_y1_default}, of_number<of_order<special::bessel_y, 1>>);
  table.add({aten_special_spherical_bessel_j0_default}, of_number<special::spherical_bessel_j0>);
  table.add({aten_special_airy_ai_default}, of_number<special::airy>);
  table.add({aten_digamma_default}, of_number<special::digamma>);
  table.add({aten_special_erfcx_default}, of_number<special::scaled_erfc>);
  table.add({aten_special_ndtri_default}, of_number<special::normal_quantile>);
  table.add({aten_special_log_ndtr_default}, of_number<special::log_normal_cdf>);
  table.add({aten_polygamma_default}, polygamma);
  table.add({aten_mvlgamma_default}, multivariate_log_gamma);
  table.add({aten_frexp_Tensor}, fraction_and_exponent);
  table.add({aten_igamma_default}, of_numbers<special::lower_gamma>);
  table.add({aten_igammac_default}, of_numbers<special::upper_gamma>);
  table.add({aten_special_zeta_default, aten_special_zeta_other_scalar, aten_special_zeta_self_scalar},
            of_numbers<special::zeta>);
  add_polynomials(table);
  table.add({aten_rrelu_default}, rrelu);
}

}  // namespace aitune::reference
