// Products of integers against the same computed step by step, and against the products of floats that they stand for.

#include "compiler/passes/quantise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "compiler/passes/evaluate.h"
#include "compiler/passes/rewrite.h"

namespace aitune {
namespace {

unsigned fresh_seed() {
  const unsigned seed = std::random_device{}();
  testing::Test::RecordProperty("seed", std::to_string(seed));
  return seed;
}

Tensor random_values(std::mt19937& random, Shape shape, float low, float high) {
  std::uniform_real_distribution<float> uniform(low, high);
  Tensor t(DType::f32, std::move(shape));
  for (std::int64_t i = 0; i < t.numel(); ++i) t.as<float>()[i] = uniform(random);
  return t;
}

std::size_t count(const Graph& graph, std::string_view op) {
  std::size_t found = 0;
  for (const auto& node : graph.nodes()) found += node->op_name() == op ? 1 : 0;
  return found;
}

TEST(Quantise, ZeroIsExactAndRangesAreCovered) {
  const unsigned seed = fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> uniform(-3, 3);
  for (int i = 0; i < 200; ++i) {
    const double a = std::exp(uniform(random)), b = std::exp(uniform(random));
    const double low = i % 3 == 0 ? a : -a, high = i % 3 == 1 ? -b : b;
    const TensorScale scale = TensorScale::of_range(std::min(low, high), std::max(low, high));
    EXPECT_EQ(scale.rounded(0), 0);
    if (low >= 0 && high >= 0) {
      EXPECT_EQ(scale.zero_point, 0);
    }
    for (const double v : {low, high, 0.5 * (low + high)}) {
      if (v < std::min(low, 0.0) || v > std::max(high, 0.0)) continue;
      EXPECT_NEAR(scale.rounded(static_cast<float>(v)), v, 1.01 * static_cast<double>(scale.scale))
          << low << " " << high;
    }
  }
  EXPECT_EQ(TensorScale::of_range(0, 0), TensorScale());
}

TEST(Quantise, WeightsLoseLessThanHalfAStepWhereNothingIsClipped) {
  const unsigned seed = fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  Tensor w = random_values(random, {64}, -1, 1);
  std::vector<float> rounded(w.as<float>(), w.as<float>() + 64);
  const float scale = weight_scale(rounded);
  round_weights(rounded);
  for (int i = 0; i < 64; ++i) {
    const float limit = 127 * scale, wanted = std::clamp(w.as<float>()[i], -limit, limit);
    EXPECT_NEAR(rounded[static_cast<std::size_t>(i)], wanted, 0.501F * scale);
  }
  std::vector<float> zeros(5, 0.0F);
  round_weights(zeros);
  EXPECT_EQ(zeros, std::vector<float>(5, 0.0F));
}

/// Quantised by hand: floats that are rounded, multiplied as they are.
std::vector<Tensor> with_rounded_operands(const Graph& graph, const ProductScales& scales,
                                          const std::vector<Tensor>& inputs) {
  Graph copy = graph.clone();
  rewrite(copy, [&](Inserter& insert, Node& node) -> Replacement {
    const auto scale = node.outputs.empty() ? scales.end() : scales.find(node.output()->name);
    if (scale == scales.end()) return std::nullopt;
    Tensor weight = node.args[1].value()->data.clone();
    const std::int64_t row = weight.numel() / weight.size(0);
    for (std::int64_t i = 0; i < weight.size(0); ++i)
      round_weights({weight.as<float>() + i * row, static_cast<std::size_t>(row)});
    const double s = static_cast<double>(scale->second.scale), z = scale->second.zero_point;
    Value* q = insert.call(
        "aten.round.default",
        {insert.call("aten.mul.Tensor",
                     {node.args[0], insert.scalar(DType::f32, static_cast<double>(scale->second.inverse()))})});
    q = insert.call("aten.clamp.default", {q, -z, 255 - z});
    q = insert.call("aten.mul.Tensor", {q, insert.scalar(DType::f32, s)});
    ArgList args = node.args;
    args[0] = q;
    args[1] = insert.constant(std::move(weight));
    return {{insert.call(node.op_name(), std::move(args))}};
  });
  return evaluate(copy, inputs);
}

TEST(Quantise, GivesWhatRoundedOperandsGive) {
  const unsigned seed = fresh_seed();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const Graph graph = parse_graph(R"(graph(%x: f32[2,6,9,7]) {
    weight %w1: f32[8,6,3,3] "w1" = random(1)
    weight %b1: f32[8] "b1" = random(2)
    weight %w2: f32[12,4,3,2] "w2" = random(3)
    weight %w3: f32[5,12] "w3" = random(4)
    weight %b3: f32[5] "b3" = random(5)
    %c1 = aten.convolution.default(%x, %w1, %b1, [2, 1], [1, 2], [1, 1], False, [0, 0], 1)
    %r = aten.relu.default(%c1)
    %c2 = aten.convolution.default(%r, %w2, None, [1, 1], [1, 1], [1, 2], False, [0, 0], 2)
    %p = aten.permute.default(%c2, [0, 2, 3, 1])
    %y = aten.linear.default(%p, %w3, %b3)
    return %y, %r
  })");
  ProductScales scales = {{"c1", TensorScale::of_range(-1.3, 0.9)},
                          {"c2", TensorScale::of_range(0, 14)},
                          {"y", TensorScale::of_range(-30, 25)}};
  const Graph quantised = quantise(graph, scales);
  verify(quantised, "quantise");
  EXPECT_EQ(count(quantised, "aitune.quantise.default"), 3U);
  EXPECT_EQ(count(quantised, "aitune.quantised_convolution.default"), 2U);
  EXPECT_EQ(count(quantised, "aitune.quantised_linear.default"), 1U);
  EXPECT_EQ(count(quantised, "aten.constant_pad_nd.default"), 1U) << "only where the zero point is not 0";
  EXPECT_EQ(print(parse_graph(print(quantised))), print(quantised));
  for (const auto& node : quantised.nodes())
    if (node->op_name() == "aten.permute.default") {
      EXPECT_EQ(node->output()->type.dtype, DType::u8);
    }
  const std::vector<Tensor> inputs = {random_values(random, {2, 6, 9, 7}, -1.5F, 1.1F)};
  const auto got = evaluate(quantised, inputs), expected = with_rounded_operands(graph, scales, inputs);
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_LE(relative_error(got[i], expected[i]), 2e-3) << i;
  // The second convolution may round a value the other way, where the first one's last bits differ: alone it does not.
  const ProductScales first = {{"c1", scales["c1"]}};
  EXPECT_LE(relative_error(evaluate(quantise(graph, first), inputs)[1], with_rounded_operands(graph, first, inputs)[1]),
            1e-5);
  EXPECT_LE(relative_error(got[0], evaluate(graph, inputs)[0]), 0.1);
  EXPECT_EQ(count(quantise(graph, scales, {"c2", "y"}), "aitune.quantise.default"), 1U);
  EXPECT_EQ(print(quantise(graph, {})), print(graph));
}

TEST(Quantise, OneTensorIsQuantisedOnce) {
  const Graph graph = parse_graph(R"(graph(%x: f32[3,8]) {
    weight %w: f32[4,8] "w" = random(1)
    weight %v: f32[6,8] "v" = random(2)
    %a = aten.linear.default(%x, %w, None)
    %b = aten.linear.default(%x, %v, None)
    return %a, %b
  })");
  const TensorScale one{0.01F, 3}, other{0.02F, 3};
  EXPECT_EQ(count(quantise(graph, {{"a", one}, {"b", one}}), "aitune.quantise.default"), 1U);
  EXPECT_EQ(count(quantise(graph, {{"a", one}, {"b", other}}), "aitune.quantise.default"), 2U);
}

