#include "format/plan_memory.h"

#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "format/plan_eval.h"

namespace aitune {
namespace {

constexpr std::size_t kLine = 120;
constexpr int kDeepest = 24;
/// A size beyond this has a range for form's sake: no memory holds it.
constexpr std::int64_t kLargestSize = std::int64_t{1} << 32;

std::vector<bool> uses_symbols(const Plan& plan, ExprId root) {
  std::vector<bool> needed(plan.exprs.size()), symbols(plan.symbols.size());
  needed.at(root) = true;
  for (std::size_t i = root + 1; i-- > 0;) {
    if (!needed[i]) continue;
    const PlanExpr& e = plan.exprs[i];
    if (e.op == PlanExpr::Op::symbol)
      symbols.at(static_cast<std::size_t>(e.value)) = true;
    else if (e.op != PlanExpr::Op::constant)
      needed[e.lhs] = needed[e.rhs] = true;
  }
  return symbols;
}

/// Appends the formula; false when it becomes too long.
bool write(const Plan& plan, ExprId id, int depth, bool factor, std::string& text) {
  const PlanExpr& e = plan.exprs[id];
  if (depth > kDeepest || text.size() > kLine) return false;
  const auto both = [&](std::string_view between, bool factors) {
    if (!write(plan, e.lhs, depth + 1, factors, text)) return false;
    text += between;
    return write(plan, e.rhs, depth + 1, factors, text);
  };
  const auto call = [&](std::string_view name) {
    text += fmt::format("{}(", name);
    if (!both(", ", false)) return false;
    text += ")";
    return true;
  };
  switch (e.op) {
    case PlanExpr::Op::constant:
      text += std::to_string(e.value);
      return true;
    case PlanExpr::Op::symbol:
      text += plan.symbols[static_cast<std::size_t>(e.value)].name;
      return true;
    case PlanExpr::Op::add:
      if (factor) text += "(";
      if (!both(" + ", false)) return false;
      if (factor) text += ")";
      return true;
    case PlanExpr::Op::mul:
      return both("*", true);
    case PlanExpr::Op::floordiv:
      return call("floordiv");
    case PlanExpr::Op::mod:
      return call("mod");
    case PlanExpr::Op::min:
      return call("min");
    case PlanExpr::Op::max:
      return call("max");
  }
  return false;
}

}  // namespace

std::optional<std::int64_t> largest_arena(const Plan& plan) {
  const auto used = uses_symbols(plan, plan.arena_bytes);
  std::vector<std::int64_t> symbols, values(plan.exprs.size());
  for (std::size_t i = 0; i < plan.symbols.size(); ++i) {
    const bool limited = plan.symbols[i].range.max <= kLargestSize;
    if (used[i] && !limited) return std::nullopt;
    symbols.push_back(limited ? plan.symbols[i].range.max : plan.symbols[i].range.min);
  }
  try {
    evaluate_exprs(plan.exprs, symbols, values);
  } catch (const Corrupt&) {
    return std::nullopt;  // of something else, at sizes that do not go together
  }
  return values[plan.arena_bytes];
}

std::optional<std::int64_t> smallest_arena(const Plan& plan) {
  std::vector<std::int64_t> symbols, values(plan.exprs.size());
  for (const PlanSymbol& symbol : plan.symbols) symbols.push_back(symbol.range.min);
  try {
    evaluate_exprs(plan.exprs, symbols, values);
  } catch (const Corrupt&) {
    return std::nullopt;
  }
  return values[plan.arena_bytes];
}

std::string arena_formula(const Plan& plan) {
  std::string text;
  return write(plan, plan.arena_bytes, 0, false, text) && text.size() <= kLine ? text : std::string();
}

}  // namespace aitune
