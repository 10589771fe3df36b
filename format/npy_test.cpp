#include "format/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <numeric>

#include "base/error.h"
#include "format/bytes.h"
#include "format/fuzz.h"
#include "format/tensor_bytes.h"

namespace aitune {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Bytes = std::vector<std::byte>;

Tensor counting(DType dtype, Shape shape) {
  Tensor tensor(dtype, std::move(shape));
  for (std::size_t i = 0; i < tensor.byte_size(); ++i) tensor.data()[i] = static_cast<std::byte>(i * 7 % 251);
  if (dtype == DType::b8) normalize_bools({tensor.data(), tensor.byte_size()});
  return tensor;
}

Bytes saved(const Tensor& tensor) {
  MemorySink sink;
  write_npy(sink, tensor);
  return sink.take();
}

Bytes npy(std::string_view header, std::span<const std::byte> data = {}) {
  std::string bytes("\x93NUMPY\x01\0", 8);
  bytes += static_cast<char>(header.size() & 255);
  bytes += static_cast<char>(header.size() >> 8);
  bytes += header;
  Bytes all(as_text(std::as_bytes(std::span(bytes))).size());
  std::memcpy(all.data(), bytes.data(), bytes.size());
  all.insert(all.end(), data.begin(), data.end());
  return all;
}

TEST(Npy, RoundTripOfEveryTypeAndShape) {
  for (int d = 0; d < 12; ++d) {
    for (const Shape& shape : {Shape{}, Shape{3}, Shape{2, 3}, Shape{0}, Shape{2, 0, 3}}) {
      const Tensor tensor = counting(static_cast<DType>(d), shape);
      const Bytes bytes = saved(tensor);
      const Tensor back = read_npy(bytes, nullptr, "a.npy");
      EXPECT_EQ(back.dtype(), tensor.dtype());
      EXPECT_EQ(back.shape(), tensor.shape());
      EXPECT_TRUE(std::ranges::equal(contiguous_bytes(back), contiguous_bytes(tensor)))
          << describe(back.dtype(), shape);
    }
  }
}

TEST(Npy, DataIsAlignedAndSharedWhereItCanBe) {
  EXPECT_EQ(npy_header(DType::f32, Shape{2, 3}).size() % 64, 0u);
  const auto bytes = std::make_shared<const Bytes>(saved(counting(DType::f64, {4})));
  const Tensor back = read_npy(*bytes, bytes, "a.npy");
  EXPECT_EQ(back.owner(), bytes);
}

TEST(Npy, WritesStridedTensorsRowMajor) {
  const Tensor tensor = counting(DType::i32, {2, 3});
  const Tensor transposed(DType::i32, {3, 2}, {1, 3}, tensor.owner(), tensor.data());
  const Bytes bytes = saved(transposed);
  const Tensor back = read_npy(bytes, nullptr, "a.npy");
  EXPECT_EQ(back.as<std::int32_t>()[1], tensor.as<std::int32_t>()[3]);
}

TEST(Npy, ReadsFortranOrder) {
  const std::array<std::int16_t, 6> data{1, 2, 3, 4, 5, 6};
  const Bytes bytes = npy("{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3), }", std::as_bytes(std::span(data)));
  const Tensor back = read_npy(bytes, nullptr, "a.npy");
  EXPECT_EQ(back.shape(), (Shape{2, 3}));
  EXPECT_TRUE(back.is_contiguous());
  EXPECT_THAT(std::vector(back.as<std::int16_t>(), back.as<std::int16_t>() + 6), ElementsAre(1, 3, 5, 2, 4, 6));
}

TEST(Npy, NormalizesBools) {
  const std::array<std::uint8_t, 3> data{0, 1, 7};
  const auto bytes = std::make_shared<const Bytes>(
      npy("{'descr': '|b1', 'fortran_order': False, 'shape': (3,)}", std::as_bytes(std::span(data))));
  EXPECT_EQ(read_npy(*bytes, bytes, "a.npy").as<std::uint8_t>()[2], 1);
}

struct Refusal {
  std::string_view header, message;
};

TEST(Npy, SaysWhatItCannotRead) {
  for (const auto& [header, message] : {
           Refusal{"{'descr': '|O', 'fortran_order': False, 'shape': (3,), }", "Python objects"},
           Refusal{"{'descr': '>f4', 'fortran_order': False, 'shape': (3,), }", "big-endian"},
           Refusal{"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,), }", "records"},
           Refusal{"{'descr': '<U8', 'fortran_order': False, 'shape': (3,), }", "'<U8'"},
           Refusal{"{'descr': '<u4', 'fortran_order': False, 'shape': (3,), }", "'<u4'"},
           Refusal{"{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", "needs 12 bytes"},
           Refusal{"{'descr': '<f4', 'fortran_order': False, 'shape': (-3,), }", "not a number"},
           Refusal{"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", "not a number"},
           Refusal{"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", "too large"},
           Refusal{"{'descr': '<f4', 'fortran_order': False}", "missing"},
           Refusal{"{'descr': '<f4', 'fortran_order': 1, 'shape': (3,), }", "True or False"},
           Refusal{"{'descr': '<f4', 'descr': '<f4'}", "unexpected key"},
           Refusal{"{'descr': '<f4", "no end"},
           Refusal{"", "'{' is missing"},
       }) {
    const Bytes bytes = npy(header);
    try {
      read_npy(bytes, nullptr, "a.npy");
      FAIL() << header;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(std::string(message))) << header;
      EXPECT_THAT(error.what(), HasSubstr("a.npy"));
    }
  }
}

TEST(Npy, SurvivesEveryDamage) {
  const auto read = [](std::span<const std::byte> bytes) { read_npy(bytes, nullptr, "damaged"); };
  for_each_damage(saved(counting(DType::f32, {2, 3})), read);
  const std::array<std::int16_t, 6> data{1, 2, 3, 4, 5, 6};
  for_each_damage(npy("{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3), }", std::as_bytes(std::span(data))),
                  read);
}

}  // namespace
}  // namespace aitune
