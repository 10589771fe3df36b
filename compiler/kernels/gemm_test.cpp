#include "compiler/kernels/gemm.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "compiler/kernels/winograd.h"

namespace aitune::kernels {
namespace {

// A 3x3 convolution of stride 1 over an image of `size` with a halo of one, output without halo.
GemmKernel convolution(std::int64_t size, std::int64_t channels, std::int64_t n) {
  GemmKernel k;
  k.name = "convolution";
  const std::int64_t row = (size + 2) * channels;
  k.m = {SymInt::symbol("images"), size, size};
  k.k = {3, 3, channels};
  k.n = n;
  k.a_strides = {row * (size + 2), row, channels, row, channels, 1};
  Access out;
  out.buffer = 2;
  out.strides = {size * size * n, size * n, n, 1};
  k.accesses = {out};
  k.exprs.resize(1);
  k.exprs[0].op = ExprOp::accumulator;
  k.stores = {{0, 0}};
  k.buffer_count = 3;
  return k;
}

GemmKernel linear(std::int64_t batch, std::int64_t m, std::int64_t k, std::int64_t n) {
  GemmKernel kernel;
  kernel.name = "linear";
  kernel.batch = {batch};
  kernel.m = {m};
  kernel.k = {k};
  kernel.n = n;
  kernel.a_strides = {m * k, k, 1};
  Access out;
  out.buffer = 2;
  out.strides = {m * n, n, 1};
  kernel.accesses = {out};
  kernel.exprs.resize(1);
  kernel.exprs[0].op = ExprOp::accumulator;
  kernel.stores = {{0, 0}};
  kernel.buffer_count = 3;
  return kernel;
}

TEST(GemmForm, NeighbouringDimsMerge) {
  const GemmKernel conv = canonical(convolution(7, 16, 32));
  EXPECT_EQ(conv.m.size(), 3u);  // the halo keeps rows apart
  EXPECT_EQ(conv.k, (std::vector<std::int64_t>{3, 48}));
  const GemmKernel product = canonical(linear(8, 128, 64, 32));
  EXPECT_TRUE(product.batch.empty());
  EXPECT_EQ(product.m, (std::vector<SymInt>{1024}));
  EXPECT_EQ(fingerprint(product, {}), fingerprint(canonical(product), {}));
}

TEST(GemmForm, BatchesWithTheirOwnBStayBatches) {
  GemmKernel kernel = linear(8, 128, 64, 32);
  kernel.b_strides = {64 * 32, 32, 1};
  const GemmKernel form = canonical(kernel);
  EXPECT_EQ(form.batch, (std::vector<SymInt>{8}));
  EXPECT_EQ(form.m, (std::vector<SymInt>{128}));
  kernel.b_strides[0] = 0;
  EXPECT_TRUE(canonical(kernel).batch.empty());
}

TEST(GemmForm, MalformedKernelsAreRefused) {
  GemmKernel kernel = linear(1, 4, 4, 4);
  kernel.a_strides.pop_back();
  EXPECT_THROW(canonical(kernel), InternalError);
  kernel = linear(1, 4, 4, 4);
  kernel.k = {0};
  EXPECT_THROW(canonical(kernel), InternalError);
  kernel = linear(1, 4, 4, 4);
  kernel.b_strides = {16, 1, 4};
  EXPECT_THROW(canonical(kernel), InternalError);
}

TEST(GemmForm, ParamsAreTheSymbolicSizesOnce) {
  EXPECT_EQ(collect_params(convolution(7, 16, 32)), (std::vector<SymInt>{SymInt::symbol("images")}));
  GemmKernel kernel = linear(1, 4, 4, 4);
  kernel.batch = {SymInt::symbol("b")};
  kernel.m = {SymInt::symbol("s")};
  kernel.a_strides[0] = SymInt::symbol("s") * 4;
  kernel.accesses[0].strides[0] = SymInt::symbol("s") * 4;
  EXPECT_EQ(collect_params(kernel), (std::vector<SymInt>{SymInt::symbol("b") * SymInt::symbol("s")}));
}

TEST(GemmTasks, CoverRowsAndPanels) {
  GemmTile tile;
  tile.mr = 6;
  tile.nr = 2;
  EXPECT_EQ(task_count(linear(1, 20, 8, 70), tile), SymInt(3));  // panels of 32, all rows in a task
  tile.m_block = 2;
  EXPECT_EQ(task_count(linear(1, 20, 8, 70), tile), SymInt(6));  // 4 row tiles in blocks of 2
  tile.winograd = 4;
  tile.mr = 4;
  EXPECT_EQ(task_count(convolution(8, 16, 70), tile).evaluate({{"images", 5}}), 3);  // 5 * 4 squares in blocks of 8
  tile.n_block = 1;
  EXPECT_EQ(task_count(convolution(8, 16, 70), tile).evaluate({{"images", 5}}), 9);
}

TEST(GemmFingerprint, DependsOnEverythingButSymbolNames) {
  const GemmKernel base = convolution(7, 16, 32);
  const std::string name = fingerprint(base, {});
  GemmKernel other = base;
  other.m[0] = SymInt::symbol("other");
  EXPECT_EQ(fingerprint(other, {}), name);
  other = base;
  other.n = 33;
  EXPECT_NE(fingerprint(other, {}), name);
  other = base;
  other.exprs.push_back({});
  EXPECT_NE(fingerprint(other, {}), name);
  GemmTile tile;
  tile.winograd = 2;
  EXPECT_NE(fingerprint(base, tile), name);
}

TEST(GemmPacking, LaysPanelsOutByDepthWithZerosBehind) {
  const GemmKernel kernel = linear(1, 4, 3, 5);
  GemmTile tile;
  tile.nr = 1;
  tile.lanes = 8;
  Tensor b(DType::f32, {3, 5});
  for (int i = 0; i < 15; ++i) b.as<float>()[i] = static_cast<float>(i + 1);
  const std::vector<std::byte> bytes = pack_b(kernel, tile, b);
  ASSERT_EQ(bytes.size(), 3u * 8 * 4);
  const auto* packed = reinterpret_cast<const float*>(bytes.data());
  for (int k = 0; k < 3; ++k) {
    for (int j = 0; j < 8; ++j) EXPECT_EQ(packed[k * 8 + j], j < 5 ? static_cast<float>(k * 5 + j + 1) : 0.0f);
  }
  EXPECT_THROW(pack_b(kernel, tile, Tensor(DType::f32, {5, 3})), InvalidArgument);
  EXPECT_THROW(pack_b(kernel, tile, Tensor(DType::i32, {3, 5})), InvalidArgument);
}

TEST(GemmPacking, PairsBf16AlongTheReduction) {
  GemmKernel kernel = linear(1, 4, 3, 2);
  kernel.a_type = kernel.b_type = DType::bf16;
  GemmTile tile;
  tile.nr = 1;
  tile.lanes = 8;
  Tensor b(DType::f32, {3, 2});
  for (int i = 0; i < 6; ++i) b.as<float>()[i] = static_cast<float>(i + 1);
  const std::vector<std::byte> bytes = pack_b(kernel, tile, b);
  ASSERT_EQ(bytes.size(), 2u * 8 * 2 * 2);
  const auto value = [&](std::size_t i) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, bytes.data() + 2 * i, 2);
    return bf16_to_float(bits);
  };
  EXPECT_EQ(value(0), 1);  // k 0, n 0
  EXPECT_EQ(value(1), 3);  // k 1, n 0
  EXPECT_EQ(value(2), 2);
  EXPECT_EQ(value(16), 5);  // k 2
  EXPECT_EQ(value(17), 0);  // no k 3
}

