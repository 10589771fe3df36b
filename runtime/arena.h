#pragma once
// One large piece of memory for everything that an instance computes on the way.

#include <cstddef>

namespace aitune {

/// Zeroed pages of the system, in huge pages where they are to be had; at least 64-byte aligned. Movable.
class Arena {
 public:
  Arena() = default;
  /// Throws IoError, with the size, if the system has no such memory. Zero bytes take none.
  explicit Arena(std::size_t bytes);
  ~Arena();
  Arena(Arena&& other) noexcept;
  Arena& operator=(Arena&& other) noexcept;

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  void* mapping_ = nullptr;
  std::size_t mapped_ = 0;
};

}  // namespace aitune
