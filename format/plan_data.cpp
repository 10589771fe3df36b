#include "format/plan_data.h"

#include <algorithm>
#include <map>

namespace aitune {
namespace {

std::uint32_t needs_of(const Plan& plan, const PlanArg& arg, std::span<const std::uint32_t> known) {
  switch (arg.kind) {
    case PlanArg::Kind::integer:
      return known[arg.integer];
    case PlanArg::Kind::tensor:
      return view_known(plan.views[arg.tensor], known);
    case PlanArg::Kind::list: {
      std::uint32_t latest = 0;
      for (const PlanArg& item : arg.list) latest = std::max(latest, needs_of(plan, item, known));
      return latest;
    }
    default:
      return 0;
  }
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
    if (when != 0) by_step.at(when - 1).guards.push_back(g);
  }
  std::vector<PlanDefinition> definitions;
  for (auto& [step, definition] : by_step) definitions.push_back(std::move(definition));
  return definitions;
}

std::uint32_t step_needs(const Plan& plan, const PlanStep& step, std::span<const std::uint32_t> known) {
  std::uint32_t latest = known[step.tasks];
  for (const ExprId id : step.params) latest = std::max(latest, known[id]);
  for (const PlanArg& arg : step.args) latest = std::max(latest, needs_of(plan, arg, known));
  return latest;
}

std::uint32_t view_known(const PlanView& view, std::span<const std::uint32_t> known) {
  std::uint32_t latest = 0;
  for (const ExprId id : view.shape) latest = std::max(latest, known[id]);
  return latest;
}

}  // namespace aitune
