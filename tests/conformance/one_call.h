#pragma once
// One recorded call, alone in a graph, lowered, compiled for the CPU engine and run.

#include <vector>

#include "base/target.h"
#include "compiler/tuning/build.h"
#include "tests/ops/goldens.h"

namespace aitune::test {

struct CallResult {
  std::vector<Tensor> outputs;
  std::vector<Fallback> fallbacks;  ///< what was left to the reference engine; empty: all was compiled
};

/// Throws Unsupported for calls that have no graph: shapes that depend on data, and the like.
CallResult run_compiled(const GoldenCall& call, const CpuTarget& target);

}  // namespace aitune::test
