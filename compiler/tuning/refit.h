#pragma once
// The plans of an earlier tuning once more, without timing: from other weights, or exactly as they were.

#include "compiler/graph/graph.h"
#include "compiler/tuning/candidate.h"
#include "compiler/tuning/decisions.h"
#include "compiler/tuning/progress.h"
#include "compiler/tuning/report.h"
#include "compiler/tuning/settings.h"
#include "compiler/tuning/tune.h"

namespace aitune {

/// What decisions are made on: the program, the samples, the machine.
Decisions facts_of(const Graph& imported, const TunedModel& tuned, const CompilationSettings& settings);
/// What tuning decided on them, from what it ended with; but for special plans, and for figures.
Decisions decisions_of(const Decisions& facts, const Candidate& chosen, double f32_bound, const TunedModel& tuned);

/// Builds the plans that the decisions describe, and compares them with the reference on the samples. Throws
/// InvalidArgument naming weights whose shape or dtype differs, the first few of them, and ValidationError if the plan
/// is off with the new weights.
TunedModel refit_graph(const Graph& imported, std::span<const std::vector<Tensor>> samples,
                       const CompilationSettings& settings, const Decisions& decisions, Progress& progress);

/// Builds exactly the plans that the decisions came with, from the same program, weights and samples; what was measured
/// then stays in the report. Throws InvalidArgument naming what is not the same, Incompatible where this CPU lacks
/// what a plan was built for, ValidationError if a plan is off here.
TunedModel repeat_graph(const Graph& imported, std::span<const std::vector<Tensor>> samples,
                        const CompilationSettings& settings, const Decisions& decisions, Progress& progress,
                        const SymValues& preferred = {});

}  // namespace aitune
