#include "compiler/passes/fuse.h"

#include "compiler/passes/cleanup.h"
#include "compiler/passes/testing.h"

namespace aitune {
namespace {

using namespace testing_passes;

TEST(FuseLinear, ProductsWithConstants) {
  const Graph graph = check_lowering(R"(graph(%x: f32[s0,4]) where s0 in [1,8] {
    weight %w: f32[4,3] "w" = random(1)
    weight %b: f32[3] "b" = random(2)
    %y: f32[s0,3] = aten.addmm.default(%b, %x, %w)
    return %y
  })",
                                     {{"s0", 3}});
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.linear.default"));
  EXPECT_EQ(graph.nodes().front()->args[1].value()->data.shape(), (Shape{3, 4}));
}

TEST(FuseLinear, ATransposedWeightIsTakenAsItIs) {
  const Graph graph = check_lowering(R"(graph(%x: f32[2,5,4]) {
    weight %w: f32[3,4] "w" = random(1)
    %t: f32[4,3] = aten.t.default(%w)
    %y: f32[2,5,3] = aten.matmul.default(%x, %t)
    return %y
  })");
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.linear.default"));
}

TEST(FuseLinear, ABatchedProductWithOneMatrix) {
  const Graph graph = check_lowering(R"(graph(%x: f32[5,s0,4]) where s0 in [1,8] {
    weight %w: f32[3,4] "w" = random(1)
    %t: f32[4,3] = aten.permute.default(%w, [1, 0])
    %e: f32[5,4,3] = aten.expand.default(%t, [5, 4, 3])
    %y: f32[5,s0,3] = aten.bmm.default(%x, %e)
    return %y
  })",
                                     {{"s0", 3}});
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.linear.default"));
}

TEST(MergeLinears, QueryKeyAndValueAreOneProduct) {
  const Graph graph = check_lowering(R"(graph(%x: f32[s0,5,4]) where s0 in [1,8] {
    weight %wq: f32[4,4] "q" = random(1)
    weight %wk: f32[2,4] "k" = random(2)
    weight %wv: f32[2,4] "v" = random(3)
    weight %bq: f32[4] "qb" = random(4)
    weight %bk: f32[2] "kb" = random(5)
    weight %bv: f32[2] "vb" = random(6)
    %q: f32[s0,5,4] = aten.linear.default(%x, %wq, %bq)
    %k: f32[s0,5,2] = aten.linear.default(%x, %wk, %bk)
    %v: f32[s0,5,2] = aten.linear.default(%x, %wv, %bv)
    return %q, %k, %v
  })",
                                     {{"s0", 3}});
  EXPECT_THAT(ops_of(graph),
              ElementsAre("aten.linear.default", "aten.slice.Tensor", "aten.slice.Tensor", "aten.slice.Tensor"));
}

TEST(FuseActivations, GeluOfGpt2) {
  const Graph graph = check_lowering(R"(graph(%x: f32[s0,7]) where s0 in [1,8] {
    %half: f32[s0,7] = aten.mul.Scalar(%x, 0.5)
    %cube: f32[s0,7] = aten.pow.Tensor_Scalar(%x, 3.0)
    %c: f32[s0,7] = aten.mul.Scalar(%cube, 0.044715)
    %sum: f32[s0,7] = aten.add.Tensor(%x, %c)
    %in: f32[s0,7] = aten.mul.Scalar(%sum, 0.7978845608028654)
    %t: f32[s0,7] = aten.tanh.default(%in)
    %one: f32[s0,7] = aten.add.Scalar(%t, 1.0)
    %y: f32[s0,7] = aten.mul.Tensor(%half, %one)
    return %y
  })",
                                     {{"s0", 3}});
  ASSERT_THAT(ops_of(graph), ElementsAre("aten.gelu.default"));
  EXPECT_EQ(graph.nodes().front()->args[1].string(), "tanh");
}

TEST(FuseActivations, GeluByErf) {
  const Graph graph = check_lowering(R"(graph(%x: f32[5,7]) {
    %in: f32[5,7] = aten.div.Scalar(%x, 1.4142135623730951)
    %t: f32[5,7] = aten.erf.default(%in)
    %one: f32[5,7] = aten.add.Scalar(%t, 1.0)
    %p: f32[5,7] = aten.mul.Tensor(%x, %one)
    %y: f32[5,7] = aten.mul.Scalar(%p, 0.5)
    return %y
  })");
  ASSERT_THAT(ops_of(graph), ElementsAre("aten.gelu.default"));
  EXPECT_EQ(graph.nodes().front()->args[1].string(), "none");
}

