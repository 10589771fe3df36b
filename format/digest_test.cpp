#include "format/digest.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace aitune {
namespace {

TEST(Digest, Sha256OfKnownTexts) {
  EXPECT_EQ(to_hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256(as_byte_span("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Digest, StreamGivesTheSameAndStartsOver) {
  const std::string text(1000, 'x');
  Sha256Stream stream;
  for (int round = 0; round < 2; ++round) {
    for (const char& c : text) stream.update(as_byte_span({&c, 1}));
    EXPECT_EQ(stream.finish(), sha256(as_byte_span(text)));
  }
}

TEST(Digest, Xxh3OfKnownTexts) {
  EXPECT_EQ(to_hex(xxh3_64({})), "2d06800538d394c2");
  EXPECT_NE(xxh3_64(as_byte_span("a")), xxh3_64(as_byte_span("b")));
  EXPECT_NE(xxh3_64(as_byte_span("a"), 1), xxh3_64(as_byte_span("a"), 2));
}

TEST(Digest, HexRoundTrip) {
  const Sha256 digest = sha256(as_byte_span("abc"));
  EXPECT_EQ(parse_sha256(to_hex(digest)), digest);
  EXPECT_THROW(parse_sha256("ba78"), Corrupt);
  EXPECT_THROW(parse_sha256(std::string(64, 'g')), Corrupt);
}

}  // namespace
}  // namespace aitune
