#include <gtest/gtest.h>

#include <algorithm>

#include "compiler/kernels/loop.h"

namespace aitune::kernels {
namespace {

const CpuTarget kAvx512{.avx2_fma = true, .avx512 = true};
const CpuTarget kAvx2{.avx2_fma = true};

Expr loaded(std::int32_t access) { return {.op = ExprOp::load, .access = access}; }

LoopKernel map(std::vector<SymInt> extents, std::vector<std::vector<SymInt>> loads, std::vector<SymInt> to) {
  LoopKernel k;
  k.outer = std::move(extents);
  for (auto& strides : loads) {
    k.exprs.push_back(loaded(static_cast<std::int32_t>(k.accesses.size())));
    k.accesses.push_back({.buffer = k.buffer_count++, .strides = std::move(strides)});
  }
  k.accesses.push_back({.buffer = k.buffer_count++, .strides = std::move(to)});
  std::int32_t value = 0;
  for (std::int32_t i = 1; i < static_cast<std::int32_t>(loads.size()); ++i) {
    k.exprs.push_back({.op = ExprOp::add, .a = value, .b = i});
    value = static_cast<std::int32_t>(k.exprs.size()) - 1;
  }
  k.stages = {{.kind = Stage::Kind::map, .stores = {{static_cast<std::int32_t>(loads.size()), value}}}};
  return k;
}

LoopKernel depthwise(int height, int width, int channels, int window, int stride) {
  const SymInt row = (width - 1) * stride + window;
  LoopKernel k;
  k.outer = {height, width, channels};
  k.inner = {window, window};
  k.accesses = {{.buffer = 0, .strides = {row * channels * stride, channels * stride, 1, row * channels, channels}},
                {.buffer = 1, .strides = {0, 0, 1, window * channels, channels}},
                {.buffer = 2, .strides = {width * channels, channels, 1, 0, 0}}};
  k.exprs = {loaded(0), loaded(1), {.op = ExprOp::mul, .a = 0, .b = 1}, {.op = ExprOp::temp, .access = 0}};
  k.stages = {{.kind = Stage::Kind::reduce, .value = 2}, {.kind = Stage::Kind::finish, .stores = {{2, 3}}}};
  k.buffer_count = 3;
  return k;
}

TEST(Schedule, PointwiseRunsAlongTheStore) {
  const LoopKernel k = map({100, 64}, {{64, 1}, {0, 1}}, {64, 1});
  const LoopSchedule s = default_schedule(k, kAvx512);
  EXPECT_EQ(s.vector_dim, 1);
  EXPECT_EQ(s.lanes, 16);
  EXPECT_EQ(default_schedule(k, kAvx2).lanes, 8);
  EXPECT_TRUE(task_count(k, s).is(100));
}

TEST(Schedule, LongRowsAreDividedAndSmallKernelsAreNot) {
  const LoopKernel large = map({1 << 20}, {{1}}, {1});
  EXPECT_TRUE(task_count(large, default_schedule(large, kAvx512)).is(256));
  const LoopKernel small = map({1000}, {{1}}, {1});
  EXPECT_TRUE(task_count(small, default_schedule(small, kAvx512)).is(1));
  const LoopKernel symbolic = map({SymInt::symbol("n")}, {{1}}, {1});
  EXPECT_EQ(task_count(symbolic, default_schedule(symbolic, kAvx512)).evaluate({{"n", 10000}}), 3);
}

TEST(Schedule, DepthwiseRunsAlongChannelsAndTilesColumns) {
  const LoopKernel k = depthwise(14, 14, 576, 3, 1);
  const LoopSchedule s = default_schedule(k, kAvx512);
  EXPECT_EQ(s.vector_dim, 2);
  EXPECT_EQ(s.unroll_dim, 1);
  EXPECT_EQ(s.unroll, 7);
  EXPECT_TRUE(task_count(k, s).is(28));
}

TEST(Schedule, RowReductionsRunAlongTheRow) {
  LoopKernel k;
  k.outer = {128};
  k.inner = {1000};
  k.accesses = {{.buffer = 0, .strides = {1000, 1}}, {.buffer = 1, .strides = {1, 0}}};
  k.exprs = {loaded(0), {.op = ExprOp::temp, .access = 0}};
  k.stages = {{.kind = Stage::Kind::reduce, .value = 0}, {.kind = Stage::Kind::finish, .stores = {{1, 1}}}};
  k.buffer_count = 2;
  EXPECT_EQ(default_schedule(k, kAvx512).vector_dim, 1);
  k.accesses[0].strides = {1, 128};  // columns
  EXPECT_EQ(default_schedule(k, kAvx512).vector_dim, 0);
}

TEST(Schedule, TransposingCopiesAreTiled) {
  const LoopKernel k = map({64, 3136}, {{1, 64}}, {3136, 1});
  const LoopSchedule s = default_schedule(k, kAvx512);
  EXPECT_EQ(s.unroll, 16);
  EXPECT_TRUE(plan_loop(k, s).transposes);
}

TEST(Schedule, LongRowsOfFewColumnsKeepTheContiguousDim) {
  // Enough arithmetic that the half empty second vector of a row counts; still better than scattering the stores.
  LoopKernel k = map({12544, 24}, {{24, 1}, {0, 1}}, {24, 1});
  for (int i = 0; i < 8; ++i) {
    k.exprs.push_back({.op = ExprOp::mul, .a = static_cast<std::int32_t>(k.exprs.size()) - 1, .b = 0});
  }
  k.stages[0].stores[0].value = static_cast<std::int32_t>(k.exprs.size()) - 1;
  EXPECT_EQ(default_schedule(k, kAvx512).vector_dim, 1);
}

TEST(Schedule, CandidatesBeginWithTheDefaultAndDiffer) {
  const LoopKernel k = depthwise(28, 28, 96, 5, 1);
  for (const CpuTarget& target : {kAvx512, kAvx2}) {
    const auto all = candidates(k, target);
    ASSERT_FALSE(all.empty());
    EXPECT_LE(all.size(), 9u);
    EXPECT_EQ(fingerprint(k, all[0]), fingerprint(k, default_schedule(k, target)));
    for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(std::count(all.begin(), all.end(), all[i]), 1);
  }
}

TEST(Fingerprint, TellsKernelsApart) {
  const LoopKernel a = map({64, 100}, {{100, 1}}, {100, 1});
  LoopKernel b = a;
  b.accesses[0].dtype = DType::bf16;
  const LoopSchedule s = default_schedule(a, kAvx512);
  EXPECT_EQ(fingerprint(a, s), fingerprint(a, s));
  EXPECT_NE(fingerprint(a, s), fingerprint(b, s));
  LoopSchedule other = s;
  other.vectors = 1;
  EXPECT_NE(fingerprint(a, s), fingerprint(a, other));
}

TEST(Fingerprint, DoesNotDependOnNamesOfSymbols) {
  const auto kernel = [](const char* name) {
    const SymInt n = SymInt::symbol(name);
    return map({n, 64}, {{64, 1}, {0, 1}}, {64, 1});
  };
  const LoopSchedule s = default_schedule(kernel("a"), kAvx512);
  EXPECT_EQ(fingerprint(kernel("a"), s), fingerprint(kernel("zz"), s));
}

}  // namespace
}  // namespace aitune::kernels
