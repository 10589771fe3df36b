#pragma once
// How far the model itself carries roundings.

#include <span>

#include "compiler/graph/graph.h"
#include "compiler/tuning/tune.h"

namespace aitune {

/// Relative error of the reference's outputs when every float32 input moves to the next number above or below, and
/// `inside`, what every operator computes, too: the largest over outputs, the first samples, and so many `trials`. No
/// two engines that compute in float32 agree better than about that, since each rounds at other places. 0 for a model
/// without float32 inputs. Takes a run of the reference for each sample and trial.
double rounding_noise(const Graph& program, std::span<const RecordedSample> samples, int trials = 1,
                      bool inside = false);

/// Whether the model's results jump: it puts numbers in order (topk, sort, nms), and where two are nearly the same a
/// rounding decides which comes first; or it takes angles, and one of pi is one of -pi after a rounding.
bool jumps(const Graph& program);

}  // namespace aitune
