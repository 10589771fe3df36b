#pragma once
// Scalar expressions of the kernel form as LLVM IR over a vector of lanes. Shared by the loop and the GEMM emitter.
//
//   ExprEmitter emitter(builder, target, kernel.accesses, kernel.exprs, kernel.stores…, frame.buffers, sizes,
//   loop_dims); Cursor at = emitter.origin();                     // all loop indices 0 at = emitter.moved(at, dim,
//   index_value);         // once for each enclosing loop: addresses are built level by level at = emitter.moved(at,
//   n_dim, 16);                // constants fold into the addressing mode Evaluation point(emitter, at, Lanes{n_dim,
//   16, mask_or_null}); point.set_accumulator(acc);                       // <16 x float> for (const kernels::Store& s
//   : kernel.stores) point.store(s);

#include <cstdint>
#include <vector>

#include "base/target.h"
#include "compiler/kernels/kernel.h"
#include "engines/cpu/compile/element_types.h"
#include "engines/cpu/compile/kernel_frame.h"

namespace llvm {
class Instruction;
class MDNode;
class Type;
}  // namespace llvm

namespace aitune::cpu {

/// The vector of points that an evaluation covers: `count` consecutive indices of loop dim `dim`, beginning at the
/// cursor. count 1 with dim -1 is one scalar point.
struct Lanes {
  int dim = -1;
  int count = 1;
  llvm::Value* mask = nullptr;  ///< <count x i1>, lanes that exist; null: all
};

/// A position in the loop nest: the index of each loop dim, and the address of each access there.
struct Cursor {
  std::vector<llvm::Value*> index;     ///< i64, one for each loop dim
  std::vector<llvm::Value*> pointers;  ///< ptr, one for each access (without its indirect part)
};

class ExprEmitter {
 public:
  /// The vectors must outlive the emitter. `buffers` are base pointers, numbered as Access::buffer.
  ExprEmitter(llvm::IRBuilderBase& builder, const CpuTarget& target, const std::vector<kernels::Access>& accesses,
              const std::vector<kernels::Expr>& exprs, std::vector<llvm::Value*> buffers, const Sizes& sizes,
              int loop_dims);

  /// All indices 0. Emit it in the entry block.
  Cursor origin();
  /// `from` with the index of `dim` raised by `by` (i64 value or constant).
  Cursor moved(const Cursor& from, int dim, llvm::Value* by);
  Cursor moved(const Cursor& from, int dim, std::int64_t by);

  /// Loads `count` consecutive elements (a scalar for 1) and converts them to `type`. Lanes without mask read as 0.
  llvm::Value* load(llvm::Value* pointer, DType dtype, kernels::ExprType type, int count, llvm::Value* mask,
                    int buffer);
  /// Converts and stores `count` consecutive elements.
  void store(llvm::Value* value, llvm::Value* pointer, DType dtype, kernels::ExprType type, int count,
             llvm::Value* mask, int buffer);
  /// Tells LLVM that this load or store touches `buffer` and that different buffers never overlap.
  void mark(llvm::Instruction* instruction, int buffer);

  llvm::IRBuilderBase& builder() { return *builder_; }
  const CpuTarget& target() const { return target_; }
  const std::vector<kernels::Access>& accesses() const { return *accesses_; }
  const std::vector<kernels::Expr>& exprs() const { return *exprs_; }
  const Sizes& sizes() const { return *sizes_; }

 private:
  llvm::IRBuilderBase* builder_;
  CpuTarget target_;
  const std::vector<kernels::Access>* accesses_;
  const std::vector<kernels::Expr>* exprs_;
  std::vector<llvm::Value*> buffers_;
  const Sizes* sizes_;
  int loop_dims_;
  std::vector<llvm::MDNode*> own_scope_, other_scopes_;
};

/// Values of the expressions at one vector of points. Each expression is emitted once, at the builder's position at its
/// first use; loads are not repeated, so make a new Evaluation where memory may have changed (a new stage).
class Evaluation {
 public:
  Evaluation(ExprEmitter& emitter, const Cursor& at, Lanes lanes);
  /// The product's element for ExprOp::accumulator: f32 scalar or <count x float>.
  void set_accumulator(llvm::Value* value) { accumulator_ = value; }
  /// Results of the Reduce stages so far (scalar or vector of `count`); the vector must outlive the evaluation.
  void set_temps(const std::vector<llvm::Value*>& temps) { temps_ = &temps; }
  /// Uses `value` (already converted to the load's type) for loads through `access` instead of memory.
  void set_loaded(int expr, llvm::Value* value) { values_[static_cast<std::size_t>(expr)] = value; }

  /// Value of expression `expr` for every lane (<count x T>, a scalar if count is 1).
  llvm::Value* value(int expr);
  /// The same, but a scalar if it is the same for all lanes.
  llvm::Value* raw(int expr);
  void store(const kernels::Store& store);

 private:
  llvm::Value* compute(const kernels::Expr& e);
  llvm::Value* compare(const kernels::Expr& e);
  llvm::Value* load(const kernels::Expr& e);
  llvm::Value* operand(int expr, kernels::ExprType type);
  llvm::Value* spread(llvm::Value* v);
  /// Address of an access here: a scalar pointer (first lane), or a vector of pointers where lanes are not neighbours.
  struct Address {
    llvm::Value* pointer;
    enum class Kind { same, consecutive, scattered } kind;
  };
  Address address(int access);

  ExprEmitter* emitter_;
  const Cursor* at_;
  Lanes lanes_;
  llvm::Value* accumulator_ = nullptr;
  const std::vector<llvm::Value*>* temps_ = nullptr;
  std::vector<llvm::Value*> values_;
};

/// <lanes x i1>: lane < remaining (i64).
llvm::Value* tail_mask(llvm::IRBuilderBase& builder, llvm::Value* remaining, int lanes);

}  // namespace aitune::cpu
