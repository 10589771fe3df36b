// What bounds numbers that become sizes.

#include "compiler/passes/bound_numbers.h"

#include "compiler/ops/size_facts.h"
#include "compiler/passes/testing.h"

namespace aitune {
namespace {

using namespace testing_passes;

/// The largest size that the pass gives u0, in a graph where it is the value of %n.
std::int64_t bound_in(const std::string& inputs, const std::string& body) {
  Graph graph = parse_graph("graph(" + inputs + ") where s0 in [2,10], u0 in [0,inf] {\n" + body +
                            "\n%k: u8[u0,0] = aten.item.default(%n)\n%z = aten.zeros.default([u0])\nreturn %z\n}");
  verify(graph, "parse");
  const LowerOptions options = default_options();
  bound_numbers(graph, PassContext{options});
  verify(graph, "bound_numbers");
  const SymRange range = graph.symbols.at("u0");
  if (range.max != SymRange::kNoMax) {
    EXPECT_TRUE(graph.bounds.at("u0").is(range.max));
  } else {
    EXPECT_FALSE(graph.bounds.contains("u0"));
  }
  return range.max;
}

constexpr std::int64_t kUnbounded = SymRange::kNoMax;
/// With the room that is left for rounding.
std::int64_t about(double value) { return static_cast<std::int64_t>(value * 1.01) + 1; }

TEST(BoundNumbers, ClampedBoxes) {
  // Width of the first of some boxes that were clamped to an image, at least 1, rounded up.
  const std::string clamped = R"(
    %c = aten.clamp.default(%boxes, 0, 320)
    %i = aten.index.Tensor(%c, [%keep])
    %a = aten.select.int(%i, 1, 0)
    %b = aten.select.int(%i, 1, 2)
    %w = aten.sub.Tensor(%b, %a)
    %m = aten.clamp.default(%w, 1)
    %r = aten.ceil.default(%m)
    %f = aten.select.int(%r, 0, 0)
    %n = aten.to.dtype(%f, i64))";
  EXPECT_EQ(bound_in("%boxes: f32[s0,4], %keep: i64[s0]", clamped), about(320));
  EXPECT_EQ(bound_in("%boxes: f32[s0,4], %keep: i64[s0]",
                     R"(%a = aten.select.int(%boxes, 0, 0)
                        %f = aten.select.int(%a, 0, 0)
                        %n = aten.to.dtype(%f, i64))"),
            kUnbounded);
}

TEST(BoundNumbers, Arithmetic) {
  const auto of = [](const std::string& body) { return bound_in("%x: f32[s0], %p: bool[s0], %t: i64[]", body); };
  EXPECT_EQ(of("%s = aten.sum.default(%p)\n%n = aten.add.Scalar(%s, 2)"), about(12));
  EXPECT_EQ(of("%n = aten.remainder.Scalar(%t, 7)"), about(7));
  EXPECT_EQ(of("%c = aten.clamp.default(%t, -3, 5)\n%n = aten.mul.Scalar(%c, -2)"), about(6));
  EXPECT_EQ(of("%c = aten.clamp.default(%t, 2, 5)\n%f = aten.full.default([], 20, dtype=i64)\n%n = "
               "aten.div.Tensor_mode(%f, %c, rounding_mode=\"floor\")"),
            about(10));
  EXPECT_EQ(of("%c = aten.clamp.default(%t, -2, 5)\n%f = aten.full.default([], 20, dtype=i64)\n%n = "
               "aten.div.Tensor_mode(%f, %c, rounding_mode=\"floor\")"),
            kUnbounded);
  EXPECT_EQ(of("%f = aten.full.default([], s0, dtype=i64)\n%n = aten.maximum.default(%f, %f)"), about(10));
  EXPECT_EQ(of("%n = aten.clamp.default(%t, 3)"), kUnbounded);
  EXPECT_EQ(of("%c = aten.clamp.default(%t, 0, 5)\n%n = aten.sub.Tensor(%c, %t)"), kUnbounded);
}

TEST(BoundNumbers, NotPositionsNorSums) {
  // The positions of a topk are not within what its values are; sums are not within their terms.
  const std::string inputs = "%x: i64[s0], %i: i64[s0]";
  EXPECT_EQ(bound_in(inputs, R"(%c = aten.clamp.default(%x, 0, 1)
                                %v, %p = aten.topk.default(%c, 1)
                                %n = aten.select.int(%p, 0, 0))"),
            kUnbounded);
  EXPECT_EQ(bound_in(inputs, R"(%c = aten.clamp.default(%x, 0, 1)
                                %v, %p = aten.topk.default(%c, 1)
                                %n = aten.select.int(%v, 0, 0))"),
            about(1));
  EXPECT_EQ(bound_in(inputs, R"(%c = aten.clamp.default(%x, 0, 1)
                                %s = aten.index_put.default(%c, [%i], %c, True)
                                %n = aten.select.int(%s, 0, 0))"),
            kUnbounded);
  EXPECT_EQ(bound_in(inputs, R"(%c = aten.clamp.default(%x, 200, 300)
                                %s = aten.to.dtype(%c, u8)
                                %t = aten.to.dtype(%s, i64)
                                %n = aten.select.int(%t, 0, 0))"),
            about(255));  // which overflows
}

constexpr const char* kThreeCarried = R"(graph(%x: i64[], %y: i64[]) where u0 in [0,inf] {
  weight %zero: i64[] = [0]
  %low = aten.clamp.default(%x, 0, 9)
  %i, %held, %grown = higher_order.while_loop([%zero, %low, %low], [%y])
  region(%i: i64[], %h: i64[], %g: i64[], %limit: i64[]) {
    %go = aten.lt.Tensor(%i, %limit)
    return %go
  }
  region(%i: i64[], %h: i64[], %g: i64[], %limit: i64[]) {
    %next = aten.add.Scalar(%i, 1)
    %less = aten.minimum.default(%h, %i)
    %pos = aten.clamp.default(%less, 0)
    %more = aten.add.Scalar(%g, 1)
    return %next, %pos, %more
  }
  %k: u8[u0,0] = aten.item.default(%WHICH)
  %z = aten.zeros.default([u0])
  return %z
})";

