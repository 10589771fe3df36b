#include "compiler/passes/widen_halves.h"

#include "compiler/passes/cleanup.h"
#include "compiler/passes/testing.h"

namespace aitune {
namespace {

using namespace testing_passes;

Graph widened(std::string_view text, double tolerance) {
  return check_pass(text, {widen_halves, eliminate_dead_code}, {}, tolerance);
}

TEST(WidenHalves, AChainIsRoundedOnceAtItsEnd) {
  for (const std::string_view half : {"f16", "bf16"}) {
    std::string text = R"(graph(%x: T[2,8]) {
      weight %w: T[4,8] "w" = random(1)
      weight %b: T[4] "b" = random(2)
      %p: T[2,4] = aten.linear.default(%x, %w, %b)
      %r: T[2,4] = aten.relu.default(%p)
      %s: T[2,2] = aten.slice.Tensor(%r, 1, 0, 2, 1)
      %y: T[2,2] = aten._softmax.default(%s, -1, False)
      return %y
    })";
    for (std::size_t at = 0; (at = text.find("T[", at)) != std::string::npos; at += half.size())
      text.replace(at, 1, half);
    const Graph graph = widened(text, half == "f16" ? 2e-3 : 2e-2);
    EXPECT_THAT(ops_of(graph), ElementsAre("aten._to_copy.default", "aten._to_copy.default", "aten._to_copy.default",
                                           "aten.linear.default", "aten.relu.default", "aten.slice.Tensor",
                                           "aten._softmax.default", "aten._to_copy.default"));
    EXPECT_EQ(graph.outputs.front()->type.dtype, half == "f16" ? DType::f16 : DType::bf16);
  }
}

TEST(WidenHalves, WhatIsNeverComputedStaysAsItIs) {
  const Graph graph = widened(R"(graph(%x: bf16[3,4], %i: i64[2]) {
    weight %table: bf16[9,4] "table" = random(1)
    %e: bf16[2,4] = aten.embedding.default(%table, %i)
    %c: bf16[5,4] = aten.cat.default([%x, %e], 0)
    return %c
  })",
                              0);
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.embedding.default", "aten.cat.default"));
}

// sort, floor and comparisons see the numbers that the model names, with their ties.
TEST(WidenHalves, WhatTellsNeighboursApartSeesRoundedNumbers) {
  const Graph graph = widened(R"(graph(%x: bf16[64], %z: bf16[64]) {
    %m: bf16[64] = aten.mul.Tensor(%x, %z)
    %f: bf16[64] = aten.floor.default(%m)
    %i: i64[] = aten.argmax.default(%m)
    %g: bool[64] = aten.gt.Tensor(%m, %x)
    return %f, %i, %g
  })",
                              0);
  EXPECT_THAT(ops_of(graph),
              ElementsAre("aten._to_copy.default", "aten._to_copy.default", "aten.mul.Tensor", "aten._to_copy.default",
                          "aten.floor.default", "aten.argmax.default", "aten.gt.Tensor"));
}

TEST(WidenHalves, CastsInsideOfAHalfModelGo) {
  const Graph graph = widened(R"(graph(%x: bf16[4,8]) {
    weight %w: bf16[8] "w" = random(1)
    %f: f32[4,8] = aten._to_copy.default(%x, dtype=f32)
    %s: f32[4,8] = aten.mul.Tensor(%f, %f)
    %h: bf16[4,8] = aten._to_copy.default(%s, dtype=bf16)
    %y: bf16[4,8] = aten.mul.Tensor(%h, %w)
    return %y
  })",
                              2e-2);
  EXPECT_THAT(ops_of(graph), ElementsAre("aten._to_copy.default", "aten.mul.Tensor", "aten._to_copy.default",
                                         "aten.mul.Tensor", "aten._to_copy.default"));
}

// A model in f32 that rounds on purpose is rounded.
TEST(WidenHalves, ARoundingThatIsMeantStays) {
  const Graph graph = widened(R"(graph(%x: f32[64]) {
    %h: bf16[64] = aten._to_copy.default(%x, dtype=bf16)
    %y: f32[64] = aten._to_copy.default(%h, dtype=f32)
    %d: f32[64] = aten.sub.Tensor(%x, %y)
    return %d
  })",
                              0);
  EXPECT_THAT(ops_of(graph), ElementsAre("aten._to_copy.default", "aten._to_copy.default", "aten.sub.Tensor"));
}

TEST(WidenHalves, RegionsKeepTheirTypes) {
  const Graph graph = widened(R"(graph(%p: bool[], %x: f16[4]) {
    %y = higher_order.cond(%p, [%x])
    region(%a: f16[4]) {
      %e = aten.exp.default(%a)
      return %e
    }
    region(%a: f16[4]) {
      return %a
    }
    return %y
  })",
                              2e-3);
  const Graph& region = *graph.nodes().front()->regions.front();
  EXPECT_THAT(ops_of(region), ElementsAre("aten._to_copy.default", "aten.exp.default", "aten._to_copy.default"));
}

TEST(WidenHalves, HoldsBf16) {
  EXPECT_TRUE(holds_bf16(parse_graph("graph(%x: bf16[4]) { return %x }")));
  EXPECT_FALSE(holds_bf16(parse_graph("graph(%x: f16[4]) { return %x }")));
}

}  // namespace
}  // namespace aitune
