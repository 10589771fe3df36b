#pragma once
// What a generated function touches, for the plan: the runtime holds every call to it.

#include <cstdint>
#include <vector>

#include "compiler/kernels/kernel.h"
#include "format/plan.h"

namespace aitune::cpu {

struct KernelContract {
  PlanKernel kernel;           ///< tasks and touched bytes, as formulas over the parameters
  std::vector<SymInt> params;  ///< of a call: those that the code reads, then such as only the formulas need
};
KernelContract describe_kernel(const kernels::LoopKernel& kernel, const kernels::LoopSchedule& schedule,
                               std::uint64_t entry);
KernelContract describe_kernel(const kernels::GemmKernel& kernel, const kernels::GemmTile& tile, std::uint64_t entry);

}  // namespace aitune::cpu