TEST(BoundNumbers, WhatLoopsCarry) {
  const auto bound = [](const std::string& which) {
    std::string text = kThreeCarried;
    text.replace(text.find("%WHICH"), 6, which);
    Graph graph = parse_graph(text);
    const LowerOptions options = default_options();
    bound_numbers(graph, PassContext{options});
    return graph.symbols.at("u0").max;
  };
  EXPECT_EQ(bound("%low"), about(9));
  EXPECT_EQ(bound("%held"), about(9));
  EXPECT_EQ(bound("%grown"), kUnbounded);
}

// Guards of the plan hold these sizes to others; the symbols' ranges stay as they are, and so do the guards.
TEST(BoundNumbers, SizesThatGuardsHoldToOthers) {
  Graph graph =
      parse_graph(R"(graph(%x: f32[s0,4], %n: i64[], %m: i64[]) where s0 in [2,10], u0 in [0,inf], u1 in [0,inf] {
    %i: u8[u0,0] = aten.item.default(%n)
    %j: u8[u1,0] = aten.item.default(%m)
    %a = aten.slice.Tensor(%x, 0, 0, u0, 1)
    %b = aten.slice.Tensor(%a, 0, u1, None, 1)
    return %b
  })");
  const LowerOptions options = default_options();
  bound_numbers(graph, PassContext{options});
  verify(graph, "bound_numbers");
  EXPECT_EQ(graph.bounds.at("u0").str(), "s0");
  EXPECT_EQ(graph.bounds.at("u1").str(), "s0");
  EXPECT_EQ(graph.symbols.at("u0").max, SymRange::kNoMax);
  EXPECT_EQ(size_facts(graph).size(), 2U);
}

}  // namespace
}  // namespace aitune
