#include "compiler/partition/partition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "base/error.h"
#include "compiler/ops/schema.h"
#include "compiler/partition/cut.h"

namespace aitune {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Takes what the predicate says.
class FakeEngine : public CompileEngine {
 public:
  FakeEngine(std::string name, std::function<bool(const Node&)> takes)
      : name_(std::move(name)), takes_(std::move(takes)) {}
  std::string_view name() const override { return name_; }
  Support supports(const Node& node, const EngineOptions&) const override {
    return takes_(node) ? Support::yes() : Support::no("no kernel for it");
  }
  void compile(const Block&, const EngineOptions&, PlanBuilder&) const override {}

 private:
  std::string name_;
  std::function<bool(const Node&)> takes_;
};

const FakeEngine& all() {
  static const FakeEngine engine("reference", [](const Node&) { return true; });
  return engine;
}

std::vector<std::string> ops(const Block& block) {
  std::vector<std::string> names;
  for (const auto& node : block.graph.nodes()) names.emplace_back(node->op_name());
  return names;
}

constexpr const char* kText = R"(graph(%x: f32[s0,4]) where s0 in [1,16] {
  weight %w: f32[4] "w" = splat(2)
  %a: f32[s0,4] = aten.relu.default(%x)
  %b: f32[s0,4] = aten.tanh.default(%a)
  %c: f32[s0,4] = aten.mul.Tensor(%b, %w)
  %d: f32[s0,4] = aten.add.Tensor(%c, %a)
  return %d
})";

FakeEngine without(std::string op) {
  return FakeEngine("cpu", [op = std::move(op)](const Node& node) { return node.op_name() != op; });
}

TEST(Partition, OneEngineTakesAll) {
  const Graph graph = parse_graph(kText);
  const CompileEngine* engines[] = {&all()};
  const Partition parts = partition(graph, engines, {});
  ASSERT_EQ(parts.blocks.size(), 1U);
  EXPECT_TRUE(parts.fallbacks.empty());
  EXPECT_EQ(parts.blocks[0].graph.nodes().size(), 4U);
  EXPECT_EQ(parts.blocks[0].graph.weights.size(), 1U);
  EXPECT_EQ(parts.blocks[0].graph.weights[0]->data.data(), graph.weights[0]->data.data());
  verify(parts.blocks[0].graph, "partition");
}

TEST(Partition, CutsAroundWhatAnEngineDoesNotTake) {
  const Graph graph = parse_graph(kText);
  const FakeEngine cpu = without("aten.tanh.default");
  const CompileEngine* engines[] = {&cpu, &all()};
  const Partition parts = partition(graph, engines, {});
  ASSERT_EQ(parts.blocks.size(), 3U);
  EXPECT_THAT(ops(parts.blocks[0]), ElementsAre("aten.relu.default"));
  EXPECT_THAT(ops(parts.blocks[1]), ElementsAre("aten.tanh.default"));
  EXPECT_THAT(ops(parts.blocks[2]), ElementsAre("aten.mul.Tensor", "aten.add.Tensor"));
  EXPECT_EQ(parts.blocks[1].engine, &all());
  EXPECT_THAT(parts.blocks[1].fallback_reason, HasSubstr("no kernel"));
  EXPECT_TRUE(parts.blocks[0].fallback_reason.empty());
  EXPECT_EQ(parts.blocks[2].inputs.size(), 2U);  // tanh and relu
  ASSERT_EQ(parts.fallbacks.size(), 1U);
  EXPECT_EQ(parts.fallbacks[0].op, "aten.tanh.default");
  for (const Block& block : parts.blocks) verify(block.graph, "partition");
}

TEST(Partition, NeedsOneBlockLessWhenTheFallbackComesFirst) {
  const Graph graph = parse_graph(R"(graph(%x: f32[4], %y: f32[4]) {
    %a: f32[4] = aten.relu.default(%x)
    %t: f32[4] = aten.tanh.default(%y)
    %b: f32[4] = aten.add.Tensor(%a, %t)
    return %b
  })");
  const FakeEngine cpu = without("aten.tanh.default");
  const CompileEngine* engines[] = {&cpu, &all()};
  EXPECT_EQ(partition(graph, engines, {}).blocks.size(), 2U);
}

TEST(Partition, SmallBlocksGoToTheFallback) {
  const Graph graph = parse_graph(kText);
  const FakeEngine cpu = without("aten.tanh.default");
  const CompileEngine* engines[] = {&cpu, &all()};
  const Partition two = partition(graph, engines, {}, {.min_block_size = 2});
  ASSERT_EQ(two.blocks.size(), 2U);
  EXPECT_THAT(ops(two.blocks[0]), ElementsAre("aten.relu.default", "aten.tanh.default"));
  const Partition three = partition(graph, engines, {}, {.min_block_size = 3});
  ASSERT_EQ(three.blocks.size(), 1U);
  EXPECT_EQ(three.blocks[0].engine, &all());
}

TEST(Partition, ExecutedOpsGoToTheFallbackUnderAnySpelling) {
  const Graph graph = parse_graph(kText);
  const FakeEngine cpu("cpu", [](const Node&) { return true; });
  const CompileEngine* engines[] = {&cpu, &all()};
  for (const char* name : {"aten.tanh.default", "torch.ops.aten.tanh.default", "aten::tanh", "aten.tanh"}) {
    const Partition parts = partition(graph, engines, {}, {.torch_executed_ops = {name}});
    ASSERT_EQ(parts.fallbacks.size(), 1U) << name;
    EXPECT_EQ(parts.fallbacks[0].reason, "listed in torch_executed_ops");
  }
  EXPECT_THROW(partition(graph, engines, {}, {.torch_executed_ops = {"aten.tahn"}}), InvalidArgument);
}

