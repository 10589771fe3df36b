#pragma once
// The checksum of zip entries.

#include <cstddef>
#include <cstdint>
#include <span>

namespace aitune {

/// CRC-32 as zip has it (polynomial 0xEDB88320), continuing from `crc`. Folds with PCLMULQDQ where the CPU has it.
std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t crc = 0);

}  // namespace aitune
