#include "engines/cpu/compile/arithmetic.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Intrinsics.h>

#include "base/error.h"
#include "engines/cpu/compile/element_types.h"
#include "engines/cpu/compile/vector_math.h"

namespace aitune::cpu {

using kernels::ExprOp;
using kernels::ExprType;
using llvm::Type;
using llvm::Value;

Value* emit_compare(llvm::IRBuilderBase& b, ExprOp op, Value* x, Value* y) {
  const bool integer = x->getType()->isIntOrIntVectorTy();
  using P = llvm::CmpInst::Predicate;
  P predicate{};
  switch (op) {
    case ExprOp::eq:
      predicate = integer ? P::ICMP_EQ : P::FCMP_OEQ;
      break;
    case ExprOp::ne:
      predicate = integer ? P::ICMP_NE : P::FCMP_UNE;
      break;
    case ExprOp::lt:
      predicate = integer ? P::ICMP_SLT : P::FCMP_OLT;
      break;
    case ExprOp::le:
      predicate = integer ? P::ICMP_SLE : P::FCMP_OLE;
      break;
    case ExprOp::gt:
      predicate = integer ? P::ICMP_SGT : P::FCMP_OGT;
      break;
    default:
      predicate = integer ? P::ICMP_SGE : P::FCMP_OGE;
      break;
  }
  Value* holds = b.CreateCmp(predicate, x, y);
  return b.CreateZExt(holds, shaped(b.getInt64Ty(), holds));
}

Value* emit_unary(llvm::IRBuilderBase& b, ExprOp op, ExprType expr_type, Value* a) {
  const bool integer = expr_type == ExprType::i64;
  Type* type = a->getType();
  const auto call = [&](llvm::Intrinsic::ID id) { return b.CreateUnaryIntrinsic(id, a); };
  const auto number = [&](double c) { return llvm::ConstantFP::get(type, c); };
  if (integer) {
    Value* zero = llvm::Constant::getNullValue(type);
    switch (op) {
      case ExprOp::neg:
        return b.CreateNeg(a);
      case ExprOp::abs:
        return b.CreateBinaryIntrinsic(llvm::Intrinsic::abs, a, b.getFalse());
      case ExprOp::logical_not:
        return b.CreateZExt(b.CreateICmpEQ(a, zero), type);
      case ExprOp::bitwise_not:
        return b.CreateNot(a);
      case ExprOp::floor:
      case ExprOp::ceil:
      case ExprOp::round:
      case ExprOp::trunc:
        return a;
      default:
        throw InternalError("this operation needs a floating type", "code generation");
    }
  }
  switch (op) {
    case ExprOp::neg:
      return b.CreateFNeg(a);
    case ExprOp::abs:
      return call(llvm::Intrinsic::fabs);
    case ExprOp::sqrt:
      return call(llvm::Intrinsic::sqrt);
    case ExprOp::rsqrt:
      return b.CreateFDiv(number(1), call(llvm::Intrinsic::sqrt));
    case ExprOp::reciprocal:
      return b.CreateFDiv(number(1), a);
    case ExprOp::floor:
      return call(llvm::Intrinsic::floor);
    case ExprOp::ceil:
      return call(llvm::Intrinsic::ceil);
    case ExprOp::round:
      return call(llvm::Intrinsic::roundeven);
    case ExprOp::trunc:
      return call(llvm::Intrinsic::trunc);
    case ExprOp::logical_not:
      return b.CreateUIToFP(b.CreateFCmpOEQ(a, number(0)), type);
    case ExprOp::exp:
      return emit_math(b, MathFunction::exp, a);
    case ExprOp::log:
      return emit_math(b, MathFunction::log, a);
    case ExprOp::tanh:
      return emit_math(b, MathFunction::tanh, a);
    case ExprOp::erf:
      return emit_math(b, MathFunction::erf, a);
    case ExprOp::sigmoid:
      return emit_math(b, MathFunction::sigmoid, a);
    case ExprOp::sin:
      return emit_math(b, MathFunction::sin, a);
    case ExprOp::cos:
      return emit_math(b, MathFunction::cos, a);
    default:
      throw InternalError("this operation needs an integer type or more operands", "code generation");
  }
}

namespace {

// A divisor of 0 or -1 would trap; both are taken out before the division.
Value* divide_integers(llvm::IRBuilderBase& b, Value* x, Value* y, bool to_floor, bool want_remainder) {
  Type* type = x->getType();
  const auto number = [&](std::int64_t c) { return llvm::ConstantInt::getSigned(type, c); };
  Value* negative_one = b.CreateICmpEQ(y, number(-1));
  Value* unsafe = b.CreateOr(b.CreateICmpEQ(y, number(0)), negative_one);
  Value* divisor = b.CreateSelect(unsafe, number(1), y);
  Value* quotient = b.CreateSDiv(x, divisor);
  Value* remainder = b.CreateSub(x, b.CreateMul(quotient, divisor));
  if (to_floor) {
    Value* signs_differ = b.CreateICmpSLT(b.CreateXor(remainder, divisor), number(0));
    Value* adjust = b.CreateAnd(b.CreateICmpNE(remainder, number(0)), signs_differ);
    quotient = b.CreateSub(quotient, b.CreateZExt(adjust, type));
    remainder = b.CreateAdd(remainder, b.CreateSelect(adjust, divisor, number(0)));
  }
  if (want_remainder) return remainder;
  return b.CreateSelect(negative_one, b.CreateNeg(x), quotient);
}

// a > c ? a : c keeps its second operand when either is NaN, as the CPU's instruction does.
Value* extremum(llvm::IRBuilderBase& b, Value* x, Value* y, bool maximum) {
  const auto pick = [&](Value* p, Value* q) {
    return b.CreateSelect(maximum ? b.CreateFCmpOGT(p, q) : b.CreateFCmpOLT(p, q), p, q);
  };
  if (llvm::isa<llvm::Constant>(x)) std::swap(x, y);
  if (auto* c = llvm::dyn_cast<llvm::Constant>(y)) {
    if (auto* s = llvm::dyn_cast_or_null<llvm::ConstantFP>(c->getType()->isVectorTy() ? c->getSplatValue() : c);
        s && !s->isNaN()) {
      return pick(y, x);
    }
  }
  return b.CreateSelect(b.CreateFCmpUNO(x, x), x, pick(x, y));
}

// Has the sign of the divisor; the quotient may round up across an integer, which the last step takes back.
Value* remainder(llvm::IRBuilderBase& b, Value* x, Value* y) {
  Type* type = x->getType();
  Value* zero = llvm::Constant::getNullValue(type);
  const auto negative = [&](Value* v) { return b.CreateFCmpOLT(v, zero); };
  Value* quotient = b.CreateUnaryIntrinsic(llvm::Intrinsic::floor, b.CreateFDiv(x, y));
  Value* rest = b.CreateIntrinsic(llvm::Intrinsic::fma, {type}, {b.CreateFNeg(quotient), y, x});
  Value* wrong = b.CreateAnd(b.CreateFCmpONE(rest, zero), b.CreateXor(negative(rest), negative(y)));
  rest = b.CreateSelect(wrong, b.CreateFAdd(rest, y), rest);
  // A finite number over an infinite divisor stays as it is, or becomes the divisor where the signs differ.
  Value* infinite = llvm::ConstantFP::getInfinity(type);
  const auto size = [&](Value* v) { return b.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, v); };
  Value* endless = b.CreateAnd(b.CreateFCmpOEQ(size(y), infinite), b.CreateFCmpONE(size(x), infinite));
  Value* differ = b.CreateAnd(b.CreateFCmpONE(x, zero), b.CreateXor(negative(x), negative(y)));
  return b.CreateSelect(endless, b.CreateSelect(differ, y, x), rest);
}

Value* power(llvm::IRBuilderBase& b, Value* x, Value* y) {
  auto* c = llvm::dyn_cast<llvm::Constant>(y);
  auto* s = c ? llvm::dyn_cast_or_null<llvm::ConstantFP>(y->getType()->isVectorTy() ? c->getSplatValue() : c) : nullptr;
  if (s) {
    llvm::APFloat as_double = s->getValueAPF();
    bool lost = false;
    as_double.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &lost);
    const double exponent = as_double.convertToDouble();
    if (exponent == 1) return x;
    if (exponent == 2) return b.CreateFMul(x, x);
    if (exponent == 3) return b.CreateFMul(b.CreateFMul(x, x), x);
    if (exponent == 4) return b.CreateFMul(b.CreateFMul(x, x), b.CreateFMul(x, x));
    if (exponent == -1) return b.CreateFDiv(llvm::ConstantFP::get(x->getType(), 1.0), x);
  }
  return emit_pow(b, x, y);
}

}  // namespace

