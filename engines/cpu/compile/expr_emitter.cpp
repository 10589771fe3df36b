#include "engines/cpu/compile/expr_emitter.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/DerivedTypes.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/MDBuilder.h>
#include <llvm/IR/Module.h>

#include <cmath>

#include "base/error.h"
#include "engines/cpu/compile/vector_math.h"

namespace aitune::cpu {

using kernels::Access;
using kernels::Expr;
using kernels::ExprOp;
using kernels::ExprType;
using llvm::Type;
using llvm::Value;

namespace {

Type* scalar_type(llvm::IRBuilderBase& b, ExprType type) {
  switch (type) {
    case ExprType::f32: return b.getFloatTy();
    case ExprType::f64: return b.getDoubleTy();
    case ExprType::i64: return b.getInt64Ty();
  }
  throw InternalError("unknown expression type", "code generation");
}

Type* storage_type(llvm::IRBuilderBase& b, DType dtype) {
  switch (dtype) {
    case DType::f32: return b.getFloatTy();
    case DType::f64: return b.getDoubleTy();
    case DType::f16: return b.getHalfTy();
    case DType::bf16: case DType::i16: return b.getInt16Ty();
    case DType::u8: case DType::i8: case DType::b8: return b.getInt8Ty();
    case DType::i32: return b.getInt32Ty();
    case DType::i64: return b.getInt64Ty();
    default: break;
  }
  throw Unsupported("complex elements cannot be compiled", std::string(dtype_name(dtype)));
}

/// `element`, or a vector of `count` of it.
Type* lanes_of(Type* element, int count) {
  return count == 1 ? element : llvm::FixedVectorType::get(element, static_cast<unsigned>(count));
}

/// The type with the same number of lanes as `like` but elements `element`.
Type* shaped(Type* element, Value* like) {
  if (auto* v = llvm::dyn_cast<llvm::FixedVectorType>(like->getType())) {
    return llvm::FixedVectorType::get(element, v->getNumElements());
  }
  return element;
}

bool is_vector(Value* v) { return v->getType()->isVectorTy(); }

// bf16 is the upper half of an f32.
Value* from_bf16(llvm::IRBuilderBase& b, Value* bits) {
  Value* wide = b.CreateZExt(bits, shaped(b.getInt32Ty(), bits));
  return b.CreateBitCast(b.CreateShl(wide, 16), shaped(b.getFloatTy(), bits));
}

Value* to_bf16(llvm::IRBuilderBase& b, const CpuTarget& target, Value* x) {
  if (target.avx512_bf16 && is_vector(x)) {
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

/// Stored elements as an expression value.
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

/// An expression value as stored elements.
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

}  // namespace

Value* convert(llvm::IRBuilderBase& b, Value* value, ExprType from, ExprType to) {
  if (from == to) return value;
  Type* type = shaped(scalar_type(b, to), value);
  if (from == ExprType::i64) return b.CreateSIToFP(value, type);
  if (to == ExprType::i64) return b.CreateFreeze(b.CreateFPToSI(value, type));
  return b.CreateFPCast(value, type);
}

namespace {
Value* iota(llvm::IRBuilderBase& b, Type* element, int count) {
  llvm::SmallVector<llvm::Constant*> numbers;
  for (int i = 0; i < count; ++i) numbers.push_back(llvm::ConstantInt::get(element, static_cast<std::uint64_t>(i)));
  (void)b;
  return llvm::ConstantVector::get(numbers);
}
}  // namespace

Value* tail_mask(llvm::IRBuilderBase& b, Value* remaining, int lanes) {
  // 32-bit lanes: `remaining` is clamped first, so that nothing is lost by the truncation.
  Value* many = b.getInt64(static_cast<std::uint64_t>(lanes));
  Value* clamped = b.CreateSelect(b.CreateICmpSLT(remaining, many), remaining, many);
  Value* limit = b.CreateVectorSplat(static_cast<unsigned>(lanes), b.CreateTrunc(clamped, b.getInt32Ty()));
  return b.CreateICmpSLT(iota(b, b.getInt32Ty(), lanes), limit);
}

ExprEmitter::ExprEmitter(llvm::IRBuilderBase& builder, const CpuTarget& target, const std::vector<Access>& accesses,
                         const std::vector<Expr>& exprs, std::vector<Value*> buffers, const Sizes& sizes,
                         int loop_dims)
    : builder_(&builder), target_(target), accesses_(&accesses), exprs_(&exprs), buffers_(std::move(buffers)),
      sizes_(&sizes), loop_dims_(loop_dims) {
  llvm::MDBuilder metadata(builder.getContext());
  llvm::MDNode* domain = metadata.createAnonymousAliasScopeDomain("buffers");
  std::vector<llvm::Metadata*> scopes;
  for (std::size_t i = 0; i < buffers_.size(); ++i) {
    scopes.push_back(metadata.createAnonymousAliasScope(domain, "buffer"));
  }
  for (std::size_t i = 0; i < buffers_.size(); ++i) {
    std::vector<llvm::Metadata*> others = scopes;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
    own_scope_.push_back(llvm::MDNode::get(builder.getContext(), {scopes[i]}));
    other_scopes_.push_back(llvm::MDNode::get(builder.getContext(), others));
  }
  for (const Access& a : accesses) {
    if (a.buffer < 0 || static_cast<std::size_t>(a.buffer) >= buffers_.size() ||
        a.strides.size() != static_cast<std::size_t>(loop_dims)) {
      throw InternalError("an access does not fit its kernel's buffers or loop dimensions", "code generation");
    }
  }
}

Cursor ExprEmitter::origin() {
  Cursor at;
  at.index.assign(static_cast<std::size_t>(loop_dims_), builder_->getInt64(0));
  for (const Access& a : *accesses_) {
    Value* base = buffers_[static_cast<std::size_t>(a.buffer)];
    if (!a.offset.is(0)) base = builder_->CreateGEP(storage_type(*builder_, a.dtype), base, (*sizes_)(a.offset));
    at.pointers.push_back(base);
  }
  return at;
}

Cursor ExprEmitter::moved(const Cursor& from, int dim, Value* by) {
  Cursor to = from;
  const auto d = static_cast<std::size_t>(dim);
  if (auto* c = llvm::dyn_cast<llvm::ConstantInt>(by); c && c->isZero()) return to;
  to.index[d] = builder_->CreateNSWAdd(from.index[d], by);
  for (std::size_t i = 0; i < accesses_->size(); ++i) {
    const Access& a = (*accesses_)[i];
    if (a.strides[d].is(0)) continue;
    Value* distance = builder_->CreateNSWMul(by, (*sizes_)(a.strides[d]));
    to.pointers[i] = builder_->CreateGEP(storage_type(*builder_, a.dtype), from.pointers[i], distance);
  }
  return to;
}

Cursor ExprEmitter::moved(const Cursor& from, int dim, std::int64_t by) {
  return moved(from, dim, builder_->getInt64(static_cast<std::uint64_t>(by)));
}

void ExprEmitter::mark(llvm::Instruction* instruction, int buffer) {
  instruction->setMetadata(llvm::LLVMContext::MD_alias_scope, own_scope_[static_cast<std::size_t>(buffer)]);
  instruction->setMetadata(llvm::LLVMContext::MD_noalias, other_scopes_[static_cast<std::size_t>(buffer)]);
}

Value* ExprEmitter::load(Value* pointer, DType dtype, ExprType type, int count, Value* mask, int buffer) {
  const llvm::Align align(dtype_size(dtype));
  Type* stored = lanes_of(storage_type(*builder_, dtype), count);
  llvm::Instruction* loaded = nullptr;
  if (mask && count > 1) {
    loaded = builder_->CreateMaskedLoad(stored, pointer, align, mask, llvm::Constant::getNullValue(stored));
  } else {
    loaded = builder_->CreateAlignedLoad(stored, pointer, align);
  }
  mark(loaded, buffer);
  return widen(*builder_, loaded, dtype, type);
}

void ExprEmitter::store(Value* value, Value* pointer, DType dtype, ExprType type, int count, Value* mask, int buffer) {
  const llvm::Align align(dtype_size(dtype));
  Value* stored = narrow(*builder_, target_, value, type, dtype);
  llvm::Instruction* instruction = mask && count > 1
                                       ? static_cast<llvm::Instruction*>(
                                             builder_->CreateMaskedStore(stored, pointer, align, mask))
                                       : builder_->CreateAlignedStore(stored, pointer, align);
  mark(instruction, buffer);
}

Evaluation::Evaluation(ExprEmitter& emitter, const Cursor& at, Lanes lanes)
    : emitter_(&emitter), at_(&at), lanes_(lanes), values_(emitter.exprs().size(), nullptr) {}

Value* Evaluation::spread(Value* v) {
  if (lanes_.count == 1 || is_vector(v)) return v;
  return emitter_->builder().CreateVectorSplat(static_cast<unsigned>(lanes_.count), v);
}

Value* Evaluation::value(int expr) { return spread(raw(expr)); }

Value* Evaluation::raw(int expr) {
  if (expr < 0 || static_cast<std::size_t>(expr) >= values_.size()) {
    throw InternalError("an expression refers to one that does not exist", "code generation");
  }
  const auto i = static_cast<std::size_t>(expr);
  if (!values_[i]) values_[i] = compute(emitter_->exprs()[i]);
  return values_[i];
}

Value* Evaluation::operand(int expr, ExprType type) {
  Value* v = raw(expr);
  return convert(emitter_->builder(), v, emitter_->exprs()[static_cast<std::size_t>(expr)].type, type);
}

Value* Evaluation::compute(const Expr& e) {
  llvm::IRBuilderBase& b = emitter_->builder();
  switch (e.op) {
    case ExprOp::constant:
      if (e.type == ExprType::i64) return b.getInt64(static_cast<std::uint64_t>(e.integer));
      return llvm::ConstantFP::get(scalar_type(b, e.type),
                                   e.type == ExprType::f32 ? static_cast<float>(e.number) : e.number);
    case ExprOp::index: {
      Value* at = at_->index.at(static_cast<std::size_t>(e.dim));
      if (e.dim == lanes_.dim && lanes_.count > 1) at = b.CreateAdd(spread(at), iota(b, b.getInt64Ty(), lanes_.count));
      return convert(b, at, ExprType::i64, e.type);
    }
    case ExprOp::load: return load(e);
    case ExprOp::temp:
      if (!temps_ || static_cast<std::size_t>(e.access) >= temps_->size()) {
        throw InternalError("a reduction's result is used before it exists", "code generation");
      }
      return (*temps_)[static_cast<std::size_t>(e.access)];
    case ExprOp::accumulator:
      if (!accumulator_) throw InternalError("only a matrix product has an accumulator", "code generation");
      return accumulator_;
    case ExprOp::cast: return operand(e.a, e.type);
    case ExprOp::eq: case ExprOp::ne: case ExprOp::lt: case ExprOp::le: case ExprOp::gt: case ExprOp::ge:
      return compare(e);
    case ExprOp::select: {
      const ExprType type = emitter_->exprs()[static_cast<std::size_t>(e.a)].type;
      Value* a = raw(e.a);
      Value* zero = llvm::Constant::getNullValue(a->getType());
      Value* condition = type == ExprType::i64 ? b.CreateICmpNE(a, zero) : b.CreateFCmpUNE(a, zero);
      Value *yes = operand(e.b, e.type), *no = operand(e.c, e.type);
      if (is_vector(condition) || is_vector(yes) || is_vector(no)) yes = spread(yes), no = spread(no);
      return b.CreateSelect(condition, yes, no);
    }
    case ExprOp::fma: {
      Value *x = operand(e.a, e.type), *y = operand(e.b, e.type), *z = operand(e.c, e.type);
      if (is_vector(x) || is_vector(y) || is_vector(z)) x = spread(x), y = spread(y), z = spread(z);
      if (e.type == ExprType::i64) return b.CreateAdd(b.CreateMul(x, y), z);
      return b.CreateIntrinsic(llvm::Intrinsic::fma, {x->getType()}, {x, y, z});
    }
    default: break;
  }
  Value* a = operand(e.a, e.type);
  if (e.b < 0) return unary(e, a);
  Value* second = operand(e.b, e.type);
  if (is_vector(a) || is_vector(second)) a = spread(a), second = spread(second);
  return binary(e, a, second);
}

Value* Evaluation::compare(const Expr& e) {
  llvm::IRBuilderBase& b = emitter_->builder();
  const auto& exprs = emitter_->exprs();
  const ExprType ta = exprs[static_cast<std::size_t>(e.a)].type, tb = exprs[static_cast<std::size_t>(e.b)].type;
  ExprType type = ta;
  if (ta != tb) type = ta == ExprType::f64 || tb == ExprType::f64 ? ExprType::f64 : ExprType::f32;
  Value *x = operand(e.a, type), *y = operand(e.b, type);
  if (is_vector(x) || is_vector(y)) x = spread(x), y = spread(y);
  const bool integer = type == ExprType::i64;
  using P = llvm::CmpInst::Predicate;
  P predicate{};
  switch (e.op) {
    case ExprOp::eq: predicate = integer ? P::ICMP_EQ : P::FCMP_OEQ; break;
    case ExprOp::ne: predicate = integer ? P::ICMP_NE : P::FCMP_UNE; break;
    case ExprOp::lt: predicate = integer ? P::ICMP_SLT : P::FCMP_OLT; break;
    case ExprOp::le: predicate = integer ? P::ICMP_SLE : P::FCMP_OLE; break;
    case ExprOp::gt: predicate = integer ? P::ICMP_SGT : P::FCMP_OGT; break;
    default: predicate = integer ? P::ICMP_SGE : P::FCMP_OGE; break;
  }
  Value* holds = b.CreateCmp(predicate, x, y);
  return convert(b, b.CreateZExt(holds, shaped(b.getInt64Ty(), holds)), ExprType::i64, e.type);
}

Value* Evaluation::unary(const Expr& e, Value* a) {
  llvm::IRBuilderBase& b = emitter_->builder();
  const bool integer = e.type == ExprType::i64;
  Type* type = a->getType();
  const auto call = [&](llvm::Intrinsic::ID id) { return b.CreateUnaryIntrinsic(id, a); };
  const auto number = [&](double c) { return llvm::ConstantFP::get(type, c); };
  if (integer) {
    Value* zero = llvm::Constant::getNullValue(type);
    switch (e.op) {
      case ExprOp::neg: return b.CreateNeg(a);
      case ExprOp::abs: return b.CreateBinaryIntrinsic(llvm::Intrinsic::abs, a, b.getFalse());
      case ExprOp::logical_not: return b.CreateZExt(b.CreateICmpEQ(a, zero), type);
      case ExprOp::bitwise_not: return b.CreateNot(a);
      case ExprOp::floor: case ExprOp::ceil: case ExprOp::round: case ExprOp::trunc: return a;
      default: throw InternalError("this operation needs a floating type", "code generation");
    }
  }
  switch (e.op) {
    case ExprOp::neg: return b.CreateFNeg(a);
    case ExprOp::abs: return call(llvm::Intrinsic::fabs);
    case ExprOp::sqrt: return call(llvm::Intrinsic::sqrt);
    case ExprOp::rsqrt: return b.CreateFDiv(number(1), call(llvm::Intrinsic::sqrt));
    case ExprOp::reciprocal: return b.CreateFDiv(number(1), a);
    case ExprOp::floor: return call(llvm::Intrinsic::floor);
    case ExprOp::ceil: return call(llvm::Intrinsic::ceil);
    case ExprOp::round: return call(llvm::Intrinsic::roundeven);
    case ExprOp::trunc: return call(llvm::Intrinsic::trunc);
    case ExprOp::logical_not: return b.CreateUIToFP(b.CreateFCmpOEQ(a, number(0)), type);
    case ExprOp::exp: return emit_math(b, MathFunction::exp, a);
    case ExprOp::log: return emit_math(b, MathFunction::log, a);
    case ExprOp::tanh: return emit_math(b, MathFunction::tanh, a);
    case ExprOp::erf: return emit_math(b, MathFunction::erf, a);
    case ExprOp::sigmoid: return emit_math(b, MathFunction::sigmoid, a);
    case ExprOp::sin: return emit_math(b, MathFunction::sin, a);
    case ExprOp::cos: return emit_math(b, MathFunction::cos, a);
    default: throw InternalError("this operation needs an integer type or more operands", "code generation");
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

Value* Evaluation::binary(const Expr& e, Value* x, Value* y) {
  llvm::IRBuilderBase& b = emitter_->builder();
  Type* type = x->getType();
  Value* zero = llvm::Constant::getNullValue(type);
  const auto truth = [&](Value* v) { return b.CreateICmpNE(v, zero); };
  if (e.type == ExprType::i64) {
    switch (e.op) {
      case ExprOp::add: return b.CreateAdd(x, y);
      case ExprOp::sub: return b.CreateSub(x, y);
      case ExprOp::mul: return b.CreateMul(x, y);
      case ExprOp::div: return divide_integers(b, x, y, false, false);
      case ExprOp::floor_div: return divide_integers(b, x, y, true, false);
      case ExprOp::remainder: return divide_integers(b, x, y, true, true);
      case ExprOp::min: return b.CreateBinaryIntrinsic(llvm::Intrinsic::smin, x, y);
      case ExprOp::max: return b.CreateBinaryIntrinsic(llvm::Intrinsic::smax, x, y);
      case ExprOp::logical_and: return b.CreateZExt(b.CreateAnd(truth(x), truth(y)), type);
      case ExprOp::logical_or: return b.CreateZExt(b.CreateOr(truth(x), truth(y)), type);
      case ExprOp::bitwise_and: return b.CreateAnd(x, y);
      case ExprOp::bitwise_or: return b.CreateOr(x, y);
      case ExprOp::bitwise_xor: return b.CreateXor(x, y);
      default: throw InternalError("this operation needs a floating type", "code generation");
    }
  }
  switch (e.op) {
    case ExprOp::add: return b.CreateFAdd(x, y);
    case ExprOp::sub: return b.CreateFSub(x, y);
    case ExprOp::mul: return b.CreateFMul(x, y);
    case ExprOp::div: return b.CreateFDiv(x, y);
    case ExprOp::floor_div: return b.CreateUnaryIntrinsic(llvm::Intrinsic::floor, b.CreateFDiv(x, y));
    case ExprOp::remainder: {
      Value* quotient = b.CreateUnaryIntrinsic(llvm::Intrinsic::floor, b.CreateFDiv(x, y));
      return b.CreateIntrinsic(llvm::Intrinsic::fma, {type}, {b.CreateFNeg(quotient), y, x});
    }
    case ExprOp::pow: return power(b, x, y);
    case ExprOp::min: return extremum(b, x, y, false);
    case ExprOp::max: return extremum(b, x, y, true);
    case ExprOp::logical_and:
      return b.CreateUIToFP(b.CreateAnd(b.CreateFCmpUNE(x, zero), b.CreateFCmpUNE(y, zero)), type);
    case ExprOp::logical_or:
      return b.CreateUIToFP(b.CreateOr(b.CreateFCmpUNE(x, zero), b.CreateFCmpUNE(y, zero)), type);
    default: throw InternalError("this operation needs an integer type", "code generation");
  }
}

Evaluation::Address Evaluation::address(int access) {
  llvm::IRBuilderBase& b = emitter_->builder();
  const Access& a = emitter_->accesses().at(static_cast<std::size_t>(access));
  Type* element = storage_type(b, a.dtype);
  Value* pointer = at_->pointers[static_cast<std::size_t>(access)];
  Value* scattered = nullptr;
  if (a.indirect >= 0) {
    Value* index = operand(a.indirect, ExprType::i64);
    Type* type = index->getType();
    const auto splat = [&](Value* v) { return type->isVectorTy() ? spread(v) : v; };
    Value* zero = llvm::Constant::getNullValue(type);
    if (!a.indirect_extent.is(0)) {
      Value* extent = splat(emitter_->sizes()(a.indirect_extent));
      index = b.CreateSelect(b.CreateICmpSLT(index, zero), b.CreateAdd(index, extent), index);
      Value* last = b.CreateSub(extent, llvm::ConstantInt::get(type, 1));
      index = b.CreateBinaryIntrinsic(llvm::Intrinsic::smin, index, last);
    }
    index = b.CreateBinaryIntrinsic(llvm::Intrinsic::smax, index, zero);
    Value* distance = b.CreateMul(index, splat(emitter_->sizes()(a.indirect_stride)));
    if (is_vector(distance)) {
      scattered = distance;
    } else {
      pointer = b.CreateGEP(element, pointer, distance);
    }
  }
  const bool along = lanes_.dim >= 0 && lanes_.count > 1;
  const SymInt stride = along ? a.strides[static_cast<std::size_t>(lanes_.dim)] : SymInt(0);
  if (!scattered && (stride.is(0) || !along)) return {pointer, Address::Kind::same};
  if (!scattered && stride.is(1)) return {pointer, Address::Kind::consecutive};
  if (!stride.is(0)) {
    Value* steps = b.CreateMul(iota(b, b.getInt64Ty(), lanes_.count), spread(emitter_->sizes()(stride)));
    scattered = scattered ? b.CreateAdd(scattered, steps) : steps;
  }
  return {b.CreateGEP(element, pointer, scattered), Address::Kind::scattered};
}

Value* Evaluation::load(const Expr& e) {
  llvm::IRBuilderBase& b = emitter_->builder();
  const Access& a = emitter_->accesses().at(static_cast<std::size_t>(e.access));
  const Address from = address(e.access);
  if (from.kind != Address::Kind::scattered) {
    const int count = from.kind == Address::Kind::same ? 1 : lanes_.count;
    return emitter_->load(from.pointer, a.dtype, e.type, count, lanes_.mask, a.buffer);
  }
  Type* type = lanes_of(storage_type(b, a.dtype), lanes_.count);
  llvm::Instruction* gathered = b.CreateMaskedGather(type, from.pointer, llvm::Align(dtype_size(a.dtype)), lanes_.mask,
                                                     llvm::Constant::getNullValue(type));
  emitter_->mark(gathered, a.buffer);
  return widen(b, gathered, a.dtype, e.type);
}

void Evaluation::store(const kernels::Store& s) {
  llvm::IRBuilderBase& b = emitter_->builder();
  const Access& a = emitter_->accesses().at(static_cast<std::size_t>(s.access));
  const ExprType type = emitter_->exprs().at(static_cast<std::size_t>(s.value)).type;
  Value* v = value(s.value);
  const Address to = address(s.access);
  if (to.kind == Address::Kind::scattered) {
    Value* stored = narrow(b, emitter_->target(), v, type, a.dtype);
    emitter_->mark(b.CreateMaskedScatter(stored, to.pointer, llvm::Align(dtype_size(a.dtype)), lanes_.mask), a.buffer);
    return;
  }
  const bool same = to.kind == Address::Kind::same;
  if (same && is_vector(v)) v = b.CreateExtractElement(v, std::uint64_t{0});
  emitter_->store(v, to.pointer, a.dtype, type, same ? 1 : lanes_.count, lanes_.mask, a.buffer);
}

}  // namespace aitune::cpu