TEST(Quantise, LeavesWhatIntegersCannotDo) {
  const Graph graph = parse_graph(R"(graph(%x: f32[1,8,5,5], %z: f32[2,6]) {
    weight %depthwise: f32[8,1,3,3] "d" = random(1)
    weight %odd: f32[4,6] "o" = random(2)
    %a = aten.convolution.default(%x, %depthwise, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 8)
    %b = aten.linear.default(%z, %odd, None)
    return %a, %b
  })");
  for (const auto& node : graph.nodes()) EXPECT_FALSE(can_quantise(*node)) << print(*node);
}

TEST(Quantise, TakesNanForZeroAndInfinityForTheEnds) {
  const Graph graph = parse_graph(R"(graph(%x: f32[5]) {
    %q = aitune.quantise.default(%x, 2.0, 10)
    return %q
  })");
  Tensor x(DType::f32, {5});
  const float values[] = {std::nanf(""), INFINITY, -INFINITY, 0.25F, 0.75F};
  std::copy_n(values, 5, x.as<float>());
  const auto q = evaluate(graph, std::vector<Tensor>{x})[0];
  const std::vector<int> expected = {0, 255, 0, 10, 12};  // halves to even
  for (int i = 0; i < 5; ++i) EXPECT_EQ(q.as<std::uint8_t>()[i], expected[static_cast<std::size_t>(i)]) << i;
}

}  // namespace
}  // namespace aitune
