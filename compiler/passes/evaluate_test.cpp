#include "compiler/passes/evaluate.h"

#include "base/error.h"
#include "compiler/passes/testing.h"

namespace aitune {
namespace {

using namespace testing_passes;

constexpr const char* kEvaluated = R"(graph(%x: f32[s0,4], %n: f32[2*s0 + 1]) where s0 in [1,8] {
  %a: f32[s0,4] = aten.neg.default(%x)
  %b: f32[4*s0] = aten.view.default(%a, [4*s0])
  return %b, %x
})";

TEST(Evaluate, RunsWithConcreteSizes) {
  const Graph graph = parse_graph(kEvaluated);
  const auto inputs = random_inputs(graph, {{"s0", 3}}, 1);
  const auto outputs = evaluate(graph, inputs);
  ASSERT_EQ(outputs.size(), 2U);
  EXPECT_EQ(outputs[0].shape(), (Shape{12}));
  for (int i = 0; i < 12; ++i) EXPECT_EQ(outputs[0].as<float>()[i], -inputs[0].as<float>()[i]);
  EXPECT_EQ(outputs[1].data(), inputs[0].data());
}

TEST(Evaluate, FreesIntermediatesAfterTheirLastUse) {
  const Graph graph = parse_graph(R"(graph(%x: f32[4]) {
    %a: f32[4] = aten.neg.default(%x)
    %b: f32[4] = aten.neg.default(%a)
    %c: f32[4] = aten.neg.default(%b)
    return %c
  })");
  const auto inputs = random_inputs(graph, {}, 1);
  std::vector<std::weak_ptr<const void>> owners;
  std::vector<std::size_t> alive;
  evaluate(graph, inputs, [&](const Node&, std::span<const Tensor> outputs) {
    owners.emplace_back(outputs[0].owner());
    alive.push_back(static_cast<std::size_t>(
        std::count_if(owners.begin(), owners.end(), [](const auto& owner) { return !owner.expired(); })));
  });
  EXPECT_THAT(alive, ElementsAre(1U, 2U, 2U));
}

TEST(Evaluate, RefusesWrongInputs) {
  const Graph graph = parse_graph(kEvaluated);
  auto inputs = random_inputs(graph, {{"s0", 3}}, 1);
  EXPECT_THROW(evaluate(graph, std::span(inputs).first(1)), InvalidArgument);
  const auto with = [&](std::size_t i, Tensor tensor) {
    auto changed = inputs;
    changed[i] = std::move(tensor);
    return changed;
  };
  EXPECT_THROW(evaluate(graph, with(0, Tensor(DType::f64, {3, 4}))), InvalidArgument);
  EXPECT_THROW(evaluate(graph, with(0, Tensor(DType::f32, {3, 5}))), InvalidArgument);
  EXPECT_THROW(evaluate(graph, with(0, Tensor(DType::f32, {12}))), InvalidArgument);
  EXPECT_THROW(evaluate(graph, with(1, Tensor(DType::f32, {6}))), InvalidArgument);
  const auto large = random_inputs(graph, {{"s0", 9}}, 1);
  EXPECT_THROW(evaluate(graph, large), InvalidArgument);
}

TEST(Evaluate, BindsSymbolsOfLinearSizes) {
  const Graph graph = parse_graph("graph(%n: f32[3*s0 + 2]) where s0 in [1,8] {\n return %n\n}");
  EXPECT_EQ(bind_symbols(graph, std::vector{Tensor(DType::f32, {14})}).at("s0"), 4);
  EXPECT_THROW(bind_symbols(graph, std::vector{Tensor(DType::f32, {15})}), InvalidArgument);
}

}  // namespace
}  // namespace aitune
