#include "compiler/graph/regions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "compiler/ops/schema.h"

namespace aitune {
namespace {

using ::testing::HasSubstr;

constexpr const char* kIf = R"(graph(%p: bool[], %x: f32[s0,3]) where s0 in [1,16] {
  %y: f32[s0,3], %z: f32[s0,3] = higher_order.cond.default(%p, [%x]) # block.1
  region(%a: f32[s0,3]) {
    weight %w: f32[3] "w" = [1.0, 2.0, 3.0]
    %r: f32[s0,3] = aten.add.Tensor(%a, %w, 1)
    return %r, %a
  }
  region(%b: f32[s0,3]) {
    %n: f32[s0,3] = aten.neg.default(%b)
    return %b, %n
  }
  return %y, %z
}
)";

constexpr const char* kLoop = R"(graph(%x: f32[4], %n: i64[]) {
  weight %zero: i64[] "zero" = [0]
  %i: i64[], %y: f32[4] = higher_order.while_loop.default([%zero, %x], [%n], None)
  region(%i: i64[], %v: f32[4], %limit: i64[]) {
    %go: bool[] = aten.lt.Tensor(%i, %limit)
    return %go
  }
  region(%i: i64[], %v: f32[4], %limit: i64[]) {
    %next: i64[] = aten.add.Scalar(%i, 1, 1)
    %twice: f32[4] = aten.add.Tensor(%v, %v, 1)
    return %next, %twice
  }
  return %y
}
)";

std::string problem(const Graph& graph) {
  try {
    verify(graph, "the test");
  } catch (const InternalError& error) {
    return error.what();
  }
  return "sound";
}

std::string refusal(std::string_view text) {
  try {
    parse_graph(text);
  } catch (const Corrupt& error) {
    return error.what();
  }
  return "accepted";
}

Node& control(Graph& graph) {
  for (const auto& node : graph.nodes())
    if (node->op->has_regions()) return *node;
  throw InternalError("no control flow in the graph");
}

TEST(Regions, PrintAndParse) {
  for (const char* text : {kIf, kLoop}) {
    const Graph graph = parse_graph(text);
    EXPECT_EQ(print(graph), text);
    EXPECT_EQ(problem(graph), "sound");
  }
}

TEST(Regions, TypesOfResultsMayBeLeftOut) {
  const Graph graph = parse_graph(R"(graph(%p: bool[1], %x: f32[2]) {
    %y = higher_order.cond(%p, [%x])
    region(%a: f32[2]) {
      %r = aten.relu(%a)
      return %r
    }
    region(%a: f32[2]) {
      return %a
    }
    return %y
  })");
  EXPECT_EQ(to_string(graph.outputs[0]->type), "f32[2]");
  EXPECT_EQ(problem(graph), "sound");
}

TEST(Regions, ACloneIsWholeAndApart) {
  Graph graph = parse_graph(kIf);
  const Graph copy = graph.clone();
  control(graph).regions[1]->nodes().front()->op = find_op("aten.relu");
  EXPECT_EQ(print(copy), kIf);
}

TEST(Regions, NestAsDeepAsTheLimit) {
  const auto nested = [](int depth) {
    std::string text = "graph(%p: bool[]) {\n";
    for (int i = 0; i < depth; ++i) text += "%y = higher_order.cond(%p, [%p])\nregion(%p: bool[]) {\n";
    for (int i = 0; i < depth; ++i)
      text += std::string("return ") + (i == 0 ? "%p" : "%y") + "\n}\nregion(%p: bool[]) { return %p }\n";
    return text + "return %y\n}";
  };
  EXPECT_EQ(refusal(nested(kMaxRegionDepth)), "accepted");
  EXPECT_EQ(problem(parse_graph(nested(kMaxRegionDepth))), "sound");
  EXPECT_THAT(refusal(nested(kMaxRegionDepth + 1)), HasSubstr("too deep in each other"));
  EXPECT_THAT(refusal(nested(5000)), HasSubstr("too deep in each other"));
}

TEST(Regions, MalformedTextIsRefused) {
  EXPECT_THAT(refusal("graph(%p: bool[]) { %y = higher_order.cond(%p, []) return %y }"), HasSubstr("0 regions, not 2"));
  EXPECT_THAT(refusal("graph(%p: bool[]) { %y = aten.relu(%p) region() { return %p } return %y }"),
              HasSubstr("unknown operator region"));
  EXPECT_THAT(
      refusal("graph(%p: bool[]) { %y = higher_order.cond(%p, []) region() { return %p } region() { } return %y }"),
      HasSubstr("%p is not defined"));
  EXPECT_THAT(refusal("graph(%p: bool[]) { %y = higher_order.cond(%p, []) region() {"), HasSubstr("expected"));
}

