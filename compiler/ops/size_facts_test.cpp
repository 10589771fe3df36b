#include "compiler/ops/size_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace aitune {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> facts_of(std::string_view text) {
  std::vector<std::string> facts;
  for (const SizeFact& fact : size_facts(parse_graph(text))) facts.push_back(to_string(fact));
  return facts;
}

TEST(SizeFacts, OneSymbolNeedsNoProof) {
  EXPECT_THAT(facts_of(R"(graph(%x: f32[s0,3], %y: f32[s0,3]) where s0 in [1,16] {
    %a = aten.add.Tensor(%x, %y)
    %b = aten.view.default(%a, [-1])
    %c = aten.slice.Tensor(%a, 1, 1, 3)
    %d = aten.cat.default([%x, %a])
    return %b, %c, %d
  })"),
              IsEmpty());
}

TEST(SizeFacts, SymbolsThatABroadcastTakesForEqual) {
  EXPECT_THAT(facts_of(R"(graph(%x: f32[s0,3], %y: f32[s1,3]) where s0 in [1,16], s1 in [1,16] {
    %a = aten.add.Tensor(%x, %y)
    %b = aten.mul.Tensor(%x, %y)
    return %a, %b
  })"),
              ElementsAre("s0 == s1"));
}

TEST(SizeFacts, ProductsJoinsAndViews) {
  EXPECT_THAT(facts_of(R"(graph(%x: f32[2,s0], %y: f32[s1,5], %z: f32[3,s1]) where s0 in [1,16], s1 in [1,16] {
    %a = aten.mm.default(%x, %y)
    %b = aten.cat.default([%x, %z])
    %c = aten.view.default(%x, [s1, 2])
    return %a, %b, %c
  })"),
              ElementsAre("s0 == s1", "2*s1 == 2*s0"));
}

TEST(SizeFacts, BoundsOfSlicesAndPositions) {
  EXPECT_THAT(facts_of(R"(graph(%x: f32[s0,8], %y: f32[s1]) where s0 in [4,16], s1 in [1,8] {
    %a = aten.slice.Tensor(%x, 1, 0, s1)
    %b = aten.slice.Tensor(%x, 0, 0, s1)
    %c = aten.select.int(%x, 0, 3)
    %d = aten.select.int(%x, 0, 7)
    return %a, %b, %c, %d
  })"),
              ElementsAre("s0 >= s1", "s0 - 1 >= 7"));
}

TEST(SizeFacts, RangesThatCannotAgreeAreRefused) {
  try {
    facts_of(R"(graph(%x: f32[s0], %y: f32[s1]) where s0 in [1,4], s1 in [5,8] {
      %a = aten.add.Tensor(%x, %y)
      return %a
    })");
    FAIL() << "nothing was thrown";
  } catch (const Unsupported& error) {
    EXPECT_THAT(error.what(), HasSubstr("s0 == s1 holds for no size"));
    EXPECT_THAT(error.what(), HasSubstr("aten.add.Tensor"));
  }
}

TEST(SizeFacts, AreCheckedWithTheValuesNamed) {
  const auto facts = size_facts(parse_graph(R"(graph(%x: f32[s0], %y: f32[s1]) where s0 in [1,8], s1 in [1,8] {
    %a = aten.add.Tensor(%x, %y)
    return %a
  })"));
  check_size_facts(facts, {{"s0", 3}, {"s1", 3}});
  try {
    check_size_facts(facts, {{"s0", 3}, {"s1", 4}});
    FAIL() << "nothing was thrown";
  } catch (const InvalidArgument& error) {
    EXPECT_THAT(error.what(), HasSubstr("needs s0 == s1, and got s0 = 3, s1 = 4"));
  }
}

}  // namespace
}  // namespace aitune
