// What settings do that are of no part alone.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include <fmt/format.h>

#include "base/target.h"
#include "compiler/tuning/tune.h"
#include "format/plan.h"
#include "runtime/instance.h"
#include "runtime/program.h"

namespace aitune {
namespace {

using testing::Contains;
using testing::Not;

CompilationSettings quick() {
  CompilationSettings s;
  s.timing_cache_path = "none";
  s.min_block_size = 1;
  s.optimization_level = 0;
  return s;
}

class HeardWarnings final : public Progress {
 public:
  void warn(std::string_view message) override { all.emplace_back(message); }
  std::vector<std::string> all;
};

Tensor numbers(DType dtype, Shape shape) {
  std::mt19937 random(3);
  Tensor wide(DType::f64, std::move(shape));
  for (std::int64_t i = 0; i < wide.numel(); ++i) wide.as<double>()[i] = std::normal_distribution<double>()(random);
  return wide.to(dtype);
}

Tensor filled(DType dtype, Shape shape, double value) {
  Tensor wide(DType::f64, std::move(shape));
  for (std::int64_t i = 0; i < wide.numel(); ++i) wide.as<double>()[i] = value;
  return wide.to(dtype);
}

std::vector<std::string> ops_of_plan(const TunedModel& tuned) {
  std::vector<std::string> ops;
  for (const PlanSource& source : tuned.plan.plan.sources) ops.push_back(source.op);
  return ops;
}

constexpr const char* kDoubles = R"(graph(%x: f64[s0,64]) where s0 in [1,8] {
  weight %w: f64[64,64] "w" = random(1)
  weight %f: f64[5,64] "f" = random(2)
  %a = aten.linear.default(%x, %w)
  %r = aten.relu.default(%a)
  %y = aten.linear.default(%r, %f)
  return %y
})";

TEST(SettingsEffect, TruncateDoubleCompilesWhatIsThenInSinglePrecision) {
  Progress silent;
  const std::vector<std::vector<Tensor>> samples = {{numbers(DType::f64, {4, 64})}};
  CompilationSettings s = quick();
  const TunedModel exact = tune_graph(parse_graph(kDoubles), samples, s, silent);
  EXPECT_LT(exact.report.compiled_share, 1);
  EXPECT_LT(exact.report.worst_error, 1e-12);
  s.truncate_double = true;
  const TunedModel tuned = tune_graph(parse_graph(kDoubles), samples, s, silent);
  EXPECT_EQ(tuned.report.compiled_share, 1);
  EXPECT_GT(tuned.report.worst_error, 1e-10);
  EXPECT_LT(tuned.report.worst_error, 1e-5);
  EXPECT_LT(tuned.report.candidates.at(0).constant_bytes, exact.report.candidates.at(0).constant_bytes);
  EXPECT_EQ(tuned.plan.plan.inputs.at(0).dtype, DType::f64);
  EXPECT_EQ(tuned.plan.plan.outputs.at(0).dtype, DType::f64);
  s.engine = "reference";
  EXPECT_GT(tune_graph(parse_graph(kDoubles), samples, s, silent).report.worst_error, 1e-10);
}

TEST(SettingsEffect, DecomposeAttentionMakesItSingleOperators) {
  constexpr const char* kNet = R"(graph(%q: f32[2,16,8]) {
    %y = aten.scaled_dot_product_attention.default(%q, %q, %q)
    return %y
  })";
  Progress silent;
  const std::vector<std::vector<Tensor>> samples = {{numbers(DType::f32, {2, 16, 8})}};
  CompilationSettings s = quick();
  for (const char* engine : {"cpu", "reference"}) {
    s.engine = engine;
    s.decompose_attention = false;
    EXPECT_THAT(ops_of_plan(tune_graph(parse_graph(kNet), samples, s, silent)),
                Contains("aten.scaled_dot_product_attention.default"));
    s.decompose_attention = true;
    const auto ops = ops_of_plan(tune_graph(parse_graph(kNet), samples, s, silent));
    EXPECT_THAT(ops, Not(Contains("aten.scaled_dot_product_attention.default")));
    EXPECT_THAT(ops, Contains("aten._softmax.default"));
  }
}

