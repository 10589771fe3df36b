#include "engines/cpu/compile/gemm_candidates.h"

namespace aitune::cpu {

std::vector<kernels::GemmTile> gemm_candidates(const kernels::GemmKernel&, const CpuTarget& target, int) {
  kernels::GemmTile tile;
  tile.lanes = target.avx512 ? 16 : 8;
  tile.mr = target.avx512 ? 14 : 6;
  tile.nr = 2;
  return {tile};
}

}  // namespace aitune::cpu
