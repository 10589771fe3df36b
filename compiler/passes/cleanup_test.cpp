#include "compiler/passes/cleanup.h"

#include "compiler/passes/testing.h"

namespace aitune {
namespace {

using namespace testing_passes;

TEST(DeadCode, GoesWithItsWeights) {
  const Graph graph = check_pass(R"(graph(%x: f32[2]) {
    weight %w: f32[2] "w" = splat(3)
    %a: f32[2] = aten.add.Tensor(%x, %w)
    %b: f32[2] = aten.exp.default(%a)
    %y: f32[2] = aten.relu.default(%x)
    return %y
  })",
                                 {eliminate_dead_code});
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.relu.default"));
  EXPECT_TRUE(graph.weights.empty());
  EXPECT_EQ(graph.inputs.size(), 1U);
}

TEST(CommonSubexpressions, EqualCallsMerge) {
  const Graph graph = check_pass(R"(graph(%x: f32[s0,2]) where s0 in [1,4] {
    %a: f32[2*s0] = aten.view.default(%x, [2*s0])
    %b: f32[2*s0] = aten.view.default(%x, [2*s0])
    %c: f32[2*s0] = aten.add.Scalar(%a, 1.0)
    %d: f32[2*s0] = aten.add.Scalar(%b, 1.0)
    %e: f32[2*s0] = aten.add.Scalar(%b, -1.0)
    %y: f32[2*s0] = aten.mul.Tensor(%c, %d)
    %z: f32[2*s0] = aten.mul.Tensor(%y, %e)
    return %z
  })",
                                 {eliminate_common_subexpressions}, {{"s0", 3}});
  EXPECT_EQ(graph.nodes().size(), 5U);
}

TEST(CommonSubexpressions, IntegersAndFloatsDiffer) {
  const Graph graph = check_pass(R"(graph(%x: i64[2]) {
    %a: i64[2] = aten.mul.Scalar(%x, 2)
    %b: f32[2] = aten.mul.Scalar(%x, 2.0)
    return %a, %b
  })",
                                 {eliminate_common_subexpressions});
  EXPECT_EQ(graph.nodes().size(), 2U);
}

TEST(CommonSubexpressions, EqualScalarWeightsMerge) {
  const Graph graph = check_pass(R"(graph(%x: f32[2]) {
    weight %w: f32[] "w" = splat(3)
    weight %v: f32[] "v" = splat(3)
    weight %u: f32[] "u" = splat(4)
    %a: f32[2] = aten.add.Tensor(%x, %w)
    %b: f32[2] = aten.add.Tensor(%x, %v)
    %c: f32[2] = aten.add.Tensor(%x, %u)
    return %a, %b, %c
  })",
                                 {eliminate_common_subexpressions});
  EXPECT_EQ(graph.nodes().size(), 2U);
  EXPECT_EQ(graph.outputs[0], graph.outputs[1]);
}

}  // namespace
}  // namespace aitune
