#include "engines/cpu/compile/kernel_frame.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/Function.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/MDBuilder.h>
#include <llvm/IR/Module.h>

#include "base/error.h"

namespace aitune::cpu {

using llvm::BasicBlock;
using llvm::Value;

Sizes::Sizes(llvm::IRBuilderBase& builder, Value* params_pointer, std::vector<SymInt> names)
    : builder_(&builder), names_(std::move(names)) {
  llvm::MDNode* empty = llvm::MDNode::get(builder.getContext(), {});
  for (std::size_t i = 0; i < names_.size(); ++i) {
    Value* address = builder.CreateConstGEP1_64(builder.getInt64Ty(), params_pointer, i);
    llvm::LoadInst* load = builder.CreateAlignedLoad(builder.getInt64Ty(), address, llvm::Align(8), "size");
    load->setMetadata(llvm::LLVMContext::MD_invariant_load, empty);
    values_.push_back(load);
  }
}

Value* Sizes::operator()(const SymInt& size) const {
  if (const auto c = size.as_constant()) return builder_->getInt64(static_cast<std::uint64_t>(*c));
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (names_[i] == size) return values_[i];
  }
  throw InternalError("size " + size.str() + " is not among the kernel's params", "code generation");
}

KernelFrame begin_inner(llvm::Module& module, llvm::IRBuilderBase& builder, const CpuTarget& target,
                        const std::string& symbol, int buffer_count, llvm::FunctionType* type) {
  llvm::LLVMContext& context = module.getContext();
  llvm::Type* pointer = llvm::PointerType::get(context, 0);
  KernelFrame frame;
  frame.function = llvm::Function::Create(type, llvm::Function::ExternalLinkage, symbol, module);
  frame.function->addFnAttr(llvm::Attribute::NoUnwind);
  frame.function->addFnAttr("no-builtins");
  frame.function->addFnAttr("no-trapping-math", "true");
  frame.function->addFnAttr("frame-pointer", "none");
  if (target.avx512) {
    frame.function->addFnAttr("prefer-vector-width", "512");
    frame.function->addFnAttr("min-legal-vector-width", "512");
  }
  llvm::FastMathFlags flags;
  flags.setAllowContract();
  builder.setFastMathFlags(flags);
  frame.function->getArg(0)->setName("args");
  builder.SetInsertPoint(BasicBlock::Create(context, "entry", frame.function));
  // struct aitune_cpu_kernel_args { buffers; params; }
  llvm::MDNode* empty = llvm::MDNode::get(context, {});
  const auto load = [&](Value* base, std::uint64_t slot, const char* name) {
    llvm::LoadInst* value =
        builder.CreateAlignedLoad(pointer, builder.CreateConstGEP1_64(pointer, base, slot), llvm::Align(8), name);
    value->setMetadata(llvm::LLVMContext::MD_invariant_load, empty);
    return value;
  };
  Value* table = load(frame.function->getArg(0), 0, "buffers");
  frame.params = load(frame.function->getArg(0), 1, "params");
  for (int i = 0; i < buffer_count; ++i) {
    frame.buffers.push_back(load(table, static_cast<std::uint64_t>(i), "buffer"));
  }
  return frame;
}

KernelFrame begin_kernel(llvm::Module& module, llvm::IRBuilderBase& builder, const CpuTarget& target,
                         const std::string& symbol, int buffer_count) {
  llvm::Type* pointer = llvm::PointerType::get(module.getContext(), 0);
  llvm::Type* i64 = llvm::Type::getInt64Ty(module.getContext());
  KernelFrame frame =
      begin_inner(module, builder, target, symbol, buffer_count,
                  llvm::FunctionType::get(llvm::Type::getVoidTy(module.getContext()), {pointer, i64, i64}, false));
  frame.begin = frame.function->getArg(1);
  frame.end = frame.function->getArg(2);
  frame.begin->setName("begin");
  frame.end->setName("end");
  return frame;
}

CountedLoop::CountedLoop(llvm::IRBuilderBase& builder, Value* first, Value* last, Value* step,
                         const std::vector<Value*>& initial, bool allow_unroll)
    : builder_(&builder), last_(last), step_(step), initial_(initial), allow_unroll_(allow_unroll) {
  llvm::Function* function = builder.GetInsertBlock()->getParent();
  BasicBlock* guard = builder.GetInsertBlock();
  BasicBlock* body = BasicBlock::Create(builder.getContext(), "loop", function);
  BasicBlock* exit = BasicBlock::Create(builder.getContext(), "after", function);
  builder.CreateCondBr(builder.CreateICmpSLT(first, last), body, exit);
  builder.SetInsertPoint(body);
  llvm::PHINode* index = builder.CreatePHI(builder.getInt64Ty(), 2, "i");
  index->addIncoming(first, guard);
  index_ = index;
  for (Value* v : initial_) {
    llvm::PHINode* phi = builder.CreatePHI(v->getType(), 2, "carried");
    phi->addIncoming(v, guard);
    carried_.push_back(phi);
  }
  guard_ = guard;
  body_ = body;
  exit_ = exit;
}

std::vector<Value*> CountedLoop::finish(const std::vector<Value*>& next) {
  auto* guard = static_cast<BasicBlock*>(guard_);
  auto* body = static_cast<BasicBlock*>(body_);
  auto* exit = static_cast<BasicBlock*>(exit_);
  if (next.size() != carried_.size()) throw InternalError("a loop lost its carried values", "code generation");
  Value* following = builder_->CreateNSWAdd(index_, step_);
  BasicBlock* latch = builder_->GetInsertBlock();
  llvm::BranchInst* branch = builder_->CreateCondBr(builder_->CreateICmpSLT(following, last_), body, exit);
  llvm::LLVMContext& context = builder_->getContext();
  const auto flag = [&](const char* name) { return llvm::MDNode::get(context, {llvm::MDString::get(context, name)}); };
  std::vector<llvm::Metadata*> hints{nullptr};
  hints.push_back(llvm::MDNode::get(context, {llvm::MDString::get(context, "llvm.loop.vectorize.enable"),
                                              llvm::ConstantAsMetadata::get(llvm::ConstantInt::getFalse(context))}));
  if (!allow_unroll_) hints.push_back(flag("llvm.loop.unroll.disable"));
  llvm::MDNode* loop = llvm::MDNode::getDistinct(context, hints);
  loop->replaceOperandWith(0, loop);
  branch->setMetadata(llvm::LLVMContext::MD_loop, loop);

  llvm::cast<llvm::PHINode>(index_)->addIncoming(following, latch);
  builder_->SetInsertPoint(exit);
  std::vector<Value*> results;
  for (std::size_t k = 0; k < next.size(); ++k) {
    llvm::cast<llvm::PHINode>(carried_[k])->addIncoming(next[k], latch);
    llvm::PHINode* phi = builder_->CreatePHI(next[k]->getType(), 2, "result");
    phi->addIncoming(initial_[k], guard);
    phi->addIncoming(next[k], latch);
    results.push_back(phi);
  }
  return results;
}

}  // namespace aitune::cpu
