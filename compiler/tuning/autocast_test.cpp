#include "compiler/tuning/autocast.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/error.h"
#include "base/target.h"
#include "compiler/passes/pipeline.h"
#include "compiler/tuning/engine_key.h"
#include "compiler/tuning/lowering.h"
#include "compiler/tuning/refit.h"
#include "compiler/tuning/tune.h"

namespace aitune {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Three products, of which the second sums more numbers and the third has larger ones.
constexpr const char* kNet = R"(graph(%x: f32[s0,64]) where s0 in [1,32] {
  weight %w1: f32[256,64] "w1" = random(1)
  weight %w2: f32[64,256] "w2" = random(2)
  weight %w3: f32[16,64] "w3" = splat(100)
  %a = aten.linear.default(%x, %w1) # body.first
  %r = aten.relu.default(%a) # body.act
  %b = aten.linear.default(%r, %w2) # body.second
  %s = aten.relu.default(%b) # body.act
  %y = aten.linear.default(%s, %w3) # head
  return %y
})";

Tensor sample(float scale) {
  std::mt19937 random(1);
  Tensor t(DType::f32, {16, 64});
  for (std::int64_t i = 0; i < t.numel(); ++i) t.as<float>()[i] = std::normal_distribution<float>(0, scale)(random);
  return t;
}

CompilationSettings cast_settings() {
  CompilationSettings s;
  s.timing_cache_path = "none";
  s.min_block_size = 1;
  s.optimization_level = 0;
  s.enable_autocast = true;
  s.autocast_low_precision_type = "bf16";
  s.autocast_max_output_threshold = 1e9;
  return s;
}

AutocastRules rules_for(const CompilationSettings& s, float scale = 1) {
  Progress silent;
  std::vector<std::string> warnings;
  const LowerOptions options = lower_options(s, silent, warnings);
  Graph graph = functional_program(parse_graph(kNet), options);
  lower(graph, options);
  const std::vector<std::vector<Tensor>> samples = {{sample(scale)}};
  return autocast_rules(graph, s, samples);
}

std::vector<std::string> kept(const CompilationSettings& s, float scale = 1) {
  std::vector<std::string> names;
  for (const auto& [node, why] : rules_for(s, scale).kept) names.push_back(node);
  return names;
}

TEST(Autocast, NamesModulesAndOperatorsLeaveProductsOut) {
  CompilationSettings s = cast_settings();
  EXPECT_THAT(kept(s), IsEmpty());
  s.autocast_excluded_nodes = {"^body"};
  EXPECT_THAT(kept(s), ElementsAre("a", "b"));
  s.autocast_excluded_nodes = {"^first", "hea[d]$"};
  EXPECT_THAT(kept(s), ElementsAre("y"));
  EXPECT_THAT(rules_for(s).warnings, ElementsAre(HasSubstr("'^first', which is nothing in the model")));
  s.autocast_excluded_nodes = {"^b$"};
  EXPECT_THAT(kept(s), ElementsAre("b"));
  s.autocast_excluded_nodes.clear();
  s.autocast_excluded_ops = {"torch.ops.aten.linear.default"};
  EXPECT_THAT(kept(s), ElementsAre("a", "b", "y"));
  s.autocast_excluded_ops = {"aten::tanh"};
  EXPECT_THAT(rules_for(s).warnings, ElementsAre(HasSubstr("'aten::tanh', which is nothing in the model")));
}

TEST(Autocast, LongSumsAndLargeNumbersStay) {
  CompilationSettings s = cast_settings();
  s.autocast_max_depth_of_reduction = 64;
  EXPECT_THAT(kept(s), ElementsAre("b"));
  EXPECT_THAT(rules_for(s).kept.at("b"), HasSubstr("it sums 256 numbers"));
  s.autocast_max_depth_of_reduction.reset();
  s.autocast_max_output_threshold = 512;
  EXPECT_THAT(kept(s), ElementsAre("y"));
  EXPECT_THAT(kept(s, 1000), ElementsAre("a", "b", "y"));  // other samples, other numbers
}

TunedModel tuned_with(const CompilationSettings& s, const SearchHooks& hooks = {}) {
  Progress silent;
  const std::vector<std::vector<Tensor>> samples = {{sample(1)}};
  return tune_graph(parse_graph(kNet), samples, s, silent, {}, hooks);
}

