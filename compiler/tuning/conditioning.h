#pragma once
// How far the model itself carries roundings.

#include <span>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/tuning/tune.h"

namespace aitune {

/// Relative error of the reference's outputs when every float32 input moves to the next number above or below, and
/// `inside`, what every operator computes, too, but for small integers, which are indices and counts: the largest over
/// outputs, the first samples, and so many `trials`. No two engines that compute in float32 agree better than about
/// that, since each rounds at other places. 0 for a model without float32 inputs. Takes a run of the reference for each
/// sample and trial.
double rounding_noise(const Graph& program, std::span<const RecordedSample> samples, int trials = 1,
                      bool inside = false);

/// Errors of two plans in f32 add, and production's inputs are others: so many times the noise of one rounding.
inline constexpr double kNoises = 4;

/// Whether the model's results jump: it puts numbers in order or chooses among them (topk, sort, argmax, nms, nonzero),
/// and where two are nearly the same a rounding decides which it is; or it takes angles, and one of pi is one of -pi
/// after a rounding.
bool jumps(const Graph& program);

/// For each output, whether a rounding decides its sizes on this sample: how many boxes of a detector are left, where a
/// score lies on the threshold. Found by runs of the reference in which all that is computed moves by a few units of
/// its last place; outputs whose sizes no data decide are never among them.
std::vector<bool> unsettled_sizes(const Graph& program, const RecordedSample& sample);

}  // namespace aitune
