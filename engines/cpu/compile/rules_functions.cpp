// Elementwise functions beyond arithmetic: elementary and special functions, activations, tests of numbers, divisions.

#include <cmath>
#include <limits>
#include <numbers>

#include "engines/cpu/compile/pointwise.h"

namespace aitune::cpu {
namespace {

constexpr double kPi = std::numbers::pi, kLn2 = std::numbers::ln2, kInfinity = std::numeric_limits<double>::infinity();

// ---- what the formulas share

/// exp(x) - 1 without loss near 0.
Scalar expm1(const Scalar& x) {
  const Scalar t = tanh(x * 0.5);
  return select(abs(x) < 1.0, 2.0 * t / (1.0 - t), exp(x) - 1);
}

/// log(1 + x) without loss near 0: what rounding took from 1 + x is put back by the quotient.
Scalar log1p(const Scalar& x) {
  const Scalar u = x + 1;
  return select(either(u == 1, u == kInfinity), x, log(u) * (x / (u - 1)));
}

/// True for -0 as well; NaN has none.
Scalar is_negative(const Scalar& x) { return either(x < 0, both(x == 0, 1.0 / x < 0)); }
Scalar copysign(const Scalar& x, const Scalar& sign) { return select(is_negative(sign), -abs(x), abs(x)); }
Scalar is_infinite(const Scalar& x) { return abs(x) == kInfinity; }
Scalar is_finite(const Scalar& x) { return abs(x) < kInfinity; }

/// For x in [0, 1]; error 2e-8 (Abramowitz and Stegun, 4.4.49), whose cube a step by tan(a - b) leaves of it in f64.
Scalar arctangent_of_unit(const Scalar& x) {
  constexpr double kTerms[] = {0.0028662257, -0.0161657367, 0.0429096138, -0.0752896400,
                               0.1065626393, -0.1420889944, 0.1999355085, -0.3333314528};
  const Scalar square = x * x;
  Scalar sum = x.number(0);
  for (const double term : kTerms) sum = (sum + term) * square;
  const Scalar angle = x + x * sum;
  if (x.type() != ExprType::f64) return angle;
  const Scalar sine = unary(ExprOp::sin, angle), cosine = unary(ExprOp::cos, angle);
  return angle + (x * cosine - sine) / (cosine + x * sine);
}
Scalar arctangent(const Scalar& x) {
  const Scalar size = abs(x), inverted = size > 1;
  const Scalar angle = arctangent_of_unit(select(inverted, 1.0 / size, size));
  return copysign(select(inverted, kPi / 2 - angle, angle), x);
}

Scalar softplus(const Scalar& x) { return max(x, x.number(0)) + log1p(exp(-abs(x))); }

Scalar sinh(const Scalar& x) {
  const Scalar size = abs(x), e = expm1(size);
  return copysign(select(size > 20, exp(size - kLn2), 0.5 * (e + e / (e + 1))), x);
}
Scalar asinh(const Scalar& x) {
  const Scalar size = abs(x);
  // Beyond 1e9 the square would overflow; log(2 x) is exact enough long before.
  const Scalar near = log1p(size + size * size / (sqrt(size * size + 1) + 1));
  return copysign(select(size > 1e9, log(size) + kLn2, near), x);
}

Scalar logaddexp(const Scalar& a, const Scalar& b, double base_log) {
  const Scalar difference = -abs(a - b) * base_log;
  const Scalar sum = max(a, b) + log1p(exp(difference)) * (1 / base_log);
  return select(a == b, a + kLn2 / base_log, sum);
}

// ---- formulas of operators

template <Scalar (*f)(const Scalar&)>
Scalar of_one(Operands& o, ExprType t) {
  return f(o.get(0, t));
}
template <Scalar (*f)(const Scalar&)>
Scalar test_of_one(Operands& o, ExprType) {
  const ExprType own = o.common_type();
  const Scalar x = o.get(0, own);
  return f(own == ExprType::i64 ? cast(x, ExprType::f64) : x);
}

Scalar atan2_form(Operands& o, ExprType t) {
  const Scalar y = o.get(0, t), x = o.get(1, t);
  const Scalar rise = abs(y), run = abs(x);
  const Scalar large = max(rise, run), small = min(rise, run);
  const Scalar ratio = select(small == large, select(large == 0, x.number(0), x.number(1)), small / large);
  Scalar angle = arctangent_of_unit(ratio);
  angle = select(rise > run, kPi / 2 - angle, angle);
  angle = copysign(select(is_negative(x), kPi - angle, angle), y);
  return select(either(is_nan(x), is_nan(y)), x + y, angle);
}

Scalar hypot_form(Operands& o, ExprType t) {
  const Scalar a = abs(o.get(0, t)), b = abs(o.get(1, t));
  const Scalar large = max(a, b), ratio = min(a, b) / large;
  const Scalar length = select(large == 0, large, large * sqrt(ratio * ratio + 1));
  return select(either(a == kInfinity, b == kInfinity), a.number(kInfinity), length);
}

Scalar sign_form(Operands& o, ExprType t) {
  const Scalar x = o.get(0, t);
  return cast(x > 0, t) - cast(x < 0, t);
}

Scalar nan_to_num_form(Operands& o, ExprType t) {
  const Scalar x = o.get(0, t);
  if (t == ExprType::i64) return x;
  const double largest = o.result_dtype() == DType::f16    ? 65504
                         : o.result_dtype() == DType::bf16 ? 3.3895313892515355e38
                         : o.result_dtype() == DType::f32  ? double{std::numeric_limits<float>::max()}
                                                           : std::numeric_limits<double>::max();
  const auto given = [&](std::size_t i, double otherwise) { return x.number(o.has(i) ? o.number(i) : otherwise); };
  const Scalar finite = select(x == kInfinity, given(2, largest), select(x == -kInfinity, given(3, -largest), x));
  return select(is_nan(x), given(1, 0), finite);
}

Scalar round_decimals_form(Operands& o, ExprType t) {
  const Scalar x = o.get(0, t);
  const double decimals = o.number(1), ten = std::pow(10.0, std::abs(decimals));
  if (decimals < 0) return unary(ExprOp::round, x / ten) * ten;
  return unary(ExprOp::round, x * ten) / ten;
}

Scalar elu_form(Operands& o, ExprType t) {  // alpha, scale, input_scale
  const Scalar x = o.get(0, t);
  return select(x > 0, x * o.number(2), expm1(x * o.number(3)) * (o.number(1) * o.number(2)));
}
Scalar softplus_form(Operands& o, ExprType t) {  // beta, threshold
  const Scalar x = o.get(0, t), scaled = x * o.number(1);
  return select(scaled > o.number(2), x, log1p(exp(scaled)) / o.number(1));
}
Scalar threshold_form(Operands& o, ExprType t) {
  const Scalar x = o.get(0, t);
  return select(x <= o.get(1, t), o.get(2, t), x);
}
Scalar hardshrink_form(Operands& o, ExprType t) {
  const Scalar x = o.get(0, t);
  return select(both(x >= -o.number(1), x <= o.number(1)), x.number(0), x);
}
Scalar softshrink_form(Operands& o, ExprType t) {
  const Scalar x = o.get(0, t);
  const double bound = o.number(1);
  return select(x > bound, x - bound, select(x < -bound, x + bound, x * 0.0));
}
Scalar logit_form(Operands& o, ExprType t) {
  Scalar x = o.get(0, t);
  if (o.has(1))
    x = select(x < o.number(1), x.number(o.number(1)), select(x > 1 - o.number(1), x.number(1 - o.number(1)), x));
  return log(x / (1.0 - x));
}

// ---- divisions

/// Towards minus infinity as Python does it: from the exact remainder, not by rounding the quotient down.
Scalar floor_quotient(const Scalar& a, const Scalar& b) {
  if (a.type() == ExprType::i64) return binary(ExprOp::floor_div, a, b);
  const Scalar exact = unary(ExprOp::round, (a - binary(ExprOp::remainder, a, b)) / b);
  const Scalar below = cast(both(a != 0, (a < 0) != (b < 0)), a.type());
  return select(b == 0, a / b, select(both(is_infinite(b), is_finite(a)), -below, exact));
}
Scalar floor_divide_form(Operands& o, ExprType t) { return floor_quotient(o.get(0, t), o.get(1, t)); }
Scalar div_mode_form(Operands& o, ExprType t) {
  const Scalar a = o.get(0, t), b = o.get(1, t);
  if (!o.has(2)) return a / b;
  if (o.node().args[2].string() == "floor") return floor_quotient(a, b);
  return t == ExprType::i64 ? a / b : trunc(a / b);
}
Scalar remainder_form(Operands& o, ExprType t) { return binary(ExprOp::remainder, o.get(0, t), o.get(1, t)); }
/// The remainder with the sign of the dividend.
Scalar fmod_form(Operands& o, ExprType t) {
  const Scalar a = o.get(0, t), b = o.get(1, t);
  if (t == ExprType::i64) return a - a / b * b;
  const Scalar size = binary(ExprOp::remainder, abs(a), abs(b));
  return copysign(size, a);
}

Scalar fmax_form(Operands& o, ExprType t) {
  const Scalar a = o.get(0, t), b = o.get(1, t);
  return select(is_nan(a), b, select(is_nan(b), a, max(a, b)));
}
Scalar fmin_form(Operands& o, ExprType t) {
  const Scalar a = o.get(0, t), b = o.get(1, t);
  return select(is_nan(a), b, select(is_nan(b), a, min(a, b)));
}

Scalar xlogy_form(Operands& o, ExprType t) {
  const Scalar x = o.get(0, t), y = o.get(1, t);
  return select(is_nan(y), y, select(x == 0, x.number(0), x * log(y)));
}

Scalar isclose_form(Operands& o, ExprType) {  // rtol, atol, equal_nan
  const ExprType t = o.common_type() == ExprType::i64 ? ExprType::f64 : o.common_type();
  const Scalar a = o.get(0, t), b = o.get(1, t);
  const Scalar near = abs(a - b) <= o.number(3) + abs(b) * o.number(2);
  const Scalar close = either(a == b, both(is_finite(a), both(is_finite(b), near)));
  return o.node().args[4].boolean() ? either(close, both(is_nan(a), is_nan(b))) : close;
}

Support floats(const Node& node) {
  return is_floating(node.output()->type.dtype) ? Support::yes() : Support::no("integers are not compiled");
}

struct Row {
  const char* name;
  Form form;
  Check check = {};
};

const Row kRows[] = {
    {"exp2.default", of_one<[](const Scalar& x) { return exp(x * kLn2); }>},
    {"expm1.default", of_one<expm1>},
    {"log2.default", of_one<[](const Scalar& x) { return log(x) * (1 / kLn2); }>},
    {"log10.default", of_one<[](const Scalar& x) { return log(x) * std::numbers::log10e; }>},
    {"log1p.default", of_one<log1p>},
    {"tan.default", of_one<[](const Scalar& x) { return unary(ExprOp::sin, x) / unary(ExprOp::cos, x); }>},
    {"asin.default", of_one<[](const Scalar& x) { return arctangent(x / sqrt((1.0 - x) * (x + 1))); }>},
    {"acos.default", of_one<[](const Scalar& x) { return 2.0 * arctangent(sqrt((1.0 - x) / (x + 1))); }>},
    {"atan.default", of_one<arctangent>},
    {"atan2.default", atan2_form},
    {"sinh.default", of_one<sinh>},
    {"cosh.default", of_one<[](const Scalar& x) { return exp(abs(x) - kLn2) + exp(-abs(x) - kLn2); }>},
    {"asinh.default", of_one<asinh>},
    {"acosh.default", of_one<[](const Scalar& x) {
       const Scalar above = x - 1;
       return select(x > 1e9, log(x) + kLn2, log1p(above + sqrt(above * (x + 1))));
     }>},
    {"atanh.default", of_one<[](const Scalar& x) { return 0.5 * (log1p(x) - log1p(-x)); }>},
    {"erfc.default", of_one<[](const Scalar& x) { return 1.0 - unary(ExprOp::erf, x); }>},
    {"sinc.default",
     of_one<[](const Scalar& x) { return select(x == 0, x.number(1), unary(ExprOp::sin, x * kPi) / (x * kPi)); }>},
    {"hypot.default", hypot_form, floats},
    {"deg2rad.default", of_one<[](const Scalar& x) { return x * (kPi / 180); }>},
    {"rad2deg.default", of_one<[](const Scalar& x) { return x * (180 / kPi); }>},
    {"logaddexp.default", [](Operands& o, ExprType t) { return logaddexp(o.get(0, t), o.get(1, t), 1); }},
    {"logaddexp2.default", [](Operands& o, ExprType t) { return logaddexp(o.get(0, t), o.get(1, t), kLn2); }},
    {"xlogy.Tensor", xlogy_form},

    {"frac.default", of_one<[](const Scalar& x) { return x - trunc(x); }>},
    {"sign.default", sign_form},
    {"sgn.default", sign_form},
    {"square.default", of_one<[](const Scalar& x) { return x * x; }>},
    {"nan_to_num.default", nan_to_num_form},
    {"round.decimals", round_decimals_form, floats},
    {"copysign.Tensor", [](Operands& o, ExprType t) { return copysign(o.get(0, t), o.get(1, t)); }},

    {"mish.default", of_one<[](const Scalar& x) { return x * tanh(softplus(x)); }>},
    {"elu.default", elu_form},
    {"softplus.default", softplus_form},
    {"log_sigmoid.default", of_one<[](const Scalar& x) { return min(x, x.number(0)) - log1p(exp(-abs(x))); }>},
    {"threshold.default", threshold_form},
    {"hardshrink.default", hardshrink_form},
    {"softshrink.default", softshrink_form},
    {"logit.default", logit_form},

    {"isnan.default", test_of_one<is_nan>},
    {"isinf.default", test_of_one<is_infinite>},
    {"isfinite.default", test_of_one<is_finite>},
    {"signbit.default", test_of_one<is_negative>},
    {"isclose.default", isclose_form},

    {"floor_divide.default", floor_divide_form},
    {"floor_divide.Scalar", floor_divide_form},
    {"div.Tensor_mode", div_mode_form},
    {"div.Scalar_mode", div_mode_form},
    {"remainder.Tensor", remainder_form},
    {"remainder.Scalar", remainder_form},
    {"remainder.Scalar_Tensor", remainder_form},
    {"fmod.Tensor", fmod_form},
    {"fmod.Scalar", fmod_form},
    {"fmax.default", fmax_form},
    {"fmin.default", fmin_form},
};

}  // namespace

void add_function_rules(RuleTable& table) {
  for (const Row& row : kRows) add_form(table, std::string("aten.") + row.name, row.form, row.check);
  add_special_rules(table);
}

}  // namespace aitune::cpu
