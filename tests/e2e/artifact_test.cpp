// The whole way on a trained network: .pt2 in, tuned, saved, loaded, run; and what goes wrong on it.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>

#include "aitune/aitune.hpp"
#include "compiler/import/dynamo/import.h"
#include "compiler/passes/evaluate.h"
#include "format/source.h"
#include "format/zip_reader.h"
#include "runtime/archive.h"
#include "runtime/instance.h"
#include "runtime/program.h"

namespace aitune {
namespace {

namespace fs = std::filesystem;

const fs::path kModel = fs::path(AITUNE_SOURCE_DIR) / "examples/quickstart/digits.pt2";

class ArtifactTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) /
              ("aitune_e2e_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  static Tensor images(std::int64_t count, unsigned seed) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> pixel(0, 1);
    Tensor t(DType::f32, {count, 1, 8, 8});
    for (std::int64_t i = 0; i < t.numel(); ++i) t.as<float>()[i] = pixel(random);
    return t;
  }
  static Module tuned(const std::vector<NamedTensors>& samples, int protocol = 4) {
    TorchTensorRTAotBackendConfig config;
    config.compile_config.timing_cache_path = "none";
    config.compile_config.optimization_level = 1;
    config.pickle_protocol = protocol;
    Module module(kModel, "digits", OneBackendStrategy(TorchTensorRTAotBackend(config)));
    tune(module, samples);
    return module;
  }
  static std::vector<NamedTensors> samples() { return {{{"0", images(1, 1)}}, {{"0", images(4, 2)}}}; }

  fs::path folder_;
};

TEST(Artifact, NamesThatFilesCannotHoldAreRefusedBeforeTuning) {
  for (const char* name : {"a\nb", "../x", "x/..", "x/", "a\\b", "a//b"})
    EXPECT_THROW(Module("model.pt2", name), InvalidArgument) << name;
  for (const char* name : {"", "unet", "encoder/layer.0", "x:1"}) EXPECT_EQ(Module(name).name(), name);
}

TEST_F(ArtifactTest, WhatIsSavedGivesTheSameAnswersWhenLoaded) {
  Module module = tuned(samples());
  save(module, folder_ / "digits.ait");
  Module loaded("digits");
  load(loaded, folder_ / "digits.ait");
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  const ImportedModel imported = import_pt2(kModel);
  for (const std::int64_t batch : {1, 3, 16}) {
    const std::vector<Tensor> inputs = {images(batch, seed)};
    EXPECT_LT(relative_error(loaded(inputs)[0], evaluate(imported.graph, inputs)[0]), 1e-5) << batch;
  }
}

TEST_F(ArtifactTest, ItHoldsTheProgramThatWentIn) {
  Module module = tuned(samples());
  save(module, folder_ / "digits.ait");
  EXPECT_EQ(print(import_pt2(folder_ / "digits.ait").graph), print(import_pt2(kModel).graph));
  EXPECT_EQ(recorded_inputs(folder_ / "digits.ait").size(), 2U);
}

TEST_F(ArtifactTest, ItCarriesExtraFilesAndRefusesNamesThatLeadElsewhere) {
  Module module = tuned(samples());
  save(module, folder_ / "digits.ait", {{"notes/a.txt", "first"}, {"b", ""}});
  const ZipReader zip = ZipReader::open(folder_ / "digits.ait");
  EXPECT_EQ(zip.text(zip.at("extra/notes/a.txt")), "first");
  EXPECT_EQ(zip.text(zip.at("extra/b")), "");
  EXPECT_NO_THROW(verify_entries(zip));
  for (const char* name :
       {"", "/a", "a/", "a//b", "../a", "a/../b", ".", "a\\b", "aitune/manifest.json", "aitune/manifest.sha256"})
    EXPECT_THROW(save(module, folder_ / "other.ait", {{name, "x"}}), InvalidArgument) << name;
  EXPECT_FALSE(fs::exists(folder_ / "other.ait"));
}

TEST_F(ArtifactTest, AnotherMachineIsToldWhatTheFileHoldsAndWhatToDo) {
  Module module = tuned(samples());
  save(module, folder_ / "digits.ait");
  LoadOptions options;
  options.host = CpuTarget{};  // a CPU without AVX2
  try {
    Program::open(folder_ / "digits.ait", options);
    FAIL() << "it loaded";
  } catch (const Incompatible& error) {
    EXPECT_NE(std::string(error.what()).find("avx2"), std::string::npos) << error.what();
    EXPECT_FALSE(error.fix().empty());
  }
}

TEST_F(ArtifactTest, AFullDiskLeavesTheOldFileWhole) {
  Module module = tuned(samples());
  const fs::path path = folder_ / "digits.ait";
  save(module, path);
  const std::string before = read_file(path);
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{before.size() / 2, old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  EXPECT_THROW(save(module, path), IoError);
  setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_EQ(read_file(path), before);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1)
      << "a temporary file was left behind";
}

