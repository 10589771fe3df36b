// Arithmetic of two and three operands, and fills.

#include <cmath>
#include <functional>

#include "base/error.h"
#include "engines/reference/run/complex.h"
#include "engines/reference/run/elementwise.h"

namespace aitune::reference {
namespace {

/// out = F(self, other), where F is a generic function; `other` may be a number, in any of PyTorch's spellings.
template <typename F>
void binary(const Call& call, F f) {
  const Tensor a = operand(call, "self");
  const Tensor b = operand(call, call.has("other") ? "other" : "exponent");
  visit_compute(compute_of(call.out().dtype()), [&]<typename C>(C) { map<C, 2>(call.out(), {&a, &b}, f); });
}
template <auto F>
void binary_kernel(const Call& call) {
  binary(call, F);
}
/// The same with a function for complex numbers.
template <auto F, Complex (*G)(Complex, Complex)>
void arithmetic_kernel(const Call& call) {
  if (!is_complex(call.out().dtype())) return binary(call, F);
  complex_binary(call, operand(call, "self"), operand(call, call.has("other") ? "other" : "exponent"), G);
}

template <typename C>
C as(const OpArg& number) {
  if constexpr (std::integral<C>)
    if (const auto* i = std::get_if<std::int64_t>(&number)) return *i;
  return static_cast<C>(number.number());
}

/// self + alpha * other, with the signs and the order of add, sub and rsub.
template <bool Subtracts, bool Reversed>
void add_kernel(const Call& call) {
  if (is_complex(call.out().dtype())) {
    Tensor a = operand(call, "self"), b = operand(call, "other");
    if (Reversed) std::swap(a, b);
    const double alpha = (call.has("alpha") ? call.number("alpha") : 1) * (Subtracts ? -1 : 1);
    std::vector<Complex> x = complex_values(a, call.out().shape());
    const std::vector<Complex> y = complex_values(b, call.out().shape());
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += alpha * y[i];
    return store_complex(call.out(), x);
  }
  visit_compute(compute_of(call.out().dtype()), [&]<typename C>(C) {
    const C alpha = call.has("alpha") ? as<C>(call["alpha"]) : C(1);
    Tensor a = operand(call, "self"), b = operand(call, "other");
    if (Reversed) std::swap(a, b);
    map<C, 2>(call.out(), {&a, &b}, [alpha](C x, C y) {
      y = wrap_mul(alpha, y);
      return Subtracts ? wrap_sub(x, y) : wrap_add(x, y);
    });
  });
}

template <typename T>
T int_quotient(T a, T b) {
  if (b == 0) throw InvalidArgument("integer division by zero");
  return b == -1 ? wrap_sub(T(0), a) : a / b;
}

template <typename T>
T floor_quotient(T a, T b) {
  if constexpr (std::integral<T>) {
    const T q = int_quotient(a, b);
    return b != -1 && a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
  } else {
    if (b == T(0)) return a / b;
    const T m = std::fmod(a, b);
    T q = (a - m) / b;
    if (m != T(0) && (b < T(0)) != (m < T(0))) q -= T(1);
    if (q == T(0)) return std::copysign(T(0), a / b);
    const T f = std::floor(q);
    return q - f > T(0.5) ? f + T(1) : f;
  }
}

template <typename T>
T remainder(T a, T b) {
  if constexpr (std::integral<T>) {
    if (b == 0) throw InvalidArgument("integer division by zero");
    if (b == -1) return 0;
    const T m = a % b;
    return m != 0 && (m < 0) != (b < 0) ? m + b : m;
  } else {
    const T m = std::fmod(a, b);
    return m != T(0) && (b < T(0)) != (m < T(0)) ? m + b : m;
  }
}

constexpr auto kMul = [](auto a, auto b) { return wrap_mul(a, b); };
constexpr auto kDiv = [](auto a, auto b) {
  if constexpr (std::integral<decltype(a)>)
    return int_quotient(a, b);
  else
    return a / b;
};
Complex complex_product(Complex a, Complex b) { return a * b; }
Complex complex_quotient(Complex a, Complex b) { return a / b; }
Complex complex_power(Complex a, Complex b) { return b == 2.0 ? a * a : std::pow(a, b); }
constexpr auto kDivTrunc = [](auto a, auto b) {
  if constexpr (std::integral<decltype(a)>)
    return int_quotient(a, b);
  else
    return std::trunc(a / b);
};
constexpr auto kDivFloor = [](auto a, auto b) { return floor_quotient(a, b); };
constexpr auto kRemainder = [](auto a, auto b) { return remainder(a, b); };
constexpr auto kFmod = [](auto a, auto b) {
  if constexpr (std::integral<decltype(a)>) {
    if (b == 0) throw InvalidArgument("integer division by zero");
    return b == -1 ? decltype(a)(0) : a % b;
  } else {
    return std::fmod(a, b);
  }
};
constexpr auto kPow = [](auto a, auto b) {
  using T = decltype(a);
  if constexpr (std::integral<T>) {
    if (b < 0) return a == 1 ? T(1) : a == -1 ? (b % 2 == 0 ? T(1) : T(-1)) : T(0);
    T result = 1;
    for (; b > 0; b /= 2) {
      if (b % 2 == 1) result = wrap_mul(result, a);
      a = wrap_mul(a, a);
    }
    return result;
  } else {
    return b == T(2) ? a * a : std::pow(a, b);
  }
};
constexpr auto kMaximum = [](auto a, auto b) { return a != a ? a : b != b ? b : a > b ? a : b; };
constexpr auto kMinimum = [](auto a, auto b) { return a != a ? a : b != b ? b : a < b ? a : b; };
constexpr auto kFmax = [](auto a, auto b) { return a != a ? b : b != b ? a : a > b ? a : b; };
constexpr auto kFmin = [](auto a, auto b) { return a != a ? b : b != b ? a : a < b ? a : b; };
constexpr auto kXlogy = [](auto a, auto b) {
  using T = decltype(a);
  return b != b ? b : a == T(0) ? T(0) : static_cast<T>(a * std::log(b));
};
template <bool Two>
constexpr auto kLogAddExp = [](auto a, auto b) {
  using T = decltype(a);
  if constexpr (std::integral<T>) {
    return a;
  } else {
    if (std::isinf(a) && a == b) return a;
    const T m = a > b ? a : b, d = -std::abs(a - b);
    return Two ? m + std::log1p(std::exp2(d)) / T(0.693147180559945309417) : m + std::log1p(std::exp(d));
  }
};

void div_mode(const Call& call) {
  if (!call.given("rounding_mode")) return binary(call, kDiv);
  const std::string& mode = call.string("rounding_mode");
  if (mode == "trunc") return binary(call, kDivTrunc);
  call.require(mode == "floor", "rounding_mode is neither 'trunc' nor 'floor'");
  binary(call, kDivFloor);
}

/// a where the condition is set, and else b.
void choose(const Call& call, const Tensor& condition, const Tensor& a, const Tensor& b) {
  if (is_complex(call.out().dtype())) {
    const Shape& shape = call.out().shape();
    std::vector<Complex> x = complex_values(a, shape);
    const std::vector<Complex> y = complex_values(b, shape), keep = complex_values(condition, shape);
    for (std::size_t i = 0; i < x.size(); ++i)
      if (keep[i] == 0.0) x[i] = y[i];
    return store_complex(call.out(), x);
  }
  visit_compute(compute_of(call.out().dtype()), [&]<typename C>(C) {
    map<C, 3>(call.out(), {&condition, &a, &b}, [](C c, C x, C y) { return c != C(0) ? x : y; });
  });
}

void where(const Call& call) { choose(call, call.tensor("condition"), operand(call, "self"), operand(call, "other")); }

void masked_fill(const Call& call) { choose(call, call.tensor("mask"), operand(call, "value"), call.self()); }

/// out = f(a, b, c), where the result is complex.
void complex_ternary(const Call& call, const Tensor& a, const Tensor& b, const Tensor& c,
                     const std::function<Complex(Complex, Complex, Complex)>& f) {
  const Shape& shape = call.out().shape();
  std::vector<Complex> x = complex_values(a, shape);
  const std::vector<Complex> y = complex_values(b, shape), z = complex_values(c, shape);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = f(x[i], y[i], z[i]);
  store_complex(call.out(), x);
}

void lerp(const Call& call) {
  const Tensor weight = operand(call, "weight");
  if (is_complex(call.out().dtype()))
    return complex_ternary(call, call.self(), call.tensor("end"), weight, [](Complex a, Complex b, Complex w) {
      return std::abs(w) < 0.5 ? a + w * (b - a) : b - (b - a) * (1.0 - w);
    });
  visit_floating(call.out().dtype(), [&]<typename C>(C) {
    map<C, 3>(call.out(), {&call.self(), &call.tensor("end"), &weight},
              [](C a, C b, C w) { return std::abs(w) < C(0.5) ? a + w * (b - a) : b - (b - a) * (C(1) - w); });
  });
}

template <bool Divides>
void addc(const Call& call) {
  const Tensor &a = call.self(), &b = call.tensor("tensor1"), &c = call.tensor("tensor2");
  if (is_complex(call.out().dtype()))
    return complex_ternary(call, a, b, c, [value = call.number("value")](Complex x, Complex y, Complex z) {
      return Divides ? x + value * y / z : x + value * y * z;
    });
  visit_compute(compute_of(call.out().dtype()), [&]<typename C>(C) {
    const C value = as<C>(call["value"]);
    map<C, 3>(call.out(), {&a, &b, &c}, [value](C x, C y, C z) {
      if constexpr (Divides && std::floating_point<C>)
        return x + value * y / z;
      else
        return wrap_add(x, wrap_mul(wrap_mul(value, y), z));
    });
  });
}

void copy(const Call& call) { copy_elements(call.out(), call.tensor("src")); }
void fill(const Call& call) {
  const Tensor value = operand(call, "value");
  copy_elements(call.out(), value);
}
void zero(const Call& call) {
  const Tensor value = scalar(0);
  copy_elements(call.out(), value);
}

}  // namespace

void add_arithmetic_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_add_Tensor, aten_add_Scalar, aten_add__Tensor, aten_add__Scalar}, add_kernel<false, false>);
  table.add({aten_sub_Tensor, aten_sub_Scalar, aten_sub__Tensor, aten_sub__Scalar, aten_subtract_Tensor},
            add_kernel<true, false>);
  table.add({aten_rsub_Tensor, aten_rsub_Scalar}, add_kernel<true, true>);
  table.add({aten_mul_Tensor, aten_mul_Scalar, aten_mul__Tensor, aten_mul__Scalar, aten_multiply_Tensor},
            arithmetic_kernel<kMul, complex_product>);
  table.add({aten_div_Tensor, aten_div_Scalar, aten_div__Tensor, aten_div__Scalar, aten_divide_Tensor,
             aten_true_divide_Tensor},
            arithmetic_kernel<kDiv, complex_quotient>);
  table.add({aten_div_Tensor_mode, aten_div_Scalar_mode, aten_div__Tensor_mode, aten_div__Scalar_mode}, div_mode);
  table.add({aten_floor_divide_default, aten_floor_divide_Scalar, aten_floor_divide__Tensor}, binary_kernel<kDivFloor>);
  table.add({aten_remainder_Tensor, aten_remainder_Scalar, aten_remainder_Scalar_Tensor, aten_remainder__Tensor,
             aten_remainder__Scalar},
            binary_kernel<kRemainder>);
  table.add({aten_fmod_Tensor, aten_fmod_Scalar}, binary_kernel<kFmod>);
  table.add({aten_pow_Tensor_Tensor, aten_pow_Tensor_Scalar, aten_pow_Scalar, aten_pow__Tensor, aten_pow__Scalar,
             aten_float_power_Tensor_Scalar, aten_float_power_Tensor_Tensor, aten_float_power_Scalar,
             aten_float_power__Tensor},
            arithmetic_kernel<kPow, complex_power>);
  table.add({aten_maximum_default, aten_max_other}, binary_kernel<kMaximum>);
  table.add({aten_minimum_default, aten_min_other}, binary_kernel<kMinimum>);
  table.add({aten_fmax_default}, binary_kernel<kFmax>);
  table.add({aten_fmin_default}, binary_kernel<kFmin>);
  table.add({aten_atan2_default}, binary_kernel<[](auto a, auto b) { return std::atan2(a, b); }>);
  table.add({aten_hypot_default}, binary_kernel<[](auto a, auto b) { return std::hypot(a, b); }>);
  table.add({aten_copysign_Tensor, aten_copysign_Scalar},
            binary_kernel<[](auto a, auto b) { return std::copysign(a, b); }>);
  table.add({aten_xlogy_Tensor, aten_xlogy_Scalar_Other, aten_xlogy_Scalar_Self}, binary_kernel<kXlogy>);
  table.add({aten_logaddexp_default}, binary_kernel<kLogAddExp<false>>);
  table.add({aten_logaddexp2_default}, binary_kernel<kLogAddExp<true>>);
  table.add({aten_where_self, aten_where_ScalarSelf, aten_where_ScalarOther, aten_where_Scalar}, where);
  table.add({aten_masked_fill_Scalar, aten_masked_fill_Tensor, aten_masked_fill__Scalar, aten_masked_fill__Tensor},
            masked_fill);
  table.add({aten_lerp_Scalar, aten_lerp__Scalar, aten_lerp_Tensor}, lerp);
  table.add({aten_addcmul_default, aten_addcmul__default}, addc<false>);
  table.add({aten_addcdiv_default, aten_addcdiv__default}, addc<true>);
  table.add({aten_copy_default, aten_copy__default}, copy);
  table.add({aten_fill_Scalar, aten_fill_Tensor, aten_fill__Scalar, aten_fill__Tensor}, fill);
  table.add({aten_zero_default, aten_zero__default}, zero);
}

}  // namespace aitune::reference
