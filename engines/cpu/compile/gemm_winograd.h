#pragma once
// Convolutions by Winograd's algorithm: GemmTiles with `winograd` set.

#include <string>

#include "base/target.h"
#include "compiler/kernels/kernel.h"

namespace llvm {
class Module;
}

namespace aitune::cpu {

/// Bytes of stack that the function made for this tile needs for its transformed squares.
std::int64_t winograd_scratch_bytes(const kernels::GemmKernel& kernel, const kernels::GemmTile& tile);

/// Appends the function. Throws InternalError where winograd_form finds no form.
void emit_winograd(llvm::Module& module, const CpuTarget& target, const kernels::GemmKernel& kernel,
                   const kernels::GemmTile& tile, const std::string& symbol);

}  // namespace aitune::cpu
