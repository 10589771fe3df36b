#pragma once
// Reductions of the kernel form over lanes and steps: accumulators, how they take a value, how two are joined.

#include <vector>

#include "compiler/kernels/kernel.h"

namespace llvm {
class IRBuilderBase;
class Value;
}  // namespace llvm

namespace aitune::cpu {

/// One reduction's arithmetic. A state is one value, or (best, position) for argmax and argmin; states are scalars or
/// vectors of independent accumulators.
class ReductionEmitter {
 public:
  ReductionEmitter(llvm::IRBuilderBase& builder, kernels::ReduceOp op, kernels::ExprType type)
      : builder_(&builder), op_(op), type_(type) {}

  using State = std::vector<llvm::Value*>;
  bool finds_position() const { return op_ == kernels::ReduceOp::argmax || op_ == kernels::ReduceOp::argmin; }
  std::size_t width() const { return finds_position() ? 2 : 1; }
  /// The state before any value, `lanes` accumulators side by side.
  State identity(int lanes) const;
  /// `state` with `value` taken in; lanes outside `mask` (null: none) are left as they are. `position` (i64, shaped as
  /// value) is needed only where finds_position().
  State take(const State& state, llvm::Value* value, llvm::Value* position, llvm::Value* mask) const;
  State join(const State& x, const State& y) const;
  /// All lanes joined into a scalar state.
  State across_lanes(State state) const;
  /// What ExprOp::temp sees.
  llvm::Value* result(const State& state) const { return state.back(); }

 private:
  llvm::Value* combine(llvm::Value* x, llvm::Value* y) const;
  State better(const State& x, const State& y) const;

  llvm::IRBuilderBase* builder_;
  kernels::ReduceOp op_;
  kernels::ExprType type_;
};

}  // namespace aitune::cpu