TEST_F(ArtifactTest, NoFlippedByteIsTakenForAnAnswer) {
  Module module = tuned(samples());
  save(module, folder_ / "digits.ait");
  const std::string whole = read_file(folder_ / "digits.ait");
  const std::vector<Tensor> inputs = {images(2, 3)};
  const Tensor expected = module(inputs)[0];
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 60; ++round) {
    std::string damaged = whole;
    damaged[random() % damaged.size()] ^= static_cast<char>(1 << random() % 8);
    std::ofstream(folder_ / "damaged.ait", std::ios::binary) << damaged;
    try {
      Module other("digits");
      load(other, folder_ / "damaged.ait");
      EXPECT_EQ(relative_error(other(inputs)[0], expected), 0) << "a damaged file gave another answer";
    } catch (const Error& error) {
      EXPECT_NE(error.code(), ErrorCode::internal) << error.what();
    }
  }
}

TEST_F(ArtifactTest, OtherFormsThanTheFilesAreRefused) {
  for (const IRType ir : {IRType::ts, IRType::fx}) {
    TorchTensorRTAotBackendConfig config;
    config.ir = ir;
    Module module(kModel, "digits", OneBackendStrategy(TorchTensorRTAotBackend(config)));
    EXPECT_THROW(tune(module, samples()), Unsupported);
  }
}

TEST_F(ArtifactTest, PickleProtocolsAreCheckedAndKept) {
  TorchTensorRTAotBackendConfig config;
  config.pickle_protocol = 6;
  EXPECT_THROW(TorchTensorRTAotBackend{config}, InvalidArgument);
  for (const int protocol : {2, 5}) {
    Module module = tuned(samples(), protocol);
    EXPECT_NO_THROW(save(module, folder_ / "digits.ait"));
  }
}

TEST_F(ArtifactTest, GivenShapesNarrowTheModelAndGetAPlan) {
  TorchTensorRTAotBackendConfig config;
  config.compile_config.timing_cache_path = "none";
  config.compile_config.optimization_level = 0;
  config.compile_config.special_plan_gain = -1;
  config.inputs = {{"", {1, 1, 8, 8}, {3, 1, 8, 8}, {6, 1, 8, 8}}};
  Module module(kModel, "digits", OneBackendStrategy(TorchTensorRTAotBackend(config)));
  const TuneReport report = tune(module, samples());
  ASSERT_EQ(report.special_plans.size(), 3U);
  EXPECT_TRUE(report.special_plans[0].preferred);
  EXPECT_EQ(report.special_plans[0].sizes.begin()->second, 3);
  save(module, folder_ / "digits.ait");
  Module loaded("digits");
  load(loaded, folder_ / "digits.ait");
  const ImportedModel imported = import_pt2(kModel);
  for (const std::int64_t batch : {1, 3, 4, 6}) {
    const std::vector<Tensor> inputs = {images(batch, 9)};
    const Tensor expected = evaluate(imported.graph, inputs)[0];
    EXPECT_LT(relative_error(loaded(inputs)[0], expected), 1e-5) << batch;
    EXPECT_LT(relative_error(module(inputs)[0], expected), 1e-5) << batch;
  }
  EXPECT_THROW(loaded(std::vector<Tensor>{images(7, 1)}), InvalidArgument);
  const std::vector<Input> kept = recorded_shapes(folder_ / "digits.ait");
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(kept[0].min_shape, (Shape{1, 1, 8, 8}));
  EXPECT_EQ(kept[0].opt_shape, (Shape{3, 1, 8, 8}));
  EXPECT_EQ(kept[0].max_shape, (Shape{6, 1, 8, 8}));
  EXPECT_TRUE(recorded_shapes(kModel).empty());
}

TEST_F(ArtifactTest, ADryRunReportsAndLeavesNothingToSave) {
  TorchTensorRTAotBackendConfig config;
  config.compile_config.dryrun = (folder_ / "report.txt").string();
  Module module(kModel, "digits", OneBackendStrategy(TorchTensorRTAotBackend(config)));
  Progress silent;
  const TuneReport report = tune(module, samples(), &silent);
  ASSERT_TRUE(report.dryrun.has_value());
  EXPECT_GT(report.dryrun->weight_bytes, 0);
  EXPECT_EQ(read_file(folder_ / "report.txt"), report.dryrun->text());
  EXPECT_THROW(save(module, folder_ / "digits.ait"), InvalidArgument);
}

TEST_F(ArtifactTest, ModulesThatAreNotReadySaySo) {
  Module module("digits");
  EXPECT_THROW(module(std::vector<Tensor>{images(1, 1)}), InvalidArgument);
  EXPECT_THROW(save(module, folder_ / "x.ait"), InvalidArgument);
  EXPECT_THROW(load(module, folder_ / "missing.ait"), NotFound);
}

}  // namespace
}  // namespace aitune
