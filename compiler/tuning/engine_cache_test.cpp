#include "compiler/tuning/engine_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <thread>

#include <fmt/format.h>

#include "aitune/version.h"
#include "base/error.h"
#include "compiler/tuning/engine_key.h"
#include "compiler/tuning/refit.h"
#include "format/source.h"
#include "format/test_folder.h"

namespace aitune {
namespace {

using testing::HasSubstr;

Decisions decisions(const std::string& chosen, std::size_t filling = 0) {
  Decisions d;
  d.chosen = chosen;
  d.tactics["key"].tile = std::string(filling, 'x');
  return d;
}

TEST(EngineCache, FindsWhatWasKeptForTheSameKeyAlone) {
  TestFolder folder;
  const EngineCache cache(folder / "engines", 1 << 20);
  EXPECT_FALSE(cache.find("a", nullptr));
  cache.keep("a", decisions("fp32"));
  cache.keep("b\nc", decisions("bf16"));
  EXPECT_EQ(cache.find("a", nullptr), decisions("fp32"));
  EXPECT_EQ(cache.find("b\nc", nullptr), decisions("bf16"));
  EXPECT_FALSE(cache.find("b", nullptr));
  EXPECT_EQ(cache.list(true).size(), 2U);
}

TEST(EngineCache, ADamagedEntryIsDroppedWithAWarning) {
  TestFolder folder;
  const EngineCache cache(folder.path(), 1 << 20);
  cache.keep("a", decisions("fp32"));
  const auto file = cache.list(false).at(0).file;
  const std::string whole = read_file(file);
  for (std::size_t i = 0; i < whole.size(); i += 7) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    write_file(file, damaged);
    EXPECT_FALSE(cache.list(true).at(0).problem.empty());
    std::string warning;
    EXPECT_FALSE(cache.find("a", &warning));
    EXPECT_THAT(warning, HasSubstr("an entry of the engine cache was dropped"));
    EXPECT_FALSE(std::filesystem::exists(file));
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{10}, whole.size() - 1}) {
    write_file(file, whole.substr(0, size));
    EXPECT_EQ(cache.prune(1 << 20), 1U);
  }
  write_file(file, whole);
  EXPECT_TRUE(cache.find("a", nullptr));
}

TEST(EngineCache, LeavesOtherFilesAlone) {
  TestFolder folder;  // that TensorRT keeps its engines in
  const auto other = folder / "resnet50.engine";
  write_file(other, "a plan of TensorRT");
  const EngineCache cache(folder.path(), 1);
  cache.keep("a", decisions("fp32"));
  EXPECT_EQ(cache.list(true).size(), 0U);
  EXPECT_EQ(cache.prune(0), 0U);
  EXPECT_TRUE(std::filesystem::exists(other));
}

TEST(EngineCache, WhatWasUsedLongestAgoGoesFirst) {
  TestFolder folder;
  const EngineCache cache(folder.path(), 10000);
  const auto age_newest = [&](int minutes) {
    const auto newest = cache.list(false).at(0);
    std::filesystem::last_write_time(newest.file, newest.used - std::chrono::minutes(minutes));
  };
  cache.keep("a", decisions("fp32", 3000));
  age_newest(30);
  cache.keep("b", decisions("fp32", 3000));
  age_newest(20);
  EXPECT_TRUE(cache.find("a", nullptr));  // used now
  cache.keep("c", decisions("fp32", 3000));
  EXPECT_TRUE(cache.find("a", nullptr));
  EXPECT_FALSE(cache.find("b", nullptr));
  EXPECT_TRUE(cache.find("c", nullptr));
  EXPECT_EQ(cache.prune(0), 2U);
}

TEST(EngineCache, IsSharedByManyAtOnce) {
  TestFolder folder;
  const EngineCache cache(folder.path(), 30000);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 30; ++i) {
        const std::string key = std::to_string((i + t) % 6);
        std::string warning;
        const auto found = cache.find(key, &warning);
        EXPECT_TRUE(!found || found->name == key);
        EXPECT_EQ(warning, "");
        Decisions kept = decisions("fp32", 4000);
        kept.name = key;
        cache.keep(key, kept);
      }
    });
  for (auto& thread : threads) thread.join();
  for (const auto& entry : cache.list(true)) EXPECT_EQ(entry.problem, "");
}

constexpr const char* kNet = R"(graph(%x: f32[s0,64]) where s0 in [1,8] {
  weight %f: f32[64,64] "f" = random(2)
  weight %o: f32[64,64] "o" = random(3)
  %h = aten.linear.default(%x, %f)
  %t = aten.relu.default(%h)
  %y = aten.linear.default(%t, %o)
  return %y
})";

class Stages final : public Progress {
 public:
  void stage(std::string_view name) override { all += std::string(name) + ";"; }
  void warn(std::string_view message) override { all += std::string(message) + ";"; }
  std::string all;
};

