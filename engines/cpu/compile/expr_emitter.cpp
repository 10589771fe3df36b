#include "engines/cpu/compile/expr_emitter.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/DerivedTypes.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/MDBuilder.h>
#include <llvm/IR/Module.h>

#include "base/error.h"
#include "engines/cpu/compile/arithmetic.h"
#include "engines/cpu/compile/element_types.h"

namespace aitune::cpu {

using kernels::Access;
using kernels::Expr;
using kernels::ExprOp;
using kernels::ExprType;
using llvm::Type;
using llvm::Value;

namespace {

bool is_vector(Value* v) { return v->getType()->isVectorTy(); }

/// <0, 1, 2, ...>
Value* iota(Type* element, int count) {
  llvm::SmallVector<llvm::Constant*> numbers;
  for (int i = 0; i < count; ++i) numbers.push_back(llvm::ConstantInt::get(element, static_cast<std::uint64_t>(i)));
  return llvm::ConstantVector::get(numbers);
}

}  // namespace

Value* tail_mask(llvm::IRBuilderBase& b, Value* remaining, int lanes) {
  // 32-bit lanes: `remaining` is clamped first, so that nothing is lost by the truncation.
  Value* many = b.getInt64(static_cast<std::uint64_t>(lanes));
  Value* clamped = b.CreateSelect(b.CreateICmpSLT(remaining, many), remaining, many);
  Value* limit = b.CreateVectorSplat(static_cast<unsigned>(lanes), b.CreateTrunc(clamped, b.getInt32Ty()));
  return b.CreateICmpSLT(iota(b.getInt32Ty(), lanes), limit);
}

ExprEmitter::ExprEmitter(llvm::IRBuilderBase& builder, const CpuTarget& target, const std::vector<Access>& accesses,
                         const std::vector<Expr>& exprs, std::vector<Value*> buffers, const Sizes& sizes, int loop_dims)
    : builder_(&builder),
      target_(target),
      accesses_(&accesses),
      exprs_(&exprs),
      buffers_(std::move(buffers)),
      sizes_(&sizes),
      loop_dims_(loop_dims) {
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
  llvm::Instruction* instruction =
      mask && count > 1 ? static_cast<llvm::Instruction*>(builder_->CreateMaskedStore(stored, pointer, align, mask))
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
      if (e.dim == lanes_.dim && lanes_.count > 1) at = b.CreateAdd(spread(at), iota(b.getInt64Ty(), lanes_.count));
      return convert(b, at, ExprType::i64, e.type);
    }
    case ExprOp::size:
      return convert(b, emitter_->sizes()(e.size), ExprType::i64, e.type);
    case ExprOp::load:
      return load(e);
    case ExprOp::temp:
      if (!temps_ || static_cast<std::size_t>(e.access) >= temps_->size()) {
        throw InternalError("a reduction's result is used before it exists", "code generation");
      }
      return (*temps_)[static_cast<std::size_t>(e.access)];
    case ExprOp::accumulator:
      if (!accumulator_) throw InternalError("only a matrix product has an accumulator", "code generation");
      return accumulator_;
    case ExprOp::cast:
      return operand(e.a, e.type);
    case ExprOp::eq:
    case ExprOp::ne:
    case ExprOp::lt:
    case ExprOp::le:
    case ExprOp::gt:
    case ExprOp::ge:
      return convert(b, compare(e), ExprType::i64, e.type);
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
    default:
      break;
  }
  Value* a = operand(e.a, e.type);
  if (e.b < 0) return emit_unary(b, e.op, e.type, a);
  Value* second = operand(e.b, e.type);
  if (is_vector(a) || is_vector(second)) a = spread(a), second = spread(second);
  return emit_binary(b, e.op, e.type, a, second);
}

Value* Evaluation::compare(const Expr& e) {
  const auto& exprs = emitter_->exprs();
  const ExprType ta = exprs[static_cast<std::size_t>(e.a)].type, tb = exprs[static_cast<std::size_t>(e.b)].type;
  ExprType type = ta;
  if (ta != tb) type = ta == ExprType::f64 || tb == ExprType::f64 ? ExprType::f64 : ExprType::f32;
  Value *x = operand(e.a, type), *y = operand(e.b, type);
  if (is_vector(x) || is_vector(y)) x = spread(x), y = spread(y);
  return emit_compare(emitter_->builder(), e.op, x, y);
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
    Value* steps = b.CreateMul(iota(b.getInt64Ty(), lanes_.count), spread(emitter_->sizes()(stride)));
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
