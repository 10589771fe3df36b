// Searches that end before everything was tried.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <stdexcept>

#include "aitune/aitune.hpp"
#include "base/error.h"
#include "compiler/passes/evaluate.h"
#include "compiler/tuning/search_end.h"
#include "compiler/tuning/tune.h"
#include "format/test_folder.h"
#include "runtime/archive.h"
#include "runtime/instance.h"
#include "runtime/program.h"

namespace aitune {
namespace {

constexpr const char* kThreeProducts = R"(graph(%x: f32[64,256]) {
  weight %w1: f32[192,256] "w1" = random(1)
  weight %w2: f32[160,192] "w2" = random(2)
  weight %w3: f32[96,160] "w3" = random(3)
  %a = aten.linear.default(%x, %w1)
  %r = aten.relu.default(%a)
  %b = aten.linear.default(%r, %w2)
  %s = aten.relu.default(%b)
  %y = aten.linear.default(%s, %w3)
  return %y
})";

Tensor noise(Shape shape) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 1);
  Tensor t(DType::f32, std::move(shape));
  for (std::int64_t i = 0; i < t.numel(); ++i) t.as<float>()[i] = normal(random);
  return t;
}

CompilationSettings anytime_settings(const TestFolder& folder) {
  CompilationSettings s;
  s.timing_cache_path = (folder / "timings.json").string();
  s.min_block_size = 1;
  s.optimization_level = 2;
  s.onednn = false;
  return s;
}

std::size_t by_rule(const Tactics& tactics) {
  return static_cast<std::size_t>(
      std::ranges::count_if(tactics, [](const auto& t) { return t.second.microseconds == 0; }));
}

std::size_t timings_in(const CompilationSettings& settings) {
  return TimingCache::load(settings.timing_cache_path).size();
}

/// Wants the search to end when candidates of the n-th kernel are to be timed, counted over the whole of it.
class StopsAt final : public Progress {
 public:
  explicit StopsAt(int kernel) : kernel_(kernel) {}
  void stage(std::string_view name) override { stages.emplace_back(name); }
  bool stop() { return asked_++ >= kernel_; }
  std::vector<std::string> stages;

 private:
  int kernel_, asked_ = 0;
};

TEST(Anytime, AnInterruptedSearchKeepsWhatItHasAndIsGoneOnWith) {
  TestFolder folder;
  const CompilationSettings settings = anytime_settings(folder);
  const Graph graph = parse_graph(kThreeProducts);
  const std::vector<std::vector<Tensor>> samples = {{noise({64, 256})}};
  StopsAt progress(2);
  std::vector<double> told;
  SearchHooks hooks;
  hooks.stop = [&] { return progress.stop(); };
  hooks.improved = [&](TunedModel& interim) {
    told.push_back(interim.report.milliseconds);
    EXPECT_EQ(interim.report.stopped, "unfinished");
    Instance instance(Program::from_built(interim.plan));
    EXPECT_LT(relative_error(instance.run(samples[0])[0], evaluate(graph, samples[0])[0]), 1e-5);
    if (told.size() == 1) {
      EXPECT_EQ(by_rule(interim.decisions.tactics), 3U);
    }
  };
  const TunedModel part = tune_graph(graph, samples, settings, progress, {}, hooks);
  EXPECT_EQ(part.report.stopped, "interrupted");
  EXPECT_GE(told.size(), 1U);
  EXPECT_TRUE(std::ranges::is_sorted(told, std::greater()));
  EXPECT_THAT(progress.stages, testing::Contains("interrupted"));
  const std::size_t left = by_rule(part.decisions.tactics), timed = timings_in(settings);
  EXPECT_GT(left, 0U);
  EXPECT_LT(left, 3U) << "nothing was timed before the end";
  EXPECT_EQ(timed, 3 - left);
  Instance instance(Program::from_built(part.plan));
  EXPECT_LT(relative_error(instance.run(samples[0])[0], evaluate(graph, samples[0])[0]), 1e-5);

  StopsAt never(1 << 30);
  hooks.stop = [&] { return never.stop(); };
  hooks.improved = nullptr;
  const TunedModel whole = tune_graph(graph, samples, settings, never, {}, hooks);
  EXPECT_EQ(whole.report.stopped, "");
  EXPECT_EQ(by_rule(whole.decisions.tactics), 0U);
  EXPECT_EQ(timings_in(settings), 3U);
  for (const auto& [key, tactic] : part.decisions.tactics) {  // what was timed then was not timed again
    if (tactic.microseconds > 0) {
      EXPECT_EQ(whole.decisions.tactics.at(key), tactic);
    }
  }
}

