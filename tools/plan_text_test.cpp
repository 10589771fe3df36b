#include "tools/plan_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace aitune::tools {
namespace {

Plan small_plan() {
  Plan plan;
  plan.origins = {
      {"c", "aten.conv2d.default", "layer1.0.conv", "/home/me/model.py:29 in forward: x = self.conv(x)", {}},
      {"n", "aten.batch_norm.default", "layer1.0.bn", "", {}},
      {"r", "aten.relu.default", "layer1.0.relu", "", {}},
      {"l", "aten.linear.default", "fc", "model.py:31 in forward: return self.fc(x)", {}}};
  plan.sources = {{"conv", "aten.convolution.default", "layer1.0.conv", "", {0, 1}},
                  {"relu", "aten.relu.default", "layer1.0.relu", "", {2}},
                  {"linear", "aten.linear.default", "fc", "", {3}}};
  plan.blocks = {{"cpu", "", {}}};
  plan.steps.resize(2);
  plan.steps[0].name = "gemm";
  plan.steps[0].sources = {0, 1};
  plan.steps[1].sources = {2};
  return plan;
}

TEST(PlanText, StepsAreToldByTheModelsNodes) {
  const Plan plan = small_plan();
  EXPECT_EQ(nodes_text(plan, plan.steps[0]), "conv2d + batch_norm + relu in layer1.0 at model.py:29");
  EXPECT_EQ(step_text(plan, 0),
            "step 0 (gemm) of block 0 (cpu): conv2d + batch_norm + relu in layer1.0 at model.py:29");
  EXPECT_EQ(step_text(plan, 2), "the end of the plan");
  EXPECT_EQ(block_places(plan, 0), ", from conv2d in layer1.0.conv at model.py:29 to linear in fc at model.py:31");
  EXPECT_EQ(block_places(plan, 1), "");
  const auto json = nodes_json(plan, plan.steps[0]);
  ASSERT_EQ(json.size(), 3U);
  EXPECT_EQ(json[0]["node"], "c");
  EXPECT_EQ(json[0]["module"], "layer1.0.conv");
}

TEST(PlanText, PlansOfOlderVersionsNameTheLoweredNodes) {
  Plan plan = small_plan();
  plan.origins.clear();
  for (PlanSource& source : plan.sources) source.origins.clear();
  EXPECT_EQ(nodes_text(plan, plan.steps[0]), "convolution + relu in layer1.0");
}

TEST(PlanText, ModulesEndAtTheirDots) {
  Plan plan = small_plan();
  plan.origins[0].module = "layer1";
  plan.origins[1].module = "layer10";
  plan.origins[2].module = "layer1";
  EXPECT_EQ(nodes_text(plan, plan.steps[0]), "conv2d + batch_norm + relu at model.py:29");
}

}  // namespace
}  // namespace aitune::tools