TEST(Partition, FullCompilationListsEverything) {
  const Graph graph = parse_graph(kText);
  const FakeEngine cpu("cpu", [](const Node& node) { return node.op_name() == "aten.relu.default"; });
  const CompileEngine* engines[] = {&cpu, &all()};
  try {
    partition(graph, engines, {}, {.require_full_compilation = true});
    FAIL() << "no error";
  } catch (const Unsupported& error) {
    EXPECT_THAT(error.what(), HasSubstr("aten.tanh.default (1 node)"));
    EXPECT_THAT(error.what(), HasSubstr("aten.mul.Tensor (1 node)"));
  }
}

TEST(Partition, FullCompilationDisregardsTheSizeOfBlocks) {
  const Graph graph = parse_graph(kText);
  const FakeEngine cpu("cpu", [](const Node&) { return true; });
  const CompileEngine* engines[] = {&cpu, &all()};
  const Partition small = partition(graph, engines, {}, {.min_block_size = 5});
  EXPECT_EQ(small.blocks.at(0).engine, &all());
  const Partition full = partition(graph, engines, {}, {.min_block_size = 5, .require_full_compilation = true});
  ASSERT_EQ(full.blocks.size(), 1U);
  EXPECT_EQ(full.blocks[0].engine, &cpu);
}

TEST(Partition, FullCompilationRefusesExecutedOps) {
  const Graph graph = parse_graph(kText);
  const FakeEngine cpu("cpu", [](const Node&) { return true; });
  const CompileEngine* engines[] = {&cpu, &all()};
  EXPECT_THROW(partition(graph, engines, {}, {.torch_executed_ops = {"aten.tanh"}, .require_full_compilation = true}),
               Unsupported);
}

TEST(Partition, WarnsOfExecutedOpsThatTheGraphHasNot) {
  const Graph graph = parse_graph(kText);
  const FakeEngine cpu("cpu", [](const Node&) { return true; });
  const CompileEngine* engines[] = {&cpu, &all()};
  const Partition parts = partition(graph, engines, {}, {.torch_executed_ops = {"aten.gelu", "aten.tanh"}});
  ASSERT_EQ(parts.warnings.size(), 1U);
  EXPECT_THAT(parts.warnings[0], HasSubstr("aten.gelu"));
}

TEST(Partition, NobodyTakesIt) {
  const Graph graph = parse_graph(kText);
  const FakeEngine cpu = without("aten.tanh.default");
  const CompileEngine* engines[] = {&cpu};
  EXPECT_THROW(partition(graph, engines, {}), Unsupported);
  EXPECT_THROW(partition(graph, {}, {}), InvalidArgument);
}

/// On random graphs with random engines: one engine a level, and no edge goes back.
TEST(CutLevels, RandomGraphs) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 50; ++round) {
    Graph graph;
    std::vector<Value*> values = {graph.add_input("x", {DType::f32, {4}})};
    std::vector<std::size_t> engine_of;
    for (int i = 0; i < 40; ++i) {
      Value* a = values[random() % values.size()];
      Value* b = values[random() % values.size()];
      values.push_back(graph.add_node_inferred(*find_op("aten.add.Tensor"), {a, b, SymInt(1)})->output());
      engine_of.push_back(random() % 3);
    }
    graph.outputs = {values.back()};
    const auto levels = cut_levels(graph, engine_of, 3);
    std::map<std::size_t, std::size_t> engine_of_level;
    std::unordered_map<const Node*, std::size_t> level_of;
    std::size_t i = 0;
    for (const auto& node : graph.nodes()) {
      EXPECT_EQ(engine_of_level.try_emplace(levels[i], engine_of[i]).first->second, engine_of[i]);
      for (const Value* operand : node->operands()) {
        if (operand->producer == nullptr) continue;
        EXPECT_LE(level_of.at(operand->producer), levels[i]);
      }
      level_of[node.get()] = levels[i++];
    }
  }
}

constexpr const char* kDataText = R"(graph(%x: f32[s0]) where s0 in [1,16] {
  %p: i64[u0,1] = aten.nonzero.default(%x)
  %z: f32[u0,2] = aten.zeros.default([u0, 2])
  %y: f32[u0,2] = aten.relu.default(%z)
  return %y
})";

TEST(Partition, WhatUsesASizeRunsBehindTheNodeThatDataTellIt) {
  const Graph graph = parse_graph(kDataText);
  const FakeEngine cpu = without("aten.nonzero.default");
  const CompileEngine* engines[] = {&cpu, &all()};
  const Partition parts = partition(graph, engines, {});
  ASSERT_EQ(parts.blocks.size(), 2U);
  EXPECT_THAT(ops(parts.blocks[0]), ElementsAre("aten.nonzero.default"));
  EXPECT_THAT(ops(parts.blocks[1]), ElementsAre("aten.zeros.default", "aten.relu.default"));
}

TEST(Partition, FallbackOfOperatorsWhoseSizeDataDecide) {
  const Graph graph = parse_graph(kDataText);
  const FakeEngine cpu("cpu", [](const Node&) { return true; });
  const CompileEngine* engines[] = {&cpu, &all()};
  EXPECT_TRUE(partition(graph, engines, {}).fallbacks.empty());
  PartitionOptions options;
  options.fallback_data_dependent_ops = true;
  const Partition parts = partition(graph, engines, {}, options);
  ASSERT_EQ(parts.fallbacks.size(), 1U);
  EXPECT_EQ(parts.fallbacks[0].op, "aten.nonzero.default");
  EXPECT_THAT(parts.fallbacks[0].reason, HasSubstr("fallback_data_dependent_ops is set"));
  options.require_full_compilation = true;
  EXPECT_THROW(partition(graph, engines, {}, options), Unsupported);
}

}  // namespace
}  // namespace aitune
