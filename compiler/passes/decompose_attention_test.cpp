#include "compiler/passes/decompose_attention.h"

#include <cmath>
#include <limits>

#include "compiler/passes/fuse.h"
#include "compiler/passes/testing.h"

namespace aitune {
namespace {

using namespace testing_passes;

constexpr std::string_view kAttention = "aten.scaled_dot_product_attention.default";

/// Spells attention out, and expects the results on these inputs, random where there are none, to stay.
Graph spelled_out(std::string_view text, const SymValues& symbols = {}, std::vector<Tensor> inputs = {}) {
  Graph graph = parse_graph(text);
  if (inputs.empty()) inputs = random_inputs(graph, symbols, 3);
  const auto expected = evaluate(graph, inputs);
  LowerOptions options = default_options();
  options.decompose_attention = true;
  decompose_attention(graph, PassContext{options});
  verify(graph, "decompose_attention");
  const auto got = evaluate(graph, inputs);
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_LT(relative_error(got[i], expected[i]), 1e-5) << i;
  return graph;
}

TEST(DecomposeAttention, EachOperatorIsANode) {
  EXPECT_THAT(ops_of(spelled_out(R"(graph(%q: f32[2,3,5,4], %k: f32[2,3,7,4], %v: f32[2,3,7,6]) {
    %y = aten.scaled_dot_product_attention.default(%q, %k, %v)
    return %y
  })")),
              ElementsAre("aten.view.default", "aten.view.default", "aten.permute.default", "aten.bmm.default",
                          "aten.view.default", "aten.mul.Scalar", "aten._softmax.default", "aten.view.default",
                          "aten.view.default", "aten.bmm.default", "aten.view.default"));
}

TEST(DecomposeAttention, MasksScalesAndCausality) {
  for (const char* arguments : {"%m, scale=0.3", "None, 0.0, True", "%b, 0.0, False, scale=2.0"}) {
    SCOPED_TRACE(arguments);
    const Graph graph = spelled_out(
        std::string(
            R"(graph(%q: f32[2,s0,4], %k: f32[2,s0,4], %v: f32[2,s0,4], %m: f32[s0,s0], %b: bool[s0,s0]) where s0 in [1,9] {
      %y = aten.scaled_dot_product_attention.default(%q, %k, %v, )") +
            arguments + ")\nreturn %y\n}",
        {{"s0", 5}});
    EXPECT_THAT(ops_of(graph), Not(Contains(kAttention)));
  }
}

TEST(DecomposeAttention, ARowWithoutAnyScoreGivesZero) {
  Tensor keep(DType::b8, {3, 3});
  for (int i = 0; i < 9; ++i) keep.as<bool>()[i] = i / 3 != 1;
  Tensor q(DType::f32, {1, 3, 4});
  for (int i = 0; i < 12; ++i) q.as<float>()[i] = static_cast<float>(i);
  spelled_out(R"(graph(%q: f32[1,3,4], %m: bool[3,3]) {
    %y = aten.scaled_dot_product_attention.default(%q, %q, %q, %m)
    return %y
  })",
              {}, {q, keep});
}

TEST(DecomposeAttention, WhatIsSpelledOutStaysSo) {
  Graph graph = parse_graph(R"(graph(%q: f32[3,5,4], %k: f32[3,5,4], %v: f32[3,5,4]) {
    %t = aten.permute.default(%k, [0, 2, 1])
    %s = aten.bmm.default(%q, %t)
    %w = aten._softmax.default(%s, 2, False)
    %y = aten.bmm.default(%w, %v)
    return %y
  })");
  LowerOptions options = default_options();
  options.decompose_attention = true;
  fuse_attention(graph, PassContext{options});
  EXPECT_THAT(ops_of(graph), Not(Contains(kAttention)));
  options.decompose_attention = false;
  fuse_attention(graph, PassContext{options});
  EXPECT_THAT(ops_of(graph), Contains(kAttention));
}

}  // namespace
}  // namespace aitune