TEST(FuseActivations, ANearMissStays) {
  const Graph graph = check_lowering(R"(graph(%x: f32[5,7]) {
    %in: f32[5,7] = aten.div.Scalar(%x, 1.5)
    %t: f32[5,7] = aten.erf.default(%in)
    %one: f32[5,7] = aten.add.Scalar(%t, 1.0)
    %p: f32[5,7] = aten.mul.Tensor(%x, %one)
    %y: f32[5,7] = aten.mul.Scalar(%p, 0.5)
    return %y
  })");
  EXPECT_THAT(ops_of(graph), Contains("aten.erf.default"));
}

TEST(FuseActivations, GatedByThemselves) {
  EXPECT_THAT(ops_of(check_lowering(R"(graph(%x: f32[5,7]) {
    %s: f32[5,7] = aten.sigmoid.default(%x)
    %y: f32[5,7] = aten.mul.Tensor(%s, %x)
    return %y
  })")),
              ElementsAre("aten.silu.default"));
  EXPECT_THAT(ops_of(check_lowering(R"(graph(%x: f32[5,7]) {
    %s: f32[5,7] = aten.add.Scalar(%x, 3)
    %c: f32[5,7] = aten.relu6.default(%s)
    %d: f32[5,7] = aten.div.Scalar(%c, 6)
    %y: f32[5,7] = aten.mul.Tensor(%x, %d)
    return %y
  })")),
              ElementsAre("aten.hardswish.default"));
  EXPECT_THAT(ops_of(check_lowering(R"(graph(%x: f32[5,7]) {
    %s: f32[5,7] = aten.add.Scalar(%x, 3)
    %c: f32[5,7] = aten.hardtanh.default(%s, 0, 6)
    %p: f32[5,7] = aten.mul.Tensor(%x, %c)
    %y: f32[5,7] = aten.div.Scalar(%p, 6)
    return %y
  })")),
              ElementsAre("aten.hardswish.default"));
}

TEST(FuseLayerNorm, WrittenOut) {
  const Graph graph = check_lowering(R"(graph(%x: f32[s0,5,8]) where s0 in [1,8] {
    weight %w: f32[8] "w" = random(1)
    weight %b: f32[8] "b" = random(2)
    %mean: f32[s0,5,1] = aten.mean.dim(%x, [-1], True)
    %d: f32[s0,5,8] = aten.sub.Tensor(%x, %mean)
    %sq: f32[s0,5,8] = aten.pow.Tensor_Scalar(%d, 2)
    %var: f32[s0,5,1] = aten.mean.dim(%sq, [-1], True)
    %e: f32[s0,5,1] = aten.add.Scalar(%var, 1e-6)
    %r: f32[s0,5,1] = aten.sqrt.default(%e)
    %n: f32[s0,5,8] = aten.div.Tensor(%d, %r)
    %m: f32[s0,5,8] = aten.mul.Tensor(%w, %n)
    %y: f32[s0,5,8] = aten.add.Tensor(%m, %b)
    return %y
  })",
                                     {{"s0", 2}});
  ASSERT_THAT(ops_of(graph), ElementsAre("aten.layer_norm.default"));
  EXPECT_FALSE(graph.nodes().front()->args[2].is_none());
  EXPECT_FALSE(graph.nodes().front()->args[3].is_none());
}

constexpr const char* kAttentionHead =
    R"(graph(%q: f32[s0,2,5,4], %k: f32[s0,2,6,4], %v: f32[s0,2,6,3], %mask: f32[s0,1,1,6]) where s0 in [1,8] {
    weight %kept: bool[5,6] "kept" = splat(1)
    weight %low: f32[] "low" = splat(-3e38)
    %kt: f32[s0,2,4,6] = aten.transpose.int(%k, -2, -1)
    %s: f32[s0,2,5,6] = aten.matmul.default(%q, %kt)
    %c: f32[s0,2,5,6] = aten.div.Scalar(%s, 2.0)
)";

TEST(FuseAttention, WithAddedMask) {
  const Graph graph = check_lowering(std::string(kAttentionHead) + R"(
    %m: f32[s0,2,5,6] = aten.add.Tensor(%c, %mask)
    %p: f32[s0,2,5,6] = aten.softmax.int(%m, -1)
    %y: f32[s0,2,5,3] = aten.matmul.default(%p, %v)
    return %y
  })",
                                     {{"s0", 2}});
  // Rows without any score are NaN here, and 0 in fused attention.
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.scaled_dot_product_attention.default", "aten.ne.Scalar", "aten.any.dim",
                                         "aten.where.self"));
}

TEST(FuseAttention, WithSelectedScores) {
  const Graph graph = check_lowering(std::string(kAttentionHead) + R"(
    %m: f32[s0,2,5,6] = aten.where.self(%kept, %c, %low)
    %p: f32[s0,2,5,6] = aten.softmax.int(%m, -1)
    %y: f32[s0,2,5,3] = aten.matmul.default(%p, %v)
    return %y
  })",
                                     {{"s0", 2}});
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.scaled_dot_product_attention.default"));
}

