#pragma once
// Formulas over one element, written as formulas: what Lazy expressions are built with where there are many of them.

#include <utility>

#include "engines/cpu/compile/lazy.h"

namespace aitune::cpu {

/// An expression with C++ operators. Both sides of an operator have one type; numbers take that of the other side.
/// Comparisons and logic give i64 0 or 1.
struct Scalar {
  LazyPtr expr;
  Scalar(LazyPtr e) : expr(std::move(e)) {}  // NOLINT(google-explicit-constructor): rules pass expressions freely
  operator LazyPtr() const { return expr; }
  ExprType type() const { return expr->type; }
  /// A number of this expression's type.
  Scalar number(double v) const { return make_constant(v, type()); }
};

inline Scalar unary(ExprOp op, const Scalar& x) { return make_unary(op, x.expr, x.type()); }
inline Scalar binary(ExprOp op, const Scalar& a, const Scalar& b) { return make_binary(op, a.expr, b.expr, a.type()); }
inline Scalar compare(ExprOp op, const Scalar& a, const Scalar& b) {
  return make_binary(op, a.expr, b.expr, ExprType::i64);
}

inline Scalar operator+(const Scalar& a, const Scalar& b) { return binary(ExprOp::add, a, b); }
inline Scalar operator-(const Scalar& a, const Scalar& b) { return binary(ExprOp::sub, a, b); }
inline Scalar operator*(const Scalar& a, const Scalar& b) { return binary(ExprOp::mul, a, b); }
inline Scalar operator/(const Scalar& a, const Scalar& b) { return binary(ExprOp::div, a, b); }
inline Scalar operator+(const Scalar& a, double b) { return a + a.number(b); }
inline Scalar operator-(const Scalar& a, double b) { return a - a.number(b); }
inline Scalar operator*(const Scalar& a, double b) { return a * a.number(b); }
inline Scalar operator/(const Scalar& a, double b) { return a / a.number(b); }
inline Scalar operator+(double a, const Scalar& b) { return b.number(a) + b; }
inline Scalar operator-(double a, const Scalar& b) { return b.number(a) - b; }
inline Scalar operator*(double a, const Scalar& b) { return b.number(a) * b; }
inline Scalar operator/(double a, const Scalar& b) { return b.number(a) / b; }
inline Scalar operator-(const Scalar& a) { return unary(ExprOp::neg, a); }

inline Scalar operator<(const Scalar& a, const Scalar& b) { return compare(ExprOp::lt, a, b); }
inline Scalar operator<=(const Scalar& a, const Scalar& b) { return compare(ExprOp::le, a, b); }
inline Scalar operator>(const Scalar& a, const Scalar& b) { return compare(ExprOp::gt, a, b); }
inline Scalar operator>=(const Scalar& a, const Scalar& b) { return compare(ExprOp::ge, a, b); }
inline Scalar operator==(const Scalar& a, const Scalar& b) { return compare(ExprOp::eq, a, b); }
inline Scalar operator!=(const Scalar& a, const Scalar& b) { return compare(ExprOp::ne, a, b); }
inline Scalar operator<(const Scalar& a, double b) { return a < a.number(b); }
inline Scalar operator<=(const Scalar& a, double b) { return a <= a.number(b); }
inline Scalar operator>(const Scalar& a, double b) { return a > a.number(b); }
inline Scalar operator>=(const Scalar& a, double b) { return a >= a.number(b); }
inline Scalar operator==(const Scalar& a, double b) { return a == a.number(b); }
inline Scalar operator!=(const Scalar& a, double b) { return a != a.number(b); }
/// Of conditions; both are evaluated.
inline Scalar both(const Scalar& a, const Scalar& b) { return binary(ExprOp::logical_and, a, b); }
inline Scalar either(const Scalar& a, const Scalar& b) { return binary(ExprOp::logical_or, a, b); }
inline Scalar negated(const Scalar& condition) { return condition == 0; }

inline Scalar select(const Scalar& condition, const Scalar& yes, const Scalar& no) {
  return make_select(condition.expr, yes.expr, no.expr);
}
inline Scalar min(const Scalar& a, const Scalar& b) { return binary(ExprOp::min, a, b); }
inline Scalar max(const Scalar& a, const Scalar& b) { return binary(ExprOp::max, a, b); }
inline Scalar abs(const Scalar& x) { return unary(ExprOp::abs, x); }
inline Scalar sqrt(const Scalar& x) { return unary(ExprOp::sqrt, x); }
inline Scalar exp(const Scalar& x) { return unary(ExprOp::exp, x); }
inline Scalar log(const Scalar& x) { return unary(ExprOp::log, x); }
inline Scalar tanh(const Scalar& x) { return unary(ExprOp::tanh, x); }
inline Scalar floor(const Scalar& x) { return unary(ExprOp::floor, x); }
inline Scalar trunc(const Scalar& x) { return unary(ExprOp::trunc, x); }
inline Scalar cast(const Scalar& x, ExprType type) { return make_cast(x.expr, type); }
inline Scalar is_nan(const Scalar& x) { return x != x; }

}  // namespace aitune::cpu
