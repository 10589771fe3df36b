#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/error.h"
#include "compiler/graph/graph.h"
#include "compiler/graph/text.h"
#include "compiler/ops/schema.h"

namespace aitune {
namespace {

using testing::HasSubstr;

// Every part of the form, printed as the printer prints it.
constexpr std::string_view kCanonical =
    R"(graph(%x: f32[s0,3,8,8], %i: i64[2*s0 + 1,(s0//2)]) where s0 in [1,16], s1 in [2,inf] {
  in_spec "[1, {\"treespec\": \"\\n\"}]"
  out_spec "line\none"
  weight %conv.weight: f32[4,3,1,1] "conv.weight" = [0.0, 0.1, -2.5, 1e+20, inf, -inf, nan, 1.0, 2.0, 3.0, 4.0, 5.0]
  weight %h: bf16[2] "h" = [0.100097656, -1.0]
  weight %c: c64[2] "c" = [1.0, -1.0, 0.5, 2.0]
  weight %big: i64[100] "b" = splat(-9223372036854775808)
  weight %long: f32[4,5] "l" = [0.5, -1.0, 2.0, ...]
  weight %sparse: bool[100] "s" = [0, 0, 0, ..., 1, ...]
  weight %pairs: c64[17] "p" = [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, ..., 2.0, -1.0, ...]
  weight %mask: bool[3] "m" = [1, 0, 1]
  weight %none: f32[0] "n" = []
  weight %one: f64[] "o" = [0.1]
  %y: f32[s0,4,8,8] = aten.conv2d.default(%x, %conv.weight, None, [1, 1], [0, 0], [1, 1], 1) # layer1.conv
  %v: f32[s0,4,8], %k: i64[s0,4,8] = aten.max.dim(%y, 3, False)
  %z: f32[s0,4,8] = aten.add.Tensor(%v, %v, 0.5)
  return %y as "features", %z, %x
}
)";

TEST(Text, CanonicalFormReadsBackUnchanged) {
  const Graph graph = parse_graph(kCanonical);
  EXPECT_EQ(print(graph), kCanonical);
  EXPECT_EQ(print(graph.clone()), kCanonical);
  EXPECT_EQ(graph.in_spec, "[1, {\"treespec\": \"\\n\"}]");
  EXPECT_EQ(graph.out_spec, "line\none");
  EXPECT_EQ(graph.output_names, (std::vector<std::string>{"features", "z", "x"}));
  EXPECT_EQ(graph.symbols.at("s1"), (SymRange{2, SymRange::kNoMax}));
  EXPECT_EQ(graph.nodes().front()->source.module, "layer1.conv");
  EXPECT_EQ(graph.weights[0]->weight_name, "conv.weight");
}

TEST(Text, LongWeightsPrintTheirFirstElementsOrWhatAllOfThemAre) {
  Tensor numbers(DType::f32, {4, 5});
  for (int i = 0; i < 20; ++i) numbers.as<float>()[i] = static_cast<float>(i) / 2;
  EXPECT_EQ(weight_text(numbers), "[0.0, 0.5, 1.0, ...]");
  const Tensor turned(DType::f32, {5, 4}, {1, 5}, numbers.owner(), numbers.data());
  EXPECT_EQ(weight_text(turned), "[0.0, 2.5, 5.0, ...]");
  for (int i = 0; i < 20; ++i) numbers.as<float>()[i] = i == 13 ? -3.0F : 1.0F;
  EXPECT_EQ(weight_text(numbers), "[1.0, 1.0, 1.0, ..., -3.0, ...]");
  numbers.as<float>()[13] = 1;
  EXPECT_EQ(weight_text(numbers), "splat(1.0)");
}

TEST(Text, ShortFormInfersAndFillsIn) {
  const Graph graph = parse_graph(R"(
    # a comment before the graph
    graph(%x: f32[s0,3,8,8]) where s0 in [1,4] {
      weight %w: f32[4,3,1,1] = random(7)
      %y = aten.conv2d(%x, %w, padding=1, stride=[2, 2])  # conv
      %z = aten.relu(%y)
      return %z
    })");
  const auto& types = graph.nodes().front()->output()->type;
  EXPECT_EQ(to_string(types), "f32[s0,4,5,5]");
  EXPECT_EQ(graph.nodes().front()->args[4].int_list(), (std::vector<std::int64_t>{1, 1}));
  EXPECT_EQ(graph.nodes().front()->source.module, "conv");
  EXPECT_EQ(graph.weights[0]->weight_name, "w");
  EXPECT_NO_THROW(verify(graph));
  EXPECT_EQ(print(parse_graph(print(graph))), print(graph));
}

