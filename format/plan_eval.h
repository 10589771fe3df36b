#pragma once
// Values of a plan's size expressions.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "format/plan.h"

namespace aitune {

/// One operation. Division rounds down and a remainder has the divisor's sign, as in Python.
/// Throws Corrupt on overflow and on division by zero.
std::int64_t evaluate_operation(PlanExpr::Op op, std::int64_t lhs, std::int64_t rhs);

/// Values of all expressions with symbols bound in order. `values` has exprs.size() elements. Nothing is allocated.
/// The expressions have passed verify_plan. Throws Corrupt as evaluate_operation does.
void evaluate_exprs(std::span<const PlanExpr> exprs, std::span<const std::int64_t> symbols,
                    std::span<std::int64_t> values);

/// The same for these expressions alone; what they refer to is in `values` already or stands before them in `ids`.
void evaluate_some(std::span<const PlanExpr> exprs, std::span<const ExprId> ids, std::span<const std::int64_t> symbols,
                   std::span<std::int64_t> values);

/// Values of those expressions that no symbol takes part in.
std::vector<std::optional<std::int64_t>> constant_values(std::span<const PlanExpr> exprs);

}  // namespace aitune
