// hardware_compatible: one file for several machines.

#include <gtest/gtest.h>

#include <random>

#include "aitune/aitune.hpp"
#include "base/target_level.h"
#include "compiler/import/dynamo/import.h"
#include "compiler/passes/evaluate.h"
#include "compiler/tuning/lesser_targets.h"
#include "format/test_folder.h"
#include "format/zip_reader.h"
#include "runtime/archive.h"
#include "runtime/instance.h"
#include "runtime/program.h"

namespace aitune {
namespace {

Tensor images(std::int64_t count) {
  std::mt19937 random(5);
  std::uniform_real_distribution<float> pixel(0, 1);
  Tensor t(DType::f32, {count, 1, 8, 8});
  for (std::int64_t i = 0; i < t.numel(); ++i) t.as<float>()[i] = pixel(random);
  return t;
}

TEST(Compatible, LevelsBelowATarget) {
  const auto names = [](std::string_view level) {
    CpuTarget all;
    all.avx2_fma = all.avx512 = all.avx512_vnni = all.avx512_bf16 = all.amx_bf16 = true;
    std::string text;
    for (const LesserTarget& t : lesser_targets(limit_target(all, level)))
      text += t.target.str() + (t.precision == DType::bf16 ? " bf16;" : ";");
    return text;
  };
  EXPECT_EQ(names("amx_bf16"), "x86_64 avx2 avx512 avx512_bf16 bf16;x86_64 avx2 avx512;x86_64 avx2;");
  EXPECT_EQ(names("avx512_bf16"), "x86_64 avx2 avx512;x86_64 avx2;");
  EXPECT_EQ(names("avx512"), "x86_64 avx2;");
  EXPECT_EQ(names("avx2"), "");
  EXPECT_EQ(names("x86_64"), "");
}

TEST(Compatible, ALesserCpuTakesThePlanForItAndGivesTheSameAnswers) {
  if (!host_cpu().avx512) GTEST_SKIP() << "no AVX-512 here";
  const std::string model = std::string(AITUNE_SOURCE_DIR) + "/examples/quickstart/digits.pt2";
  TestFolder folder;
  TorchTensorRTAotBackendConfig config;
  config.compile_config.timing_cache_path = "none";
  config.compile_config.optimization_level = 1;
  config.compile_config.special_plan_gain = -1;  // special plans, too
  config.compile_config.hardware_compatible = true;
  Module module(model, "digits", OneBackendStrategy(TorchTensorRTAotBackend(config)));
  const std::vector<NamedTensors> samples = {{{"0", images(4)}}};
  tune(module, samples);
  const auto file = folder / "digits.ait";
  save(module, file);
  const ZipReader zip = ZipReader::open(file);
  EXPECT_NO_THROW(verify_entries(zip));
  Manifest manifest = read_manifest(zip);
  ASSERT_EQ(manifest.plans.size(), 3U);
  EXPECT_EQ(manifest.plans[0].target.str(), "x86_64 avx2 avx512");
  EXPECT_EQ(manifest.plans[1].special_of, manifest.plans[0].entry);
  EXPECT_EQ(manifest.plans[2].target.str(), "x86_64 avx2");
  EXPECT_EQ(manifest.plans[2].constants_of, manifest.plans[0].entry);

  const ImportedModel imported = import_pt2(model);
  LoadOptions lesser;
  lesser.host = limit_target(host_cpu(), "avx2");
  for (const LoadOptions& options : {LoadOptions(), lesser}) {
    const auto program = Program::open(file, options);
    EXPECT_EQ(program->plan().target, options.host ? *options.host : manifest.plans[0].target);
    Instance instance(program);
    for (const std::int64_t batch : {1, 4, 9}) {
      const std::vector<Tensor> inputs = {images(batch)};
      EXPECT_LT(relative_error(instance.run(inputs)[0], evaluate(imported.graph, inputs)[0]), 1e-5) << batch;
    }
  }
  lesser.host = CpuTarget();
  EXPECT_THROW(Program::open(file, lesser), Incompatible);

  for (const std::string& wrong : {std::string("none"), manifest.plans[1].entry, manifest.plans[2].entry}) {
    ManifestPlan row = manifest.plans[2];
    row.constants_of = wrong;
    EXPECT_THROW(constants_of(zip, manifest, row, true), Corrupt) << wrong;
  }
}

}  // namespace
}  // namespace aitune
