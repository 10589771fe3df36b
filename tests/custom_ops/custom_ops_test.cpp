// Custom operators from registration to a run.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/custom_ops.h"
#include "base/error.h"
#include "compiler/ops/schema.h"
#include "compiler/passes/evaluate.h"
#include "compiler/passes/pipeline.h"
#include "compiler/tuning/build.h"
#include "format/plan.h"
#include "runtime/instance.h"
#include "runtime/program.h"

namespace aitune::test {
namespace {

using testing::HasSubstr;

template <typename F>
std::string message_of(F f) {
  try {
    f();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "nothing was thrown";
}

class CustomOps : public testing::Test {
 protected:
  void SetUp() override { EXPECT_EQ(load_custom_ops(AITUNE_MYLIB), 2u); }
};

TEST_F(CustomOps, AreFoundByNameAndOnlyOnce) {
  EXPECT_EQ(load_custom_ops(AITUNE_MYLIB), 2u);
  const OpInfo* op = find_op("mylib.scaled_tanh");
  ASSERT_NE(op, nullptr);
  EXPECT_EQ(op->name, "mylib.scaled_tanh.default");
  EXPECT_EQ(op, find_op("mylib.scaled_tanh.default"));
  EXPECT_EQ(op->args.size(), 2u);
  EXPECT_FALSE(is_listed(op->id));
  EXPECT_EQ(op_name(op->id), op->name);
  EXPECT_EQ(find_op("mylib.scaled_tan"), nullptr);
}

TEST_F(CustomOps, BadLibrariesAreRefused) {
  EXPECT_THAT(message_of([] { load_custom_ops(AITUNE_BADLIB); }), HasSubstr("aten.add.Tensor exists already"));
  EXPECT_THROW(load_custom_ops("/nowhere/libnothing.so"), Unavailable);
  EXPECT_THROW(load_custom_ops("libm.so.6"), Unavailable);  // names are not searched for in the system
}

TEST_F(CustomOps, ShapeFunctionsTakeSymbols) {
  Graph graph;
  const SymInt batch = SymInt::symbol("s0"), width = SymInt::symbol("s1");
  Value* x = graph.add_input("x", {DType::f32, {batch, width * 2}});
  const Node* node = graph.add_node_inferred(*find_op("mylib.fold"), {x});
  ASSERT_EQ(node->outputs.size(), 2u);
  EXPECT_EQ(to_string(node->outputs[1]->type), "f32[s0,s1]");
  Value* odd = graph.add_input("odd", {DType::f32, {batch, 7}});
  EXPECT_THAT(message_of([&] { graph.add_node_inferred(*find_op("mylib.fold"), {odd}); }), HasSubstr("must be equal"));
  Value* whole = graph.add_input("whole", {DType::i64, {batch}});
  EXPECT_THAT(message_of([&] { graph.add_node_inferred(*find_op("mylib.scaled_tanh"), {whole, 1.0}); }),
              HasSubstr("x must be f32"));
}

TEST_F(CustomOps, RunBetweenCompiledBlocks) {
  Graph graph;
  Value* x = graph.add_input("x", {DType::f32, {4, 6}});
  Value* y = graph.add_node_inferred(*find_op("aten.mul.Tensor"), {x, x})->output();
  const Node* folded = graph.add_node_inferred(*find_op("mylib.fold"), {y});
  Value* sum = graph.add_node_inferred(*find_op("mylib.scaled_tanh"), {folded->outputs[1], 0.5})->output();
  graph.outputs = {
      graph.add_node_inferred(*find_op("aten.add.Tensor"), {sum, folded->outputs[0], SymInt(1)})->output()};
  graph.output_names = {"y"};
  LowerOptions lowering;
  lowering.evaluator = reference_evaluator();
  lower(graph, lowering);
  BuildOptions options;
  options.target = host_cpu();
  options.settings.min_block_size = 1;
  options.settings.optimization_level = 0;
  options.settings.num_threads = 1;
  const BuildResult built = build(graph, options);
  EXPECT_EQ(built.fallbacks.size(), 2u);
  LoadOptions load;
  load.num_threads = 1;
  Instance instance(Program::from_built(built.plan, load));
  Tensor input(DType::f32, {4, 6});
  for (int i = 0; i < 24; ++i) input.as<float>()[i] = 0.25f * static_cast<float>(i - 12);
  const auto outputs = instance.run(std::vector<Tensor>{input});
  ASSERT_EQ(outputs.size(), 1u);
  ASSERT_EQ(outputs[0].shape(), (Shape{4, 3}));
  for (int i = 0; i < 12; ++i) {
    const float a = input.as<float>()[2 * i], b = input.as<float>()[2 * i + 1];
    EXPECT_NEAR(outputs[0].as<float>()[i], 0.5f * std::tanh(a * a - b * b) + a * a + b * b, 1e-5f) << i;
  }
}

}  // namespace
}  // namespace aitune::test
