#include "compiler/graph/specialise.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace aitune {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kText = R"(graph(%x: f32[s0,s1]) where s0 in [1,16], s1 in [2,8] {
  weight %w: f32[2,2] "w" = [1, 2, 3, 4]
  %a: f32[s0*s1] = aten.view.default(%x, [s0*s1])
  %b: f32[s1,s0] = aten.view.default(%a, [s1, s0])
  return %b
})";

TEST(Specialise, PutsNumbersIntoTypesAndArguments) {
  const Graph graph = parse_graph(kText);
  const Graph fixed = specialise(graph, {{"s0", 3}, {"s1", 4}});
  verify(fixed, "specialise");
  EXPECT_TRUE(fixed.symbols.empty());
  EXPECT_EQ(to_string(fixed.inputs[0]->type), "f32[3,4]");
  EXPECT_THAT(print(fixed), HasSubstr("aten.view.default(%x, [12])"));
  EXPECT_THAT(print(fixed), Not(HasSubstr("s0")));
  EXPECT_EQ(fixed.weights[0]->data.data(), graph.weights[0]->data.data());
  EXPECT_THAT(print(graph), HasSubstr("[s0*s1]"));  // the original stays
}

TEST(Specialise, LeavesSymbolsThatAreNotGiven) {
  const Graph part = specialise(parse_graph(kText), {{"s1", 4}});
  verify(part, "specialise");
  EXPECT_EQ(part.symbols, (SymRanges{{"s0", {1, 16}}}));
  EXPECT_EQ(to_string(part.outputs[0]->type), "f32[4,s0]");
}

TEST(Specialise, ReachesRegionsAndTheBoundsOfWhatDataDecide) {
  const Graph graph = parse_graph(R"(graph(%c: bool[1], %x: f32[s0]) where s0 in [1,16] {
    %r: f32[s0] = higher_order.cond.default(%c, [%x])
    region(%a: f32[s0]) {
      return %a
    }
    region(%b: f32[s0]) {
      %n: f32[s0] = aten.neg.default(%b)
      return %n
    }
    %i = aten.nonzero.default(%r)
    return %i
  })");
  const Graph fixed = specialise(graph, {{"s0", 4}});
  verify(fixed, "specialise");
  EXPECT_THAT(print(fixed), Not(HasSubstr("s0")));
  EXPECT_EQ(fixed.symbols.size(), 1U);  // how many are not zero
  ASSERT_EQ(fixed.bounds.size(), 1U);
  EXPECT_EQ(fixed.bounds.begin()->second.as_constant(), 4);
}

}  // namespace
}  // namespace aitune
