#include "format/crc32.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <random>
#include <vector>

namespace aitune {
namespace {

std::uint32_t zlib_crc(std::span<const std::byte> bytes) {
  return static_cast<std::uint32_t>(::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

std::vector<std::byte> random_bytes(std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::byte> bytes(count);
  for (std::byte& b : bytes) b = static_cast<std::byte>(random());
  return bytes;
}

TEST(Crc32, KnownValue) {
  const std::string_view text = "123456789";
  EXPECT_EQ(crc32(std::as_bytes(std::span(text.data(), text.size()))), 0xcbf43926u);
  EXPECT_EQ(crc32({}), 0u);
}

TEST(Crc32, AgreesWithZlibAtEveryLengthAndAlignment) {
  const auto bytes = random_bytes(700, 1);
  for (std::size_t start = 0; start < 17; ++start) {
    for (std::size_t size = 0; size + start <= bytes.size(); size += 1 + size / 150) {
      const auto part = std::span(bytes).subspan(start, size);
      ASSERT_EQ(crc32(part), zlib_crc(part)) << start << " " << size;
    }
  }
}

TEST(Crc32, ContinuesOverPieces) {
  const auto bytes = random_bytes(100000, 2);
  const auto all = std::span<const std::byte>(bytes);
  for (const std::size_t cut : {1, 63, 64, 65, 4096, 99999}) {
    EXPECT_EQ(crc32(all.subspan(cut), crc32(all.first(cut))), zlib_crc(all)) << cut;
  }
}

}  // namespace
}  // namespace aitune
