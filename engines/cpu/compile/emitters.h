#pragma once
// The two emitters behind CodeGenerator::add. Each appends one function of abi.h's type to the module.

#include <string>

#include "base/target.h"
#include "compiler/kernels/kernel.h"

namespace llvm {
class Module;
}

namespace aitune::cpu {

/// Throws InternalError for a malformed kernel or a schedule that does not fit it.
void emit_loop(llvm::Module& module, const CpuTarget& target, const kernels::LoopKernel& kernel,
               const kernels::LoopSchedule& schedule, const std::string& symbol);
void emit_gemm(llvm::Module& module, const CpuTarget& target, const kernels::GemmKernel& kernel,
               const kernels::GemmTile& tile, const std::string& symbol);

}  // namespace aitune::cpu