TEST(Autocast, WhatTheRulesLeaveIsComputedInBf16) {
  if (!host_cpu().avx512_bf16) GTEST_SKIP() << "no AVX512_BF16 here";
  CompilationSettings s = cast_settings();
  const TunedModel all = tuned_with(s);
  EXPECT_EQ(all.report.chosen, "autocast");
  EXPECT_EQ(all.report.bf16_share, 1);
  EXPECT_GT(all.report.worst_error, 1e-5);
  s.autocast_excluded_nodes = {"second"};
  const TunedModel two = tuned_with(s);
  EXPECT_EQ(two.report.chosen, "autocast");
  EXPECT_LT(two.report.bf16_share, 0.7);
  ASSERT_EQ(two.report.kept_in_fp32.size(), 1u);
  EXPECT_EQ(two.report.kept_in_fp32[0].why, "autocast_excluded_nodes has 'second'");
  EXPECT_EQ(two.decisions.f32_products, (std::set<std::string, std::less<>>{"b"}));
  s.autocast_excluded_ops = {"aten.linear"};
  const TunedModel none = tuned_with(s);
  EXPECT_EQ(none.report.bf16_share, 0);
  EXPECT_LT(none.report.worst_error, 1e-5);
}

TEST(Autocast, LooksAtItsOwnSamplesWhereItHasSome) {
  if (!host_cpu().avx512_bf16) GTEST_SKIP() << "no AVX512_BF16 here";
  CompilationSettings s = cast_settings();
  s.autocast_max_output_threshold = 1e5;
  EXPECT_EQ(tuned_with(s).report.bf16_share, 1);
  SearchHooks hooks;
  hooks.calibration = {{sample(1000)}};
  EXPECT_LT(tuned_with(s, hooks).report.bf16_share, 1);
  const std::vector<std::vector<Tensor>> samples = {{sample(1)}};
  EXPECT_NE(engine_key(parse_graph(kNet), samples, {}, s),
            engine_key(parse_graph(kNet), samples, {}, s, hooks.calibration));
}

TEST(Autocast, SamplesOfItsOwnMustFitTheModel) {
  if (!host_cpu().avx512_bf16) GTEST_SKIP() << "no AVX512_BF16 here";
  SearchHooks hooks;
  hooks.calibration = {{Tensor(DType::f32, {64, 64})}};
  try {
    tuned_with(cast_settings(), hooks);
    FAIL() << "it was taken";
  } catch (const InvalidArgument& error) {
    EXPECT_THAT(error.what(), HasSubstr("calibration sample 0 of autocast"));
  }
}

TEST(Autocast, IsBuiltAgainFromItsDecisions) {
  if (!host_cpu().avx512_bf16) GTEST_SKIP() << "no AVX512_BF16 here";
  CompilationSettings s = cast_settings();
  s.autocast_excluded_nodes = {"head"};
  const TunedModel first = tuned_with(s);
  Progress silent;
  const std::vector<std::vector<Tensor>> samples = {{sample(1)}};
  const Decisions decisions = Decisions::from_json(first.decisions.to_json(), "log");
  const TunedModel again = repeat_graph(parse_graph(kNet), samples, s, decisions, silent, {});
  EXPECT_EQ(again.plan.code, first.plan.code);
  EXPECT_EQ(again.plan.constants, first.plan.constants);
}

TEST(Autocast, SaysWhyNothingIsCast) {
  CompilationSettings s = cast_settings();
  s.autocast_low_precision_type.clear();
  EXPECT_THAT(tuned_with(s).report.warnings, Contains(HasSubstr("autocast_low_precision_type is none")));
  s.autocast_low_precision_type = "fp16";
  const TunedModel tuned = tuned_with(s);
  EXPECT_EQ(tuned.report.chosen, "fp32");
  EXPECT_THAT(tuned.report.warnings,
              ElementsAre(AllOf(HasSubstr("no products in fp16"), HasSubstr("everything stays in fp32"))));
}

TEST(Autocast, IsGivenUpWhereItIsTooFarOff) {
  if (!host_cpu().avx512_bf16) GTEST_SKIP() << "no AVX512_BF16 here";
  CompilationSettings s = cast_settings();
  s.max_relative_error = 1e-4;
  const TunedModel tuned = tuned_with(s);
  EXPECT_EQ(tuned.report.chosen, "fp32");
  EXPECT_THAT(tuned.report.warnings, Contains(HasSubstr("autocast was given up")));
}

}  // namespace
}  // namespace aitune
