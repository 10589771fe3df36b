#pragma once
// What is done with LoopKernels before any code is made: their simplest form, schedules, and the division into tasks.

#include <cstdint>
#include <vector>

#include "base/target.h"
#include "compiler/kernels/kernel.h"

namespace aitune::kernels {

/// The same computation with as few loop dims as possible: dims of extent 1 dropped, dims ordered by the stride of what
/// is stored, neighbours merged where every access steps through them evenly, and the inner dims of a kernel without
/// reductions made outer ones. Schedules refer to the dims of this form; emitters, task_count, collect_params and
/// fingerprint apply it themselves (it is idempotent). Throws InternalError for a malformed kernel.
LoopKernel canonical(const LoopKernel& kernel);

/// The schedule chosen by rule. A pure function; optimization level 0 uses nothing else.
LoopSchedule default_schedule(const LoopKernel& kernel, const CpuTarget& target);
/// Schedules worth timing, the default first. At most about eight.
std::vector<LoopSchedule> candidates(const LoopKernel& kernel, const CpuTarget& target);

/// One dimension of the task space: what the emitted function's begin and end count through, last dim fastest.
struct TaskDim {
  std::int32_t dim = -1;  ///< outer dim
  std::int64_t step = 1;  ///< indices of `dim` that one task covers: 1, the unroll factor or a chunk
  bool chunk = false;     ///< a chunk of the vector dim; the task loops over it
  SymInt extent = 1;      ///< tasks along this dim
};

/// A canonical kernel, its schedule reduced to what the extents allow, and its tasks.
struct LoopPlan {
  LoopKernel kernel;
  LoopSchedule schedule;
  bool vector_is_outer = false;
  bool transposes = false;  ///< tiles of lanes x lanes are transposed in registers
  std::vector<TaskDim> tasks;
  bool single_task = false;  ///< so little work that it is one task
  SymInt task_count = 1;
};
LoopPlan plan_loop(const LoopKernel& kernel, const LoopSchedule& schedule);

/// Whether the value of expression `expr` changes along loop dim `dim`.
bool depends_on_dim(const LoopKernel& kernel, std::int32_t expr, std::int32_t dim);

}  // namespace aitune::kernels
