#pragma once
// Tactics for matrix products.

#include <vector>

#include "base/target.h"
#include "compiler/kernels/kernel.h"

namespace aitune::cpu {

/// Tiles worth trying for a product on this target, best guess first; never empty. A pure function. `level` 0 gives
/// one, 3 a handful, 5 everything sensible; none is lossy if they are to be `accurate`, as in EngineOptions.
std::vector<kernels::GemmTile> gemm_candidates(const kernels::GemmKernel& kernel, const CpuTarget& target, int level,
                                               bool accurate = false);

}  // namespace aitune::cpu
