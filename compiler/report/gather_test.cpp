#include "compiler/report/gather.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "compiler/report/gather_nodes.h"
#include "compiler/report/testing.h"
#include "compiler/report/value_errors.h"

namespace aitune {
namespace {

using ::testing::ElementsAre;

ModelReport quick_report() {
  ReportOptions options;
  options.seconds = 0.01;
  Progress silent;
  return gather_report(tuned_digits(), options, silent);
}

TEST(GatherReport, TellsStepsNodesAndModulesOfEachOther) {
  const ModelReport r = quick_report();
  ASSERT_TRUE(r.has_graph);
  ASSERT_FALSE(r.steps.empty());
  ASSERT_FALSE(r.nodes.empty());
  std::size_t fused = 0;
  for (std::size_t s = 0; s < r.steps.size(); ++s) {
    for (const std::size_t n : r.steps[s].nodes) {
      const auto& steps = r.nodes.at(n).steps;
      EXPECT_NE(std::ranges::find(steps, s), steps.end());
    }
    fused += r.steps[s].nodes.size() > 1 ? 1 : 0;
    for (const std::size_t input : r.steps[s].inputs) EXPECT_LT(input, s);
  }
  EXPECT_GT(fused, 0U) << "a convolution and its activation are one step";
  const auto named = [](const NodeReport& n) { return !n.module.empty() && n.code.find(".py:") != std::string::npos; };
  EXPECT_TRUE(std::ranges::any_of(r.nodes, named)) << "nodes know the user's module and line";
  double by_node = 0, by_step = 0;
  for (const NodeReport& node : r.nodes) by_node += node.microseconds;
  for (const StepReport& step : r.steps) by_step += step.nodes.empty() ? 0 : step.microseconds;
  EXPECT_NEAR(by_node, by_step, 1e-6 * by_step);
  EXPECT_EQ(r.modules.at(0).path, "");
  EXPECT_NEAR(r.modules[0].microseconds, by_node, 1e-6 * by_node);
}

TEST(GatherReport, KnowsTheErrorOfEveryStoredValue) {
  const ModelReport r = quick_report();
  std::size_t known = 0;
  for (const StepReport& step : r.steps)
    for (const ValueReport& value : step.values)
      if (value.error) {
        ++known;
        EXPECT_LT(*value.error, 1e-4) << value.name;
      }
  EXPECT_GE(known, 3U);
  ASSERT_TRUE(r.blocks.at(0).error);
  EXPECT_LT(*r.blocks[0].error, 1e-4);
}

TEST(GatherReport, MeasuresBeforeAndAfter) {
  const ModelReport r = quick_report();
  EXPECT_GE(r.after.runs, 10U);
  ASSERT_TRUE(r.before);
  EXPECT_TRUE(std::ranges::is_sorted(r.after.times));
  EXPECT_FALSE(r.settings.empty());
}

TEST(GatherReport, MemoryLiesInTheArena) {
  const ModelReport r = quick_report();
  for (const ArenaPiece& piece : r.arena) {
    EXPECT_GE(piece.offset, 0);
    EXPECT_LE(piece.offset + piece.bytes, r.arena_bytes);
    EXPECT_LE(piece.first, piece.last);
  }
  for (const StepReport& step : r.steps) EXPECT_LE(step.live_bytes, r.arena_bytes);
}

TEST(DescribeModules, CountsWhatIsInside) {
  std::vector<NodeReport> nodes(3);
  nodes[0].module = "a.b";
  nodes[0].microseconds = 1;
  nodes[1].module = "a.c.d";
  nodes[1].microseconds = 2;
  nodes[2].microseconds = 4;
  std::vector<std::string> paths;
  std::vector<double> times;
  for (const ModuleReport& m : describe_modules(nodes)) {
    paths.push_back(m.path);
    times.push_back(m.microseconds);
  }
  EXPECT_THAT(paths, ElementsAre("", "a", "a.b", "a.c", "a.c.d"));
  EXPECT_THAT(times, ElementsAre(7, 3, 1, 2, 2));
}

/// Shows these values one after the other, and counts the runs.
ShowValues show(std::vector<std::pair<std::string, std::vector<float>>> values, int* runs = nullptr) {
  return [values = std::move(values), runs](const ShowValue& each) {
    if (runs != nullptr) ++*runs;
    for (const auto& [name, elements] : values) each(name, Tensor::of<float>(DType::f32, elements));
  };
}

TEST(CompareValues, KeepsToTheBudget) {
  const auto reference = show({{"a", {1, 1}}, {"b", {1}}, {"c", {2}}, {"only_here", {1}}});
  int runs = 0;
  const auto subject = show({{"c", {3}}, {"b", {1}}, {"a", {1, 1}}, {"only_there", {1}}}, &runs);
  const std::set<std::string, std::less<>> names = {"a", "b", "c", "only_here", "only_there"};
  const auto rows = compare_values(reference, subject, names, 12);
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0].name, "a");
  EXPECT_EQ(rows[0].error, 0);
  EXPECT_EQ(rows[2].name, "c");
  EXPECT_DOUBLE_EQ(rows[2].error, 0.5);
  EXPECT_EQ(runs, 2) << "12 bytes are two values";
  runs = 0;
  EXPECT_EQ(compare_values(reference, subject, names, 1).size(), 3U);
  EXPECT_EQ(runs, 4);
}

}  // namespace
}  // namespace aitune