TEST(Text, ArgumentsKeepTheirKinds) {
  const Graph graph = parse_graph(R"(graph(%x: f32[2,3]) {
    %a: f32[2,3] = aten.add.Tensor(%x, %x, 2)
    %b: f32[2,3] = aten.add.Tensor(%x, %x, 2.0)
    %c: f32[2,3] = aten.add.Tensor(%x, %x, -inf)
    %d: f32[2,3] = aten.add.Tensor(%x, %x, True)
    %e: f64[2,3] = aten._to_copy(%x, dtype=f64, memory_format=preserve_format)
    return %e
  })");
  std::vector<const Node*> nodes;
  for (const auto& node : graph.nodes()) nodes.push_back(node.get());
  EXPECT_TRUE(std::holds_alternative<SymInt>(nodes[0]->args[2]));
  EXPECT_TRUE(std::holds_alternative<double>(nodes[1]->args[2]));
  EXPECT_EQ(nodes[2]->args[2].number(), -INFINITY);
  EXPECT_TRUE(nodes[3]->args[2].boolean());
  EXPECT_EQ(std::get<DType>(nodes[4]->args[1]), DType::f64);
  EXPECT_EQ(print(parse_graph(print(graph))), print(graph));
}

TEST(Text, ModulePathsStayOnOneLine) {
  Graph graph = parse_graph("graph(%x: f32[2]) {\n  %y = aten.relu(%x)\n  return %y\n}\n");
  graph.nodes().front()->source.module = "\n block\x01.1\t";
  EXPECT_EQ(parse_graph(print(graph)).nodes().front()->source.module, "block .1");
  EXPECT_EQ(print(parse_graph(print(graph))), print(graph));
}

TEST(Text, RandomWeightsAreReproducible) {
  const std::string text = R"(graph() {
    weight %a: f32[1000] = random(1)
    weight %b: f32[1000] = random(1)
    weight %c: i32[1000] = random(2)
    return %a, %b, %c })";
  const Graph graph = parse_graph(text);
  EXPECT_EQ(relative_error(graph.weights[0]->data, graph.weights[1]->data), 0);
  const float* a = graph.weights[0]->data.as<float>();
  EXPECT_TRUE(std::all_of(a, a + 1000, [](float v) { return v >= -1 && v < 1; }));
  EXPECT_NE(a[0], a[1]);
  const std::int32_t* c = graph.weights[2]->data.as<std::int32_t>();
  EXPECT_TRUE(std::all_of(c, c + 1000, [](std::int32_t v) { return v >= 0 && v < 10; }));
}

struct Wrong {
  std::string text, message;
};

TEST(Text, ErrorsGiveLineAndColumn) {
  const std::vector<Wrong> cases = {
      {"", "1:1: expected graph"},
      {"graph(%x: f32[2]) {\n  return %q\n}", "2:12: %q is not defined"},
      {"graph(%x: f33[2]) {}", "unknown dtype f33"},
      {"graph(%x) {}", "an input needs a type"},
      {"graph(%x: f32[2], %x: f32[2]) {}", "%x is defined twice"},
      {"graph(%x: f32[2]) {\n  %y = aten.banana(%x)\n}", "2:8: unknown operator aten.banana"},
      {"graph(%x: f32[2]) {\n  %y = aten.relu()\n}", "2:8: aten.relu.default: argument self"},
      {"graph(%x: f32[2]) {\n  %y = aten.relu(%x, 3)\n}", "2:8: aten.relu.default: 2 arguments"},
      {"graph(%x: f32[2]) {\n  %y = aten.relu(foo=%x)\n}", "no argument is called foo"},
      {"graph(%x: f32[2]) {\n  %y = aten.add.Tensor(self=%x, %x)\n}", "a positional argument after a keyword"},
      {"graph(%x: f32[2]) {\n  %y, %z = aten.relu(%x)\n}", "has 1 results, not 2"},
      {"graph(%x: f32[2]) {\n  aten.relu(%x)\n}", "has 1 results, not 0"},
      {"graph(%x: f32[s0 +]) {}", "size expression"},
      {"graph(%x: f32[2]) where s0 in [1,x] {}", "x is no integer"},
      {"graph(%x: f32[2]) where None in [1,2] {}", "None cannot be a symbol"},
      {"graph(%x: f32[2]) where s in [1,2], s in [1,2] {}", "a second range for s"},
      {"graph() {\n  weight %w: f32[2] = [1.0]\n}", "1 values for f32[2]"},
      {"graph() {\n  weight %w: f32[20] = [...]\n}", "0 and 0 values for f32[20]"},
      {"graph() {\n  weight %w: f32[2] = [1, 2, 3, ...]\n}", "3 and 0 values for f32[2]"},
      {"graph() {\n  weight %w: f32[20] = [1, ..., 2, 3, ...]\n}", "1 and 2 values for f32[20]"},
      {"graph() {\n  weight %w: f32[s0] = splat(1)\n}", "a constant shape"},
      {"graph() {\n  weight %w: f32[-1] = splat(1)\n}", "negative size"},
      {"graph() {\n  weight %w: f32[1000000000000] = splat(1)\n}", "bytes"},
      {"graph() {\n  weight %w: f32[9223372036854775807,9] = splat(1)\n}", "too many elements"},
      {"graph() {\n  weight %w: i32[2] = splat(1.5)\n}", "expected an integer"},
      {"graph() {\n  weight %w: f32[2] \"w = splat(1)\n}", "2:21: a string without end"},
      {"graph() {\n  weight %w: f32[2] \"\\q\" = splat(1)\n}", "unknown escape"},
      {"graph(%x: f32[2]) {\n  return %x\n} more", "3:3: text after the end"},
      {"graph(%x: f32[2]) {\n", "2:1: expected"},
      {"graph(%x: f32[1]) where u0 in [0,inf] <= 3 {\n  return %x\n}", "expected ("},
      {"graph(%x: f32[2]) {\n  %y = aten.cat([[[[[[[[[[[%x]]]]]]]]]]])\n}", "too deep"},
  };
  for (const auto& [text, message] : cases) {
    try {
      parse_graph(text);
      ADD_FAILURE() << "accepted: " << text;
    } catch (const Corrupt& error) {
      EXPECT_THAT(error.what(), HasSubstr(message)) << text;
      EXPECT_THAT(error.what(), HasSubstr("graph text ")) << text;
    }
  }
}

