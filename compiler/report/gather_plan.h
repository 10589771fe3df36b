#pragma once
// The parts of a report that a plan and its bound shapes tell.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/report/model_report.h"
#include "format/plan.h"

namespace aitune {

/// Whether the operator multiplies matrices or the like: what a kernel's time is spent on.
bool is_heavy(std::string_view op);

/// Names, kinds, operators, dependencies and blocks; `values` are those of Plan::exprs at the shapes of the run.
std::vector<StepReport> describe_steps(const Plan& plan, std::span<const std::int64_t> values);

/// Fills in live_bytes of every step, and gives the pieces of the arena.
std::vector<ArenaPiece> describe_memory(const Plan& plan, std::span<const std::int64_t> values,
                                        std::vector<StepReport>& steps);

/// Sums of the steps by block. Errors are those of the steps' values.
std::vector<BlockReport> describe_blocks(const Plan& plan, std::span<const StepReport> steps);

}  // namespace aitune
