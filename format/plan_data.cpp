#include "format/plan_data.h"

#include <algorithm>
#include <map>

namespace aitune {
namespace {

/// Calls f with every expression that the argument needs.
template <typename F>
void visit_exprs(const Plan& plan, const PlanArg& arg, F&& f) {
  switch (arg.kind) {
    case PlanArg::Kind::integer:
      return f(arg.integer);
    case PlanArg::Kind::tensor:
      for (const ExprId id : plan.views[arg.tensor].shape) f(id);
      return;
    case PlanArg::Kind::list:
      for (const PlanArg& item : arg.list) visit_exprs(plan, item, f);
      return;
    default:
      return;
  }
}

template <typename F>
void visit_exprs(const Plan& plan, const PlanStep& step, F&& f) {
  f(step.tasks);
  for (const ExprId id : step.params) f(id);
  for (const PlanArg& arg : step.args) visit_exprs(plan, arg, f);
}

}  // namespace

bool has_data_symbols(const Plan& plan) { return std::ranges::any_of(plan.symbols, &PlanSymbol::data); }

std::vector<std::uint32_t> known_after(const Plan& plan) {
  std::vector<std::uint32_t> known(plan.exprs.size());
  for (std::size_t i = 0; i < plan.exprs.size(); ++i) {
    const PlanExpr& e = plan.exprs[i];
    if (e.op == PlanExpr::Op::symbol) {
      const PlanSymbol& s = plan.symbols[static_cast<std::size_t>(e.value)];
      known[i] = s.data ? s.step + 1 : 0;
    } else if (e.op != PlanExpr::Op::constant) {
      known[i] = std::max(known[e.lhs], known[e.rhs]);
    }
  }
  return known;
}

std::vector<std::uint32_t> known_until(const Plan& plan) {
  const auto count = static_cast<std::uint32_t>(plan.steps.size());
  std::vector<std::uint32_t> range_ends(count, count);  // of the innermost range that each step lies in
  std::vector<std::uint32_t> ends;                      // of the ranges around the present step, the innermost last
  for (std::uint32_t i = 0; i < count; ++i) {
    while (!ends.empty() && ends.back() <= i) ends.pop_back();
    if (!ends.empty()) range_ends[i] = ends.back();
    const PlanStep& step = plan.steps[i];
    if (!is_control(step.kind) || step.ranges.size() != 2) continue;
    const std::uint64_t middle = std::uint64_t{i} + 1 + step.ranges[0], end = middle + step.ranges[1];
    ends.push_back(static_cast<std::uint32_t>(std::min<std::uint64_t>(end, range_ends[i])));
    ends.push_back(static_cast<std::uint32_t>(std::min<std::uint64_t>(middle, range_ends[i])));
  }
  std::vector<std::uint32_t> until(plan.exprs.size(), count);
  for (std::size_t i = 0; i < plan.exprs.size(); ++i) {
    const PlanExpr& e = plan.exprs[i];
    if (e.op == PlanExpr::Op::symbol) {
      const PlanSymbol& s = plan.symbols[static_cast<std::size_t>(e.value)];
      if (s.data) until[i] = range_ends[s.step];
    } else if (e.op != PlanExpr::Op::constant) {
      until[i] = std::min(until[e.lhs], until[e.rhs]);
    }
  }
  return until;
}

std::vector<PlanDefinition> plan_definitions(const Plan& plan, std::span<const std::uint32_t> known) {
  std::map<std::uint32_t, PlanDefinition> by_step;
  for (std::uint32_t s = 0; s < plan.symbols.size(); ++s) {
    if (!plan.symbols[s].data) continue;
    PlanDefinition& definition = by_step[plan.symbols[s].step];
    definition.step = plan.symbols[s].step;
    definition.symbols.push_back(s);
  }
  for (ExprId e = 0; e < known.size(); ++e)
    if (known[e] != 0) by_step.at(known[e] - 1).exprs.push_back(e);
  for (std::uint32_t g = 0; g < plan.guards.size(); ++g) {
    const std::uint32_t when = std::max(known[plan.guards[g].lhs], known[plan.guards[g].rhs]);
    if (when != 0 && plan.guards[g].before == 0) by_step.at(when - 1).guards.push_back(g);
  }
  std::vector<PlanDefinition> definitions;
  for (auto& [step, definition] : by_step) definitions.push_back(std::move(definition));
  return definitions;
}

std::uint32_t step_needs(const Plan& plan, const PlanStep& step, std::span<const std::uint32_t> known) {
  std::uint32_t latest = 0;
  visit_exprs(plan, step, [&](ExprId id) { latest = std::max(latest, known[id]); });
  return latest;
}

std::uint32_t step_until(const Plan& plan, const PlanStep& step, std::span<const std::uint32_t> until) {
  auto earliest = static_cast<std::uint32_t>(plan.steps.size());
  const auto take = [&](ExprId id) { earliest = std::min(earliest, until[id]); };
  visit_exprs(plan, step, take);
  for (const std::uint32_t view : step.results)
    for (const ExprId id : plan.views[view].shape) take(id);
  return earliest;
}

std::uint32_t view_known(const PlanView& view, std::span<const std::uint32_t> known) {
  std::uint32_t latest = 0;
  for (const ExprId id : view.shape) latest = std::max(latest, known[id]);
  return latest;
}

}  // namespace aitune
