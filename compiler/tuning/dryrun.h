#pragma once
// What tuning would make of a model, without making it.

#include <span>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/tuning/progress.h"
#include "compiler/tuning/report.h"
#include "compiler/tuning/settings.h"

namespace aitune {

/// Lowers the graph, as imported, and cuts it into blocks. Memory is that of the lowered graph's values, each by
/// itself: kernels that compute several at once need less. Sizes are those of the first sample, or `preferred` ones.
/// Throws as lowering and partitioning do.
DryrunReport dry_run(const Graph& imported, std::span<const std::vector<Tensor>> samples,
                     const CompilationSettings& settings, Progress& progress, const SymValues& preferred = {});

}  // namespace aitune
