#pragma once
// What tuning keeps beside plans: samples with the reference's answers, outputs of blocks, constants stored once.

#include <span>
#include <string>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/tuning/progress.h"
#include "compiler/tuning/tune.h"

namespace aitune {

/// Runs the reference engine on the samples. `opt_shape` gets the sizes of the first one, also those that its data
/// decided, `baseline_ms` its time, `warnings` what no sample has run.
std::vector<RecordedSample> record(const Graph& graph, std::span<const std::vector<Tensor>> samples, Progress& progress,
                                   double& baseline_ms, SymValues& opt_shape, std::vector<std::string>& warnings);

/// Fills in `block_outputs` from the tuned plan and the first sample.
void record_blocks(TunedModel& tuned, int num_threads);

/// Moves constants of all other plans into the segment of the chosen one.
void share_all_constants(BuiltPlan& chosen, TunedModel& tuned);

}  // namespace aitune
