#pragma once
// From an ELF object to one piece of position-independent machine code, and into executable memory for timing and
// tests.

#include <memory>
#include <span>
#include <string_view>

#include "engines/cpu/compile/codegen.h"

namespace aitune::cpu {

/// Lays out text and constants of a relocatable x86-64 object and resolves the relocations between them. Throws
/// InternalError if it refers to anything outside itself.
CodeBlob link_blob(std::span<const std::byte> object);

/// A blob in executable memory of this process.
class LoadedBlob {
 public:
  explicit LoadedBlob(const CodeBlob& blob);
  /// The function of this name; throws InternalError if there is none. Valid while this object lives.
  aitune_cpu_kernel function(std::string_view name) const;

 private:
  std::shared_ptr<void> memory_;
  std::vector<std::pair<std::string, std::size_t>> entries_;
};

}  // namespace aitune::cpu
