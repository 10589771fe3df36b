#pragma once
// Running one generated kernel on a pool.

#include "base/threads.h"
#include "engines/cpu/run/abi.h"

namespace aitune::cpu {

/// A call of generated code with everything bound. The arrays that `args` points to outlive the call.
struct KernelCall {
  aitune_cpu_kernel function = nullptr;
  aitune_cpu_kernel_args args{};
  std::int64_t tasks = 0;
  bool serial = false;  ///< too little work to hand to other threads
};

/// Runs all tasks, on the caller's thread alone if the call is serial.
void run_kernel(const KernelCall& call, ThreadPool& pool);

}  // namespace aitune::cpu
