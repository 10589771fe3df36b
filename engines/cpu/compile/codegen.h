#pragma once
// Kernel form to machine code through LLVM. The only headers of LLVM are included by the .cpp files beside this.

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/target.h"
#include "compiler/kernels/kernel.h"
#include "engines/cpu/run/abi.h"

namespace aitune::cpu {

/// Position-independent machine code: text and constants in one piece, no relocations left, no external symbols.
struct CodeBlob {
  std::vector<std::byte> bytes;                              ///< load at any 64-byte aligned address
  std::vector<std::pair<std::string, std::size_t>> entries;  ///< function name and offset in `bytes`
};

/// Turns kernels into code for one target. Not thread-safe; make one per thread.
class CodeGenerator {
 public:
  explicit CodeGenerator(const CpuTarget& target);
  ~CodeGenerator();
  CodeGenerator(CodeGenerator&&) noexcept;

  /// Adds a function called `symbol` to the module under construction.
  void add(const kernels::LoopKernel& kernel, const kernels::LoopSchedule& schedule, const std::string& symbol);
  void add(const kernels::GemmKernel& kernel, const kernels::GemmTile& tile, const std::string& symbol);
  /// Optimises and emits everything added since the last call. Throws InternalError if code with outside references
  /// came out.
  CodeBlob finish();
  /// The module's IR before optimisation, for tests and dumps.
  std::string print_ir() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace aitune::cpu
