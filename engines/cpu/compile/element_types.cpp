#include "engines/cpu/compile/element_types.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/DerivedTypes.h>
#include <llvm/IR/IRBuilder.h>

#include "base/error.h"

namespace aitune::cpu {

using kernels::ExprType;
using llvm::Type;
using llvm::Value;

Type* scalar_type(llvm::IRBuilderBase& b, ExprType type) {
  switch (type) {
    case ExprType::f32:
      return b.getFloatTy();
    case ExprType::f64:
      return b.getDoubleTy();
    case ExprType::i64:
      return b.getInt64Ty();
  }
  throw InternalError("unknown expression type", "code generation");
}

Type* storage_type(llvm::IRBuilderBase& b, DType dtype) {
  switch (dtype) {
    case DType::f32:
      return b.getFloatTy();
    case DType::f64:
      return b.getDoubleTy();
    case DType::f16:
      return b.getHalfTy();
    case DType::bf16:
    case DType::i16:
      return b.getInt16Ty();
    case DType::u8:
    case DType::i8:
    case DType::b8:
      return b.getInt8Ty();
    case DType::i32:
      return b.getInt32Ty();
    case DType::i64:
      return b.getInt64Ty();
    default:
      break;
  }
  throw Unsupported("complex elements cannot be compiled", std::string(dtype_name(dtype)));
}

Type* lanes_of(Type* element, int count) {
  return count == 1 ? element : llvm::FixedVectorType::get(element, static_cast<unsigned>(count));
}

Type* shaped(Type* element, Value* like) {
  if (auto* v = llvm::dyn_cast<llvm::FixedVectorType>(like->getType())) {
    return llvm::FixedVectorType::get(element, v->getNumElements());
  }
  return element;
}

namespace {

// bf16 is the upper half of an f32.
Value* from_bf16(llvm::IRBuilderBase& b, Value* bits) {
  Value* wide = b.CreateZExt(bits, shaped(b.getInt32Ty(), bits));
  return b.CreateBitCast(b.CreateShl(wide, 16), shaped(b.getFloatTy(), bits));
}

Value* to_bf16(llvm::IRBuilderBase& b, const CpuTarget& target, Value* x) {
  if (target.avx512_bf16 && x->getType()->isVectorTy()) {
    return b.CreateBitCast(b.CreateFPTrunc(x, shaped(b.getBFloatTy(), x)), shaped(b.getInt16Ty(), x));
  }
  // Round to nearest even by adding 0x7fff plus the lowest kept bit; NaN keeps its sign and becomes quiet.
  Type* i32 = shaped(b.getInt32Ty(), x);
  const auto constant = [&](std::uint32_t c) { return llvm::ConstantInt::get(i32, c); };
  Value* bits = b.CreateBitCast(x, i32);
  Value* lowest = b.CreateAnd(b.CreateLShr(bits, 16), constant(1));
  Value* rounded = b.CreateLShr(b.CreateAdd(bits, b.CreateAdd(lowest, constant(0x7fff))), 16);
  Value* quiet = b.CreateOr(b.CreateLShr(bits, 16), constant(0x40));
  return b.CreateTrunc(b.CreateSelect(b.CreateFCmpUNO(x, x), quiet, rounded), shaped(b.getInt16Ty(), x));
}

}  // namespace

Value* widen(llvm::IRBuilderBase& b, Value* v, DType dtype, ExprType type) {
  Type* to = shaped(scalar_type(b, type), v);
  if (dtype == DType::bf16) v = from_bf16(b, v);
  if (dtype == DType::f16) v = b.CreateFPExt(v, shaped(b.getFloatTy(), v));  // the only step that CPUs have
  if (is_floating(dtype)) {
    if (type != ExprType::i64) return b.CreateFPCast(v, to);
    return b.CreateFreeze(b.CreateFPToSI(v, to));
  }
  if (dtype == DType::b8) v = b.CreateICmpNE(v, llvm::Constant::getNullValue(v->getType()));
  const bool is_unsigned = dtype == DType::u8 || dtype == DType::b8;
  if (type == ExprType::i64) return is_unsigned ? b.CreateZExt(v, to) : b.CreateSExt(v, to);
  return is_unsigned ? b.CreateUIToFP(v, to) : b.CreateSIToFP(v, to);
}

Value* narrow(llvm::IRBuilderBase& b, const CpuTarget& target, Value* v, ExprType type, DType dtype) {
  Type* to = shaped(storage_type(b, dtype), v);
  if (dtype == DType::b8) {
    Value* zero = llvm::Constant::getNullValue(v->getType());
    Value* set = type == ExprType::i64 ? b.CreateICmpNE(v, zero) : b.CreateFCmpUNE(v, zero);
    return b.CreateZExt(set, to);
  }
  if (is_floating(dtype)) {
    if (dtype == DType::bf16) return to_bf16(b, target, convert(b, v, type, ExprType::f32));
    if (dtype == DType::f16) return b.CreateFPTrunc(convert(b, v, type, ExprType::f32), to);
    if (type == ExprType::i64) return b.CreateSIToFP(v, to);
    return b.CreateFPCast(v, to);
  }
  if (type == ExprType::i64) return b.CreateTrunc(v, to);
  // Narrow integers go through the type that the CPU converts to; out of range is the CPU's answer, never undefined.
  Type* step = shaped(dtype == DType::i64 ? b.getInt64Ty() : b.getInt32Ty(), v);
  return b.CreateTrunc(b.CreateFreeze(b.CreateFPToSI(v, step)), to);
}

Value* convert(llvm::IRBuilderBase& b, Value* value, ExprType from, ExprType to) {
  if (from == to) return value;
  Type* type = shaped(scalar_type(b, to), value);
  if (from == ExprType::i64) return b.CreateSIToFP(value, type);
  if (to == ExprType::i64) return b.CreateFreeze(b.CreateFPToSI(value, type));
  return b.CreateFPCast(value, type);
}

}  // namespace aitune::cpu
