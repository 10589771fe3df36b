#pragma once
// The innermost part of a matrix product: a tile of rows x vectors of C held in registers over the whole reduction, and
// the epilogue on it. One internal function for each tile size that a kernel needs.

#include <string>
#include <vector>

#include "compiler/kernels/kernel.h"
#include "engines/cpu/compile/expr_emitter.h"

namespace llvm {
class Function;
class Module;
}  // namespace llvm

namespace aitune::cpu {

/// Which tile a micro-kernel computes.
struct MicroTile {
  int rows = 1;
  int vectors = 1;
  /// Columns that exist in the last vector: 0 means all of them in every vector; -1 means that the number of columns
  /// left is an argument, and every vector is masked by it.
  int last_columns = 0;
  /// Lines that each unrolled step of the reduction asks for ahead of time, at a distance from B given with each call.
  int lines_ahead = 0;
  /// Tile registers only: `rows` is the most, the number of rows left is an argument (more than rows - 16).
  bool rows_later = false;
};

/// A micro-kernel with what its caller must know.
class MicroKernel {
 public:
  /// Emits the function. `form` is a canonical kernel; it must outlive this object.
  MicroKernel(llvm::Module& module, const CpuTarget& target, const kernels::GemmKernel& form,
              const kernels::GemmTile& tile, const MicroTile& micro, const std::string& symbol);
  /// Emits a call. `args` is the kernel's argument block, `a` points at the tile's first row at k = 0, `b` at its first
  /// column at k = 0, `ahead` is the distance in bytes for MicroTile::lines_ahead, `m_left` and `n_left` the numbers of
  /// rows and columns from there, `at` the position in the loop nest.
  void call(llvm::IRBuilderBase& builder, llvm::Value* args, llvm::Value* a, llvm::Value* b, llvm::Value* ahead,
            llvm::Value* m_left, llvm::Value* n_left, const Cursor& at) const;

 private:
  llvm::Function* function_ = nullptr;
};

}  // namespace aitune::cpu
