#pragma once
// Choosing how each kernel of a block is made: by rule, from the timing cache, or by timing candidates on this machine.

#include <vector>

#include "compiler/partition/engine.h"
#include "engines/cpu/compile/lowering.h"

namespace aitune::cpu {

/// How one task is made.
struct Tactic {
  kernels::GemmTile tile;          ///< gemm
  kernels::LoopSchedule schedule;  ///< loop
  std::string key;                 ///< identity of the code: equal keys share one function
};

/// One tactic for each task of the block. Candidates are timed with the block's buffer sizes at options.opt_shape on
/// options.num_threads threads, each kernel once; what was chosen goes into options.timings.
std::vector<Tactic> choose_tactics(const LoweredBlock& block, const EngineOptions& options);

}  // namespace aitune::cpu
