#include "compiler/import/input_shapes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/error.h"

namespace aitune {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string refusal(const std::function<void()>& work) {
  try {
    work();
    return "accepted";
  } catch (const InvalidArgument& e) {
    return e.what();
  }
}

TEST(InputShapes, AreReadFromText) {
  EXPECT_EQ(parse_input("x=1x3x224:4x3x224:16x3x224"), (Input{"x", {1, 3, 224}, {4, 3, 224}, {16, 3, 224}}));
  EXPECT_EQ(parse_input("x=1x3:16x3"), (Input{"x", {1, 3}, {}, {16, 3}}));
  EXPECT_EQ(parse_input("x=2x3"), Input::fixed("x", {2, 3}));
  EXPECT_EQ(parse_input("0=1..4..16x3"), (Input{"0", {1, 3}, {4, 3}, {16, 3}}));
  EXPECT_EQ(parse_input("x=1..16x8..512"), (Input{"x", {1, 8}, {}, {16, 512}}));
  EXPECT_EQ(parse_input("x=1..16x8..64..512"), (Input{"x", {1, 8}, {1, 64}, {16, 512}}));
  EXPECT_EQ(parse_input("x=1..16x*"), (Input{"x", {1, -1}, {}, {16, -1}}));
  EXPECT_EQ(parse_input("x=1x*:4x*:16x*"), (Input{"x", {1, -1}, {4, -1}, {16, -1}}));
  EXPECT_EQ(parse_input("x=0..4"), (Input{"x", {0}, {}, {4}}));
}

TEST(InputShapes, WrongTextIsRefused) {
  for (const char* text : {"",
                           "x",
                           "=1x3",
                           "x=",
                           "x=x",
                           "x=1x",
                           "x=a",
                           "x=-1",
                           "x=1.5",
                           "x=1...3",
                           "x=4..1",
                           "x=1..5..4",
                           "x=1..2..3..4",
                           "x=1x3:1x3x4",
                           "x=1:2:3:4",
                           "x=4:2:8",
                           "x=1:*:8",
                           "x=99999999999999999999",
                           "x=9999999999999",
                           "x=1..4:8",
                           "x=*..4"})
    EXPECT_NE(refusal([&] { parse_input(text); }), "accepted") << text;
  EXPECT_THAT(refusal([] { parse_input("x=4x1:2x1"); }), HasSubstr("dimension 0 is from 4 over 4 to 2"));
}

TEST(InputShapes, AreReadFromJson) {
  const auto inputs = parse_inputs_json(R"({
    "a": {"min_shape": [1, 3], "opt_shape": [4, 3], "max_shape": [16, 3]},
    "b": [[1, 4, 16], 3], "c": [[1, 16], "*"], "d": "1..4..16x3", "e": {"shape": [2, null]}, "f": [2, 3]})",
                                        "shapes.json");
  EXPECT_THAT(inputs, ElementsAre(Input{"a", {1, 3}, {4, 3}, {16, 3}}, Input{"b", {1, 3}, {4, 3}, {16, 3}},
                                  Input{"c", {1, -1}, {}, {16, -1}}, Input{"d", {1, 3}, {4, 3}, {16, 3}},
                                  Input::fixed("e", {2, -1}), Input::fixed("f", {2, 3})));
  EXPECT_EQ(parse_inputs_json(inputs_to_json(inputs), "again"), inputs);
}

TEST(InputShapes, WrongJsonIsRefused) {
  for (const char* text :
       {"", "[]", "{", R"({"": [1]})", R"({"x": 3})", R"({"x": [1.5]})", R"({"x": [-1]})", R"({"x": [[1, 2, 3, 4]]})",
        R"({"x": [[1]]})", R"({"x": {"min": [1]}})", R"({"x": {"min_shape": [1]}})",
        R"({"x": {"min_shape": 1, "max_shape": 2}})", R"({"x": {"shape": [1], "max_shape": [2]}})",
        R"({"x": [[[[[[[[[[1]]]]]]]]]]})", R"({"x": [1e300]})", R"({"x": [18446744073709551615]})",
        R"({"x": {"min_shape": [3], "opt_shape": [2], "max_shape": [4]}})"})
    EXPECT_NE(refusal([&] { parse_inputs_json(text, "shapes.json"); }), "accepted") << text;
  for (const char* text : {R"({"x": [2], "y": [3], "x": [4]})", R"({"y": {"shape": [1]}, "z": {"x": [1], "x": [2]}})"})
    EXPECT_THAT(refusal([&] { parse_inputs_json(text, "shapes.json"); }), HasSubstr("'x' is given twice")) << text;
  EXPECT_EQ(parse_inputs_json(R"({"x": {"shape": [1]}, "y": {"shape": [1]}})", "shapes.json").size(), 2U);
}

