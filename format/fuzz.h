#pragma once
// What fuzz targets and tests of hostile bytes share: any Error is a proper answer, anything else is a bug.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/error.h"

namespace aitune {

/// Runs `read`; returns false if it refused with an Error other than internal. Other exceptions pass through.
template <typename Read>
bool survives(const Read& read) {
  try {
    read();
    return true;
  } catch (const Error& error) {
    if (error.code() == ErrorCode::internal) throw;
    return false;
  }
}

/// Calls `read` on the bytes cut at every length and with every bit flipped, each time in a buffer of exact size, so
/// that a sanitizer sees a read past the end.
template <typename Read>
void for_each_damage(std::span<const std::byte> good, const Read& read) {
  const auto try_bytes = [&](std::vector<std::byte> bytes) {
    bytes.shrink_to_fit();
    survives([&] { read(std::span<const std::byte>(bytes)); });
  };
  for (std::size_t n = 0; n < good.size(); ++n)
    try_bytes({good.begin(), good.begin() + static_cast<std::ptrdiff_t>(n)});
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::vector<std::byte> bytes(good.begin(), good.end());
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    try_bytes(std::move(bytes));
  }
}

/// Makes the checksums of stored entries right in a zip whose structure holds, so that a fuzzer gets past them.
void mend_checksums(std::vector<std::byte>& archive);

/// Makes the checksums of a plan right where its sections lie inside, as somebody who means harm would.
void mend_plan(std::vector<std::byte>& plan);

}  // namespace aitune
