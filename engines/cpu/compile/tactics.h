#pragma once
// Choosing how each kernel of a block is made: by rule, from the timing cache, or by timing candidates on this machine.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compiler/partition/engine.h"
#include "engines/cpu/compile/lowering.h"
#include "engines/cpu/compile/onednn_tasks.h"

namespace aitune::cpu {

/// A call of oneDNN that was faster than every kernel of ours.
struct OneDnnTactic {
  OneDnnCandidate candidate;
  std::shared_ptr<const OneDnnKernel> kernel;
};

/// How one task is made.
struct Tactic {
  kernels::GemmTile tile;              ///< gemm
  kernels::LoopSchedule schedule;      ///< loop
  std::optional<OneDnnTactic> onednn;  ///< if set, nothing is generated
  std::string key;                     ///< identity of the code: equal keys share one function
};

/// One tactic for each task of the block. Candidates are timed with the block's buffer sizes at options.opt_shape on
/// options.num_threads threads, each kernel once; what was chosen goes into options.timings.
std::vector<Tactic> choose_tactics(const LoweredBlock& block, const EngineOptions& options);

}  // namespace aitune::cpu
