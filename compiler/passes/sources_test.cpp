// The model's own nodes, kept through rewriting.

#include "compiler/passes/pipeline.h"
#include "compiler/passes/testing.h"

namespace aitune {
namespace {

using namespace testing_passes;

/// The lowered graph of a program whose nodes were noted, each with the names of the model's nodes that it computes.
std::vector<std::pair<std::string, std::vector<std::string>>> lowered_sources(std::string_view text) {
  Graph graph = parse_graph(text);
  note_model_nodes(graph);
  lower(graph, default_options());
  std::vector<std::pair<std::string, std::vector<std::string>>> rows;
  for (const auto& node : graph.nodes()) {
    rows.emplace_back(node->op_name(), std::vector<std::string>());
    for (const auto& origin : node->source.nodes) rows.back().second.push_back(origin->name);
  }
  return rows;
}

TEST(ModelNodes, AFoldedNormBelongsToItsConvolution) {
  const auto rows = lowered_sources(R"(graph(%x: f32[1,2,4,4]) {
    weight %w: f32[2,2,3,3] "w" = random(1)
    weight %m: f32[2] "m" = random(2)
    weight %v: f32[2] "v" = splat(1.5)
    %c: f32[1,2,4,4] = aten.conv2d.default(%x, %w, None, [1, 1], [1, 1], [1, 1], 1)
    %n: f32[1,2,4,4] = aten.batch_norm.default(%c, None, None, %m, %v, False, 0.1, 0.00001, True)
    %r: f32[1,2,4,4] = aten.relu.default(%n)
    return %r
  })");
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_THAT(rows[0].second, ElementsAre("c", "n"));
  EXPECT_THAT(rows[1].second, ElementsAre("r"));
}

TEST(ModelNodes, APatternHasAllOfItsNodesAndNoneInFrontOfIt) {
  const auto rows = lowered_sources(R"(graph(%x: f32[3,4]) {
    weight %w: f32[5,4] "w" = random(1)
    weight %b: f32[5] "b" = random(2)
    %a: f32[3,4] = aten.tanh.default(%x)
    %t: f32[4,5] = aten.t.default(%w)
    %p: f32[3,5] = aten.mm.default(%a, %t)
    %s: f32[3,5] = aten.add.Tensor(%p, %b)
    return %s
  })");
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_THAT(rows[0].second, ElementsAre("a"));
  EXPECT_EQ(rows[1].first, "aten.linear.default");
  EXPECT_THAT(rows[1].second, testing::IsSupersetOf({"p", "s"}));
  EXPECT_THAT(rows[1].second, Not(Contains("a")));
}

TEST(ModelNodes, WhatIsMergedNamesAllOfIt) {
  const auto rows = lowered_sources(R"(graph(%x: f32[3,5,4]) {
    weight %wq: f32[4,4] "q" = random(1)
    weight %wk: f32[2,4] "k" = random(2)
    %q: f32[3,5,4] = aten.linear.default(%x, %wq)
    %k: f32[3,5,2] = aten.linear.default(%x, %wk)
    return %q, %k
  })");
  ASSERT_FALSE(rows.empty());
  EXPECT_EQ(rows[0].first, "aten.linear.default");
  EXPECT_THAT(rows[0].second, ElementsAre("q", "k"));
}

TEST(ModelNodes, EqualNodesAreOneThatNamesBoth) {
  const auto rows = lowered_sources(R"(graph(%x: f32[3]) {
    %a: f32[3] = aten.sin.default(%x)
    %b: f32[3] = aten.sin.default(%x)
    %c: f32[3] = aten.mul.Tensor(%a, %b)
    return %c
  })");
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_THAT(rows[0].second, ElementsAre("a", "b"));
}

TEST(ModelNodes, AreNotedOnceAndCloned) {
  Graph graph = parse_graph("graph(%x: f32[3]) {\n %a: f32[3] = aten.sin.default(%x) # layer\n return %a\n}");
  note_model_nodes(graph);
  const Graph copy = graph.clone();
  note_model_nodes(graph);
  for (const Graph* each : {static_cast<const Graph*>(&graph), &copy}) {
    const auto& nodes = each->nodes().front()->source.nodes;
    ASSERT_EQ(nodes.size(), 1U);
    EXPECT_EQ(nodes[0]->name, "a");
    EXPECT_EQ(nodes[0]->op, "aten.sin.default");
    EXPECT_EQ(nodes[0]->module, "layer");
  }
}

}  // namespace
}  // namespace aitune