/// What run_decompositions makes of scaled_dot_product_attention.
TEST(FuseAttention, SafeSoftmax) {
  const Graph graph =
      check_lowering(R"(graph(%q: f32[s0,2,5,4], %k: f32[s0,2,6,4], %v: f32[s0,2,6,3]) where s0 in [1,8] {
    %kt: f32[s0,2,4,6] = aten.permute.default(%k, [0, 1, 3, 2])
    %qs: f32[s0,2,5,4] = aten.mul.Scalar(%q, 0.7)
    %ks: f32[s0,2,4,6] = aten.mul.Scalar(%kt, 0.7)
    %qv: f32[2*s0,5,4] = aten.view.default(%qs, [2*s0, 5, 4])
    %kv: f32[2*s0,4,6] = aten.view.default(%ks, [2*s0, 4, 6])
    %b: f32[2*s0,5,6] = aten.bmm.default(%qv, %kv)
    %s: f32[s0,2,5,6] = aten.view.default(%b, [s0, 2, 5, 6])
    %p: f32[s0,2,5,6] = aten._softmax.default(%s, -1, False)
    %e: bool[s0,2,5,6] = aten.eq.Scalar(%s, -inf)
    %f: bool[s0,2,5,6] = aten.logical_not.default(%e)
    %a: bool[s0,2,5,1] = aten.any.dim(%f, -1, True)
    %n: bool[s0,2,5,1] = aten.logical_not.default(%a)
    %z: f32[s0,2,5,6] = aten.full_like.default(%p, 0)
    %w: f32[s0,2,5,6] = aten.where.self(%n, %z, %p)
    %y: f32[s0,2,5,3] = aten.matmul.default(%w, %v)
    return %y
  })",
                     {{"s0", 2}});
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.scaled_dot_product_attention.default"));
}

TEST(FuseAttention, WithTheMaskFirst) {
  const Graph graph = check_lowering(std::string(kAttentionHead) + R"(
    weight %never: f32[] "never" = [-inf]
    weight %dropped: bool[5,6] "dropped" = [0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]
    %m: f32[s0,2,5,6] = aten.where.self(%dropped, %never, %c)
    %p: f32[s0,2,5,6] = aten.softmax.int(%m, -1)
    %y: f32[s0,2,5,3] = aten.matmul.default(%p, %v)
    return %y
  })",
                                     {{"s0", 2}});
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.scaled_dot_product_attention.default"));
}

TEST(FuseAttention, WeightsThatLeaveTheGraphPreventIt) {
  const Graph graph = check_lowering(std::string(kAttentionHead) + R"(
    %p: f32[s0,2,5,6] = aten.softmax.int(%c, -1)
    %y: f32[s0,2,5,3] = aten.matmul.default(%p, %v)
    return %y, %p
  })",
                                     {{"s0", 2}});
  EXPECT_THAT(ops_of(graph), Contains("aten._softmax.default"));
}

constexpr const char* kBatchNorm = R"(
    weight %g: f32[6] "bn.weight" = random(3)
    weight %h: f32[6] "bn.bias" = random(4)
    weight %m: f32[6] "bn.running_mean" = random(5)
    weight %s: f32[6] "bn.running_var" = splat(0.7)
)";

TEST(FoldBatchNorm, IntoTheConvolution) {
  const Graph graph = check_lowering(std::string(R"(graph(%x: f32[s0,4,5,5]) where s0 in [1,8] {
    weight %w: f32[6,2,3,3] "conv.weight" = random(1))") +
                                         kBatchNorm + R"(
    %c: f32[s0,6,5,5] = aten.conv2d.default(%x, %w, None, [1, 1], [1, 1], [1, 1], 2)
    %n: f32[s0,6,5,5] = aten.batch_norm.default(%c, %g, %h, %m, %s, False, 0.1, 1e-5, True)
    %y: f32[s0,6,5,5] = aten.relu_.default(%n)
    return %y
  })",
                                     {{"s0", 2}});
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.convolution.default", "aten.relu.default"));
}

TEST(FoldBatchNorm, IntoTheTransposedConvolution) {
  const Graph graph = check_lowering(std::string(R"(graph(%x: f32[2,4,5,5]) {
    weight %w: f32[4,6,2,2] "conv.weight" = random(1)
    weight %b: f32[6] "conv.bias" = random(2))") +
                                     kBatchNorm + R"(
    %c: f32[2,6,10,10] = aten.conv_transpose2d.input(%x, %w, %b, [2, 2])
    %y: f32[2,6,10,10] = aten.batch_norm.default(%c, %g, %h, %m, %s, False, 0.1, 1e-5, True)
    return %y
  })");
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.convolution.default", "aten.view.default", "aten.permute.default",
                                         "aten.view.default", "aten.add.Tensor"));
}

