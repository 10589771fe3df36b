#pragma once
// Plans for other machines than this one, beside the chosen plan: what hardware_compatible asks for.

#include <span>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/tuning/candidate.h"
#include "compiler/tuning/report.h"
#include "compiler/tuning/tune.h"

namespace aitune {

/// A CPU below another one, and the precision to compute in there.
struct LesserTarget {
  CpuTarget target;
  DType precision = DType::f32;
  bool operator==(const LesserTarget&) const = default;
};

/// The levels below `chosen` that plans are made for, the best first: AVX512_BF16 below AMX, AVX-512 below AVX512_BF16
/// and AVX512_VNNI, AVX2 below AVX-512. None below a plan without machine code, which runs everywhere.
std::vector<LesserTarget> lesser_targets(const CpuTarget& chosen);

/// A plan for each of them, compared with the samples and timed like any other; one that is off is left out with a
/// warning. They call no oneDNN, whose layouts of weights follow the machine. `f32_bound` is the error accepted in f32.
/// With `decided`, only for the levels in there, built with the tactics that it has; a tactic that cannot be had goes
/// into `misses`.
std::vector<OtherPlan> build_for_lesser_targets(const Graph& lowered, const Candidate& chosen,
                                                std::span<RecordedSample> samples, double f32_bound, TuneReport& report,
                                                const std::vector<OtherDecisions>* decided = nullptr,
                                                std::vector<std::string>* misses = nullptr);

}  // namespace aitune