// Every prefix and many random damages of a good text either parse or are refused as Corrupt.
TEST(Text, DamagedTextIsRefusedNotCrashed) {
  const std::string good(kCanonical);
  const auto attempt = [](const std::string& text) {
    try {
      const Graph graph = parse_graph(text);
      EXPECT_EQ(print(parse_graph(print(graph))), print(graph)) << text;
    } catch (const Corrupt&) {  // refused, as it may be
    }
  };
  for (std::size_t n = 0; n < good.size(); n += 3) attempt(good.substr(0, n));
  std::mt19937 random(20240607);
  const std::string alphabet = "%[](){},:=*/+-0123456789sx \n\"#.";
  for (int round = 0; round < 1500; ++round) {
    std::string text = good;
    for (int edits = 0; edits < 3; ++edits) text[random() % text.size()] = alphabet[random() % alphabet.size()];
    attempt(text);
  }
}

// Graphs of random elementwise operators over random symbolic shapes.
TEST(Text, RandomGraphsReadBackAndVerify) {
  const OpInfo* const unary[] = {find_op("aten.relu"), find_op("aten.neg"), find_op("aten.exp")};
  const OpInfo* const binary[] = {find_op("aten.add.Tensor"), find_op("aten.sub.Tensor")};
  for (unsigned seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto pick = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
    Graph graph;
    graph.symbols["s0"] = {1, 64};
    graph.symbols["s1"] = {2, SymRange::kNoMax};
    const SymInt s0 = SymInt::symbol("s0"), s1 = SymInt::symbol("s1");
    const SymInt sizes[] = {s0, s1, s0 * 2 + 1, floordiv(s0 + 1, 2), mod(s1, 3) + 1, max(s0, s1), 7, s0 * s1 - 1};
    SymShape shape;
    for (std::size_t d = 0; d < pick(5); ++d) shape.push_back(sizes[pick(std::size(sizes))]);
    std::vector<Value*> values = {graph.add_input("x", {DType::f32, shape})};
    values.push_back(graph.add_weight("w", "a \"quoted\"\nname", Tensor::scalar(DType::f32, 0.1)));
    for (int n = 0; n < 20; ++n) {
      Value* a = values[pick(values.size())];
      Value* b = values[pick(values.size())];
      Node* node = pick(2) == 0 ? graph.add_node_inferred(*unary[pick(3)], {a})
                                : graph.add_node_inferred(*binary[pick(2)], {a, b, static_cast<double>(pick(5)) / 4});
      values.push_back(node->output());
      node->source.module = "block." + std::to_string(n);
    }
    graph.outputs = {values.back(), values[pick(values.size())]};
    graph.output_names = {"first", "second \\ name"};
    ASSERT_NO_THROW(verify(graph));
    const std::string text = print(graph);
    const Graph again = parse_graph(text);
    ASSERT_EQ(print(again), text);
    ASSERT_NO_THROW(verify(again));
  }
}

TEST(Text, SizesThatDataDecide) {
  constexpr std::string_view text =
      R"(graph(%x: f32[s0,4], %n: i64[]) where s0 in [1,16], u0 in [0,inf] <= (4*s0), u1 in [0,9] {
  %p: i64[u0,2] = aten.nonzero.default(%x)
  %k: u8[u1,0] = aten.item.default(%n)
  %z: f32[u1,u0] = aten.zeros.default([u1, u0], None, None, None, None)
  return %p, %z
}
)";
  const Graph graph = parse_graph(text);
  EXPECT_EQ(print(graph), text);
  EXPECT_EQ(print(graph.clone()), text);
  // Types may be left out: a new symbol gets its range and its bound.
  const Graph inferred = parse_graph(R"(graph(%x: f32[s0,4]) where s0 in [1,16] {
    %p = aten.nonzero.default(%x)
    %m = aten.gt.Scalar(%x, 0)
    %q = aten.masked_select.default(%x, %m)
    return %p
  })");
  EXPECT_THAT(print(inferred), HasSubstr("u0 in [0,inf] <= (4*s0), u1 in [0,inf] <= (4*s0) {\n  %p: i64[u0,2] ="));
}

}  // namespace
}  // namespace aitune