void drop_result(Graph& region) {
  region.outputs.pop_back();
  region.output_names.pop_back();
}

struct BadGraph {
  const char* text;
  void (*spoil)(Graph&);
  const char* message;
};

class BadRegions : public ::testing::TestWithParam<BadGraph> {};

TEST_P(BadRegions, AreSeen) {
  Graph graph = parse_graph(GetParam().text);
  GetParam().spoil(graph);
  EXPECT_THAT(problem(graph), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    All, BadRegions,
    ::testing::Values(
        BadGraph{kIf, [](Graph& g) { control(g).regions.pop_back(); }, "it has not two regions"},
        BadGraph{kIf, [](Graph& g) { control(g).regions[0] = nullptr; }, "it has not two regions"},
        BadGraph{kIf, [](Graph& g) { g.inputs[0]->type.dtype = DType::f32; }, "not one bool"},
        BadGraph{kIf, [](Graph& g) { g.inputs[0]->type.shape = {2}; }, "not one bool"},
        BadGraph{kIf, [](Graph& g) { drop_result(*control(g).regions[0]); }, "2 are needed"},
        BadGraph{kIf, [](Graph& g) { control(g).regions[1]->outputs[0]->type.dtype = DType::f64; }, "f64[s0,3]"},
        BadGraph{kIf, [](Graph& g) { control(g).regions[1]->inputs.clear(); }, "in its region"},
        BadGraph{kIf, [](Graph& g) { control(g).regions[0]->symbols["s0"].max = 99; }, "knows the symbol s0 otherwise"},
        BadGraph{kIf, [](Graph& g) { control(g).regions[0]->outputs[0] = g.inputs[1]; }, "is not defined"},
        BadGraph{kIf,
                 [](Graph& g) {
                   Node& inner = *control(g).regions[1]->nodes().front();
                   inner.args[0] = g.inputs[1];  // of the graph around it
                 },
                 "%x is used before it is defined"},
        BadGraph{kLoop, [](Graph& g) { drop_result(*control(g).regions[0]); }, "its condition has not one result"},
        BadGraph{kLoop, [](Graph& g) { control(g).regions[0]->outputs[0] = control(g).regions[0]->inputs[0]; },
                 "not one bool"},
        BadGraph{kLoop, [](Graph& g) { control(g).regions[1]->outputs[1]->type.shape = {5}; }, "f32[5]"},
        BadGraph{kLoop, [](Graph& g) { drop_result(*control(g).regions[1]); }, "2 are needed"}));

TEST(Regions, AreClosedTogether) {
  Graph outer = parse_graph("graph(%p: bool[], %x: f32[2], %y: f32[2]) { weight %w: f32[2] = splat(2) return %x }");
  Value *x = outer.inputs[1], *y = outer.inputs[2], *w = outer.weights[0];
  Regions regions;
  for (Value* other : {w, y}) {
    auto region = std::make_unique<Graph>();
    region->outputs = {region->add_node_inferred(*find_op("aten.mul.Tensor"), {x, other})->output()};
    regions.push_back(std::move(region));
  }
  EXPECT_EQ(close_regions(regions), (std::vector<Value*>{x, y}));
  ASSERT_EQ(regions[0]->inputs.size(), 2U);
  ASSERT_EQ(regions[1]->inputs.size(), 2U);
  EXPECT_EQ(regions[0]->weights.size(), 1U);
  EXPECT_EQ(regions[0]->weights[0]->data.data(), w->data.data());
  EXPECT_EQ(regions[1]->nodes().front()->args[1].value(), regions[1]->inputs[1]);
  EXPECT_NO_THROW(verify(*regions[0]));
  EXPECT_NO_THROW(verify(*regions[1]));
}

TEST(Regions, MayUseSymbolsThatOnlyTheGraphAroundThemIsGiven) {
  const Graph graph = parse_graph(R"(graph(%p: bool[], %x: f32[s0]) where s0 in [1,16] {
    %y: f32[s0] = higher_order.cond(%p, [])
    region() {
      %a: f32[s0] = aten.full([s0], 1.0)
      return %a
    }
    region() {
      %b: f32[s0] = aten.full([s0], 2.0)
      return %b
    }
    return %y
  })");
  EXPECT_EQ(problem(graph), "sound");
}

}  // namespace
}  // namespace aitune
