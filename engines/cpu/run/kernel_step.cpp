#include "engines/cpu/run/kernel_step.h"

namespace aitune::cpu {

void run_kernel(const KernelCall& call, ThreadPool& pool) {
  if (call.tasks <= 0) return;
  if (call.serial) return call.function(&call.args, 0, call.tasks);
  pool.parallel_for(call.tasks, [&](std::int64_t begin, std::int64_t end) { call.function(&call.args, begin, end); });
}

}  // namespace aitune::cpu
