#pragma once
// Operations of the kernel form on values of one expression type (float, double, i64, or vectors of them).

#include "compiler/kernels/kernel.h"

namespace llvm {
class IRBuilderBase;
class Value;
}  // namespace llvm

namespace aitune::cpu {

/// Both throw InternalError for an operation that `type` does not have. Operands have the same shape.
llvm::Value* emit_unary(llvm::IRBuilderBase& builder, kernels::ExprOp op, kernels::ExprType type, llvm::Value* a);
llvm::Value* emit_binary(llvm::IRBuilderBase& builder, kernels::ExprOp op, kernels::ExprType type, llvm::Value* x,
                         llvm::Value* y);
/// i64 0 or 1 for each lane.
llvm::Value* emit_compare(llvm::IRBuilderBase& builder, kernels::ExprOp op, llvm::Value* x, llvm::Value* y);

}  // namespace aitune::cpu