Graph program() {
  return parse_graph(R"(graph(%x: f32[s0,3,2*s1 + 1], %y: f32[s0,s1]) where s0 in [1,16], s1 in [2,8] {
    return %x, %y
  })");
}

TEST(InputShapes, NarrowTheSymbolsOfAProgram) {
  Graph graph = program();
  const std::vector<Input> given = {{"x", {2, 3, 7}, {4, 3, 9}, {8, 3, 12}}};
  narrow_inputs(graph, given);
  EXPECT_EQ(graph.symbols, (SymRanges{{"s0", {2, 8}}, {"s1", {3, 5}}}));  // 2*s1 + 1 within [7, 12]
  EXPECT_EQ(preferred_sizes(graph, given), (SymValues{{"s0", 4}, {"s1", 4}}));
}

TEST(InputShapes, OneSizeAloneBecomesAConstant) {
  Graph graph = program();
  const std::vector<Input> given = {{"0", {4, 3, -1}, {4, 3, -1}, {4, 3, -1}}};
  narrow_inputs(graph, given);
  EXPECT_EQ(graph.symbols, (SymRanges{{"s1", {2, 8}}}));
  EXPECT_EQ(to_string(graph.inputs[1]->type), "f32[4,s1]");
  EXPECT_EQ(preferred_sizes(graph, given), SymValues{});
}

TEST(InputShapes, NothingGivenChangesNothing) {
  Graph graph = program();
  const std::string before = print(graph);
  narrow_inputs(graph, {});
  EXPECT_EQ(print(graph), before);
}

TEST(InputShapes, OutsideOfTheProgramIsRefusedWithBothRanges) {
  const auto narrow = [](std::vector<Input> given) {
    return refusal([&] {
      Graph graph = program();
      narrow_inputs(graph, given);
    });
  };
  EXPECT_THAT(narrow({{"x", {1, 3, 5}, {}, {17, 3, 5}}}),
              AllOf(HasSubstr("dimension 0 of input 'x'"), HasSubstr("[1, 17]"), HasSubstr("[1, 16]")));
  EXPECT_THAT(narrow({{"x", {1, 2, 5}, {}, {1, 3, 5}}}), AllOf(HasSubstr("[2, 3]"), HasSubstr("[3, 3]")));
  EXPECT_THAT(narrow({{"x", {1, 3, 4}, {}, {1, 3, 5}}}), AllOf(HasSubstr("[4, 5]"), HasSubstr("[5, 17]")));
  EXPECT_THAT(narrow({{"x", {1, 3, 6}, {}, {1, 3, 6}}}), HasSubstr("no value for s1"));  // it is odd
  EXPECT_THAT(narrow({{"x", {1, 3, -1}, {}, {2, 3, -1}}, {"y", {4, -1}, {}, {8, -1}}}),
              AllOf(HasSubstr("[4, 8]"), HasSubstr("no value for s0"), HasSubstr("[1, 2]")));
  EXPECT_THAT(narrow({{"x", {1, 3}, {}, {1, 3}}}), HasSubstr("2 dimensions are given"));
  EXPECT_THAT(narrow({{"z", {1}, {}, {1}}}), HasSubstr("no input 'z'"));
  EXPECT_THAT(narrow({Input::fixed("y", {1, 2}), Input::fixed("1", {1, 2})}), HasSubstr("given twice"));
}

TEST(InputShapes, PreferredSizesThatDisagreeAreRefused) {
  const std::vector<Input> given = {{"x", {1, 3, 5}, {4, 3, 5}, {8, 3, 5}}, {"y", {1, 2}, {5, 2}, {8, 2}}};
  EXPECT_THAT(refusal([&] { preferred_sizes(program(), given); }), HasSubstr("preferred value is 4, not 5"));
}

}  // namespace
}  // namespace aitune
