// strip_engine_weights and refit: files without weights, and with those of another model.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include <fmt/format.h>

#include "aitune/aitune.hpp"
#include "compiler/graph/graph.h"
#include "compiler/passes/evaluate.h"
#include "compiler/tuning/refit.h"
#include "format/digest.h"
#include "format/manifest.h"
#include "format/source.h"
#include "format/test_folder.h"
#include "format/zip_reader.h"
#include "format/zip_writer.h"
#include "runtime/archive.h"
#include "runtime/instance.h"
#include "runtime/program.h"

namespace aitune {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// A convolution and two products; `seed` makes the weights.
Graph net(int seed, int width = 32) {
  return parse_graph(fmt::format(R"(graph(%x: f32[s0,3,8,8]) where s0 in [1,8] {{
  weight %w: f32[8,3,3,3] "conv.weight" = random({0})
  weight %g: f32[8] "norm.weight" = random({0}1)
  weight %b: f32[8] "norm.bias" = random({0}2)
  weight %m: f32[8] "norm.mean" = random({0}3)
  weight %v: f32[8] "norm.var" = splat(0.5)
  weight %f: f32[{1},512] "hidden.weight" = random({0}4)
  weight %o: f32[5,{1}] "out.weight" = random({0}5)
  %a = aten.conv2d.default(%x, %w, None, [1, 1], [1, 1])
  %n = aten.batch_norm.default(%a, %g, %b, %m, %v, False, 0.1, 1e-05, True)
  %r = aten.relu.default(%n)
  %l = aten.flatten.using_ints(%r, 1)
  %h = aten.linear.default(%l, %f)
  %t = aten.relu.default(%h)
  %y = aten.linear.default(%t, %o)
  return %y
}})",
                                 seed, width));
}

Tensor images(std::int64_t count, unsigned seed = 5) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> pixel(0, 1);
  Tensor t(DType::f32, {count, 3, 8, 8});
  for (std::int64_t i = 0; i < t.numel(); ++i) t.as<float>()[i] = pixel(random);
  return t;
}

/// Whatever immutable_weights says.
TEST(Refit, GivesWhatTheNewWeightsGive) {
  CompilationSettings settings;
  settings.immutable_weights = true;
  settings.timing_cache_path = "none";
  settings.min_block_size = 1;
  settings.special_plan_gain = -1;
  settings.hardware_compatible = true;
  Progress silent;
  const std::vector<std::vector<Tensor>> samples = {{images(2)}, {images(2, 6)}};
  const TunedModel tuned = tune_graph(net(1), samples, settings, silent);
  EXPECT_FALSE(tuned.decisions.tactics.empty());
  EXPECT_EQ(tuned.decisions.specials.size(), tuned.specials.size());
  const Decisions read = Decisions::from_json(tuned.decisions.to_json(), "decisions");
  EXPECT_EQ(read, tuned.decisions);

  const Graph other = net(7);
  const TunedModel refitted = refit_graph(other, samples, settings, read, silent);
  EXPECT_EQ(refitted.specials.size(), tuned.specials.size());
  EXPECT_EQ(refitted.others.size(), tuned.others.size());
  EXPECT_NE(refitted.plan.constants, tuned.plan.constants);
  ASSERT_EQ(refitted.plan.plan.steps.size(), tuned.plan.plan.steps.size());
  for (std::size_t i = 0; i < tuned.plan.plan.steps.size(); ++i)
    EXPECT_EQ(refitted.plan.plan.steps[i].name, tuned.plan.plan.steps[i].name);  // the same tactics
  Instance instance(Program::from_built(refitted.plan, {}, refitted.specials));
  for (const std::int64_t batch : {1, 2, 7}) {
    const std::vector<Tensor> inputs = {images(batch, 9)};
    EXPECT_LT(relative_error(instance.run(inputs)[0], evaluate(other, inputs)[0]), 1e-5) << batch;
  }
  const TunedModel same = refit_graph(net(1), samples, settings, read, silent);
  EXPECT_EQ(same.plan.constants, tuned.plan.constants);
  EXPECT_EQ(same.plan.code, tuned.plan.code);
}

TEST(Refit, NamesWeightsThatDiffer) {
  CompilationSettings settings;
  settings.timing_cache_path = "none";
  settings.optimization_level = 0;
  Progress silent;
  const std::vector<std::vector<Tensor>> samples = {{images(2)}};
  const Decisions decisions = tune_graph(net(1), samples, settings, silent).decisions;
  EXPECT_THAT(differences(decisions, net(2)), ElementsAre());
  EXPECT_THAT(differences(decisions, net(2, 16)),
              ElementsAre("weight 'hidden.weight' f32[16,512] was f32[32,512] when tuned",
                          "weight 'out.weight' f32[5,16] was f32[5,32] when tuned"));
  Graph renamed = net(2);
  renamed.weights[0]->weight_name = "first.weight";
  EXPECT_THAT(differences(decisions, renamed), ElementsAre("the model has no weight 'conv.weight' f32[8,3,3,3]",
                                                           "weight 'first.weight' f32[8,3,3,3] is new"));
  Graph other = net(2);
  other.outputs[0] = other.nodes().front()->output();
  EXPECT_THAT(differences(decisions, other), ElementsAre(HasSubstr("the program that uses them is another")));
  EXPECT_THROW(refit_graph(net(2, 16), samples, settings, decisions, silent), InvalidArgument);
  Decisions of_another = decisions;
  of_another.weights.resize(1000, {"encoder.weight", DType::f32, {2, 3}, ""});
  try {
    static_cast<void>(refit_graph(net(2), samples, settings, of_another, silent));
    FAIL() << "it was taken";
  } catch (const InvalidArgument& error) {
    EXPECT_LT(error.problem().size(), 300U);
    EXPECT_THAT(error.problem(), HasSubstr("the model has no weight 'encoder.weight' f32[2,3]; "));
    EXPECT_THAT(error.problem(), testing::EndsWith(fmt::format("; and {} more", 1000 - decisions.weights.size() - 4)));
  }
}

