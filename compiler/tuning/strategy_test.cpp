// Which backend stays, and what is said of the others.

#include "compiler/tuning/strategy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>

#include <nlohmann/json.hpp>

#include "aitune/aitune.hpp"
#include "base/error.h"
#include "compiler/passes/evaluate.h"
#include "compiler/tuning/batch_sizes.h"
#include "format/test_folder.h"
#include "runtime/archive.h"

namespace aitune {
namespace {

using testing::ElementsAre;
using testing::Gt;
using testing::HasSubstr;

/// Large enough for the reference engine to be many times slower than a compiled plan.
Graph two_layers() {
  return parse_graph(R"(graph(%x: f32[s0,64]) where s0 in [1,6] {
  weight %a: f32[256,64] "a" = random(1)
  weight %b: f32[32,256] "b" = random(2)
  %h = aten.linear.default(%x, %a)
  %r = aten.relu.default(%h)
  %y = aten.linear.default(%r, %b)
  return %y
})");
}

Tensor rows(std::int64_t count) {
  std::mt19937 random(7);
  std::uniform_real_distribution<float> value(-1, 1);
  Tensor t(DType::f32, {count, 64});
  for (std::int64_t i = 0; i < t.numel(); ++i) t.as<float>()[i] = value(random);
  return t;
}

TorchTensorRTAotBackend backend(const std::string& engine = "cpu", double max_error = 0) {
  TorchTensorRTAotBackendConfig config;
  config.compile_config.engine = engine;
  config.compile_config.min_block_size = 1;
  config.compile_config.optimization_level = 0;
  config.compile_config.timing_cache_path = "none";
  config.compile_config.max_relative_error = max_error;
  config.compile_config.num_threads = 1;
  return TorchTensorRTAotBackend(config);
}

/// An error bound that nothing computed in f32 keeps to, but the reference itself.
constexpr double kTooTight = 1e-12;

TorchTensorRTAotBackend wrong_backend() { return backend("cpu", kTooTight); }

Built build_two_layers(const TorchTensorRTAotBackendConfig& config) {
  const CompilationSettings& settings = config.compile_config;
  if (settings.max_relative_error == kTooTight && settings.engine != "reference")  // it may be exact by chance
    throw ValidationError("its relative error is 1e-07");
  Progress silent;
  Built built;
  built.config = config;
  built.imported.graph = two_layers();
  const std::vector<std::vector<Tensor>> samples = {{rows(2)}};
  built.tuned = tune_graph(built.imported.graph, samples, config.compile_config, silent);
  LoadOptions options;
  options.num_threads = 1;
  built.program = Program::from_built(built.tuned.plan, options, built.tuned.specials);
  return built;
}

Built choose(const TuneStrategy& strategy) {
  Progress silent;
  return choose_backend(strategy, build_two_layers, silent);
}

/// The engine that stays, and how many backends were tried.
std::string engine_of(const Built& built) { return built.config.compile_config.engine; }

TEST(Strategy, OneBackendStaysOrItsErrorIsThatOfTuning) {
  const Built built = choose(OneBackendStrategy(backend()));
  EXPECT_EQ(engine_of(built), "cpu");
  ASSERT_EQ(built.tuned.report.backends.size(), 1u);
  EXPECT_TRUE(built.tuned.report.backends[0].stays);
  EXPECT_THROW(choose(OneBackendStrategy(wrong_backend())), ValidationError);
}

TEST(Strategy, OneBackendGivesWayWhereItIsAskedToBeFaster) {
  struct Warnings final : Progress {
    void warn(std::string_view message) override { all += message; }
    std::string all;
  } warnings;
  OneBackendStrategy strategy(backend(), 1e9);
  EXPECT_EQ(engine_of(choose_backend(strategy, build_two_layers, warnings)), "cpu");
  EXPECT_THAT(warnings.all, HasSubstr("min_speedup_threshold_percent is ignored: OneBackendStrategy keeps"));
  strategy.enable_performance_validation();
  const Built built = choose(strategy);
  EXPECT_EQ(engine_of(built), "reference");
  ASSERT_EQ(built.tuned.report.backends.size(), 2u);
  EXPECT_THAT(built.tuned.report.backends[0].problem, HasSubstr("times as fast as TorchEagerBackend"));
}

TEST(Strategy, FirstWinsTakesTheFirstThatIsRightAndFaster) {
  const Built built = choose(FirstWinsStrategy({wrong_backend(), backend(), backend("cpu", 0.5)}));
  EXPECT_EQ(engine_of(built), "cpu");
  const auto& tried = built.tuned.report.backends;
  ASSERT_EQ(tried.size(), 2u) << "the third is not tried";
  EXPECT_THAT(tried[0].problem, HasSubstr("relative error"));
  EXPECT_THAT(tried[0].backend, HasSubstr("max_relative_error=1e-12"));
  EXPECT_FALSE(tried[0].stays);
  EXPECT_TRUE(tried[1].stays);
  EXPECT_THAT(tried[1].speedup, Gt(1));
  EXPECT_EQ(engine_of(choose(FirstWinsStrategy({wrong_backend()}))), "reference");
}

TEST(Strategy, MinLatencyTakesTheSoonestAtTheSmallestBatch) {
  const Built built = choose(MinLatencyStrategy({TorchEagerBackend{}, backend(), wrong_backend()}));
  EXPECT_EQ(engine_of(built), "cpu");
  const TuneReport& report = built.tuned.report;
  EXPECT_EQ(report.strategy, "MinLatencyStrategy");
  EXPECT_EQ(report.selected_batch_size, 1);
  ASSERT_EQ(report.backends.size(), 3u);
  EXPECT_TRUE(report.backends[1].stays);
  EXPECT_LT(report.backends[1].milliseconds, report.backends[0].milliseconds);
  const auto json = nlohmann::json::parse(report.to_json());
  EXPECT_EQ(json.at("strategy"), "MinLatencyStrategy");
  EXPECT_EQ(json.at("backends").size(), 3u);
}

TEST(Strategy, MaxThroughputFindsABatchSizeOfTheRange) {
  const Built built = choose(MaxThroughputStrategy({TorchEagerBackend{}, backend()}));
  EXPECT_EQ(engine_of(built), "cpu");
  EXPECT_THAT(built.tuned.report.selected_batch_size, testing::AnyOf(1, 2, 4, 6));
  EXPECT_THAT(built.tuned.report.backends[1].throughput(), Gt(built.tuned.report.backends[0].throughput()));
}

TEST(Strategy, LatencyBudgetIsKeptOrAnError) {
  const Built built = choose(LatencyBudgetStrategy(1e4, {backend()}));
  EXPECT_EQ(engine_of(built), "cpu");
  EXPECT_LE(built.tuned.report.backends[0].milliseconds, 1e4);
  try {
    choose(LatencyBudgetStrategy(1e-7, {backend()}));
    FAIL();
  } catch (const ValidationError& error) {
    EXPECT_THAT(error.what(), HasSubstr("no backend is left"));
    EXPECT_THAT(error.what(), HasSubstr("engine=\"cpu\""));
    EXPECT_THAT(error.what(), HasSubstr("TorchEagerBackend(): no batch size is answered within 1e-07 ms"));
  }
}

TEST(Strategy, WhatIsWrongWithTheSamplesIsNotOfABackend) {
  Progress silent;
  const auto build = [](const TorchTensorRTAotBackendConfig&) -> Built { throw InvalidArgument("no such input"); };
  EXPECT_THROW(choose_backend(MinLatencyStrategy({backend(), backend()}), build, silent), InvalidArgument);
}

TEST(Strategy, RefusesWhatCannotBe) {
  EXPECT_THROW(FirstWinsStrategy(std::vector<Backend>()), InvalidArgument);
  EXPECT_THROW(MinLatencyStrategy({backend()}, -1), InvalidArgument);
  EXPECT_THROW(MinLatencyStrategy({backend()}, std::numeric_limits<double>::quiet_NaN()), InvalidArgument);
  EXPECT_THROW(LatencyBudgetStrategy(0), InvalidArgument);
}

TEST(Strategy, AModuleIsTunedSavedAndLoadedWithIt) {
  const std::string model = std::string(AITUNE_SOURCE_DIR) + "/examples/quickstart/digits.pt2";
  const TestFolder folder;
  Module module(model, "digits", MinLatencyStrategy({wrong_backend(), backend()}));
  Tensor image(DType::f32, {2, 1, 8, 8});
  std::fill_n(image.as<float>(), image.numel(), 0.5F);
  const std::vector<NamedTensors> samples = {{{"0", image}}};
  const TuneReport report = tune(module, samples);
  ASSERT_EQ(report.backends.size(), 2u);
  EXPECT_TRUE(report.backends[1].stays);
  save(module, folder.path() / "digits.ait");
  Module loaded("digits");
  load(loaded, folder.path() / "digits.ait");
  const std::vector<Tensor> inputs = {image};
  EXPECT_EQ(relative_error(loaded(inputs)[0], module(inputs)[0]), 0);
}

TEST(BatchSizes, ArePowersOfTwoAndTheBounds) {
  EXPECT_THAT(batch_sizes({1, 16}), ElementsAre(1, 2, 4, 8, 16));
  EXPECT_THAT(batch_sizes({3, 10}), ElementsAre(3, 4, 8, 10));
  EXPECT_THAT(batch_sizes({0, 1}), ElementsAre(1));
  EXPECT_THAT(batch_sizes({5, 5}), ElementsAre(5));
  EXPECT_EQ(batch_sizes({1, SymRange::kNoMax}).back(), 1024);
  EXPECT_THAT(batch_sizes({2000, SymRange::kNoMax}), ElementsAre(2000));
}

TEST(BatchSizes, CountTheLeadingDimensionThatMoves) {
  const auto symbol = [](const char* text) { return batch_symbol(parse_graph(text)); };
  EXPECT_EQ(symbol("graph(%x: f32[2,s1], %y: f32[s0,3]) where s0 in [1,4], s1 in [1,4] { return %y }"), "s0");
  EXPECT_EQ(symbol("graph(%x: f32[2,s1]) where s1 in [1,4] { return %x }"), "s1");
  EXPECT_EQ(symbol("graph(%x: f32[2,3]) { return %x }"), std::nullopt);
}

}  // namespace
}  // namespace aitune
