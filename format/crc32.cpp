#include "format/crc32.h"

#include <immintrin.h>
#include <zlib.h>

namespace aitune {

namespace {

constexpr std::size_t kFoldBytes = 64;

__m128i load(const std::byte* at) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at)); }

// One step of folding: 128 bits of state moved forward past the bytes that `next` holds.
__attribute__((target("pclmul,sse4.1"))) __m128i fold(__m128i state, __m128i constants, __m128i next) {
  const __m128i low = _mm_clmulepi64_si128(state, constants, 0x00);
  const __m128i high = _mm_clmulepi64_si128(state, constants, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

// "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel, 2009, for the reflected zip
// polynomial. Takes at least 64 bytes, in multiples of 16; `state` is the inverted CRC on the way in and out.
__attribute__((target("pclmul,sse4.1"))) std::uint32_t fold_crc(const std::byte* at, std::size_t size,
                                                                std::uint32_t state) {
  const __m128i by_64 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4);
  const __m128i by_16 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
  const __m128i by_8 = _mm_set_epi64x(0, 0x0163cd6124);
  const __m128i barrett = _mm_set_epi64x(0x01f7011641, 0x01db710641);
  const __m128i low_32 = _mm_setr_epi32(~0, 0, ~0, 0);

  __m128i a = _mm_xor_si128(load(at), _mm_cvtsi32_si128(static_cast<int>(state)));
  __m128i b = load(at + 16), c = load(at + 32), d = load(at + 48);
  for (at += kFoldBytes, size -= kFoldBytes; size >= kFoldBytes; at += kFoldBytes, size -= kFoldBytes) {
    a = fold(a, by_64, load(at));
    b = fold(b, by_64, load(at + 16));
    c = fold(c, by_64, load(at + 32));
    d = fold(d, by_64, load(at + 48));
  }
  a = fold(fold(fold(a, by_16, b), by_16, c), by_16, d);
  for (; size >= 16; at += 16, size -= 16) a = fold(a, by_16, load(at));

  // 128 bits to 64, then Barrett reduction to 32.
  a = _mm_xor_si128(_mm_clmulepi64_si128(a, by_16, 0x10), _mm_srli_si128(a, 8));
  a = _mm_xor_si128(_mm_clmulepi64_si128(_mm_and_si128(a, low_32), by_8, 0x00), _mm_srli_si128(a, 4));
  __m128i t = _mm_clmulepi64_si128(_mm_and_si128(a, low_32), barrett, 0x10);
  t = _mm_clmulepi64_si128(_mm_and_si128(t, low_32), barrett, 0x00);
  return static_cast<std::uint32_t>(_mm_extract_epi32(_mm_xor_si128(a, t), 1));
}

}  // namespace

std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t crc) {
  static const bool can_fold = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
  if (can_fold && bytes.size() >= kFoldBytes) {
    const std::size_t folded = bytes.size() / 16 * 16;
    crc = ~fold_crc(bytes.data(), folded, ~crc);
    bytes = bytes.subspan(folded);
  }
  return static_cast<std::uint32_t>(::crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace aitune
