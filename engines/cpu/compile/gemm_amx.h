#pragma once
// Matrix products of bf16 in tile registers (Intel AMX): GemmTiles with `amx` set. There are eight tile registers of
// sixteen rows of 64 bytes. A tile of A holds up to 16 rows x 32 steps of the reduction, one of B 16 pairs of steps x
// 16 columns, one of C 16 x 16 sums.

#include <cstdint>

#include "compiler/kernels/kernel.h"
#include "engines/cpu/compile/expr_emitter.h"
#include "engines/cpu/compile/gemm_micro.h"

namespace aitune::cpu {

/// Whether the tile registers hold what this tile asks of them.
bool amx_tile_fits(const kernels::GemmTile& tile);

/// Sets the tile registers up for register tiles of tile.mr rows; micro-kernels expect it and leave it so. Emit it and
/// amx_release at the beginning and the end of the kernel's function.
void amx_configure(llvm::IRBuilderBase& builder, const kernels::GemmKernel& form, const kernels::GemmTile& tile);
void amx_release(llvm::IRBuilderBase& builder);

/// The body of a micro-kernel: see MicroKernel::call for the values. With tile.flat, `at` stands at the beginning of
/// the last two m dims, and its index of the last is the tile's first row in the run of both.
struct AmxOperands {
  llvm::Value *a = nullptr, *b = nullptr, *ahead = nullptr, *m_left = nullptr, *n_left = nullptr;
};
void emit_amx_micro(llvm::IRBuilderBase& builder, const kernels::GemmKernel& form, const kernels::GemmTile& tile,
                    const MicroTile& micro, ExprEmitter& exprs, const AmxOperands& operands, const Cursor& at);

}  // namespace aitune::cpu
