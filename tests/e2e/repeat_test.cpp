// Building from what an earlier tuning decided: the same file, byte for byte, or a message that says what differs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include <nlohmann/json.hpp>

#include "aitune/aitune.hpp"
#include "aitune/version.h"
#include "base/target.h"
#include "compiler/graph/graph.h"
#include "compiler/tuning/artifact.h"
#include "compiler/tuning/decision_diff.h"
#include "compiler/tuning/refit.h"
#include "format/source.h"
#include "format/test_folder.h"
#include "format/zip_reader.h"

namespace aitune {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Field;
using testing::HasSubstr;

const std::string kDigits = std::string(AITUNE_SOURCE_DIR) + "/examples/quickstart/digits.pt2";

Tensor digits(std::int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> pixel(0, 1);
  Tensor t(DType::f32, {count, 1, 8, 8});
  for (std::int64_t i = 0; i < t.numel(); ++i) t.as<float>()[i] = pixel(random);
  return t;
}

std::vector<NamedTensors> samples() { return {{{"0", digits(4, 1)}}, {{"0", digits(4, 2)}}, {{"0", digits(2, 3)}}}; }

/// All that may be in a file: both precisions, special plans, plans for lesser CPUs, a shape that no sample has.
TorchTensorRTAotBackendConfig whole_config() {
  TorchTensorRTAotBackendConfig config;
  config.compile_config.timing_cache_path = "none";
  config.compile_config.min_block_size = 1;
  config.compile_config.optimization_level = 2;
  config.compile_config.enabled_precisions = {DType::f32, DType::bf16};
  config.compile_config.special_plan_gain = -1;
  config.compile_config.hardware_compatible = true;
  config.inputs = {parse_input("0=1x1x8x8:6x1x8x8:8x1x8x8")};
  return config;
}

Module tuned(const TorchTensorRTAotBackendConfig& config, const std::vector<NamedTensors>& inputs,
             const Decisions* decisions = nullptr, const std::string& name = "digits") {
  Module module(kDigits, name, OneBackendStrategy(TorchTensorRTAotBackend(config)));
  TuneOptions how;
  how.decisions = decisions;
  tune(module, inputs, how);
  return module;
}

/// What is said when these decisions are built with these samples.
std::string refusal(const TorchTensorRTAotBackendConfig& config, const std::vector<NamedTensors>& inputs,
                    const Decisions& decisions, const std::string& name = "digits") {
  try {
    tuned(config, inputs, &decisions, name);
  } catch (const Error& error) {
    EXPECT_NE(error.code(), ErrorCode::internal) << error.what();
    EXPECT_FALSE(error.fix().empty());
    return error.what();
  }
  return "it was built";
}

TEST(Repeat, GivesTheSameFileByteForByte) {
  TestFolder folder;
  const auto first = folder / "first.ait", second = folder / "other name.ait", log = folder / "log.json",
             third = folder / "third.ait";
  save(tuned(whole_config(), samples()), first, {{"notes", "kept"}});
  const Decisions decisions = read_decisions(first);
  EXPECT_FALSE(decisions.tactics.empty());
  EXPECT_FALSE(decisions.specials.empty());
  EXPECT_EQ(decisions.others.empty(), !host_cpu().avx512);
  EXPECT_EQ(decisions.samples.size(), 4U);  // one was made for the preferred shape
  save(tuned(whole_config(), samples(), &decisions), second, {{"notes", "kept"}});
  EXPECT_EQ(read_file(first), read_file(second));
  write_file(log, nlohmann::json::parse(decisions.to_json()).dump());  // another order of fields, and no spaces
  const Decisions read = read_decisions(log);
  EXPECT_EQ(read.tactics, decisions.tactics);
  auto config = configuration_of(read);  // and the samples of the file
  config.compile_config.timing_cache_path = (folder / "timings.json").string();
  save(tuned(config, recorded_inputs(first), &read), third, {{"notes", "kept"}});
  EXPECT_EQ(read_file(first), read_file(third));
  EXPECT_FALSE(std::filesystem::exists(folder / "timings.json")) << "something was timed";
}

TEST(Repeat, FilesKeepWhatTheyCarry) {
  TestFolder folder;
  auto config = whole_config();
  config.compile_config.optimization_level = 0;
  save(tuned(config, samples()), folder / "a.ait", {{"notes", "kept"}});
  repeat(folder / "a.ait", kDigits, samples(), folder / "b.ait");
  EXPECT_EQ(read_file(folder / "a.ait"), read_file(folder / "b.ait"));
}

/// Wherever the model lies, and whatever its file is called.
TEST(Repeat, PathsAreInNoFile) {
  const std::string import = std::string(AITUNE_SOURCE_DIR) + "/compiler/import/";
  Tensor images(DType::f32, {2, 3, 6, 6}), block(DType::f32, {2, 3, 8, 8});
  for (Tensor* t : {&images, &block})
    for (std::int64_t i = 0; i < t->numel(); ++i) t->as<float>()[i] = static_cast<float>(i % 7) / 7;
  struct Source {
    IRType ir;
    std::string file;
    NamedTensors sample;
  };
  const std::vector<Source> sources = {{IRType::dynamo, kDigits, samples().front()},
                                       {IRType::fx, import + "fx/testdata/small.pt", {{"x", images}}},
                                       {IRType::ts, import + "torchscript/testdata/block_scripted.pt", {{"0", block}}}};
  for (const Source& source : sources) {
    SCOPED_TRACE(source.file);
    TestFolder folder;
    TorchTensorRTAotBackendConfig config;
    config.ir = source.ir;
    config.compile_config.timing_cache_path = "none";
    config.compile_config.min_block_size = 1;
    config.compile_config.optimization_level = 0;
    const auto moved = folder / "moved" / ("other" + std::filesystem::path(source.file).extension().string());
    std::filesystem::create_directory(folder / "moved");
    std::filesystem::copy_file(source.file, moved);
    const auto tuned_from = [&](const std::filesystem::path& file, const Decisions* decisions) {
      Module module(file, "net", OneBackendStrategy(TorchTensorRTAotBackend(config)));
      TuneOptions how;
      how.decisions = decisions;
      tune(module, std::vector<NamedTensors>{source.sample}, how);
      return module;
    };
    const auto first = folder / "first.ait", second = folder / "second.ait";
    save(tuned_from(source.file, nullptr), first);
    const Decisions decisions = read_decisions(first);
    save(tuned_from(moved, &decisions), second);
    EXPECT_EQ(read_file(first), read_file(second));
    EXPECT_EQ(read_file(second).find(moved.stem().string() + source.file.substr(source.file.rfind('.'))),
              std::string::npos);
  }
}

TEST(Repeat, ReportsWhatWasMeasuredThen) {
  const TuneReport report = [] {
    Module module(kDigits, "digits", OneBackendStrategy(TorchTensorRTAotBackend(whole_config())));
    return tune(module, samples());
  }();
  EXPECT_EQ(TuneReport::from_json(report.to_json(), "r").to_json(), report.to_json());
  EXPECT_THROW(TuneReport::from_json("{}", "r"), Corrupt);
}

TEST(Repeat, SaysWhatDiffers) {
  TestFolder folder;
  auto config = whole_config();
  config.compile_config.optimization_level = 0;
  config.compile_config.enabled_precisions = {DType::f32};
  const auto file = folder / "a.ait";
  save(tuned(config, samples()), file);
  const Decisions decisions = read_decisions(file);
  EXPECT_EQ(refusal(config, samples(), decisions), "it was built");

  EXPECT_THAT(refusal(config, samples(), decisions, "other"), HasSubstr("called 'digits', and is 'other' now"));
  auto other_config = config;
  other_config.compile_config.optimization_level = 1;
  other_config.compile_config.min_block_size = 7;
  EXPECT_THAT(refusal(other_config, samples(), decisions),
              AllOf(HasSubstr("optimization_level was 0, and is 1 now"), HasSubstr("min_block_size was 1, and is 7")));
  auto other_samples = samples();
  other_samples[1] = {{"0", digits(4, 9)}};
  EXPECT_THAT(refusal(config, other_samples, decisions), HasSubstr("sample 1 is another one"));
  other_samples.pop_back();
  EXPECT_THAT(refusal(config, other_samples, decisions), HasSubstr("there were 4 samples, and now there are 3"));

  const auto changed = [&](auto&& change) {
    Decisions d = decisions;
    change(d);
    return refusal(config, samples(), d);
  };
  EXPECT_THAT(changed([](Decisions& d) { d.aitune = "9.9"; }), HasSubstr("made by aitune 9.9, and this is"));
  EXPECT_THAT(changed([](Decisions& d) { d.program[0] ^= 1; }), HasSubstr("program that uses them is another"));
  EXPECT_THAT(changed([](Decisions& d) { d.weights[0].shape[0] += 1; }), HasSubstr("when tuned"));
  EXPECT_THAT(changed([](Decisions& d) { d.weights[0].sha256[0] ^= 1; }), HasSubstr("aitune refit is for that"));
  EXPECT_THAT(changed([](Decisions& d) { d.target = "sparc\n"; }), HasSubstr("no CPU level 'sparc '"));
  EXPECT_THAT(changed([](Decisions& d) { d.opt_shape.begin()->second += 1; }), HasSubstr("sizes that it was tuned at"));
  EXPECT_THAT(changed([](Decisions& d) { d.specials[0].sizes.begin()->second = 1 << 30; }),
              HasSubstr("no common ones"));
  EXPECT_THAT(changed([](Decisions& d) { d.tactics.begin()->second.tile = "1x1"; }), HasSubstr("no tile '1x1' for "));
  EXPECT_THAT(changed([](Decisions& d) { d.tactics.erase(d.tactics.begin()); }), HasSubstr("nothing was decided for "));
  EXPECT_THAT(changed([](Decisions& d) { d.tactics["more"] = {}; }), HasSubstr("kernels that the model does not have"));
  EXPECT_THAT(changed([](Decisions& d) { d.measured = "{}"; }), HasSubstr("figures"));
  const std::string many = changed([](Decisions& d) {
    d.aitune = "9.9";
    d.weights.resize(1000, {"encoder.weight", DType::f32, {2, 3}, ""});
  });
  EXPECT_THAT(many, AllOf(HasSubstr("9.9"), HasSubstr("'encoder.weight' f32[2,3]; "), HasSubstr("; and 9")));
  EXPECT_LT(many.size(), 500U);
  if (!host_cpu().amx_bf16) {
    EXPECT_THAT(changed([](Decisions& d) { d.target = "amx_bf16"; }), HasSubstr("and this CPU has"));
  }
}

TEST(Repeat, TheEngineCacheGivesTheSameFile) {
  TestFolder folder;
  auto config = whole_config();
  config.compile_config.optimization_level = 1;
  config.compile_config.engine_cache_dir = (folder / "engines").string();
  config.compile_config.cache_built_engines = config.compile_config.reuse_cached_engines = true;
  save(tuned(config, samples()), folder / "a.ait");
  save(tuned(config, samples()), folder / "b.ait");
  EXPECT_EQ(read_file(folder / "a.ait"), read_file(folder / "b.ait"));
}

TEST(Diff, NamesWhatWasDecidedOtherwise) {
  Decisions a;
  a.aitune = kVersion;
  a.config = R"({"ir":"dynamo","compile_config":{"optimization_level":3,"onednn":true}})";
  a.weights = {{"w", DType::f32, {2, 3}, "00"}, {"v", DType::f32, {2}, "11"}};
  a.samples = {"s"};
  a.chosen = "fp32";
  a.tactics["k"] = {"6x16", "", 12, 10.5, {"conv (layer1)", "relu"}};
  a.tactics["l"] = {"4x16", "", 12, 3, {"linear"}};
  a.measured = R"({"latency_ms":1.5})";
  EXPECT_TRUE(compare_decisions(a, a).empty());

  Decisions b = a;
  b.measured = R"({"latency_ms":1.6})";
  b.tactics["l"].microseconds = 4;
  for (const Difference& d : compare_decisions(a, b)) EXPECT_EQ(d.group, "figures") << d.what;
  EXPECT_EQ(compare_decisions(a, b).size(), 2U);

  b.config = R"({"ir":"dynamo","compile_config":{"optimization_level":4,"onednn":true}})";
  b.weights[1].shape = {4};
  b.tactics["k"] = {"6x16", "matmul 2", 14, 9.5, {"conv (layer1)", "relu"}};
  b.specials.push_back({{{"s0", 4}}, {}});
  const auto found = compare_decisions(a, b);
  const auto has = [&](std::string_view group, const std::string& what, const std::string& from,
                       const std::string& to) {
    EXPECT_THAT(found, Contains(AllOf(Field(&Difference::group, group), Field(&Difference::what, what),
                                      Field(&Difference::a, from), Field(&Difference::b, to))));
  };
  has("settings", "optimization_level", "3", "4");
  has("weights", "v", "f32[2]", "f32[4]");
  has("plans", "special plans", "", "s0 = 4");
  has("tactics", "fp32: conv (layer1) and 1 more", "6x16 (10.5 us, of 12 candidates)",
      "oneDNN matmul 2 (9.5 us, of 14 candidates)");
  EXPECT_EQ(found.front().group, "weights");  // the order of the groups
  EXPECT_EQ(found.back().group, "figures");
}

}  // namespace
}  // namespace aitune
