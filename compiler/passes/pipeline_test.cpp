#include "compiler/passes/pipeline.h"

#include "base/error.h"
#include "compiler/passes/testing.h"

namespace aitune {
namespace {

using namespace testing_passes;

constexpr const char* kText = R"(graph(%x: f32[s0,4]) where s0 in [1,16] {
  weight %w: f32[4,4] "w" = random(1)
  %a: f32[s0,4] = aten.linear.default(%x, %w)
  %b: f32[s0,4] = aten.add_.Tensor(%a, %x)
  %s: f32[s0,4] = aten.sigmoid.default(%a)
  %y: f32[s0,4] = aten.mul.Tensor(%a, %s)
  return %y
})";

TEST(Pipeline, EveryPassReportsAndDumps) {
  Graph graph = parse_graph(kText);
  LowerOptions options = default_options();
  std::vector<std::string> dumped;
  options.dump = [&](std::string_view pass, const Graph&) { dumped.emplace_back(pass); };
  const auto reports = lower(graph, options);
  ASSERT_EQ(reports.size(), dumped.size());
  for (std::size_t i = 0; i < reports.size(); ++i) EXPECT_EQ(reports[i].name, dumped[i]);
  EXPECT_EQ(reports.back().nodes_after, graph.nodes().size());
  EXPECT_THAT(ops_of(graph), ElementsAre("aten.linear.default", "aten.add.Tensor", "aten.silu.default"));
}

TEST(Pipeline, PassesSwitchOffByName) {
  Graph graph = parse_graph(kText);
  LowerOptions options = default_options();
  options.disabled = {"fuse_activations"};
  for (const auto& report : lower(graph, options)) EXPECT_NE(report.name, "fuse_activations");
  EXPECT_THAT(ops_of(graph), Contains("aten.sigmoid.default"));
  options.disabled = {"fuse_activation"};
  EXPECT_THROW(lower(graph, options), InvalidArgument);
}

TEST(Pipeline, LoweringTwiceChangesNothing) {
  Graph graph = parse_graph(kText);
  lower(graph, default_options());
  const auto once = ops_of(graph);
  lower(graph, default_options());
  EXPECT_EQ(ops_of(graph), once);
}

TEST(Pipeline, InputsAndWeightsMayBeOutputs) {
  const Graph graph = check_lowering(R"(graph(%x: f32[2], %unused: f32[3]) {
    weight %w: f32[2] "w" = random(1)
    %y: f32[2] = aten.add.Scalar(%x, 0)
    return %y, %w, %x
  })");
  EXPECT_EQ(graph.inputs.size(), 2U);
  EXPECT_EQ(graph.outputs[0], graph.inputs[0]);
  EXPECT_TRUE(graph.nodes().empty());
}

/// A transformer layer with a dynamic batch as torch.export writes it.
TEST(Pipeline, TransformerLayer) {
  const Graph graph = check_lowering(R"(graph(%x: f32[s0,5,8]) where s0 in [1,16] {
    weight %wq: f32[8,8] "q" = random(1)
    weight %wk: f32[8,8] "k" = random(2)
    weight %wv: f32[8,8] "v" = random(3)
    weight %wo: f32[8,8] "o" = random(4)
    weight %b: f32[8] "b" = random(5)
    weight %g: f32[8] "g" = random(6)
    %d: f32[s0,5,8] = aten.dropout.default(%x, 0.1, False)
    %q: f32[s0,5,8] = aten.linear.default(%d, %wq, %b)
    %qv: f32[s0,5,2,4] = aten.view.default(%q, [s0, 5, -1, 4])
    %qt: f32[s0,2,5,4] = aten.transpose.int(%qv, 1, 2)
    %k: f32[s0,5,8] = aten.linear.default(%d, %wk, %b)
    %kv: f32[s0,5,2,4] = aten.view.default(%k, [s0, 5, -1, 4])
    %kt: f32[s0,2,5,4] = aten.transpose.int(%kv, 1, 2)
    %v: f32[s0,5,8] = aten.linear.default(%d, %wv, %b)
    %vv: f32[s0,5,2,4] = aten.view.default(%v, [s0, 5, -1, 4])
    %vt: f32[s0,2,5,4] = aten.transpose.int(%vv, 1, 2)
    %j: i64[5] = aten.arange.default(5)
    %i: i64[5,1] = aten.unsqueeze.default(%j, 1)
    %le: bool[5,5] = aten.le.Tensor(%j, %i)
    %mask: bool[s0,1,5,5] = aten.expand.default(%le, [s0, 1, 5, 5])
    %a: f32[s0,2,5,4] = aten.scaled_dot_product_attention.default(%qt, %kt, %vt, %mask, scale=0.5)
    %at: f32[s0,5,2,4] = aten.transpose.int(%a, 1, 2)
    %ar: f32[s0,5,8] = aten.reshape.default(%at, [s0, 5, -1])
    %o: f32[s0,5,8] = aten.linear.default(%ar, %wo, %b)
    %r: f32[s0,5,8] = aten.add.Tensor(%o, %d)
    %n: f32[s0,5,8] = aten.layer_norm.default(%r, [8], %g, %b, 1e-12, False)
    return %n
  })",
                                     {{"s0", 3}});
  std::size_t linears = 0;
  for (const auto& node : graph.nodes()) {
    linears += node->op_name() == "aten.linear.default" ? 1 : 0;
    if (node->op_name() != "aten.scaled_dot_product_attention.default") continue;
    EXPECT_TRUE(node->args[5].boolean());
  }
  EXPECT_EQ(linears, 2U);
}

}  // namespace
}  // namespace aitune
