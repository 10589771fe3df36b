#pragma once
// Elementary functions as IR without calls, so that they inline and vectorise wherever they stand. It is straight but
// for a branch that sine and cosine of very large floats take; the builder goes on behind it.

namespace llvm {
class IRBuilderBase;
class Value;
}  // namespace llvm

namespace aitune::cpu {

enum class MathFunction { exp, log, tanh, erf, sigmoid, sin, cos };

/// f(x) for x of float, double, or a vector of them; about 2 ulp (erf: 1e-6 absolute), right at 0, NaN, Inf and large
/// values (sin and cos of doubles lose accuracy beyond 1e15).
llvm::Value* emit_math(llvm::IRBuilderBase& builder, MathFunction function, llvm::Value* x);
/// x to the power y with the special cases of C's pow.
llvm::Value* emit_pow(llvm::IRBuilderBase& builder, llvm::Value* x, llvm::Value* y);

}  // namespace aitune::cpu
