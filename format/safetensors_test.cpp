#include "format/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "format/fuzz.h"

namespace aitune {
namespace {

using ::testing::HasSubstr;
using Bytes = std::vector<std::byte>;

Bytes file(std::string_view header, std::size_t data_bytes) {
  MemorySink sink;
  const std::uint64_t length = header.size();
  sink.write(std::as_bytes(std::span(&length, 1)));
  sink.write(header);
  sink.write(std::string(data_bytes, '\1'));
  return sink.take();
}

TEST(Safetensors, ReadsInTheOrderOfTheData) {
  const Bytes bytes = file(
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"U8","shape":[2],"data_offsets":[4,6]},)"
      R"("z":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"e":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}})",
      6);
  const NamedTensors tensors = read_safetensors(bytes, nullptr, "a.safetensors");
  ASSERT_EQ(tensors.size(), 3u);
  EXPECT_EQ(tensors[0].first, "z");
  EXPECT_EQ(tensors[1].first, "e");
  EXPECT_EQ(tensors[2].first, "a");
  EXPECT_EQ(tensors[2].second.as<std::uint8_t>()[1], 1);
}

TEST(Safetensors, RefusesWhatIsNotWellFormed) {
  const auto expect = [](const Bytes& bytes, const std::string& message) {
    try {
      read_safetensors(bytes, nullptr, "a.safetensors");
      ADD_FAILURE() << "accepted, but should say: " << message;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(message));
      EXPECT_THAT(error.what(), HasSubstr("a.safetensors"));
    }
  };
  const auto one = [](std::string_view dtype, std::string_view shape, std::string_view offsets) {
    return "{\"a\":{\"dtype\":\"" + std::string(dtype) + "\",\"shape\":" + std::string(shape) +
           ",\"data_offsets\":" + std::string(offsets) + "}}";
  };
  expect(file(one("F32", "[1]", "[0,4]"), 5), "follow the last tensor");
  expect(file(one("F32", "[1]", "[0,4]"), 3), "outside of the file");
  expect(file(one("F32", "[2]", "[0,4]"), 4), "needs 8 bytes");
  expect(file(one("F32", "[1]", "[1,5]"), 5), "leaves a hole");
  expect(file(one("F32", "[-1]", "[0,4]"), 4), "not a whole number");
  expect(file(one("F32", "[1.5]", "[0,4]"), 4), "not a whole number");
  expect(file(one("F32", "[9223372036854775807,9223372036854775807]", "[0,4]"), 4), "too large");
  expect(file(one("F32", "[1]", "[4,0]"), 4), "not a begin and an end");
  expect(file(one("F8_E4M3", "[4]", "[0,4]"), 4), "F8_E4M3");
  expect(
      file(
          R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
          1),
      "one name");
  expect(file("{\"a\":" + std::string(100000, '['), 0), "not the JSON");
  expect(file("[]", 0), "not the JSON");
  expect(file("{\"a\":1}", 0), "lacks dtype");
  expect(Bytes(8, std::byte{0xff}), "claims");
}

TEST(Safetensors, DataIsAligned) {
  MemorySink sink;
  const NamedTensors tensors{{"small", Tensor(DType::u8, {3})}, {"large", Tensor(DType::f64, {3})}};
  write_safetensors(sink, tensors);
  const NamedTensors back = read_safetensors(sink.bytes(), nullptr, "a");
  EXPECT_EQ(back[0].first, "large");
  const NamedTensors complex{{"c", Tensor(DType::c128, {3})}};
  EXPECT_THROW(write_safetensors(sink, complex), Unsupported);
}

TEST(Safetensors, SurvivesEveryDamage) {
  MemorySink sink;
  const NamedTensors tensors{{"a", Tensor(DType::f32, {2})}, {"b", Tensor(DType::b8, {1})}};
  write_safetensors(sink, tensors);
  for_each_damage(sink.bytes(), [](std::span<const std::byte> bytes) { read_safetensors(bytes, nullptr, "damaged"); });
}

}  // namespace
}  // namespace aitune