TEST(UntransposeConvolutions, EveryGeometry) {
  for (const char* arguments : {"[1, 1], [0, 0], [0, 0], 1", "[2, 2], [1, 1], [1, 1], 1", "[3, 2], [0, 2], [2, 0], 1",
                                "[2, 3], [1, 0], [0, 2], 2", "[4, 4], [0, 0], [3, 3], 2"}) {
    SCOPED_TRACE(arguments);
    const bool grouped = std::string_view(arguments).ends_with("2");
    const Graph graph =
        check_lowering(std::string("graph(%x: f32[s0,4,5,3]) where s0 in [1,4] {\n") +
                           "weight %w: f32[4,6,3,4] \"w\" = random(1)\nweight %b: f32[" + (grouped ? "12" : "6") +
                           "] \"b\" = random(2)\n" + "%y = aten.conv_transpose2d.input(%x, %w, %b, " +
                           std::string(arguments).substr(0, std::string_view(arguments).size() - 1) +
                           (grouped ? "2" : "1") + ")\nreturn %y\n}",
                       {{"s0", 2}});
    for (const auto& node : graph.nodes()) {
      if (node->op_name() == "aten.convolution.default") {
        EXPECT_FALSE(node->args[6].boolean());
      }
    }
  }
}

TEST(FoldBatchNorm, AConvolutionThatOthersReadStays) {
  const Graph graph = check_lowering(std::string(R"(graph(%x: f32[2,4,5,5]) {
    weight %w: f32[6,4,1,1] "conv.weight" = random(1))") +
                                     kBatchNorm + R"(
    %c: f32[2,6,5,5] = aten.conv2d.default(%x, %w)
    %y: f32[2,6,5,5] = aten.batch_norm.default(%c, %g, %h, %m, %s, False, 0.1, 1e-5, True)
    return %y, %c
  })");
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.convolution.default", "aten.mul.Tensor", "aten.add.Tensor"));
}

TEST(FoldScales, LayerScaleBehindAPermute) {
  const Graph graph = check_lowering(R"(graph(%x: f32[2,5,5,4]) {
    weight %w: f32[6,4] "w" = random(1)
    weight %b: f32[6] "b" = random(2)
    weight %scale: f32[6,1,1] "layer_scale" = random(3)
    %l: f32[2,5,5,6] = aten.linear.default(%x, %w, %b)
    %p: f32[2,6,5,5] = aten.permute.default(%l, [0, 3, 1, 2])
    %y: f32[2,6,5,5] = aten.mul.Tensor(%scale, %p)
    return %y
  })");
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.linear.default", "aten.permute.default"));
}

TEST(FoldScales, AConstantAlongAnotherDimensionStays) {
  const Graph graph = check_lowering(R"(graph(%x: f32[2,6,4]) {
    weight %w: f32[6,4] "w" = random(1)
    weight %scale: f32[6,1] "scale" = random(3)
    %l: f32[2,6,6] = aten.linear.default(%x, %w)
    %y: f32[2,6,6] = aten.mul.Tensor(%l, %scale)
    return %y
  })");
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.linear.default", "aten.mul.Tensor"));
}

TEST(FoldScales, ScalarsInEitherOrder) {
  const Graph graph = check_lowering(R"(graph(%x: f32[2,4]) {
    weight %w: f32[6,4] "w" = random(1)
    weight %c: f32[6] "c" = random(2)
    %l: f32[2,6] = aten.linear.default(%x, %w)
    %d: f32[2,6] = aten.div.Scalar(%l, 8.0)
    %y: f32[2,6] = aten.sub.Tensor(%c, %d)
    return %y
  })");
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.linear.default"));
}

TEST(FoldScales, FactorsThatOverflowStayWhereTheyAre) {
  const Graph graph = check_lowering(R"(graph(%x: f32[2,4]) {
    weight %w: f32[6,4] "w" = random(1)
    weight %b: f32[6] "b" = random(2)
    %l: f32[2,6] = aten.linear.default(%x, %w, %b)
    %m: f32[2,6] = aten.mul.Scalar(%l, 1e38)
    %y: f32[2,6] = aten.mul.Scalar(%m, 1e-30)
    %z: f32[2,6] = aten.mul.Scalar(%y, 0.5)
    return %z
  })");
  EXPECT_THAT(ops_of(graph),
              ElementsAre("aten.linear.default", "aten.mul.Scalar", "aten.mul.Scalar", "aten.mul.Scalar"));
}

}  // namespace
}  // namespace aitune
