#pragma once
// How far the model itself carries roundings.

#include <span>

#include "compiler/graph/graph.h"
#include "compiler/tuning/tune.h"

namespace aitune {

/// Relative error of the reference's outputs when every float32 input moves to the next number above or below:
/// the largest over outputs, the first samples, and so many `trials`. No two engines that compute in float32 agree
/// better than about that, since each rounds at other places. 0 for a model without float32 inputs. Takes a run of the
/// reference for each sample and trial.
double rounding_noise(const Graph& program, std::span<const RecordedSample> samples, int trials = 1);

/// Whether the model puts numbers in order (topk, sort, nms): where two are nearly the same, a rounding decides which
/// comes first, and what is taken from there is another thing altogether.
bool orders_numbers(const Graph& program);

}  // namespace aitune
