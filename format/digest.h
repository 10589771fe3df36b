#pragma once
// Checksums of entries: SHA-256 where a file must be what it says, XXH3 where a cache only needs a key.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace aitune {

using Sha256 = std::array<std::byte, 32>;

/// SHA-256 of bytes that arrive in pieces. One thread at a time.
class Sha256Stream {
 public:
  Sha256Stream();
  void update(std::span<const std::byte> bytes);
  /// The digest of everything so far; the stream starts over.
  Sha256 finish();

 private:
  alignas(8) std::array<std::byte, 112> state_;  // libcrypto's SHA256_CTX, kept out of this header
};

Sha256 sha256(std::span<const std::byte> bytes);
/// 64-bit XXH3, seed 0: fast, not safe against anyone who wants a collision.
std::uint64_t xxh3_64(std::span<const std::byte> bytes, std::uint64_t seed = 0);

/// Lower-case hexadecimal.
std::string to_hex(std::span<const std::byte> bytes);
std::string to_hex(std::uint64_t value);
/// The inverse of to_hex for digests; throws Corrupt on another length or character.
Sha256 parse_sha256(std::string_view hex);

inline std::span<const std::byte> as_byte_span(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace aitune