TEST(EngineKey, HasAllThatADecisionDependsOn) {
  const auto graph = [](const std::string& what = "", const std::string& by = "") {
    std::string text = kNet;
    if (!what.empty()) text.replace(text.find(what), what.size(), by);
    return parse_graph(text);
  };
  const std::vector<std::vector<Tensor>> samples = {{Tensor(DType::f32, {4, 64})}};
  const CompilationSettings settings;
  const SymValues preferred = {{"s0", 4}};
  const std::string base = engine_key(graph(), samples, preferred, settings);
  EXPECT_EQ(base, engine_key(graph(), samples, preferred, settings));
  const auto differs = [&](const std::string& what, const std::string& key) { EXPECT_NE(key, base) << what; };
  differs("operator", engine_key(graph("aten.relu.", "aten.sigmoid."), samples, preferred, settings));
  differs("range", engine_key(graph("[1,8]", "[1,9]"), samples, preferred, settings));
  differs("values", engine_key(graph("random(3)", "random(4)"), samples, preferred, settings));
  differs("name of a weight", engine_key(graph("\"o\"", "\"p\""), samples, preferred, settings));
  differs("shape of a weight", engine_key(graph("%o: f32[64,64]", "%o: f32[32,64]"), samples, preferred, settings));
  const std::vector<std::vector<Tensor>> larger = {{Tensor(DType::f32, {5, 64})}}, more = {samples[0], samples[0]},
                                         other = {{Tensor(DType::i64, {4, 64})}};
  differs("shape of a sample", engine_key(graph(), larger, preferred, settings));
  differs("dtype of a sample", engine_key(graph(), other, preferred, settings));
  differs("number of samples", engine_key(graph(), more, preferred, settings));
  differs("preferred sizes", engine_key(graph(), samples, {{"s0", 5}}, settings));
  // Scales of int8 come from the values of the samples; nothing else does.
  const std::vector<std::vector<Tensor>> ones = {{Tensor(DType::f32, {4, 64})}}, twos = {{Tensor(DType::f32, {4, 64})}};
  std::fill_n(twos[0][0].as<float>(), 4 * 64, 2.0F);
  std::fill_n(ones[0][0].as<float>(), 4 * 64, 1.0F);
  EXPECT_EQ(engine_key(graph(), ones, preferred, settings), engine_key(graph(), twos, preferred, settings));
  CompilationSettings quantised;
  quantised.set("enabled_precisions", "fp32,int8");
  EXPECT_NE(engine_key(graph(), ones, preferred, quantised), engine_key(graph(), twos, preferred, quantised));
  CompilationSettings shared;
  shared.refit_identical_engine_weights = true;
  EXPECT_EQ(engine_key(graph(), samples, preferred, shared),
            engine_key(graph("random(3)", "random(4)"), samples, preferred, shared));

  // Every setting that a file records, but for those that say nothing of plans.
  const std::map<std::string, std::string> values = {
      {"enabled_precisions", "bf16"}, {"num_threads", "3"},
      {"optimization_level", "5"},    {"onednn", "false"},
      {"max_relative_error", "0.5"},  {"hardware_compatible", "true"},
      {"workspace_size", "77"},       {"max_special_plans", "1"},
      {"special_plan_gain", "0.5"},   {"torch_executed_ops", "aten.add.Tensor"},
      {"engine", "reference"},        {"min_block_size", "2"}};
  for (const auto& [name, value] : values) {
    CompilationSettings changed;
    changed.set(name, value);
    differs(name, engine_key(graph(), samples, preferred, changed));
  }
  CompilationSettings beside;
  beside.set("portable", "false");
  beside.set("timing_cache_path", "none");
  beside.set("tune_budget_seconds", "9");
  beside.set("reuse_cached_engines", "true");
  EXPECT_EQ(engine_key(graph(), samples, preferred, beside), base);

  const MachineFacts machine = machine_facts(0, true);
  for (const std::string& part : {std::string(kVersion), machine.cpu, machine.features, machine.onednn,
                                  host_cpu_details(), fmt::format("\"threads\":{}", machine.threads)})
    EXPECT_THAT(base, HasSubstr(part));
}

TEST(EngineCache, TuningTakesWhatIsThereAndNothingElse) {
  TestFolder folder;
  CompilationSettings s;
  s.timing_cache_path = "none";
  s.min_block_size = 1;
  s.special_plan_gain = -1;
  s.engine_cache_dir = (folder / "engines").string();
  s.engine_cache_size = 1 << 20;
  const std::vector<std::vector<Tensor>> samples = {{Tensor(DType::f32, {4, 64})}};
  for (std::int64_t i = 0; i < 256; ++i) samples[0][0].as<float>()[i] = static_cast<float>(i % 11) / 11;
  const auto tuned_with = [&](const CompilationSettings& settings, const char* net = kNet) {
    Stages stages;
    static_cast<void>(tune_graph(parse_graph(net), samples, settings, stages));
    return stages.all;
  };
  const std::string cached = "engine cache";
  EXPECT_THAT(tuned_with(s), testing::Not(HasSubstr(cached)));
  s.reuse_cached_engines = s.cache_built_engines = true;
  EXPECT_THAT(tuned_with(s), testing::Not(HasSubstr(cached)));
  EXPECT_THAT(tuned_with(s), HasSubstr(cached));
  s.portable = false;  // says nothing of plans
  EXPECT_THAT(tuned_with(s), HasSubstr(cached));
  CompilationSettings other = s;
  other.max_relative_error = 0.5;
  EXPECT_THAT(tuned_with(other), testing::Not(HasSubstr(cached)));
  std::string weights = kNet;
  weights.replace(weights.find("random(3)"), 9, "random(4)");
  EXPECT_THAT(tuned_with(s, weights.c_str()), testing::Not(HasSubstr(cached)));
  s.refit_identical_engine_weights = true;
  EXPECT_THAT(tuned_with(s), testing::Not(HasSubstr(cached)));
  EXPECT_THAT(tuned_with(s, weights.c_str()), HasSubstr(cached));
}

}  // namespace
}  // namespace aitune
