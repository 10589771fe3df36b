#pragma once
// Sizes of a plan that data decide: which step finds a symbol out, and what can be evaluated when.

#include <cstdint>
#include <span>
#include <vector>

#include "format/plan.h"

namespace aitune {

/// Whether data decide a size of this plan.
bool has_data_symbols(const Plan& plan);

/// When each expression is known: 0 with the shapes of the inputs, i + 1 when step i has run.
std::vector<std::uint32_t> known_after(const Plan& plan);

/// Up to which step each expression keeps its meaning: a size that a step of a range finds out holds for the steps of
/// that range; any other expression for all steps (the number of steps).
std::vector<std::uint32_t> known_until(const Plan& plan);

/// What follows when a step has run that finds sizes out.
struct PlanDefinition {
  std::uint32_t step = 0;
  std::vector<std::uint32_t> symbols;  ///< indices into Plan::symbols
  std::vector<ExprId> exprs;           ///< that are known now, in order
  std::vector<std::uint32_t> guards;   ///< that can be checked now
};
/// One for each step that finds sizes out, in order.
std::vector<PlanDefinition> plan_definitions(const Plan& plan, std::span<const std::uint32_t> known);

/// The latest of what the step needs before it runs: parameters, number of tasks, arguments, and the views of its
/// operands. (Not its results.)
std::uint32_t step_needs(const Plan& plan, const PlanStep& step, std::span<const std::uint32_t> known);
/// The earliest end of what the step needs and of the sizes of its results, by `until` of known_until().
std::uint32_t step_until(const Plan& plan, const PlanStep& step, std::span<const std::uint32_t> until);
/// The latest of the view's sizes.
std::uint32_t view_known(const PlanView& view, std::span<const std::uint32_t> known);

}  // namespace aitune
