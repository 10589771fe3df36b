#include "format/plan_eval.h"

#include <algorithm>

#include "base/error.h"

namespace aitune {
namespace {

[[noreturn]] void overflow() { throw Corrupt("a size expression of the plan overflows 63 bits"); }

std::int64_t floor_quotient(std::int64_t a, std::int64_t b) {
  if (b == 0) throw Corrupt("a size expression of the plan divides by zero");
  if (b == -1 && a == INT64_MIN) overflow();
  const std::int64_t quotient = a / b;
  return (a % b != 0 && (a < 0) != (b < 0)) ? quotient - 1 : quotient;
}

}  // namespace

std::int64_t evaluate_operation(PlanExpr::Op op, std::int64_t lhs, std::int64_t rhs) {
  using Op = PlanExpr::Op;
  std::int64_t result = 0;
  switch (op) {
    case Op::add:
      if (__builtin_add_overflow(lhs, rhs, &result)) overflow();
      return result;
    case Op::mul:
      if (__builtin_mul_overflow(lhs, rhs, &result)) overflow();
      return result;
    case Op::floordiv:
      return floor_quotient(lhs, rhs);
    case Op::mod:
      return lhs - floor_quotient(lhs, rhs) * rhs;
    case Op::min:
      return std::min(lhs, rhs);
    case Op::max:
      return std::max(lhs, rhs);
    case Op::constant:
    case Op::symbol:
      break;
  }
  throw InternalError("evaluate_operation was given an expression without operands");
}

namespace {

std::int64_t evaluate_one(const PlanExpr& e, std::span<const std::int64_t> symbols,
                          std::span<const std::int64_t> values) {
  switch (e.op) {
    case PlanExpr::Op::constant:
      return e.value;
    case PlanExpr::Op::symbol:
      return symbols[static_cast<std::size_t>(e.value)];
    default:
      return evaluate_operation(e.op, values[e.lhs], values[e.rhs]);
  }
}

}  // namespace

void evaluate_exprs(std::span<const PlanExpr> exprs, std::span<const std::int64_t> symbols,
                    std::span<std::int64_t> values) {
  for (std::size_t i = 0; i < exprs.size(); ++i) values[i] = evaluate_one(exprs[i], symbols, values);
}

void evaluate_some(std::span<const PlanExpr> exprs, std::span<const ExprId> ids, std::span<const std::int64_t> symbols,
                   std::span<std::int64_t> values) {
  for (const ExprId id : ids) values[id] = evaluate_one(exprs[id], symbols, values);
}

std::vector<std::optional<std::int64_t>> constant_values(std::span<const PlanExpr> exprs) {
  std::vector<std::optional<std::int64_t>> values(exprs.size());
  for (std::size_t i = 0; i < exprs.size(); ++i) {
    const PlanExpr& e = exprs[i];
    if (e.op == PlanExpr::Op::constant) {
      values[i] = e.value;
    } else if (e.op != PlanExpr::Op::symbol && values[e.lhs] && values[e.rhs]) {
      values[i] = evaluate_operation(e.op, *values[e.lhs], *values[e.rhs]);
    }
  }
  return values;
}

}  // namespace aitune
