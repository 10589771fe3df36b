#include "runtime/arena.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"

namespace aitune {
namespace {
constexpr std::size_t kPage = 4096, kHugePage = std::size_t{2} << 20;
}

Arena::Arena(std::size_t bytes) : size_(bytes) {
  if (bytes == 0) return;
  if (bytes > (std::size_t{1} << 46)) throw IoError(fmt::format("no machine has {} bytes of memory", bytes));
  // A multiple of huge pages at a huge boundary, or the system gives small ones.
  const bool huge = bytes >= kHugePage;
  const std::size_t unit = huge ? kHugePage : kPage;
  const std::size_t rounded = (bytes + unit - 1) / unit * unit;
  mapped_ = huge ? rounded + kHugePage : rounded;
  mapping_ = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping_ == MAP_FAILED) {
    throw IoError(fmt::format("no memory for {} bytes: {}", bytes, std::strerror(errno)), {},
                  "Run smaller shapes, or fewer instances at once");
  }
  const auto address = reinterpret_cast<std::uintptr_t>(mapping_);
  data_ = static_cast<std::byte*>(mapping_) + ((address + unit - 1) / unit * unit - address);
  if (huge) madvise(data_, rounded, MADV_HUGEPAGE);
}

Arena::~Arena() {
  if (mapped_ != 0) munmap(mapping_, mapped_);
}

Arena::Arena(Arena&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      mapping_(std::exchange(other.mapping_, nullptr)),
      mapped_(std::exchange(other.mapped_, 0)) {}

Arena& Arena::operator=(Arena&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(mapping_, other.mapping_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

}  // namespace aitune
