#include "base/tensor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "base/error.h"

namespace aitune {
namespace {

template <typename T>
std::vector<T> values(const Tensor& t) {
  return {t.as<T>(), t.as<T>() + t.numel()};
}

TEST(Tensor, StartsZeroedAlignedAndContiguous) {
  const Tensor t(DType::f32, {2, 3});
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(t.data()) % 64, 0u);
  EXPECT_EQ(values<float>(t), std::vector<float>(6, 0.0f));
  EXPECT_EQ(t.strides(), (Shape{3, 1}));
  EXPECT_EQ(t.byte_size(), 24u);
  EXPECT_TRUE(t.defined());
  EXPECT_FALSE(Tensor().defined());
  EXPECT_EQ(Tensor(DType::f32, {}).numel(), 1);
  EXPECT_EQ(Tensor(DType::f32, {2, 0}).numel(), 0);
}

TEST(Tensor, RefusesImpossibleShapes) {
  EXPECT_THROW(Tensor(DType::f32, {-1}), InvalidArgument);
  EXPECT_THROW(Tensor(DType::f32, {INT64_MAX, 2}), InvalidArgument);
  EXPECT_THROW(Tensor(DType::f64, {INT64_MAX}), InvalidArgument);
  EXPECT_THROW(element_count(Shape{0, INT64_MAX, INT64_MAX}), InvalidArgument);
  EXPECT_EQ(describe(DType::bf16, Shape{2, 3}), "bf16[2,3]");
}

TEST(Tensor, OfAndScalarConvert) {
  const std::vector<std::int64_t> numbers = {1, -2, 3};
  EXPECT_EQ(values<float>(Tensor::of<std::int64_t>(DType::f32, numbers)), (std::vector<float>{1, -2, 3}));
  EXPECT_EQ(*Tensor::scalar(DType::i32, 7.9).as<std::int32_t>(), 7);
  EXPECT_EQ(Tensor::scalar(DType::i32, 7.9).dim(), 0);
}

// Random views (permuted, sliced, broadcast, negative steps never) copied and compared element by element.
class StridedView : public testing::TestWithParam<unsigned> {};

TEST_P(StridedView, CopiesEveryElement) {
  std::mt19937 random(GetParam());
  const auto pick = [&](int low, int high) { return std::uniform_int_distribution(low, high)(random); };
  const DType dtypes[] = {DType::u8, DType::f16, DType::f32, DType::f64, DType::c128};
  const DType dtype = dtypes[GetParam() % 5];
  const std::size_t size = dtype_size(dtype);
  Tensor base(dtype, {4000});
  for (std::size_t i = 0; i < base.byte_size(); ++i) base.data()[i] = static_cast<std::byte>(pick(0, 255));
  Shape shape, strides;
  const int rank = pick(0, 4);
  for (int d = 0; d < rank; ++d) {
    shape.push_back(pick(0, 12) == 0 ? 0 : pick(1, 5));
    strides.push_back(pick(0, 3) == 0 ? pick(0, 1) : pick(1, 200));
  }
  const Tensor view(dtype, shape, strides, base.owner(), base.data());
  const Tensor copy = view.clone();
  ASSERT_TRUE(copy.is_contiguous());
  Shape index(shape.size(), 0);
  for (std::int64_t i = 0; i < view.numel(); ++i) {
    std::int64_t rest = i, offset = 0;
    for (std::size_t d = shape.size(); d-- > 0; rest /= shape[d]) offset += rest % shape[d] * strides[d];
    ASSERT_TRUE(std::equal(copy.data() + static_cast<std::size_t>(i) * size,
                           copy.data() + static_cast<std::size_t>(i + 1) * size,
                           base.data() + static_cast<std::size_t>(offset) * size))
        << "element " << i;
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, StridedView, testing::Range(0u, 100u));

TEST(Tensor, ContiguousSharesWhenItCan) {
  const Tensor t(DType::f32, {2, 3});
  EXPECT_EQ(t.contiguous().data(), t.data());
  EXPECT_NE(t.clone().data(), t.data());
  const Tensor transposed(DType::f32, {3, 2}, {1, 3}, t.owner(), t.data());
  EXPECT_FALSE(transposed.is_contiguous());
  EXPECT_NE(transposed.contiguous().data(), t.data());
  EXPECT_TRUE(Tensor(DType::f32, {1, 3}, {77, 1}, t.owner(), t.data()).is_contiguous());
}

TEST(Tensor, ConvertsWithCxxRules) {
  const std::vector<double> numbers = {0.0, 1.9, -1.9, 250.0};
  const Tensor t = Tensor::of<double>(DType::f64, numbers);
  EXPECT_EQ(values<std::int32_t>(t.to(DType::i32)), (std::vector<std::int32_t>{0, 1, -1, 250}));
  EXPECT_EQ(values<std::uint8_t>(t.to(DType::b8)), (std::vector<std::uint8_t>{0, 1, 1, 1}));
  EXPECT_EQ(values<std::uint16_t>(t.to(DType::bf16))[1], float_to_bf16(1.9f));
  EXPECT_EQ(values<float>(t.to(DType::f16).to(DType::f32))[3], 250.0f);
  const std::vector<std::int64_t> large = {INT64_MAX, INT64_MIN, (std::int64_t{1} << 53) + 1};
  EXPECT_EQ(values<std::int64_t>(Tensor::of<std::int64_t>(DType::i64, large).to(DType::i64)), large);
  const std::vector<double> wild = {NAN, INFINITY, -INFINITY, 1e300};
  EXPECT_EQ(values<std::int64_t>(Tensor::of<double>(DType::i64, wild)),
            (std::vector<std::int64_t>{INT64_MIN, INT64_MAX, INT64_MIN, INT64_MAX}));
  EXPECT_THROW(t.to(DType::c64), Unsupported);
  EXPECT_THROW(Tensor(DType::c64, {2}).to(DType::f32), Unsupported);
  EXPECT_EQ(Tensor(DType::c64, {2}).to(DType::c64).numel(), 2);
}

TEST(Tensor, BoolBytesOtherThanOneCountAsOne) {
  const std::vector<std::uint8_t> bytes = {0, 1, 2, 255};
  const Tensor t = Tensor::of<std::uint8_t>(DType::u8, bytes);
  const Tensor flags(DType::b8, {4}, {1}, t.owner(), t.data());
  EXPECT_EQ(values<float>(flags.to(DType::f32)), (std::vector<float>{0, 1, 1, 1}));
}

Tensor floats(const std::vector<double>& numbers) { return Tensor::of<double>(DType::f32, numbers); }

TEST(RelativeError, IsTheRatioOfNorms) {
  EXPECT_EQ(relative_error(floats({1, 2}), floats({1, 2})), 0);
  EXPECT_DOUBLE_EQ(relative_error(floats({3, 5}), floats({3, 4})), 0.2);
  EXPECT_EQ(relative_error(floats({0, 0}), floats({0, 0})), 0);
  EXPECT_EQ(relative_error(floats({1, 0}), floats({0, 0})), std::numeric_limits<double>::infinity());
  EXPECT_EQ(relative_error(floats({}), floats({})), 0);
  EXPECT_THROW(relative_error(floats({1}), floats({1, 2})), InvalidArgument);
  EXPECT_DOUBLE_EQ(relative_error(Tensor::of<double>(DType::f64, std::vector<double>{3, 5}), floats({3, 4})), 0.2);
}

TEST(RelativeError, AsksNothingOfSubnormalNumbers) {
  EXPECT_LT(relative_error(floats({1e-39F, -2e-39F}), floats({1.5e-39F, 0})), 1e-6);
  EXPECT_LT(relative_error(floats({1e-39F}), floats({0})), 1e-6);
  EXPECT_NEAR(relative_error(floats({1.1e-28F}), floats({1e-28F})), 0.1, 1e-6);
  EXPECT_EQ(relative_error(floats({1e-28F}), floats({0})), std::numeric_limits<double>::infinity());
}

TEST(RelativeError, WatchesNaNAndInfinity) {
  const double inf = INFINITY;
  EXPECT_EQ(relative_error(floats({NAN, 5}), floats({3, 4})), inf);
  EXPECT_EQ(relative_error(floats({inf, 5}), floats({3, 4})), inf);
  EXPECT_EQ(relative_error(floats({3, 4}), floats({NAN, 4})), inf);
  EXPECT_EQ(relative_error(floats({inf, 4}), floats({-inf, 4})), inf);
  EXPECT_DOUBLE_EQ(relative_error(floats({NAN, inf, 3, 5}), floats({NAN, inf, 3, 4})), 0.2);
}

TEST(RelativeError, ComparesComplexNumbersAndLongRows) {
  Tensor x(DType::c64, {5000}), y(DType::c64, {5000});
  for (int i = 0; i < 10000; ++i) x.as<float>()[i] = y.as<float>()[i] = 1;
  EXPECT_EQ(relative_error(x, y), 0);
  x.as<float>()[9999] = 2;
  EXPECT_DOUBLE_EQ(relative_error(x, y), 0.01);
}

TEST(AllFinite, FindsTheOneBadElement) {
  for (const DType dtype : {DType::f16, DType::bf16, DType::f32, DType::f64}) {
    std::vector<double> numbers(5001, 1.5);
    EXPECT_TRUE(all_finite(Tensor::of<double>(dtype, numbers)));
    for (const double bad : {static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
      numbers.back() = bad;
      EXPECT_FALSE(all_finite(Tensor::of<double>(dtype, numbers)));
    }
  }
  EXPECT_TRUE(all_finite(Tensor(DType::i64, {3})));
}

}  // namespace
}  // namespace aitune
