// Custom operators from registration to a run.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "base/custom_ops.h"
#include "base/error.h"
#include "base/message_of.h"
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
  EXPECT_THAT(message_of<Error>([] { load_custom_ops(AITUNE_BADLIB); }), HasSubstr("aten.add.Tensor exists already"));
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
  EXPECT_THAT(message_of<Error>([&] { graph.add_node_inferred(*find_op("mylib.fold"), {odd}); }),
              HasSubstr("must be equal"));
  Value* whole = graph.add_input("whole", {DType::i64, {batch}});
  EXPECT_THAT(message_of<Error>([&] { graph.add_node_inferred(*find_op("mylib.scaled_tanh"), {whole, 1.0}); }),
              HasSubstr("x must be f32"));
}

aitune_status infer_twice(aitune_shape_call* call, void* /*user*/) {
  const aitune_type& x = *call->args[0].as.tensor;
  std::array<char, 64> text{};
  const std::size_t length = call->print(call, x.sizes[0], text.data(), text.size());
  std::array<char, 3> few{};
  if (call->print(call, x.sizes[0], few.data(), few.size()) != length || few[2] != '\0') return AITUNE_INTERNAL;
  const aitune_size size = call->parse(call, ("2*(" + std::string(text.data(), length) + ") + 1").c_str());
  call->add_output(call, x.dtype, 1, &size);
  return AITUNE_OK;
}
aitune_status infer_garbage(aitune_shape_call* call, void* /*user*/) {
  const aitune_size size = call->parse(call, "2*(");
  call->add_output(call, AITUNE_F32, 1, &size);
  return AITUNE_OK;
}
aitune_status run_nothing(const aitune_op_call* /*call*/, void* /*user*/) { return AITUNE_OK; }

TEST(CustomOpsOfTheProcess, SizesAreTextAsWell) {
  register_custom_op({"own::twice", "twice(Tensor x) -> Tensor", infer_twice, run_nothing, nullptr}, "here", "");
  register_custom_op({"own::bad", "bad(Tensor x) -> Tensor", infer_garbage, run_nothing, nullptr}, "here", "");
  EXPECT_THAT(message_of<Error>([] {
                register_custom_op({"own::bad", "bad(Tensor x) -> Tensor", infer_garbage, run_nothing, nullptr},
                                   "there", "");
              }),
              HasSubstr("own.bad.default exists already, from here"));
  Graph graph;
  Value* x = graph.add_input("x", {DType::f32, {SymInt::symbol("s0") * 3}});
  EXPECT_EQ(to_string(graph.add_node_inferred(*find_op("own.twice"), {x})->output()->type), "f32[6*s0 + 1]");
  EXPECT_THAT(message_of<Error>([&] { graph.add_node_inferred(*find_op("own.bad"), {x}); }),
              HasSubstr("ends too early"));
}

TEST(CustomOpsOfTheProcess, AreAskedFor) {
  static std::vector<std::string> asked;
  set_custom_op_finder([](const std::string& name) noexcept {
    asked.push_back(name);
    if (name == "late.op.default")
      register_custom_op({name.c_str(), "op(Tensor x) -> Tensor", infer_twice, run_nothing, nullptr}, "late", "");
  });
  EXPECT_NE(find_op("late.op"), nullptr);
  EXPECT_NE(find_op("late.op"), nullptr);
  for (const char* name : {"aten.nothing", "prims.nothing.default", "no_dot", "late.other", "a.b.c.d", "late.op$"})
    EXPECT_EQ(find_op(name), nullptr) << name;
  set_custom_op_finder(nullptr);
  EXPECT_EQ(find_op("late.third"), nullptr);
  EXPECT_EQ(asked, (std::vector<std::string>{"late.op.default", "late.other.default"}));
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
