#pragma once
// Writes Lazy expressions into the flat lists of a kernel.

#include <functional>
#include <unordered_map>
#include <vector>

#include "compiler/kernels/kernel.h"
#include "engines/cpu/compile/lazy.h"

namespace aitune::cpu {

/// From an affine map over a domain to strides over the kernel's loop dims.
using ToLoops = std::function<std::vector<SymInt>(const Affine&)>;

/// Collects buffers, accesses and expressions of one kernel; equal ones are entered once.
class KernelWriter {
 public:
  KernelWriter(std::vector<kernels::Access>& accesses, std::vector<kernels::Expr>& exprs, std::vector<int>& buffers)
      : accesses_(accesses), exprs_(exprs), buffers_(buffers) {}

  /// Kernel slot of a buffer of the lowering.
  std::int32_t slot(int buffer);
  std::int32_t access(const View& view, const ToLoops& to_loops);
  /// Enters `expr` and all below it. Expressions of different domains need different writers' memos: call begin_domain.
  std::int32_t expr(const LazyPtr& expr, const ToLoops& to_loops);
  void begin_domain() { memo_.clear(); }

 private:
  std::int32_t add(const kernels::Expr& expr);
  std::int32_t add(const kernels::Access& access);
  std::int32_t index(const Affine& map, const ToLoops& to_loops);
  std::int32_t constant(std::int64_t value);
  std::int32_t size(const SymInt& value);

  std::vector<kernels::Access>& accesses_;
  std::vector<kernels::Expr>& exprs_;
  std::vector<int>& buffers_;
  std::unordered_map<const Lazy*, std::int32_t> memo_;
};

}  // namespace aitune::cpu
