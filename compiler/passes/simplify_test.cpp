#include "compiler/passes/simplify.h"

#include "compiler/passes/testing.h"

namespace aitune {
namespace {

using namespace testing_passes;

Graph simplified(std::string_view text, const SymValues& symbols = {}) { return check_pass(text, {simplify}, symbols); }

TEST(Simplify, ChainsOfMovement) {
  EXPECT_THAT(ops_of(simplified(R"(graph(%x: f32[s0,4,6]) where s0 in [1,4] {
    %a: f32[4*s0,6] = aten.view.default(%x, [4*s0, 6])
    %b: f32[24*s0] = aten.view.default(%a, [24*s0])
    %c: f32[s0,4,6] = aten.view.default(%b, [s0, 4, 6])
    return %c
  })",
                                {{"s0", 2}})),
              ElementsAre());
  EXPECT_THAT(ops_of(simplified(R"(graph(%x: f32[2,4,6]) {
    %a: f32[6,2,4] = aten.permute.default(%x, [2, 0, 1])
    %b: f32[4,6,2] = aten.permute.default(%a, [2, 0, 1])
    return %b
  })")),
              ElementsAre("aten.permute.default"));
  EXPECT_THAT(ops_of(simplified(R"(graph(%x: f32[2,1,6]) {
    %a: f32[1,2,6] = aten.permute.default(%x, [1, 0, 2])
    return %a
  })")),
              ElementsAre("aten.view.default"));
  EXPECT_THAT(ops_of(simplified(R"(graph(%x: f32[2,8]) {
    %a: f32[2,5] = aten.slice.Tensor(%x, 1, 2, 7, 1)
    %b: f32[2,2] = aten.slice.Tensor(%a, 1, 1, 3, 1)
    return %b
  })")),
              ElementsAre("aten.slice.Tensor"));
  EXPECT_THAT(ops_of(simplified(R"(graph(%x: f32[2,8], %z: f32[2,3]) {
    %a: f32[2,11] = aten.cat.default([%x, %z], 1)
    %b: f32[2,3] = aten.slice.Tensor(%a, 1, 8, 11, 1)
    return %b
  })")),
              ElementsAre());
}

TEST(Simplify, LinearKeepsItsLeadingDimensions) {
  const Graph graph = simplified(R"(graph(%x: f32[s0,5,4]) where s0 in [1,4] {
    weight %w: f32[3,4] "w" = random(1)
    %a: f32[5*s0,4] = aten.view.default(%x, [5*s0, 4])
    %b: f32[5*s0,3] = aten.linear.default(%a, %w)
    %c: f32[s0,5,3] = aten.view.default(%b, [s0, 5, 3])
    return %c
  })",
                                 {{"s0", 2}});
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.linear.default"));
}

TEST(Simplify, ViewsPassLinears) {
  const Graph graph = simplified(R"(graph(%x: f32[1,5,4]) {
    weight %w: f32[8,4] "w" = random(1)
    weight %v: f32[3,8] "v" = random(2)
    %a: f32[5,1,4] = aten.view.default(%x, [5, 1, 4])
    %b: f32[5,1,8] = aten.linear.default(%a, %w)
    %c: f32[5,8] = aten.view.default(%b, [5, 8])
    %d: f32[5,3] = aten.linear.default(%c, %v)
    %e: f32[1,5,3] = aten.view.default(%d, [1, 5, 3])
    return %e
  })");
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.linear.default", "aten.linear.default"));
}

TEST(Simplify, CastsOnlyWhereNothingIsLost) {
  EXPECT_THAT(ops_of(simplified(R"(graph(%x: f32[8]) {
    %a: f64[8] = aten._to_copy.default(%x, dtype=f64)
    %b: f32[8] = aten._to_copy.default(%a, dtype=f32)
    return %b
  })")),
              ElementsAre());
  EXPECT_EQ(simplified(R"(graph(%x: f32[8]) {
    %a: bf16[8] = aten._to_copy.default(%x, dtype=bf16)
    %b: f32[8] = aten._to_copy.default(%a, dtype=f32)
    return %b
  })")
                .nodes()
                .size(),
            2U);
}

TEST(Simplify, NeutralElements) {
  EXPECT_THAT(ops_of(simplified(R"(graph(%x: f32[2,8]) {
    weight %one: f32[8] "one" = splat(1)
    weight %zero: f32[2,8] "zero" = splat(0)
    weight %c: f32[] "c" = splat(1)
    %a: f32[2,8] = aten.mul.Scalar(%x, 1)
    %b: f32[2,8] = aten.add.Scalar(%a, 0.0)
    %d: f32[2,8] = aten.mul.Tensor(%one, %b)
    %e: f32[2,8] = aten.sub.Tensor(%d, %zero)
    %f: f32[2,8] = aten.div.Tensor(%e, %c)
    return %f
  })")),
              ElementsAre());
}

