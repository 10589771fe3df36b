// Sizes that data decide, through the passes: what masks become, what stays alive, and what becomes one.

#include "compiler/ops/data_sizes.h"

#include <algorithm>

#include "base/error.h"
#include "compiler/passes/cleanup.h"
#include "compiler/passes/decompose.h"
#include "compiler/passes/testing.h"

namespace aitune {
namespace {

using namespace testing_passes;

struct MaskCase {
  std::string name, signature, body;
};

class Masks : public ::testing::TestWithParam<MaskCase> {};

TEST_P(Masks, BecomePositionsAndASelection) {
  const MaskCase& c = GetParam();
  const Graph graph = check_pass("graph(" + c.signature + ") where s0 in [1,8] {\n" + c.body + "\nreturn %y\n}",
                                 {decompose, eliminate_dead_code}, {{"s0", 3}});
  for (const char* op : {"aten.index.Tensor", "aten.masked_select.default", "aten.where.default",
                         "aten.repeat_interleave.self_Tensor", "aten.argwhere.default"})
    EXPECT_THAT(ops_of(graph), Not(Contains(op))) << print(graph);
}

INSTANTIATE_TEST_SUITE_P(
    Each, Masks,
    ::testing::Values(
        MaskCase{"rows", "%x: f32[s0,4], %m: bool[s0]", "%y = aten.index.Tensor(%x, [%m])"},
        MaskCase{"columns", "%x: f32[s0,4,2], %m: bool[4]", "%y = aten.index.Tensor(%x, [None, %m])"},
        MaskCase{"elements", "%x: f32[s0,4], %m: bool[s0,4]", "%y = aten.index.Tensor(%x, [%m])"},
        MaskCase{"two_of_three", "%x: f32[2,s0,4], %m: bool[s0,4]", "%y = aten.index.Tensor(%x, [None, %m])"},
        MaskCase{"select", "%x: f32[s0,4], %m: bool[s0,4]", "%y = aten.masked_select.default(%x, %m)"},
        MaskCase{"broadcast", "%x: f32[s0,1], %m: bool[2,1,4]", "%y = aten.masked_select.default(%x, %m)"},
        MaskCase{"argwhere", "%x: f32[s0,4]", "%y = aten.argwhere.default(%x)"},
        MaskCase{"where", "%x: bool[s0,4]", "%z, %y = aten.where.default(%x)"},
        MaskCase{"repeat", "%x: f32[s0,4], %r: i64[s0]", "%y = aten.repeat_interleave.self_Tensor(%x, %r, 0)"},
        MaskCase{"repeat_flat", "%x: f32[2,2], %r: i64[4]", "%y = aten.repeat_interleave.self_Tensor(%x, %r)"},
        MaskCase{"put_each", "%x: f32[s0,4], %m: bool[s0], %z: f32[s0,4]",
                 "%v = aten.index.Tensor(%z, [%m])\n%y = aten.index_put.default(%x, [%m], %v)"},
        MaskCase{"put_more", "%x: f32[s0,4], %m: bool[s0,4]",
                 "%v = aten.index.Tensor(%x, [%m])\n%y = aten.index_put.default(%x, [%m], %v, True)"}),
    [](const auto& parameters) { return parameters.param.name; });

TEST(DataSizes, TheSameMaskGivesTheSameSize) {
  const Graph graph = check_lowering(R"(graph(%x: f32[s0,4], %m: bool[s0]) where s0 in [1,8] {
    %a = aten.index.Tensor(%x, [%m])
    %b = aten.sin.default(%x)
    %c = aten.index.Tensor(%b, [%m])
    %d = aten.add.Tensor(%a, %c)
    return %d, %c
  })",
                                     {{"s0", 5}});
  EXPECT_EQ(std::ranges::count(ops_of(graph), "aten.nonzero.default"), 1) << print(graph);
  EXPECT_EQ(graph.outputs[0]->type.shape[0], graph.outputs[1]->type.shape[0]);
  EXPECT_EQ(graph.bounds.size(), 1u);
}

TEST(DataSizes, ADefinitionLivesAsLongAsItsSymbol) {
  const Graph graph = check_lowering(R"(graph(%x: bool[s0], %n: i64[]) where s0 in [1,8], u0 in [0,9],
      u1 in [0,inf] <= (s0), u2 in [0,inf] <= (u1) {
    %p: i64[u1,1] = aten.nonzero.default(%x)
    %q: i64[u2,2] = aten.nonzero.default(%p)
    %k: u8[u0,0] = aten.item.default(%n)
    %z = aten.zeros.default([u1, u0])
    return %z
  })",
                                     {{"s0", 5}});
  EXPECT_THAT(ops_of(graph), Contains("aten.item.default"));
  EXPECT_EQ(std::ranges::count(ops_of(graph), "aten.nonzero.default"), 1) << print(graph);
}

TEST(DataSizes, BoundsForMemory) {
  Graph graph =
      parse_graph(R"(graph(%x: bool[s0,4], %n: i64[], %k: i64[]) where s0 in [1,8], u1 in [0,6], u2 in [0,inf] {
    %p: i64[u0,2] = aten.nonzero.default(%x)
    %a: u8[u1,0] = aten.item.default(%n)
    %b: u8[u2,0] = aten.item.default(%k)
    return %p
  })");
  graph.bounds["u0"] = SymInt::symbol("s0") * 4;
  graph.symbols["u0"] = {};
  const SymInt s0 = SymInt::symbol("s0"), u0 = SymInt::symbol("u0"), u1 = SymInt::symbol("u1"),
               u2 = SymInt::symbol("u2");
  const auto bound = [&](const SymInt& size) { return upper_bound(size, graph, 1000).str(); };
  EXPECT_EQ(bound(s0 * 3 + 1), "3*s0 + 1");
  EXPECT_EQ(bound(u0 * 16), "64*s0");
  EXPECT_EQ(bound(u0 * s0 + 2), (s0 * s0 * 4 + 2).str());
  EXPECT_EQ(bound(u0 - u1), "4*s0");
  EXPECT_EQ(bound(u1 * 2), "12");
  EXPECT_EQ(bound(u2), "1000");
  EXPECT_EQ(bound(min(u2, 7)), "7");
  EXPECT_EQ(bound(max(u1, 2)), "6");
  EXPECT_EQ(bound(floordiv(u1 + 1, 2)), "3");
  // Bounds that go round in a circle bound nothing.
  graph.bounds["u1"] = u2 + 1;
  graph.bounds["u2"] = u1 + 1;
  EXPECT_THROW(upper_bound(u1, graph, 1000), Unsupported);
}

}  // namespace
}  // namespace aitune
