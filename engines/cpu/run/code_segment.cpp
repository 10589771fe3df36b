#include "engines/cpu/run/code_segment.h"

#include <sys/mman.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"

namespace aitune::cpu {
namespace {
constexpr std::size_t kPage = 4096;
}

CodeSegment::CodeSegment(std::span<const std::byte> code) : size_(code.size()) {
  if (code.empty()) return;
  mapped_ = (code.size() + kPage - 1) / kPage * kPage;
  void* memory = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    throw IoError(fmt::format("no memory for {} bytes of machine code: {}", code.size(), std::strerror(errno)));
  }
  std::memcpy(memory, code.data(), code.size());
  if (mprotect(memory, mapped_, PROT_READ | PROT_EXEC) != 0) {
    const int error = errno;
    munmap(memory, mapped_);
    throw IoError(fmt::format("the system does not let machine code be executed: {}", std::strerror(error)), {},
                  "Allow the process to map executable memory (check its SELinux or seccomp policy)");
  }
  memory_ = static_cast<std::byte*>(memory);
}

CodeSegment::~CodeSegment() {
  if (memory_) munmap(memory_, mapped_);
}

CodeSegment::CodeSegment(CodeSegment&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      mapped_(std::exchange(other.mapped_, 0)) {}

CodeSegment& CodeSegment::operator=(CodeSegment&& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(size_, other.size_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

aitune_cpu_kernel CodeSegment::entry(std::size_t offset) const {
  if (offset >= size_) throw InternalError(fmt::format("entry {} lies outside {} bytes of code", offset, size_));
  return std::bit_cast<aitune_cpu_kernel>(memory_ + offset);
}

}  // namespace aitune::cpu
