#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "compiler/graph/graph.h"
#include "compiler/ops/schema.h"

namespace aitune {
namespace {

using testing::HasSubstr;

struct Verify : testing::Test {
  Graph graph = parse_graph(R"(graph(%x: f32[s0,3], %y: f32[s0,3]) where s0 in [1,16] {
    weight %w: f32[3] = splat(1)
    %a = aten.add.Tensor(%x, %w)
    %b = aten.relu(%a) # block.1
    return %b
  })");
  Node& first() { return *graph.nodes().front(); }
  Node& last() { return *graph.nodes().back(); }
  std::string problem() {
    try {
      verify(graph, "the test");
    } catch (const InternalError& error) {
      EXPECT_THAT(error.what(), HasSubstr("after the test"));
      return error.what();
    }
    return "sound";
  }
};

TEST_F(Verify, AcceptsASoundGraph) { EXPECT_EQ(problem(), "sound"); }

TEST_F(Verify, WrongDtype) {
  last().output()->type.dtype = DType::f64;
  EXPECT_THAT(problem(), HasSubstr("%b is f64[s0,3], the operator gives f32[s0,3]"));
  EXPECT_THAT(problem(), HasSubstr("%b: f64[s0,3] = aten.relu.default(%a) # block.1"));
}

TEST_F(Verify, WrongSizes) {
  last().output()->type.shape = {SymInt::symbol("s0") + 1, 3};
  EXPECT_THAT(problem(), HasSubstr("the operator gives"));
  last().output()->type.shape = {SymInt::symbol("s0") * 2, 3};
  EXPECT_THAT(problem(), HasSubstr("the operator gives"));
  last().output()->type.shape = {3};
  EXPECT_THAT(problem(), HasSubstr("the operator gives"));
  last().output()->type.shape = {SymInt::symbol("q"), 3};
  EXPECT_THAT(problem(), HasSubstr("the symbol q has no range"));
}

TEST_F(Verify, SizesThatAreEqualInAnotherFormAgree) {
  last().output()->type.shape = {max(SymInt::symbol("s0"), 1), 3};
  EXPECT_EQ(problem(), "sound");
}

TEST_F(Verify, UseBeforeDefinition) {
  graph.nodes().reverse();
  EXPECT_THAT(problem(), HasSubstr("%a is used before it is defined"));
}

TEST_F(Verify, ArgumentsMustFitTheSchema) {
  first().args.pop_back();
  EXPECT_THAT(problem(), HasSubstr("2 arguments"));
  first().args.push_back("text");
  EXPECT_THAT(problem(), HasSubstr("argument alpha is a string, expected a number"));
  first().args.back() = static_cast<Value*>(nullptr);
  EXPECT_THAT(problem(), HasSubstr("null operand"));
}

TEST_F(Verify, ResultsMustBeDefinedAndNamed) {
  Graph other;
  graph.outputs.push_back(other.add_input("far", {DType::f32, {}}));
  EXPECT_THAT(problem(), HasSubstr("1 names for 2 results"));
  EXPECT_THAT(problem(), HasSubstr("%far is not defined"));
}

TEST_F(Verify, NamesAreUnique) {
  last().output()->name = "x";
  EXPECT_THAT(problem(), HasSubstr("a second value called %x"));
  last().output()->name = "a b";
  EXPECT_THAT(problem(), HasSubstr("\"a b\" cannot be a name"));
}

TEST_F(Verify, ResultsPointBack) {
  last().output()->producer = &first();
  EXPECT_THAT(problem(), HasSubstr("does not point back"));
}

TEST_F(Verify, WeightsMatchTheirData) {
  graph.weights[0]->type.shape = {4};
  EXPECT_THAT(problem(), HasSubstr("its data are f32[3], its type is f32[4]"));
}

TEST_F(Verify, SymbolsAreSound) {
  graph.symbols["s0"] = {5, 4};
  EXPECT_THAT(problem(), HasSubstr("empty range"));
  graph.symbols.clear();
  EXPECT_THAT(problem(), HasSubstr("the symbol s0 has no range"));
}

TEST_F(Verify, ListsAtMostTenViolations) {
  for (int i = 0; i < 50; ++i) graph.outputs.push_back(nullptr);
  const std::string text = problem();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 10);
}

struct VerifyDataSizes : testing::Test {
  std::string problem(std::string_view text) {
    const Graph graph = parse_graph(text);
    try {
      verify(graph);
    } catch (const InternalError& error) {
      return error.what();
    }
    return "sound";
  }
};

TEST_F(VerifyDataSizes, ANodeDefinesThem) {
  EXPECT_EQ(problem(R"(graph(%x: f32[s0]) where s0 in [1,16], u0 in [0,inf] <= (s0) {
    %p: i64[u0,1] = aten.nonzero.default(%x)
    %z: f32[u0,2] = aten.zeros.default([u0, 2])
    return %p, %z
  })"),
            "sound");
  EXPECT_THAT(problem(R"(graph(%x: f32[s0]) where s0 in [1,16], u0 in [0,inf] {
    %z: f32[u0,2] = aten.zeros.default([u0, 2])
    %p: i64[u0,1] = aten.nonzero.default(%x)
    return %p, %z
  })"),
              HasSubstr("the symbol u0 is used before a node defines it"));
  EXPECT_THAT(problem(R"(graph(%x: f32[s0]) where s0 in [1,16], u0 in [0,inf] {
    %p: i64[u0,1] = aten.nonzero.default(%x)
    %q: i64[u0,1] = aten.nonzero.default(%x)
    return %p, %q
  })"),
              HasSubstr("the symbol u0 is defined already"));
  EXPECT_THAT(problem(R"(graph(%x: f32[s0]) where s0 in [1,16] {
    %p: i64[s0,1] = aten.nonzero.default(%x)
    return %p
  })"),
              HasSubstr("the symbol s0 is defined already"));
  EXPECT_THAT(problem(R"(graph(%x: f32[s0]) where s0 in [1,16], u0 in [0,inf] {
    %p: i64[2*u0,1] = aten.nonzero.default(%x)
    return %p
  })"),
              HasSubstr("is decided by data and must be a symbol"));
}

TEST_F(VerifyDataSizes, BoundsAreOfThem) {
  EXPECT_THAT(problem("graph(%x: f32[s0]) where s0 in [1,16] <= (3) { return %x }"), HasSubstr("the size of an input"));
  EXPECT_THAT(problem("graph(%x: f32[s0]) where s0 in [1,16], u0 in [0,inf] <= (q) { return %x }"),
              HasSubstr("the symbol q has no range"));
  EXPECT_THAT(problem("graph(%x: f32[s0]) where s0 in [1,16], u0 in [0,inf] <= (u0 + 1) { return %x }"),
              HasSubstr("bounded by itself"));
}

}  // namespace
}  // namespace aitune
