#include "engines/cpu/compile/reduction.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Intrinsics.h>

#include <limits>

#include "engines/cpu/compile/element_types.h"

namespace aitune::cpu {

using kernels::ExprType;
using kernels::ReduceOp;
using llvm::Value;

ReductionEmitter::State ReductionEmitter::identity(int lanes) const {
  llvm::IRBuilderBase& b = *builder_;
  llvm::Type* whole = lanes_of(b.getInt64Ty(), lanes);
  if (op_ == ReduceOp::any || op_ == ReduceOp::all) return {llvm::ConstantInt::get(whole, op_ == ReduceOp::all)};
  const bool lowest = op_ == ReduceOp::max || op_ == ReduceOp::argmax;
  const bool highest = op_ == ReduceOp::min || op_ == ReduceOp::argmin;
  State state;
  using Limits = std::numeric_limits<std::int64_t>;
  if (type_ == ExprType::i64) {
    const std::int64_t c = lowest ? Limits::min() : highest ? Limits::max() : op_ == ReduceOp::product;
    state.push_back(llvm::ConstantInt::getSigned(whole, c));
  } else {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    llvm::Type* real = lanes_of(type_ == ExprType::f32 ? b.getFloatTy() : b.getDoubleTy(), lanes);
    state.push_back(llvm::ConstantFP::get(real, lowest ? -kInfinity : highest ? kInfinity : op_ == ReduceOp::product));
  }
  if (finds_position()) state.push_back(llvm::ConstantInt::getSigned(whole, Limits::max()));
  return state;
}

Value* ReductionEmitter::combine(Value* x, Value* y) const {
  llvm::IRBuilderBase& b = *builder_;
  const bool integers = x->getType()->isIntOrIntVectorTy();
  const auto extremum = [&](bool maximum) -> Value* {
    if (integers) return b.CreateBinaryIntrinsic(maximum ? llvm::Intrinsic::smax : llvm::Intrinsic::smin, x, y);
    // Keeps x when either is NaN, as the CPU's instruction does; then a NaN in y is put back.
    Value* picked = b.CreateSelect(maximum ? b.CreateFCmpOGT(y, x) : b.CreateFCmpOLT(y, x), y, x);
    return b.CreateSelect(b.CreateFCmpUNO(y, y), y, picked);
  };
  switch (op_) {
    case ReduceOp::sum:
      return integers ? b.CreateAdd(x, y) : b.CreateFAdd(x, y);
    case ReduceOp::product:
      return integers ? b.CreateMul(x, y) : b.CreateFMul(x, y);
    case ReduceOp::max:
      return extremum(true);
    case ReduceOp::min:
      return extremum(false);
    case ReduceOp::any:
      return b.CreateOr(x, y);
    default:
      return b.CreateAnd(x, y);
  }
}

// y where it beats x: greater (or less), NaN before numbers, the first position among equals.
ReductionEmitter::State ReductionEmitter::better(const State& x, const State& y) const {
  llvm::IRBuilderBase& b = *builder_;
  const bool maximum = op_ == ReduceOp::argmax;
  Value *wins = nullptr, *equal = nullptr;
  if (type_ == ExprType::i64) {
    wins = maximum ? b.CreateICmpSGT(y[0], x[0]) : b.CreateICmpSLT(y[0], x[0]);
    equal = b.CreateICmpEQ(y[0], x[0]);
  } else {
    Value *x_nan = b.CreateFCmpUNO(x[0], x[0]), *y_nan = b.CreateFCmpUNO(y[0], y[0]);
    wins = maximum ? b.CreateFCmpOGT(y[0], x[0]) : b.CreateFCmpOLT(y[0], x[0]);
    wins = b.CreateOr(wins, b.CreateAnd(y_nan, b.CreateNot(x_nan)));
    equal = b.CreateOr(b.CreateFCmpOEQ(y[0], x[0]), b.CreateAnd(x_nan, y_nan));
  }
  wins = b.CreateOr(wins, b.CreateAnd(equal, b.CreateICmpSLT(y[1], x[1])));
  return {b.CreateSelect(wins, y[0], x[0]), b.CreateSelect(wins, y[1], x[1])};
}

ReductionEmitter::State ReductionEmitter::join(const State& x, const State& y) const {
  if (finds_position()) return better(x, y);
  return {combine(x[0], y[0])};
}

ReductionEmitter::State ReductionEmitter::take(const State& state, Value* value, Value* position, Value* mask) const {
  llvm::IRBuilderBase& b = *builder_;
  if (op_ == ReduceOp::any || op_ == ReduceOp::all) {
    Value* zero = llvm::Constant::getNullValue(value->getType());
    Value* set = type_ == ExprType::i64 ? b.CreateICmpNE(value, zero) : b.CreateFCmpUNE(value, zero);
    value = b.CreateZExt(set, state[0]->getType());
  }
  State taken = join(state, finds_position() ? State{value, position} : State{value});
  if (mask && value->getType()->isVectorTy()) {
    for (std::size_t i = 0; i < taken.size(); ++i) taken[i] = b.CreateSelect(mask, taken[i], state[i]);
  }
  return taken;
}

ReductionEmitter::State ReductionEmitter::across_lanes(State state) const {
  llvm::IRBuilderBase& b = *builder_;
  auto* type = llvm::dyn_cast<llvm::FixedVectorType>(state[0]->getType());
  if (!type) return state;
  for (int lanes = static_cast<int>(type->getNumElements()) / 2; lanes >= 1; lanes /= 2) {
    llvm::SmallVector<int> low, high;
    for (int i = 0; i < lanes; ++i) low.push_back(i), high.push_back(i + lanes);
    State x, y;
    for (Value* v : state) x.push_back(b.CreateShuffleVector(v, low)), y.push_back(b.CreateShuffleVector(v, high));
    state = join(x, y);
  }
  for (Value*& v : state) v = b.CreateExtractElement(v, std::uint64_t{0});
  return state;
}

}  // namespace aitune::cpu