TEST(Winograd, AppliesToFiltersOfThreeByThree) {
  EXPECT_TRUE(winograd_form(convolution(7, 16, 32), 4, 16).has_value());
  EXPECT_FALSE(winograd_form(convolution(7, 24, 32), 4, 16).has_value());
  EXPECT_FALSE(winograd_form(linear(1, 4, 4, 4), 4, 16).has_value());
  GemmKernel strided = convolution(7, 16, 32);
  strided.a_strides[2] = 32;
  EXPECT_FALSE(winograd_form(strided, 2, 16).has_value());
}

// The transforms by themselves: a 1-d filter of three over points, exactly.
TEST(Winograd, TransformsMakeAFilter) {
  for (const int outputs : {2, 4}) {
    const WinogradMatrices m = winograd_matrices(outputs);
    const int points = outputs + 2;
    for (int in = 0; in < points; ++in) {
      for (int tap = 0; tap < 3; ++tap) {
        for (int out = 0; out < outputs; ++out) {
          double sum = 0;
          for (int p = 0; p < points; ++p) {
            sum += m.output[static_cast<std::size_t>(out * points + p)] *
                   m.filter[static_cast<std::size_t>(p * 3 + tap)] * m.input[static_cast<std::size_t>(p * points + in)];
          }
          EXPECT_NEAR(sum, in == out + tap ? 1 : 0, 1e-12);
        }
      }
    }
  }
}

}  // namespace
}  // namespace aitune::kernels
