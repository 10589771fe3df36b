#include "base/dtype.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

namespace aitune {
namespace {

TEST(DType, NamesReadBack) {
  for (int i = 0; i < 12; ++i) {
    const auto t = static_cast<DType>(i);
    EXPECT_EQ(parse_dtype(dtype_name(t)), t);
    EXPECT_GT(dtype_size(t), 0u);
  }
  EXPECT_EQ(parse_dtype("torch.float32"), DType::f32);
  EXPECT_EQ(parse_dtype("half"), DType::f16);
  EXPECT_EQ(parse_dtype("torch.bool"), DType::b8);
  EXPECT_EQ(parse_dtype("float33"), std::nullopt);
  EXPECT_EQ(parse_dtype(""), std::nullopt);
  EXPECT_EQ(dtype_name(static_cast<DType>(77)), "invalid");
}

// A slow and obvious reading of IEEE half precision.
double half_value(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int mantissa = bits & 1023;
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  if (exponent == 31) return mantissa == 0 ? sign * INFINITY : NAN;
  return sign * (exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(mantissa + 1024, exponent - 25));
}

TEST(DType, EveryHalfReadsAndWritesBack) {
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    const float value = f16_to_float(bits);
    if (std::isnan(half_value(bits))) {
      EXPECT_TRUE(std::isnan(value));
      EXPECT_TRUE(std::isnan(f16_to_float(float_to_f16(value))));
    } else {
      ASSERT_EQ(value, half_value(bits)) << bits;
      ASSERT_EQ(float_to_f16(value), bits);
    }
  }
}

TEST(DType, EveryBfloatReadsAndWritesBack) {
  for (std::uint32_t i = 0; i < 65536; ++i) {
    const auto bits = static_cast<std::uint16_t>(i);
    const float value = bf16_to_float(bits);
    if (std::isnan(value))
      EXPECT_TRUE(std::isnan(bf16_to_float(float_to_bf16(value))));
    else
      ASSERT_EQ(float_to_bf16(value), bits);
  }
}

// Between neighbours the nearer one is taken, and the even one in the middle.
TEST(DType, NarrowFloatsRoundToNearestEven) {
  for (std::uint32_t i = 0; i < 0x7bff; ++i) {
    const auto low = static_cast<std::uint16_t>(i), high = static_cast<std::uint16_t>(i + 1);
    const float a = f16_to_float(low), b = f16_to_float(high), middle = (a + b) / 2;
    ASSERT_EQ(float_to_f16(middle), (i & 1) == 0 ? low : high);
    ASSERT_EQ(float_to_f16(std::nextafterf(middle, a)), low);
    ASSERT_EQ(float_to_f16(std::nextafterf(middle, b)), high);
  }
  for (std::uint32_t i = 0; i < 0x7f7f; ++i) {
    const std::uint32_t middle = (i << 16) | 0x8000u;
    ASSERT_EQ(float_to_bf16(std::bit_cast<float>(middle)), (i & 1) == 0 ? i : i + 1);
    ASSERT_EQ(float_to_bf16(std::bit_cast<float>(middle - 1)), i);
    ASSERT_EQ(float_to_bf16(std::bit_cast<float>(middle + 1)), i + 1);
  }
  EXPECT_EQ(float_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(float_to_f16(65519.0f), 0x7bff);
  EXPECT_EQ(float_to_bf16(std::numeric_limits<float>::max()), 0x7f80);
}

}  // namespace
}  // namespace aitune
