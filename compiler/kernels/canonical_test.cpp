#include <gtest/gtest.h>

#include "base/error.h"
#include "compiler/kernels/loop.h"

namespace aitune::kernels {
namespace {

Expr load(std::int32_t access) { return {.op = ExprOp::load, .access = access}; }

// y[...] = x[...] with the given strides.
LoopKernel copy(std::vector<SymInt> extents, std::vector<SymInt> from, std::vector<SymInt> to) {
  LoopKernel k;
  k.name = "copy";
  k.outer = std::move(extents);
  k.accesses = {{.buffer = 0, .strides = std::move(from)}, {.buffer = 1, .strides = std::move(to)}};
  k.exprs = {load(0)};
  k.stages = {{.kind = Stage::Kind::map, .stores = {{1, 0}}}};
  k.buffer_count = 2;
  return k;
}

TEST(Canonical, MergesContiguousDims) {
  const LoopKernel k = canonical(copy({2, 3, 4, 5}, {60, 20, 5, 1}, {60, 20, 5, 1}));
  EXPECT_EQ(k.outer, std::vector<SymInt>{120});
  EXPECT_EQ(k.accesses[0].strides, std::vector<SymInt>{1});
}

TEST(Canonical, MergesSymbolicDims) {
  const SymInt n = SymInt::symbol("n");
  const LoopKernel k = canonical(copy({2, n, 5}, {n * 5, 5, 1}, {n * 5, 5, 1}));
  EXPECT_EQ(k.outer, std::vector<SymInt>{n * 10});
  EXPECT_EQ(collect_params(k), std::vector<SymInt>{n * 10});
}

TEST(Canonical, DropsUnitDimsAndTheirIndices) {
  LoopKernel k = copy({1, 6}, {0, 1}, {0, 1});
  k.exprs = {{.op = ExprOp::index, .type = ExprType::i64, .dim = 0}};
  const LoopKernel c = canonical(k);
  EXPECT_EQ(c.outer, std::vector<SymInt>{6});
  EXPECT_EQ(c.exprs[0].op, ExprOp::constant);
}

TEST(Canonical, PutsTheStoredDimInnermost) {
  // NHWC to NCHW, written in the order of the source.
  const LoopKernel k = canonical(copy({49, 24}, {24, 1}, {1, 49}));
  EXPECT_EQ(k.outer, (std::vector<SymInt>{24, 49}));
  EXPECT_EQ(k.accesses[1].strides, (std::vector<SymInt>{49, 1}));
  EXPECT_EQ(k.accesses[0].strides, (std::vector<SymInt>{1, 24}));
}

TEST(Canonical, DoesNotMergeAcrossABroadcast) {
  const LoopKernel k = canonical(copy({7, 5}, {0, 1}, {5, 1}));
  EXPECT_EQ(k.outer.size(), 2u);
}

TEST(Canonical, KeepsTheInnerOrderOfArgmax) {
  LoopKernel k;
  k.outer = {4};
  k.inner = {3, 5};
  k.accesses = {{.buffer = 0, .strides = {15, 1, 3}}, {.buffer = 1, .dtype = DType::i64, .strides = {1, 0, 0}}};
  k.exprs = {load(0), {.op = ExprOp::temp, .type = ExprType::i64, .access = 0}};
  k.stages = {{.kind = Stage::Kind::reduce, .reduce = ReduceOp::argmax, .value = 0},
              {.kind = Stage::Kind::finish, .stores = {{1, 1}}}};
  k.buffer_count = 2;
  EXPECT_EQ(canonical(k).inner, (std::vector<SymInt>{3, 5}));
  k.stages[0].reduce = ReduceOp::sum;
  k.exprs[1].type = ExprType::f32;
  EXPECT_EQ(canonical(k).inner, (std::vector<SymInt>{15}));
}

TEST(Canonical, IsIdempotent) {
  const LoopKernel once = canonical(copy({2, 3, 1, 5}, {1, 10, 0, 2}, {15, 5, 0, 1}));
  const LoopKernel twice = canonical(once);
  EXPECT_EQ(once.outer, twice.outer);
  EXPECT_EQ(once.accesses, twice.accesses);
}

TEST(Canonical, RefusesMalformedKernels) {
  LoopKernel k = copy({4}, {1}, {1});
  k.accesses[0].buffer = 7;
  EXPECT_THROW(canonical(k), InternalError);
  k = copy({4}, {1, 2}, {1});
  EXPECT_THROW(canonical(k), InternalError);
}

}  // namespace
}  // namespace aitune::kernels
