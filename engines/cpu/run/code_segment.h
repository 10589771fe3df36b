#pragma once
// Machine code of a plan, in memory that can be executed but no longer written.

#include <cstddef>
#include <span>

#include "engines/cpu/run/abi.h"

namespace aitune::cpu {

/// Owns a copy of a plan's code. Constant after construction; many threads may call its functions.
class CodeSegment {
 public:
  CodeSegment() = default;
  /// Copies `code` into fresh pages and makes them readable and executable (never writable at the same time).
  /// Throws IoError if the system refuses.
  explicit CodeSegment(std::span<const std::byte> code);
  ~CodeSegment();
  CodeSegment(CodeSegment&& other) noexcept;
  CodeSegment& operator=(CodeSegment&& other) noexcept;

  std::size_t size() const { return size_; }
  /// The function at this offset. Throws InternalError if it lies outside: read_plan has checked it.
  aitune_cpu_kernel entry(std::size_t offset) const;

 private:
  std::byte* memory_ = nullptr;
  std::size_t size_ = 0, mapped_ = 0;
};

}  // namespace aitune::cpu
