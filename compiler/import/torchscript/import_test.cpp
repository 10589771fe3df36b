// Files that PyTorch wrote (testdata/make_testdata.py), and damage to them.

#include "compiler/import/torchscript/import.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <random>
#include <set>

#include "base/error.h"
#include "format/source.h"

namespace aitune {
namespace {

using testing::HasSubstr;

std::string fixture(const std::string& name) {
  return fmt::format("{}/compiler/import/torchscript/testdata/{}.pt", AITUNE_SOURCE_DIR, name);
}

std::vector<NamedTensors> samples(std::initializer_list<std::int64_t> batches) {
  std::vector<NamedTensors> made;
  for (const auto batch : batches) made.push_back({{"x", Tensor(DType::f32, {batch, 4})}});
  return made;
}

std::vector<std::byte> read_bytes(const std::string& path) {
  const MappedFile file = MappedFile::open(path);
  return {file.bytes().begin(), file.bytes().end()};
}

TEST(TorchScriptFile, ScriptedWithASizeThatMoves) {
  const ImportedScript imported = import_torchscript(fixture("features_scripted"), samples({2, 5}));
  verify(imported.model.graph);
  const std::string text = print(imported.model.graph);
  EXPECT_THAT(text, HasSubstr("graph(%x: f32[s0,4]) where s0 in [2,5]"));
  EXPECT_THAT(text, HasSubstr("aten.relu_.default(%linear) # layers.1"));
  EXPECT_THAT(text, HasSubstr("%reshape: f32[2*s0,2] = aten.reshape.default(%mul, [2*s0, -1])"));
  EXPECT_EQ(imported.model.name, "features_scripted");
}

TEST(TorchScriptFile, ScriptedWithItsOtherArguments) {
  std::vector<NamedTensors> given = samples({3});
  given[0].emplace_back("1", Tensor(DType::f32, {4}));
  given[0].emplace_back("n", Tensor::scalar<std::int64_t>(DType::i64, 1));
  const ImportedScript imported = import_torchscript(fixture("features_scripted"), given);
  const Graph& graph = imported.model.graph;
  ASSERT_EQ(graph.inputs.size(), 2u);
  EXPECT_EQ(graph.inputs[1]->name, "y");
  EXPECT_EQ(graph.outputs[0]->type, (TensorType{DType::f32, {3, 8}}));
  EXPECT_EQ(imported.samples[0].size(), 2u);
}

TEST(TorchScriptFile, TracedGivesTheSameShapes) {
  const Graph traced = import_torchscript(fixture("features_traced"), samples({3})).model.graph;
  const Graph scripted = import_torchscript(fixture("features_scripted"), samples({3})).model.graph;
  verify(traced);
  ASSERT_EQ(traced.outputs.size(), scripted.outputs.size());
  for (std::size_t i = 0; i < traced.outputs.size(); ++i) EXPECT_EQ(traced.outputs[i]->type, scripted.outputs[i]->type);
  EXPECT_EQ(traced.nodes().size(), scripted.nodes().size());
}

TEST(TorchScriptFile, NodesKnowTheirLineAndModule) {
  const Graph graph = import_torchscript(fixture("features_scripted"), samples({3})).model.graph;
  const auto linear =
      std::ranges::find_if(graph.nodes(), [](const auto& node) { return node->op_name() == "aten.linear.default"; });
  ASSERT_NE(linear, graph.nodes().end());
  EXPECT_EQ((*linear)->source.module, "layers.0");
  EXPECT_THAT((*linear)->source.code, HasSubstr("make_testdata.py:"));
  EXPECT_THAT((*linear)->source.code, HasSubstr("x = layer(x)"));
}

TEST(TorchScriptFile, WeightsAreMappedNotCopied) {
  const Graph graph = import_torchscript(fixture("block_scripted"),
                                         std::vector<NamedTensors>{{{"x", Tensor(DType::f32, {2, 3, 8, 8})}}})
                          .model.graph;
  std::set<const void*> owners;
  for (const Value* weight : graph.weights) owners.insert(weight->data.owner().get());
  EXPECT_EQ(owners.size(), 1u);
}

TEST(TorchScriptFile, NamesOfInputs) {
  const auto names = torchscript_inputs(fixture("features_scripted"));
  ASSERT_GE(names.size(), 4u);
  EXPECT_EQ(names[0], "x");
  EXPECT_EQ(names[1], "y");
  EXPECT_EQ(names[2], "n");
}

TEST(TorchScriptFile, EveryTruncationIsRefused) {
  const auto bytes = read_bytes(fixture("features_traced"));
  for (std::size_t size = 0; size < bytes.size(); size += 61)
    EXPECT_THROW(import_torchscript(std::span(bytes).first(size), "cut.pt", samples({3})), Error) << size;
}

TEST(TorchScriptFile, FlippedBitsAreRefusedOrHarmless) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  const auto bytes = read_bytes(fixture("features_scripted"));
  const std::string expected = print(import_torchscript(bytes, "memory", samples({3})).model.graph);
  for (int i = 0; i < 200; ++i) {
    auto damaged = bytes;
    const std::size_t at = random() % damaged.size();
    damaged[at] ^= std::byte{1} << (random() % 8);
    try {
      EXPECT_EQ(print(import_torchscript(damaged, "damaged.pt", samples({3})).model.graph), expected) << "byte " << at;
    } catch (const Error& error) {
      EXPECT_NE(error.code(), ErrorCode::internal) << "byte " << at << ": " << error.what();
    }
  }
}

TEST(TorchScriptFile, OtherFilesAreNamed) {
  const std::string other = fmt::format("{}/compiler/import/torchscript/testdata/block.pt2", AITUNE_SOURCE_DIR);
  EXPECT_THROW(import_torchscript(other, samples({3})), Unsupported);
  EXPECT_THROW(import_torchscript(fixture("nothing"), samples({3})), NotFound);
}

}  // namespace
}  // namespace aitune