TEST(Refit, DecisionsThatAreDamagedAreRefused) {
  for (const char* text : {"", "[]", "{}", R"({"version": 1})", R"({"version": 2})", "[[[[[[[[[[[[]]]]]]]]]]]]"})
    EXPECT_THROW(Decisions::from_json(text, "d"), Corrupt) << text;
}

TEST(Refit, AFileWithoutWeightsSaysSoUntilItGetsSome) {
  const std::string model = std::string(AITUNE_SOURCE_DIR) + "/examples/quickstart/digits.pt2";
  TestFolder folder;
  TorchTensorRTAotBackendConfig config;
  config.compile_config.timing_cache_path = "none";
  config.compile_config.optimization_level = 1;
  config.compile_config.strip_engine_weights = true;
  Module module(model, "digits", OneBackendStrategy(TorchTensorRTAotBackend(config)));
  Tensor input(DType::f32, {4, 1, 8, 8});
  for (std::int64_t i = 0; i < input.numel(); ++i) input.as<float>()[i] = static_cast<float>(i % 7) / 7;
  const std::vector<NamedTensors> samples = {{{"0", input}}};
  tune(module, samples);
  const auto stripped = folder / "stripped.ait", whole = folder / "whole.ait", again = folder / "again.ait";
  save(module, stripped, {{"notes", "kept"}});
  EXPECT_LT(std::filesystem::file_size(stripped), std::filesystem::file_size(model) / 8);
  EXPECT_NO_THROW(verify_entries(ZipReader::open(stripped)));
  try {
    Program::open(stripped);
    FAIL() << "it loaded";
  } catch (const Unavailable& error) {
    EXPECT_THAT(error.what(), HasSubstr("without weights"));
    EXPECT_THAT(error.what(), HasSubstr("aitune refit"));
  }
  refit(stripped, model, whole);
  refit(whole, model, again);
  const std::vector<Tensor> inputs = {input};
  for (const auto& file : {whole, again}) {
    const ZipReader zip = ZipReader::open(file);
    EXPECT_NO_THROW(verify_entries(zip));
    EXPECT_EQ(zip.text(zip.at("extra/notes")), "kept");
    Module loaded("digits");
    load(loaded, file);
    EXPECT_LT(relative_error(loaded(inputs)[0], module(inputs)[0]), 1e-6);
  }
}

/// A copy of the file that says another configuration, with right checksums: as somebody who means harm makes it.
void say_config(const std::filesystem::path& from, const std::filesystem::path& to, const std::string& config) {
  const ZipReader zip = ZipReader::open(from);
  Manifest manifest = read_manifest(zip);
  manifest.config = config;
  const std::string text = manifest.to_json();
  AtomicFile file(to);
  ZipWriter writer(file, zip.top().substr(0, zip.top().size() - 1));
  for (const ZipEntry& entry : zip.entries()) {
    const std::string name = entry.name.substr(zip.top().size());
    if (name == kManifestEntry)
      writer.add(name, text);
    else if (name == kManifestDigestEntry)
      writer.add(name, to_hex(sha256(std::as_bytes(std::span(text.data(), text.size())))));
    else
      writer.add(name, zip.bytes(entry));
  }
  writer.finish();
  file.commit();
}

TEST(Refit, AHostileConfigurationIsRefused) {
  const std::string model = std::string(AITUNE_SOURCE_DIR) + "/examples/quickstart/digits.pt2";
  TestFolder folder;
  TorchTensorRTAotBackendConfig config;
  config.compile_config.timing_cache_path = "none";
  config.compile_config.optimization_level = 0;
  Module module(model, "digits", OneBackendStrategy(TorchTensorRTAotBackend(config)));
  tune(module, std::vector<NamedTensors>{{{"0", Tensor(DType::f32, {4, 1, 8, 8})}}});
  save(module, folder / "good.ait");
  for (const char* hostile :
       {R"({"compile_config": 3})", R"({"compile_config": [1]})", R"({"pickle_protocol": "4"})",
        R"({"pickle_protocol": 99})", R"({"inputs": 3})", R"({"compile_config": {"num_threads": {}}})"}) {
    say_config(folder / "good.ait", folder / "bad.ait", hostile);
    try {
      refit(folder / "bad.ait", model, folder / "out.ait");
      FAIL() << "taken: " << hostile;
    } catch (const Error& error) {
      EXPECT_NE(error.code(), ErrorCode::internal) << hostile;
      EXPECT_THAT(error.what(), HasSubstr("bad.ait")) << hostile;
    }
  }
}

}  // namespace
}  // namespace aitune
