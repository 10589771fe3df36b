#pragma once
// How far the model itself carries roundings.

#include <span>

#include "compiler/graph/graph.h"
#include "compiler/tuning/tune.h"

namespace aitune {

/// Relative error of the reference's outputs when every float32 input moves to the next number above or below:
/// the largest over outputs and the first samples. No two engines that compute in float32 agree better than about
/// that, since each rounds at other places. 0 for a model without float32 inputs. Takes a run of the reference for
/// each sample.
double rounding_noise(const Graph& program, std::span<const RecordedSample> samples);

}  // namespace aitune