TEST(Simplify, NeutralElementsThatChangeTheTypeStay) {
  EXPECT_EQ(simplified(R"(graph(%x: i64[8]) {
    %a: f32[8] = aten.mul.Scalar(%x, 1.0)
    return %a
  })")
                .nodes()
                .size(),
            1U);
  EXPECT_EQ(simplified(R"(graph(%x: f32[8]) {
    weight %zero: f32[2,8] "zero" = splat(0)
    %a: f32[2,8] = aten.add.Tensor(%x, %zero)
    return %a
  })")
                .nodes()
                .size(),
            1U);
}

TEST(Simplify, OneElementConstantsBecomeScalars) {
  const Graph graph = simplified(R"(graph(%x: f32[2,8], %i: i64[3]) {
    weight %c: f32[1] "c" = splat(2.5)
    weight %k: i64[] "k" = splat(7)
    %a: f32[2,8] = aten.mul.Tensor(%c, %x)
    %b: bool[3] = aten.lt.Tensor(%i, %k)
    return %a, %b
  })");
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.mul.Scalar", "aten.lt.Scalar"));
}

TEST(Simplify, ClampsOfBothSidesMerge) {
  EXPECT_THAT(ops_of(simplified(R"(graph(%x: f32[8]) {
    %a: f32[8] = aten.clamp.default(%x, -0.5, None)
    %b: f32[8] = aten.clamp.default(%a, None, 0.5)
    return %b
  })")),
              ElementsAre("aten.clamp.default"));
  EXPECT_EQ(simplified(R"(graph(%x: f32[8]) {
    %a: f32[8] = aten.clamp.default(%x, 0.5, None)
    %b: f32[8] = aten.clamp.default(%a, None, -0.5)
    %c: f32[8] = aten.clamp.default(%b, None, -0.7)
    return %c
  })")
                .nodes()
                .size(),
            3U);
}

TEST(Simplify, BroadcastsMoveBelowArithmetic) {
  const Graph graph = simplified(R"(graph(%x: f32[s0,8], %y: f32[8]) where s0 in [1,4] {
    %a: f32[s0,8] = aten.expand.default(%y, [s0, 8])
    %b: f32[s0,8] = aten.exp.default(%a)
    %c: f32[s0,8] = aten.add.Tensor(%x, %b)
    return %c
  })",
                                 {{"s0", 3}});
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.exp.default", "aten.add.Tensor"));
}

TEST(Simplify, GatheringEverythingIsAView) {
  EXPECT_THAT(ops_of(simplified(R"(graph(%x: bool[s0,5]) where s0 in [1,4] {
    weight %j: i64[5] "j" = [0, 1, 2, 3, 4]
    weight %yes: bool[1,1,5,1] "yes" = splat(1)
    %i: i64[s0] = aten.arange.default(s0)
    %iv: i64[s0,1,1,1] = aten.view.default(%i, [s0, 1, 1, 1])
    %jv: i64[1,1,5] = aten.view.default(%j, [1, 1, 5])
    %g: bool[s0,1,1,5] = aten.index.Tensor(%x, [%iv, %jv])
    %y: bool[s0,1,5,5] = aten.bitwise_and.Tensor(%yes, %g)
    return %y
  })",
                                {{"s0", 3}})),
              ElementsAre("aten.view.default", "aten.expand.default"));
  EXPECT_THAT(ops_of(simplified(R"(graph(%x: f32[3,3]) {
    weight %i: i64[3] "i" = [0, 1, 2]
    %g: f32[3] = aten.index.Tensor(%x, [%i, %i])
    return %g
  })")),
              ElementsAre("aten.index.Tensor"));
}

TEST(Simplify, MasksOfAttention) {
  const auto attention = [](const std::string& mask) {
    return "graph(%q: f32[s0,2,3,4], %k: f32[s0,2,3,4], %v: f32[s0,2,3,4]) where s0 in [1,4] {\n" + mask +
           "%e: bool[s0,2,3,3] = aten.expand.default(%m, [s0, 2, 3, 3])\n"
           "%y: f32[s0,2,3,4] = aten.scaled_dot_product_attention.default(%q, %k, %v, %e)\nreturn %y\n}";
  };
  const Graph none = simplified(attention("weight %m: bool[1,1,3,1] \"m\" = splat(1)\n"), {{"s0", 2}});
  EXPECT_TRUE(none.nodes().back()->args[3].is_none());
  EXPECT_FALSE(none.nodes().back()->args[5].boolean());
  const Graph causal =
      simplified(attention("weight %m: bool[1,1,3,3] \"m\" = [1, 0, 0, 1, 1, 0, 1, 1, 1]\n"), {{"s0", 2}});
  EXPECT_TRUE(causal.nodes().back()->args[3].is_none());
  EXPECT_TRUE(causal.nodes().back()->args[5].boolean());
  const Graph other =
      simplified(attention("weight %m: bool[1,1,3,3] \"m\" = [1, 0, 0, 1, 1, 0, 1, 0, 1]\n"), {{"s0", 2}});
  EXPECT_THAT(ops_of(other), ElementsAre("aten.scaled_dot_product_attention.default"));
  EXPECT_EQ(other.nodes().back()->args[3].value()->kind, ValueKind::weight);
}

}  // namespace
}  // namespace aitune
