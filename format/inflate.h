#pragma once
// Decompression of deflated zip entries, for .npz files that numpy compressed.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace aitune {

/// Inflates a raw deflate stream that must give exactly `size` bytes. Memory grows with what really comes out, and a
/// size that deflate cannot reach from so few bytes is refused first. Throws Corrupt with `where` in front.
std::vector<std::byte> inflate_raw(std::span<const std::byte> stream, std::uint64_t size, std::string_view where);

}  // namespace aitune