Value* emit_binary(llvm::IRBuilderBase& b, ExprOp op, ExprType expr_type, Value* x, Value* y) {
  Type* type = x->getType();
  Value* zero = llvm::Constant::getNullValue(type);
  const auto truth = [&](Value* v) { return b.CreateICmpNE(v, zero); };
  if (expr_type == ExprType::i64) {
    switch (op) {
      case ExprOp::add:
        return b.CreateAdd(x, y);
      case ExprOp::sub:
        return b.CreateSub(x, y);
      case ExprOp::mul:
        return b.CreateMul(x, y);
      case ExprOp::div:
        return divide_integers(b, x, y, false, false);
      case ExprOp::floor_div:
        return divide_integers(b, x, y, true, false);
      case ExprOp::remainder:
        return divide_integers(b, x, y, true, true);
      case ExprOp::min:
        return b.CreateBinaryIntrinsic(llvm::Intrinsic::smin, x, y);
      case ExprOp::max:
        return b.CreateBinaryIntrinsic(llvm::Intrinsic::smax, x, y);
      case ExprOp::logical_and:
        return b.CreateZExt(b.CreateAnd(truth(x), truth(y)), type);
      case ExprOp::logical_or:
        return b.CreateZExt(b.CreateOr(truth(x), truth(y)), type);
      case ExprOp::bitwise_and:
        return b.CreateAnd(x, y);
      case ExprOp::bitwise_or:
        return b.CreateOr(x, y);
      case ExprOp::bitwise_xor:
        return b.CreateXor(x, y);
      case ExprOp::shift_left: {
        // Too many bits would be undefined: they are shifted by none, and the result is not taken.
        Value* fits = b.CreateICmpULT(y, llvm::ConstantInt::get(type, 64));
        return b.CreateSelect(fits, b.CreateShl(x, b.CreateSelect(fits, y, zero)), zero);
      }
      case ExprOp::shift_right:
        return b.CreateAShr(x, b.CreateBinaryIntrinsic(llvm::Intrinsic::umin, y, llvm::ConstantInt::get(type, 63)));
      default:
        throw InternalError("this operation needs a floating type", "code generation");
    }
  }
  switch (op) {
    case ExprOp::add:
      return b.CreateFAdd(x, y);
    case ExprOp::sub:
      return b.CreateFSub(x, y);
    case ExprOp::mul:
      return b.CreateFMul(x, y);
    case ExprOp::div:
      return b.CreateFDiv(x, y);
    case ExprOp::floor_div:
      return b.CreateUnaryIntrinsic(llvm::Intrinsic::floor, b.CreateFDiv(x, y));
    case ExprOp::remainder:
      return remainder(b, x, y);
    case ExprOp::pow:
      return power(b, x, y);
    case ExprOp::min:
      return extremum(b, x, y, false);
    case ExprOp::max:
      return extremum(b, x, y, true);
    case ExprOp::logical_and:
      return b.CreateUIToFP(b.CreateAnd(b.CreateFCmpUNE(x, zero), b.CreateFCmpUNE(y, zero)), type);
    case ExprOp::logical_or:
      return b.CreateUIToFP(b.CreateOr(b.CreateFCmpUNE(x, zero), b.CreateFCmpUNE(y, zero)), type);
    default:
      throw InternalError("this operation needs an integer type", "code generation");
  }
}

}  // namespace aitune::cpu