/// A product with ones, of the precisions that are enabled.
std::vector<Tensor> sum_of(const std::string& type, const CompilationSettings& settings, const Tensor& x) {
  const std::string text = fmt::format(R"(graph(%x: {0}[1,4096]) {{
    weight %w: {0}[2,4096] "w" = splat(1)
    %y = aten.linear.default(%x, %w)
    return %y
  }})",
                                       type);
  Progress silent;
  const std::vector<std::vector<Tensor>> samples = {{x}};
  const TunedModel tuned = tune_graph(parse_graph(text), samples, settings, silent);
  return Instance(Program::from_built(tuned.plan)).run(samples[0]);
}

/// use_fp32_acc: in fp16, 2048 + 1 is 2048; in bf16, 256 + 1 is 256.
TEST(SettingsEffect, SumsOfNarrowNumbersAreInFp32) {
  CompilationSettings s = quick();
  s.use_fp32_acc = true;
  EXPECT_EQ(*sum_of("f16", s, filled(DType::f16, {1, 4096}, 1))[0].to(DType::f32).as<float>(), 4096);
  EXPECT_EQ(*sum_of("bf16", s, filled(DType::bf16, {1, 4096}, 1))[0].to(DType::f32).as<float>(), 4096);
  s.enable_autocast = true;
  s.autocast_low_precision_type = "bf16";
  s.autocast_max_output_threshold = 1e6;
  EXPECT_EQ(*sum_of("f32", s, filled(DType::f32, {1, 4096}, 1))[0].as<float>(), 4096);
}

/// disable_tf32: TF32 has ten bits behind the point.
TEST(SettingsEffect, ProductsOfFp32HaveAllItsBits) {
  CompilationSettings s = quick();
  s.disable_tf32 = true;
  const double number = 1 + 1.0 / 4096;
  EXPECT_EQ(*sum_of("f32", s, filled(DType::f32, {1, 4096}, number))[0].as<float>(), 4096 * number);
}

/// What is done always is done without its setting, too, and nothing is said of it.
TEST(SettingsEffect, WhatIsDoneAlwaysNeedsNoSetting) {
  constexpr const char* kNet = R"(graph(%x: f32[s0,8]) where s0 in [1,8] {
    weight %w: f32[8,8] "w" = random(1)
    %c = aten.mul.Tensor(%w, %w)
    %y = aten.linear.default(%x, %c)
    return %y
  })";
  const std::vector<std::vector<Tensor>> samples = {{numbers(DType::f32, {2, 8})}, {numbers(DType::f32, {5, 8})}};
  HeardWarnings heard;
  const auto plan_with = [&](const CompilationSettings& s) {
    return serialize_plan(tune_graph(parse_graph(kNet), samples, s, heard).plan);
  };
  const auto usual = plan_with(quick());
  for (const auto& [field, value] : {std::pair{"use_fp32_acc", "true"},
                                     {"disable_tf32", "true"},
                                     {"assume_dynamic_shape_support", "true"},
                                     {"lazy_engine_init", "true"},
                                     {"offload_module_to_cpu", "true"},
                                     {"immutable_weights", "false"},
                                     {"disabled_constant_fold_exclusions", "aten.mul.Tensor"}}) {
    CompilationSettings s = quick();
    s.set(field, value);
    EXPECT_EQ(plan_with(s), usual) << field;
    const auto help = setting_help();
    const auto row = std::ranges::find(help, field, &SettingHelp::field);
    ASSERT_NE(row, help.end());
    EXPECT_FALSE(row->always.empty()) << field;
  }
  EXPECT_THAT(heard.all, testing::IsEmpty());
  Progress silent;
  const auto ops = ops_of_plan(tune_graph(parse_graph(kNet), samples, quick(), silent));
  EXPECT_THAT(ops, Not(Contains("aten.mul.Tensor")));  // constants are folded
}

}  // namespace
}  // namespace aitune
