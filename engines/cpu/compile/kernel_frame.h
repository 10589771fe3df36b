#pragma once
// The prologue that every generated function shares, and the sizes that it reads from its params array.

#include <cstdint>
#include <string>
#include <vector>

#include "base/symint.h"
#include "base/target.h"

namespace llvm {
class Function;
class FunctionType;
class IRBuilderBase;
class Module;
class Value;
}  // namespace llvm

namespace aitune::cpu {

/// Symbolic sizes as i64 values of one function. Not thread-safe.
class Sizes {
 public:
  /// Loads params[0..names.size()) through `params_pointer` at the builder's position, which must be the entry block.
  Sizes(llvm::IRBuilderBase& builder, llvm::Value* params_pointer, std::vector<SymInt> names);
  /// A constant, or the loaded param. Throws InternalError for a size that collect_params did not list.
  llvm::Value* operator()(const SymInt& size) const;

 private:
  llvm::IRBuilderBase* builder_;
  std::vector<SymInt> names_;
  std::vector<llvm::Value*> values_;
};

/// A new function of abi.h's type with its arguments taken apart.
struct KernelFrame {
  llvm::Function* function = nullptr;
  std::vector<llvm::Value*> buffers;  ///< base addresses (ptr)
  llvm::Value* params = nullptr;      ///< ptr to the params array
  llvm::Value* begin = nullptr;       ///< i64, first task
  llvm::Value* end = nullptr;         ///< i64, one past the last task
};

/// Creates `void symbol(args, begin, end)` in `module`; the builder stands at the end of its entry block afterwards,
/// and lets multiplications and additions contract (no other liberty with floating point).
KernelFrame begin_kernel(llvm::Module& module, llvm::IRBuilderBase& builder, const CpuTarget& target,
                         const std::string& symbol, int buffer_count);
/// The same for a function of another type, whose first argument is the argument block; begin and end stay null.
KernelFrame begin_inner(llvm::Module& module, llvm::IRBuilderBase& builder, const CpuTarget& target,
                        const std::string& symbol, int buffer_count, llvm::FunctionType* type);

/// One counted loop under construction: for (i = first; i < last; i += step). Loops that may run zero times are
/// guarded.
///   CountedLoop loop(builder, first, last, step, {carried…});   // builder now in the body
///   … loop.index(), loop.carried(k) …
///   std::vector<Value*> results = loop.finish({next carried…}); // builder now behind the loop
class CountedLoop {
 public:
  /// `first`, `last`, `step` (positive) are i64. LLVM may unroll the loop only with `allow_unroll`.
  CountedLoop(llvm::IRBuilderBase& builder, llvm::Value* first, llvm::Value* last, llvm::Value* step,
              const std::vector<llvm::Value*>& initial = {}, bool allow_unroll = false);
  llvm::Value* index() const { return index_; }
  llvm::Value* carried(std::size_t k) const { return carried_[k]; }
  const std::vector<llvm::Value*>& all_carried() const { return carried_; }
  /// Closes the loop; returns the values of the carried variables after it.
  std::vector<llvm::Value*> finish(const std::vector<llvm::Value*>& next = {});

 private:
  llvm::IRBuilderBase* builder_;
  llvm::Value *last_, *step_, *index_;
  std::vector<llvm::Value*> initial_, carried_;
  void *guard_, *body_, *exit_;  // BasicBlocks; opaque here so that this header needs no LLVM header
  bool allow_unroll_;
};

}  // namespace aitune::cpu
