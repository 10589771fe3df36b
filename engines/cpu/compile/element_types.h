#pragma once
// LLVM types of elements in memory and in expressions, and the conversions between them.

#include "base/dtype.h"
#include "base/target.h"
#include "compiler/kernels/kernel.h"

namespace llvm {
class IRBuilderBase;
class Type;
class Value;
}  // namespace llvm

namespace aitune::cpu {

/// float, double or i64.
llvm::Type* scalar_type(llvm::IRBuilderBase& builder, kernels::ExprType type);
/// What an element is loaded and stored as (bf16 as i16, bool as i8). Throws Unsupported for complex types.
llvm::Type* storage_type(llvm::IRBuilderBase& builder, DType dtype);
/// `element`, or a vector of `count` of it.
llvm::Type* lanes_of(llvm::Type* element, int count);
/// `element`, or a vector of it with as many lanes as `like` has.
llvm::Type* shaped(llvm::Type* element, llvm::Value* like);

/// Stored elements as an expression value.
llvm::Value* widen(llvm::IRBuilderBase& builder, llvm::Value* stored, DType dtype, kernels::ExprType type);
/// An expression value as stored elements, rounded to nearest even; out of range for an integer is the CPU's answer.
llvm::Value* narrow(llvm::IRBuilderBase& builder, const CpuTarget& target, llvm::Value* value, kernels::ExprType type,
                    DType dtype);
/// `value` (float, double, i64, or vectors of them) converted between expression types.
llvm::Value* convert(llvm::IRBuilderBase& builder, llvm::Value* value, kernels::ExprType from, kernels::ExprType to);

}  // namespace aitune::cpu
