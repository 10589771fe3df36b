#include "compiler/tuning/dryrun.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace aitune {
namespace {

using ::testing::HasSubstr;

constexpr const char* kNet = R"(graph(%x: f32[s0,64]) where s0 in [1,8] {
  weight %w: f32[32,64] "w" = random(1)
  %a = aten.linear.default(%x, %w)
  %t = aten.tanh.default(%a)
  %y = aten.relu.default(%t)
  return %y
})";

DryrunReport run(const CompilationSettings& settings, const SymValues& preferred = {}) {
  Progress silent;
  const std::vector<std::vector<Tensor>> samples = {{Tensor(DType::f32, {2, 64})}};
  return dry_run(parse_graph(kNet), samples, settings, silent, preferred);
}

TEST(Dryrun, SaysWhatBlocksThereWouldBe) {
  CompilationSettings settings;
  settings.min_block_size = 1;
  settings.torch_executed_ops = {"aten.tanh"};
  const DryrunReport report = run(settings);
  ASSERT_EQ(report.blocks.size(), 3U);
  EXPECT_EQ(report.blocks[0].engine, "cpu");
  EXPECT_EQ(report.blocks[1].engine, "reference");
  EXPECT_THAT(report.blocks[1].why, HasSubstr("torch_executed_ops"));
  EXPECT_EQ(report.compiled_nodes + 1, report.nodes);
  ASSERT_EQ(report.fallbacks.size(), 1U);
  EXPECT_EQ(report.fallbacks[0].op, "aten.tanh.default");
  EXPECT_THAT(report.graph, HasSubstr("aten.tanh.default"));
  const std::string text = report.text();
  for (const char* part : {"block1 on reference: 1 nodes", "aten.tanh.default (1x): listed in torch_executed_ops",
                           "Estimated memory: weights 8.0 KB", "at s0 = 8", "\"min_block_size\":1"})
    EXPECT_THAT(text, HasSubstr(part));
  const auto json = nlohmann::json::parse(report.to_json());
  EXPECT_EQ(json["blocks"].size(), 3U);
  EXPECT_EQ(json["fallbacks"][0]["op"], "aten.tanh.default");
}

TEST(Dryrun, EstimatesMemoryAtThePreferredAndTheLargestSizes) {
  const DryrunReport report = run({}, {{"s0", 4}});
  EXPECT_EQ(report.weight_bytes, 32 * 64 * 4);
  ASSERT_EQ(report.memory.size(), 2U);
  EXPECT_EQ(report.memory[0].sizes, (SymValues{{"s0", 4}}));
  EXPECT_EQ(report.memory[0].inputs, 4 * 64 * 4);
  EXPECT_EQ(report.memory[0].outputs, 4 * 32 * 4);
  EXPECT_GE(report.memory[0].activations, 4 * 32 * 4);
  EXPECT_LE(report.memory[0].activations, 3 * 4 * 32 * 4);
  EXPECT_EQ(report.memory[1].inputs, 8 * 64 * 4);
}

TEST(Dryrun, FullCompilationIsHeldToItsWord) {
  CompilationSettings settings;
  settings.torch_executed_ops = {"aten.tanh"};
  settings.require_full_compilation = true;
  EXPECT_THROW(run(settings), Unsupported);
}

TEST(Dryrun, IsASettingThatIsABoolOrAPath) {
  CompilationSettings s;
  EXPECT_THAT(s.to_json(), HasSubstr("\"dryrun\":false"));
  for (const char* on : {"true", "True", "1"}) {
    s.set("dryrun", on);
    EXPECT_EQ(s.dryrun, "true");
    EXPECT_THAT(s.to_json(), HasSubstr("\"dryrun\":true"));
  }
  for (const char* off : {"false", "False", "0", ""}) {
    s.set("dryrun", off);
    EXPECT_TRUE(s.dryrun.empty());
  }
  s.set("dryrun", "report.txt");
  EXPECT_THAT(s.to_json(), HasSubstr("\"dryrun\":\"report.txt\""));
}

TEST(Dryrun, BranchesAreBlocksOfTheirOwn) {
  Progress silent;
  const std::vector<std::vector<Tensor>> samples = {{Tensor::scalar(DType::b8, true), Tensor(DType::f32, {2, 64})}};
  const DryrunReport report = dry_run(parse_graph(R"(graph(%p: bool[], %x: f32[s0,64]) where s0 in [1,8] {
    %t = aten.tanh(%x)
    %y = higher_order.cond(%p, [%t])
    region(%a: f32[s0,64]) {
      %r = aten.relu(%a)
      return %r
    }
    region(%a: f32[s0,64]) {
      return %a
    }
    return %y
  })"),
                                      samples, CompilationSettings(), silent, {});
  ASSERT_FALSE(report.blocks.empty());
  EXPECT_EQ(report.blocks.back().engine, "control");
}

TEST(Dryrun, LoopsAreJudgedAsInTuning) {
  Progress silent;
  const std::vector<std::vector<Tensor>> samples = {
      {Tensor::scalar(DType::f32, 1.0F), Tensor::scalar(DType::i64, std::int64_t{0})}};
  const Graph endless = parse_graph(R"(graph(%x: f32[], %n: i64[]) {
    %y = higher_order.while_loop([%x], [%n])
    region(%x: f32[], %n: i64[]) {
      %go = aten.gt.Scalar(%n, 1)
      return %go
    }
    region(%x: f32[], %n: i64[]) {
      %h = aten.mul.Scalar(%x, 0.5)
      return %h
    }
    return %y
  })");
  EXPECT_THROW(dry_run(endless, samples, CompilationSettings(), silent, {}), Unsupported);
}

}  // namespace
}  // namespace aitune