TEST(Anytime, WhatWasTimedStaysWhereTheSearchIsThrownOutOf) {
  class Throws final : public Progress {
   public:
    void step(std::string_view /*what*/, std::size_t done, std::size_t /*total*/) override {
      if (done == 2) throw std::runtime_error("enough");
    }
  };
  TestFolder folder;
  const CompilationSettings settings = anytime_settings(folder);
  const std::vector<std::vector<Tensor>> samples = {{noise({64, 256})}};
  Throws progress;
  EXPECT_THROW(tune_graph(parse_graph(kThreeProducts), samples, settings, progress), std::runtime_error);
  EXPECT_EQ(timings_in(settings), 2U);
}

TEST(Anytime, ABudgetThatIsOverLeavesEverythingToRules) {
  TestFolder folder;
  CompilationSettings settings = anytime_settings(folder);
  settings.tune_budget_seconds = 1e-9;
  settings.cache_built_engines = settings.reuse_cached_engines = true;
  settings.engine_cache_dir = (folder / "engines").string();
  const std::vector<std::vector<Tensor>> samples = {{noise({64, 256})}};
  Progress silent;
  const TunedModel tuned = tune_graph(parse_graph(kThreeProducts), samples, settings, silent);
  EXPECT_EQ(tuned.report.stopped, "budget");
  EXPECT_EQ(by_rule(tuned.decisions.tactics), 3U);
  EXPECT_EQ(timings_in(settings), 0U);
  EXPECT_FALSE(std::filesystem::exists(folder / "engines")) << "a search that was cut short is no cached engine";
  settings.tune_budget_seconds = 1e6;
  const TunedModel whole = tune_graph(parse_graph(kThreeProducts), samples, settings, silent);
  EXPECT_EQ(whole.report.stopped, "");
  EXPECT_EQ(by_rule(whole.decisions.tactics), 0U);
}

TEST(Anytime, WhereAllIsKnownTheFirstPlanIsTheLast) {
  TestFolder folder;
  const CompilationSettings settings = anytime_settings(folder);
  const std::vector<std::vector<Tensor>> samples = {{noise({64, 256})}};
  Progress silent;
  tune_graph(parse_graph(kThreeProducts), samples, settings, silent);
  int told = 0;
  SearchHooks hooks;
  hooks.improved = [&](TunedModel& /*interim*/) { ++told; };
  const TunedModel again = tune_graph(parse_graph(kThreeProducts), samples, settings, silent, {}, hooks);
  EXPECT_EQ(told, 1);
  EXPECT_EQ(again.report.candidates.size(), 1U);
  EXPECT_EQ(by_rule(again.decisions.tactics), 0U);
}

TEST(Anytime, TheModuleCanBeSavedWhileItIsTuned) {
  TestFolder folder;
  const std::string model = std::string(AITUNE_SOURCE_DIR) + "/examples/quickstart/digits.pt2";
  TorchTensorRTAotBackendConfig config;
  config.compile_config = anytime_settings(folder);
  Module module(model, "digits", OneBackendStrategy(TorchTensorRTAotBackend(config)));
  const std::vector<NamedTensors> samples = {{{"0", noise({4, 1, 8, 8})}}};
  const auto file = folder / "digits.ait", again = folder / "again.ait";
  int kept = 0;
  TuneOptions how;
  how.improved = [&](const Module& better) {
    ++kept;
    save(better, file);
  };
  how.stop = [] { return true; };
  const TuneReport report = tune(module, samples, how);
  EXPECT_EQ(report.stopped, "interrupted");
  EXPECT_GE(kept, 1);
  EXPECT_NO_THROW(verify_entries(ZipReader::open(file)));
  Module loaded("digits");
  load(loaded, file);
  const std::vector<Tensor> inputs = {samples[0][0].second};
  EXPECT_LT(relative_error(loaded(inputs)[0], module(inputs)[0]), 1e-5);

  const Decisions decisions = read_decisions(file);  // what was decided by rule is decided, too
  how = {};
  how.decisions = &decisions;
  tune(module, samples, how);
  save(module, again);
  EXPECT_EQ(read_file(file), read_file(again));

  how = {};
  how.improved = [](const Module& /*better*/) { throw InvalidArgument("enough"); };
  EXPECT_THROW(tune(module, samples, how), InvalidArgument);
  EXPECT_EQ(module(inputs)[0].shape(), (Shape{4, 10}));  // as it was
}

TEST(SearchEndTest, KeepsBackWhatTheLastPlanTakes) {
  double now = 100;
  int ended = 0;
  SearchEnd end(60, {}, [&] { return SearchEnd::Seconds(now); });
  end.then([&] { ++ended; });
  end.keep_back(SearchEnd::Seconds(5));
  now = 154;
  EXPECT_FALSE(end.over());
  now = 156;
  EXPECT_TRUE(end.over());
  now = 101;
  EXPECT_TRUE(end.over());  // it stays
  EXPECT_EQ(end.why(), "budget");
  EXPECT_EQ(ended, 1);
}

}  // namespace
}  // namespace aitune
