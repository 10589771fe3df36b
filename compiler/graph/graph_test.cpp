#include "compiler/graph/graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "compiler/ops/schema.h"

namespace aitune {
namespace {

using testing::ElementsAre;

const OpInfo& relu = *find_op("aten.relu");
const OpInfo& add = *find_op("aten.add.Tensor");
const OpInfo& cat = *find_op("aten.cat");

struct GraphTest : testing::Test {
  Graph graph;
  Value* x = graph.add_input("x", {DType::f32, {SymInt::symbol("s0"), 3}});
  Node* first = graph.add_node(relu, {x}, {x->type}, "y");
  Node* second = graph.add_node(add, {x, first->output(), 1}, {x->type});
  void SetUp() override {
    graph.symbols["s0"] = {1, 8};
    graph.outputs = {second->output()};
    graph.output_names = {"result"};
  }
};

TEST_F(GraphTest, AWeightBecomesAnInputUnderItsOwnName) {
  Value* weight = graph.add_weight("b_y", "y", Tensor(DType::f32, {3}));
  graph.make_input(weight, "y");  // which a result has
  EXPECT_EQ(weight->name, "y");
  EXPECT_EQ(first->output()->name, "y_1");
  EXPECT_THAT(graph.inputs, ElementsAre(x, weight));
  EXPECT_TRUE(graph.weights.empty());
  EXPECT_EQ(weight->kind, ValueKind::input);
  Value* other = graph.add_weight("b_x", "x", Tensor(DType::f32, {3}));
  graph.make_input(other, "x");
  EXPECT_EQ(other->name, "x_1");
  verify(graph);
}

TEST_F(GraphTest, ResultsHaveNamesOfTheirOwn) {
  EXPECT_EQ(graph.add_output(x, "result"), "result_1");
  EXPECT_EQ(graph.add_output(x, "result"), "result_2");
  EXPECT_THAT(graph.output_names, ElementsAre("result", "result_1", "result_2"));
  EXPECT_EQ(graph.outputs.size(), 3U);
}

TEST_F(GraphTest, NamesAreUniqueAndClean) {
  EXPECT_EQ(second->output()->name, "add");
  EXPECT_EQ(graph.unique_name("x"), "x_1");
  EXPECT_EQ(graph.unique_name("x"), "x_2");
  EXPECT_EQ(graph.unique_name("layer1.0/conv bias"), "layer1.0_conv_bias");
  EXPECT_EQ(graph.unique_name("1st"), "_1st");
  EXPECT_EQ(graph.unique_name(""), "v");
  graph.rename(x, "input");
  EXPECT_EQ(x->name, "input");
  EXPECT_EQ(graph.unique_name("x_3"), "x_3");
  EXPECT_EQ(graph.unique_name("x"), "x");
}

TEST_F(GraphTest, NodesKnowTheirOperandsAndPlace) {
  EXPECT_THAT(second->operands(), ElementsAre(x, first->output()));
  EXPECT_EQ(graph.iterator_of(second)->get(), second);
  Node* between = graph.add_node(relu, {first->output()}, {x->type}, "z", graph.iterator_of(second));
  std::vector<const Node*> order;
  for (const auto& node : graph.nodes()) order.push_back(node.get());
  EXPECT_THAT(order, ElementsAre(first, between, second));
}

TEST_F(GraphTest, MovingKeepsPlaces) {
  Graph moved = std::move(graph);
  EXPECT_EQ(moved.iterator_of(first)->get(), first);
  moved.replace_all_uses(first->output(), x);
  moved.erase(moved.iterator_of(first));
  EXPECT_EQ(moved.nodes().size(), 1u);
}

TEST_F(GraphTest, UsersCountEveryUse) {
  Node* joined = graph.add_node(cat, {ArgList{x, x, first->output()}, 0}, {x->type});
  const auto users = graph.users();
  EXPECT_THAT(users.at(x), ElementsAre(first, second, joined, joined));
  EXPECT_THAT(users.at(first->output()), ElementsAre(second, joined));
  EXPECT_FALSE(users.contains(second->output()));
  EXPECT_TRUE(graph.is_output(second->output()));
  graph.replace_all_uses(x, first->output());
  EXPECT_THAT(joined->operands(), ElementsAre(first->output(), first->output(), first->output()));
}

TEST_F(GraphTest, EraseRefusesWhatIsUsed) {
  EXPECT_THROW(graph.erase(graph.iterator_of(first)), InternalError);
  EXPECT_THROW(graph.erase(graph.iterator_of(second)), InternalError);
  graph.outputs = {first->output()};
  graph.erase(graph.iterator_of(second));
  EXPECT_EQ(graph.nodes().size(), 1u);
}

TEST_F(GraphTest, CloneIsIndependent) {
  Value* weight = graph.add_weight("w", "layer.weight", Tensor(DType::f32, {3}));
  graph.add_node(cat, {ArgList{x, weight}, 0}, {x->type});
  const std::string before = print(graph);
  Graph copy = graph.clone();
  EXPECT_EQ(print(copy), before);
  EXPECT_EQ(copy.weights[0]->data.data(), weight->data.data());
  EXPECT_NE(copy.inputs[0], x);
  for (const auto& node : copy.nodes()) {
    EXPECT_EQ(copy.iterator_of(node.get())->get(), node.get());
    EXPECT_EQ(node->output()->producer, node.get());
  }
  copy.replace_all_uses(copy.inputs[0], copy.weights[0]);
  copy.add_node(relu, {copy.inputs[0]}, {x->type}, "y");
  EXPECT_EQ(print(graph), before);
  EXPECT_EQ(copy.nodes().back()->output()->name, "y_1");
}

TEST(Arg, AccessorsSayWhatTheyFound) {
  EXPECT_EQ(Arg(3).integer(), 3);
  EXPECT_EQ(Arg(true).integer(), 1);
  EXPECT_EQ(Arg(3).number(), 3.0);
  EXPECT_EQ(Arg(2.5).number(), 2.5);
  EXPECT_EQ(Arg("text").string(), "text");
  EXPECT_EQ(Arg(None{}).value_or_null(), nullptr);
  EXPECT_THROW(Arg(2.5).integer(), InternalError);
  EXPECT_THROW(Arg("x").number(), InternalError);
  EXPECT_THROW(Arg(SymInt::symbol("s")).integer(), InternalError);
  EXPECT_EQ(Arg(ArgList{1, SymInt::symbol("s")}).sym_list()[1].str(), "s");
  EXPECT_EQ(Arg(ArgList{1, true}), Arg(ArgList{1, true}));
  EXPECT_NE(Arg(1), Arg(true));
  try {
    Arg(ArgList{}).value();
    FAIL();
  } catch (const InternalError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("is a list, expected a tensor"));
  }
}

}  // namespace
}  // namespace aitune
