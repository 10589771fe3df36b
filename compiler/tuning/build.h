#pragma once
// From a lowered graph to a plan in one precision.

#include <string>
#include <vector>

#include "base/target.h"
#include "compiler/graph/graph.h"
#include "compiler/partition/partition.h"
#include "compiler/tuning/progress.h"
#include "compiler/tuning/settings.h"
#include "compiler/tuning/timing_cache.h"
#include "format/plan.h"

namespace aitune {

/// What a build starts from.
struct BuildOptions {
  CompilationSettings settings;
  CpuTarget target;
  DType precision = DType::f32;  ///< f32 or bf16
  SymValues opt_shape;           ///< symbol values at which candidates are timed
  TimingCache* timings = nullptr;
  Progress* progress = nullptr;
};

/// A plan and what the user should know about it.
struct BuildResult {
  BuiltPlan plan;
  std::vector<Fallback> fallbacks;
  std::vector<std::string> warnings;
};

/// Partitions the graph among the engines and builds every block. A block that an engine fails to build goes to the
/// reference engine with a warning, or is an error under pass_through_build_failures.
BuildResult build(const Graph& lowered, const BuildOptions& options);

}  // namespace aitune
