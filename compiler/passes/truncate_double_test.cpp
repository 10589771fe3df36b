#include "compiler/passes/truncate_double.h"

#include <algorithm>

#include "compiler/graph/regions.h"
#include "compiler/passes/testing.h"

namespace aitune {
namespace {

using namespace testing_passes;

struct Truncated {
  Graph graph;
  double error = 0;  ///< largest relative one of the outputs
};

/// Runs the pass, and expects the types of inputs and outputs to stay.
Truncated truncate(std::string_view text) {
  Graph graph = parse_graph(text);
  const Graph before = graph.clone();
  LowerOptions options = default_options();
  options.truncate_double = true;
  truncate_double(graph, PassContext{options});
  verify(graph, "truncate_double");
  const auto inputs = random_inputs(before, {}, 5);
  const auto expected = evaluate(before, inputs), got = evaluate(graph, inputs);
  Truncated result{std::move(graph)};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(got[i].dtype(), expected[i].dtype()) << "output " << i;
    result.error = std::max(result.error, relative_error(got[i], expected[i]));
  }
  return result;
}

bool computes_in_double(const Graph& graph) {
  return std::ranges::any_of(graph.nodes(), [](const auto& node) {
    const bool cast = node->op_name() == "aten._to_copy.default";
    return (!cast && node->output()->type.dtype == DType::f64) ||
           std::ranges::any_of(node->regions, [](const auto& region) { return computes_in_double(*region); });
  });
}

TEST(TruncateDouble, ComputesInSinglePrecisionAndKeepsTheInterface) {
  const Truncated result = truncate(R"(graph(%x: f64[3,4], %i: i64[3]) {
    weight %w: f64[5,4] "w" = random(1)
    %y = aten.linear.default(%x, %w)
    %s = aten.sum.dim_IntList(%y, [1], False, dtype=f64)
    %d = aten.add.Tensor(%s, %i)
    %c = aten._to_copy.default(%i, dtype=f64)
    %e = aten.mul.Tensor(%d, %c)
    return %e, %x, %w
  })");
  EXPECT_FALSE(computes_in_double(result.graph));
  EXPECT_EQ(result.graph.weights.at(0)->data.dtype(), DType::f32);
  EXPECT_GT(result.error, 1e-10);
  EXPECT_LT(result.error, 1e-5);
}

TEST(TruncateDouble, LeavesAProgramWithoutDoublesAlone) {
  Graph graph = parse_graph("graph(%x: f32[3]) {\n%y = aten.sin.default(%x)\nreturn %y\n}");
  const std::string before = print(graph);
  LowerOptions options = default_options();
  options.truncate_double = true;
  truncate_double(graph, PassContext{options});
  EXPECT_EQ(print(graph), before);
}

TEST(TruncateDouble, DoesNothingUnlessAsked) {
  Graph graph = parse_graph("graph(%x: f64[3]) {\n%y = aten.sin.default(%x)\nreturn %y\n}");
  const std::string before = print(graph);
  truncate_double(graph, PassContext{default_options()});
  EXPECT_EQ(print(graph), before);
}

TEST(TruncateDouble, BitsOfANumberAreThoseOfADouble) {
  const Truncated result = truncate(R"(graph(%x: f64[3]) {
    %a = aten.abs.default(%x)
    %n = aten.round.default(%a)
    %b = aten.view.dtype(%n, i64)
    %c = aten.view.dtype(%b, f64)
    %y = aten.mul.Scalar(%c, 0.5)
    return %b, %y
  })");
  EXPECT_EQ(result.error, 0);  // whole numbers lose nothing
}

TEST(TruncateDouble, ComplexNumbersBecomePairsOfSingles) {
  const Truncated result = truncate(R"(graph(%x: f64[3], %y: f64[3]) {
    %z = aten.complex.default(%x, %y)
    %p = aten.mul.Tensor(%z, %z)
    %r = aten.real.default(%p)
    return %r
  })");
  EXPECT_FALSE(computes_in_double(result.graph));
  EXPECT_LT(result.error, 1e-5);
}

TEST(TruncateDouble, ReachesIntoBranchesAndLoops) {
  const Truncated result = truncate(R"(graph(%c: bool[], %x: f64[4]) {
    %r: f64[4] = higher_order.cond.default(%c, [%x])
    region(%a: f64[4]) {
      weight %w: f64[4] "w" = random(1)
      %m: f64[4] = aten.mul.Tensor(%a, %w)
      return %m
    }
    region(%b: f64[4]) {
      return %b
    }
    %y = aten.sin.default(%r)
    return %y
  })");
  EXPECT_FALSE(computes_in_double(result.graph));
  EXPECT_EQ(result.graph.nodes().size(), 4u);  // two casts beside what there was
  EXPECT_LT(result.error, 1e-5);
}

}  // namespace
}  // namespace aitune
