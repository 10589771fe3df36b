#include "compiler/passes/fold_constants.h"

#include "compiler/passes/cleanup.h"
#include "compiler/passes/testing.h"

namespace aitune {
namespace {

using namespace testing_passes;

TEST(FoldConstants, ChainsBecomeOneWeight) {
  const Graph graph = check_pass(R"(graph(%x: f32[s0,3]) where s0 in [1,4] {
    weight %w: f32[3,2] "w" = random(1)
    %p: f32[2,3] = aten.permute.default(%w, [1, 0])
    %s: f32[2,3] = aten.mul.Scalar(%p, 2.0)
    %y: f32[s0,2] = aten.linear.default(%x, %s)
    return %y
  })",
                                 {fold_constants, eliminate_dead_code}, {{"s0", 2}});
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.linear.default"));
  EXPECT_EQ(graph.weights.size(), 1U);
}

TEST(FoldConstants, BroadcastsStayAndAreReadThrough) {
  const Graph graph = check_pass(R"(graph(%x: f32[8,64]) {
    weight %w: f32[] "w" = splat(3)
    %e: f32[8,64] = aten.expand.default(%w, [8, 64])
    %y: f32[8,64] = aten.add.Tensor(%x, %e)
    %m: f32[] = aten.sum.default(%e)
    return %y, %m
  })",
                                 {fold_constants});
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.expand.default", "aten.add.Tensor"));
  EXPECT_EQ(graph.outputs[1]->kind, ValueKind::weight);
}

TEST(FoldConstants, LargeResultsOfSmallOperandsStay) {
  Graph graph = parse_graph(R"(graph(%x: f32[64,64]) {
    %a: f32[64,64] = aten.eye.default(64)
    %y: f32[64,64] = aten.add.Tensor(%x, %a)
    return %y
  })");
  LowerOptions options = default_options();
  options.max_folded_bytes = 1000;
  fold_constants(graph, PassContext{options});
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.eye.default", "aten.add.Tensor"));
  options.max_folded_bytes = 100000;
  fold_constants(graph, PassContext{options});
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.add.Tensor"));
}

TEST(FoldConstants, WithoutAnEvaluatorNothingHappens) {
  Graph graph = parse_graph("graph(%x: f32[2]) {\n %a: f32[2] = aten.ones.default([2])\n return %a\n}");
  const LowerOptions options;
  fold_constants(graph, PassContext{options});
  EXPECT_EQ(graph.nodes().size(), 1U);
}

TEST(FoldNumbers, SizesMadeOfConstantsAreKnown) {
  const Graph graph = check_pass(R"(graph(%x: f32[8]) where u0 in [0,8], u1 in [0,16] {
    weight %n: i64[] "n" = splat(3)
    %k: u8[u0,0] = aten.item.default(%n)
    %s: f32[u0] = aten.slice.Tensor(%x, 0, 0, u0, 1)
    %m: i64[] = aten.full.default([], 2*u0, dtype=i64)
    %l: u8[u1,0] = aten.item.default(%m)
    %z: f32[u1] = aten.zeros.default([u1])
    %t: f32[] = aten.sum.default(%z)
    %u: f32[] = aten.sum.default(%s)
    %y: f32[] = aten.add.Tensor(%t, %u)
    return %y
  })",
                                 {fold_numbers, eliminate_dead_code}, {});
  EXPECT_TRUE(graph.symbols.empty());
  EXPECT_THAT(ops_of(graph), Not(Contains("aten.item.default")));
}

TEST(FoldNumbers, SizesOfResultsStay) {
  Graph graph = parse_graph(R"(graph(%x: f32[8]) where u0 in [0,8] {
    weight %n: i64[] "n" = splat(3)
    %k: u8[u0,0] = aten.item.default(%n)
    %s: f32[u0] = aten.slice.Tensor(%x, 0, 0, u0, 1)
    return %s
  })");
  const LowerOptions options = default_options();
  fold_numbers(graph, PassContext{options});
  EXPECT_THAT(ops_of(graph), Contains("aten.item.default"));
}

/// The causal mask of GPT-2 for a dynamic batch, as transformers builds it.
TEST(FoldUniform, AMaskForADynamicBatchIsOneConstant) {
  const Graph graph = check_pass(R"(graph(%x: f32[s0,4]) where s0 in [1,16] {
    %i: i64[s0] = aten.arange.default(s0)
    %j: i64[4] = aten.arange.default(4)
    %zero: i64[s0] = aten.mul.Scalar(%i, 0)
    %col: i64[s0,1] = aten.view.default(%zero, [s0, 1])
    %sum: i64[s0,4] = aten.add.Tensor(%col, %j)
    %m: bool[s0,4] = aten.gt.Scalar(%sum, 1)
    %y: f32[s0,4] = aten.masked_fill.Scalar(%x, %m, -1.0)
    return %y
  })",
                                 {fold_uniform, eliminate_dead_code}, {{"s0", 3}});
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.expand.default", "aten.masked_fill.Scalar"));
  ASSERT_EQ(graph.weights.size(), 1U);
  EXPECT_EQ(graph.weights[0]->data.shape(), (Shape{1, 4}));
}

TEST(FoldUniform, WhatDiffersAlongTheBatchStays) {
  const Graph graph = check_pass(R"(graph(%x: f32[s0,4]) where s0 in [1,16] {
    %i: i64[s0] = aten.arange.default(s0)
    %m: bool[s0] = aten.gt.Scalar(%i, 10)
    %c: bool[s0,1] = aten.view.default(%m, [s0, 1])
    %y: f32[s0,4] = aten.masked_fill.Scalar(%x, %c, -1.0)
    return %y
  })",
                                 {fold_uniform, eliminate_dead_code}, {{"s0", 12}});
  EXPECT_EQ(graph.nodes().size(), 4U);
}

TEST(FoldUniform, UnboundedSymbolsProveNothing) {
  const Graph graph = check_pass(R"(graph(%x: f32[s0,4]) where s0 in [1,inf] {
    %i: i64[s0] = aten.arange.default(s0)
    %z: i64[s0] = aten.mul.Scalar(%i, 0)
    %c: i64[s0,1] = aten.view.default(%z, [s0, 1])
    %y: f32[s0,4] = aten.add.Tensor(%x, %c)
    return %y
  })",
                                 {fold_uniform}, {{"s0", 3}});
  EXPECT_EQ(graph.nodes().size(), 4U);
}

}  // namespace
}  // namespace aitune
