#pragma once
// The plans of an earlier tuning once more, from other weights and without timing.

#include "compiler/graph/graph.h"
#include "compiler/tuning/candidate.h"
#include "compiler/tuning/decisions.h"
#include "compiler/tuning/progress.h"
#include "compiler/tuning/report.h"
#include "compiler/tuning/settings.h"
#include "compiler/tuning/timing_cache.h"
#include "compiler/tuning/tune.h"

namespace aitune {

/// What tuning decided, from what it ended with.
Decisions decisions_of(const Graph& imported, const Candidate& chosen, const TimingCache& timings, double f32_bound,
                       const TuneReport& report);

/// Builds the plans that the decisions describe, and compares them with the reference on the samples. Throws
/// InvalidArgument naming every weight whose shape or dtype differs, and ValidationError if the plan is off with the
/// new weights.
TunedModel refit_graph(const Graph& imported, std::span<const std::vector<Tensor>> samples,
                       const CompilationSettings& settings, const Decisions& decisions, Progress& progress);

}  // namespace aitune
