#include "base/error.h"
#include "engines/cpu/compile/emitters.h"
namespace aitune::cpu {
void emit_loop(llvm::Module&, const CpuTarget&, const kernels::LoopKernel& kernel, const kernels::LoopSchedule&,
               const std::string&) {
  throw InternalError("loops cannot be emitted yet", kernel.name);
}
}  // namespace aitune::cpu
