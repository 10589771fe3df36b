#include "format/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/error.h"

namespace aitune {
namespace {

PlanExpr::Op operation_of(SymInt::AtomKind kind) {
  switch (kind) {
    case SymInt::AtomKind::floordiv:
      return PlanExpr::Op::floordiv;
    case SymInt::AtomKind::mod:
      return PlanExpr::Op::mod;
    case SymInt::AtomKind::min:
      return PlanExpr::Op::min;
    case SymInt::AtomKind::max:
      return PlanExpr::Op::max;
    case SymInt::AtomKind::symbol:
      break;
  }
  return PlanExpr::Op::symbol;
}

}  // namespace

ExprId Plan::add(const PlanExpr& expr) {
  if (known_count_ > exprs.size()) {
    known_exprs_.clear();
    known_count_ = 0;
  }
  for (; known_count_ < exprs.size(); ++known_count_) {
    known_exprs_.emplace(exprs[known_count_], static_cast<ExprId>(known_count_));
  }
  const auto [it, is_new] = known_exprs_.emplace(expr, static_cast<ExprId>(exprs.size()));
  if (is_new) {
    exprs.push_back(expr);
    ++known_count_;
  }
  return it->second;
}

ExprId Plan::constant(std::int64_t value) { return add(PlanExpr{PlanExpr::Op::constant, value, 0, 0}); }

ExprId Plan::add_atom(const SymInt::Atom& atom) {
  if (atom.kind != SymInt::AtomKind::symbol) {
    const ExprId lhs = add(atom.lhs), rhs = add(atom.rhs);
    return add(PlanExpr{operation_of(atom.kind), 0, lhs, rhs});
  }
  const auto symbol = std::find_if(symbols.begin(), symbols.end(), [&](const auto& s) { return s.name == atom.name; });
  if (symbol == symbols.end()) {
    throw InternalError(
        fmt::format("a size of the plan uses the symbol {}, which no input dimension gives", atom.name));
  }
  return add(PlanExpr{PlanExpr::Op::symbol, symbol - symbols.begin(), 0, 0});
}

ExprId Plan::add(const SymInt& value) {
  std::optional<ExprId> sum;
  for (const SymInt::Term& term : value.terms()) {
    std::optional<ExprId> product;
    for (const auto& atom : term.atoms) {
      const ExprId factor = add_atom(*atom);
      product = product ? add(PlanExpr{PlanExpr::Op::mul, 0, *product, factor}) : factor;
    }
    if (!product) {
      product = constant(term.coefficient);
    } else if (term.coefficient != 1) {
      product = add(PlanExpr{PlanExpr::Op::mul, 0, *product, constant(term.coefficient)});
    }
    sum = sum ? add(PlanExpr{PlanExpr::Op::add, 0, *sum, *product}) : *product;
  }
  return sum ? *sum : constant(0);
}

}  // namespace aitune
