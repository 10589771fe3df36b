#pragma once
// Latencies of plans.

#include <span>
#include <vector>

#include "base/tensor.h"
#include "runtime/instance.h"

namespace aitune {

/// A plan and what it is called with.
struct TimedCall {
  Instance* instance = nullptr;
  std::span<const Tensor> inputs;
};

/// Median latencies in milliseconds. The calls are made in turn, so that whatever disturbs the machine disturbs all of
/// them: at least 5 times, for about `seconds` each.
std::vector<double> median_milliseconds(std::span<const TimedCall> calls, double seconds = 0.5);

}  // namespace aitune
