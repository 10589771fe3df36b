// Files: every layout of PyTorch 2.5 to 2.15, what is kept of them for an .ait, and damage.

#include "compiler/import/dynamo/import.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <random>

#include "base/error.h"
#include "base/message_of.h"
#include "compiler/import/dynamo/mutation.h"
#include "format/source.h"
#include "format/zip_reader.h"
#include "format/zip_writer.h"

namespace aitune {
namespace {

using testing::HasSubstr;

std::string fixture(const std::string& name) {
  return fmt::format("{}/compiler/import/dynamo/testdata/{}.pt2", AITUNE_SOURCE_DIR, name);
}

std::vector<std::byte> read_bytes(const std::string& path) {
  const MappedFile file = MappedFile::open(path);
  return {file.bytes().begin(), file.bytes().end()};
}

const Value& weight(const Graph& graph, const std::string& name) {
  const auto it = std::ranges::find(graph.weights, name, &Value::weight_name);
  if (it == graph.weights.end()) throw std::runtime_error("no weight " + name);
  return **it;
}

std::vector<float> floats(const Tensor& tensor) {
  const Tensor dense = tensor.contiguous();
  return {dense.as<float>(), dense.as<float>() + dense.numel()};
}

// The archive with some entries replaced (by nothing: removed).
using Changes = std::map<std::string, std::optional<std::string>>;
std::vector<std::byte> changed(const std::string& path, const Changes& changes) {
  const ZipReader zip = ZipReader::open(path);
  MemorySink sink;
  ZipWriter writer(sink, zip.top().empty() ? "" : zip.top().substr(0, zip.top().size() - 1));
  for (const ZipEntry& entry : zip.entries()) {
    const std::string name = entry.name.substr(zip.top().size());
    const auto it = changes.find(name);
    if (it == changes.end())
      writer.add(name, zip.bytes(entry));
    else if (it->second)
      writer.add(name, *it->second);
  }
  writer.finish();
  return sink.take();
}

class EveryLayout : public testing::TestWithParam<std::string> {};

TEST_P(EveryLayout, GivesTheSameProgram) {
  const ImportedModel model = import_pt2(fixture(GetParam()));
  verify(model.graph);
  EXPECT_EQ(model.name, GetParam());
  const Graph& graph = model.graph;
  ASSERT_EQ(graph.inputs.size(), 1u);
  EXPECT_EQ(graph.inputs[0]->name, "x");
  const SymInt batch = graph.inputs[0]->type.shape.at(0);
  EXPECT_EQ(graph.inputs[0]->type, (TensorType{DType::f32, {batch, 1, 5, 5}}));
  ASSERT_EQ(graph.symbols.size(), 1u);
  EXPECT_EQ(graph.symbols.begin()->second, (SymRange{1, 16}));
  ASSERT_EQ(graph.outputs.size(), 2u);
  EXPECT_EQ(graph.outputs[0]->type, (TensorType{DType::f32, {batch, 3}}));
  EXPECT_EQ(graph.outputs[1]->type, (TensorType{DType::f32, {batch * 3}}));
  EXPECT_EQ(graph.nodes().front()->op_name(), "aten.conv2d.default");
  EXPECT_EQ(graph.nodes().front()->source.module, "conv");
  EXPECT_THAT(graph.nodes().front()->source.code, HasSubstr("self.norm(self.conv(x))"));
  EXPECT_THAT(graph.in_spec, HasSubstr("builtins.tuple"));
}

TEST_P(EveryLayout, KeepsWeightsOfEachKind) {
  const ImportedModel model = import_pt2(fixture(GetParam()));
  EXPECT_EQ(floats(weight(model.graph, "scale").data), (std::vector<float>{0, 1, 2}));
  EXPECT_EQ(floats(weight(model.graph, "shift").data), (std::vector<float>{1, 1, 1}));
  EXPECT_EQ(floats(weight(model.graph, "lifted_tensor_0").data), (std::vector<float>{0.5, 1.5, 2.5}));
  EXPECT_EQ(weight(model.graph, "norm.num_batches_tracked").data.dtype(), DType::i64);
  const Tensor& transposed = weight(model.graph, "head.weight").data;
  EXPECT_EQ(transposed.shape(), (Shape{3, 4}));
  EXPECT_EQ(transposed.strides(), (Shape{1, 3}));
  const ImportedModel other = import_pt2(fixture("small_2_15"));
  for (const auto* name : {"conv.weight", "head.weight", "head.bias", "norm.running_var"})
    EXPECT_EQ(floats(weight(model.graph, name).data), floats(weight(other.graph, name).data)) << name;
}

TEST_P(EveryLayout, IsKeptAsAnArchiveOfTheNewLayout) {
  const ImportedModel model = import_pt2(fixture(GetParam()));
  MemorySink sink;
  ZipWriter writer(sink, "again");
  for (const PortableEntry& entry : model.portable) writer.add(entry.name, entry.bytes);
  writer.finish();
  const ZipReader zip(sink.bytes(), "again.ait");
  for (const auto* name :
       {"archive_format", "archive_version", ".data/version", "models/model.json", "data/sample_inputs/model.pt"})
    EXPECT_NE(zip.find_in_top(name), nullptr) << name;
  EXPECT_THAT(std::string(zip.text(zip.at("models/model.json"))), testing::Not(HasSubstr("\"as_none\": []")));
  const ImportedModel again = import_pt2(sink.bytes(), "again.ait");
  EXPECT_EQ(print(again.graph), print(model.graph));
  EXPECT_EQ(again.portable.size(), model.portable.size());
}

TEST_P(EveryLayout, OutlivesItsFile) {
  Graph graph = [] { return import_pt2(fixture(GetParam())).graph; }();
  EXPECT_EQ(floats(weight(graph, "scale").data), (std::vector<float>{0, 1, 2}));
}

TEST_P(EveryLayout, ReadFromMemoryIsTheSame) {
  const std::vector<std::byte> bytes = read_bytes(fixture(GetParam()));
  EXPECT_EQ(print(import_pt2(bytes, "memory").graph), print(import_pt2(fixture(GetParam())).graph));
}

TEST_P(EveryLayout, EveryTruncationIsRefused) {
  const std::vector<std::byte> bytes = read_bytes(fixture(GetParam()));
  for (std::size_t size = 0; size < bytes.size(); size += 37)
    EXPECT_THROW(import_pt2(std::span(bytes).first(size), "cut.pt2"), Error) << size;
}

TEST_P(EveryLayout, FlippedBitsAreRefusedOrHarmless) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  const std::vector<std::byte> bytes = read_bytes(fixture(GetParam()));
  const std::string expected = print(import_pt2(bytes, "memory").graph);
  for (int i = 0; i < 300; ++i) {
    std::vector<std::byte> damaged = bytes;
    const std::size_t at = random() % damaged.size();
    damaged[at] ^= std::byte{1} << (random() % 8);
    try {
      EXPECT_EQ(print(import_pt2(damaged, "damaged.pt2").graph), expected) << "byte " << at;
    } catch (const Error& error) {
      EXPECT_NE(error.code(), ErrorCode::internal) << "byte " << at << ": " << error.what();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Import, EveryLayout, testing::Values("small_2_5", "small_2_7", "small_2_8", "small_2_15"),
                         [](const auto& chosen) { return chosen.param; });

TEST(Import, WeightsAreMappedNotCopied) {
  const MappedFile file = MappedFile::open(fixture("small_2_15"));
  const ImportedModel model = import_pt2(fixture("small_2_15"));
  const auto owner = weight(model.graph, "conv.weight").data.owner();
  ASSERT_NE(owner, nullptr);
  for (const Value* w : model.graph.weights) EXPECT_EQ(w->data.owner(), owner) << w->weight_name;
}

TEST(Import, ReadsArgumentsOfEveryKind) {
  const std::string text = print(import_pt2(fixture("constants")).graph);
  EXPECT_THAT(text, HasSubstr("aten.masked_fill.Scalar(%x, %mask, -inf)"));
  EXPECT_THAT(text, HasSubstr("aten.softmax.int(%masked_fill, -1, f64)"));
  EXPECT_THAT(text, HasSubstr("aten.gelu.default(%to, \"tanh\")"));
  EXPECT_THAT(text, HasSubstr("aten.expand.default(%unsqueeze, [2, 3, 4], False)"));
  EXPECT_THAT(text, HasSubstr("%mask: bool[3,4]"));
}

TEST(Import, ControlFlowBecomesRegions) {
  const Graph graph = import_pt2(fixture("control")).graph;
  verify(graph, "import");
  const std::string text = print(graph);
  EXPECT_THAT(text, HasSubstr("higher_order.cond.default("));
  EXPECT_THAT(text, HasSubstr("higher_order.while_loop.default("));
  EXPECT_THAT(text, HasSubstr("      %linear: f32[2,3] = aten.linear.default("));  // a region in a region
  EXPECT_EQ(print(parse_graph(text)), text);
}

TEST(Import, FoldsArithmeticOnSizes) {
  const Graph graph = import_pt2(fixture("symbols")).graph;
  const SymInt b = graph.inputs.at(0)->type.shape.at(0), n = graph.inputs.at(0)->type.shape.at(1);
  EXPECT_EQ(graph.inputs.at(1)->type.shape.at(0), b * 2);
  EXPECT_EQ(graph.outputs.at(0)->type.shape, (SymShape{b * n, 8}));
  EXPECT_EQ(graph.outputs.at(1)->type.shape, (SymShape{b, n - 2, 8}));
  EXPECT_EQ(graph.outputs.at(2)->type.shape, (SymShape{b + n * 2 - 1}));
  EXPECT_EQ(graph.outputs.at(3)->type.shape, (SymShape{b * 3, n, 8}));
  EXPECT_EQ(graph.symbols.at(n.str()), (SymRange{4, 64}));
}

TEST(Import, WhatForwardWritesToComesOutBehindItsResults) {
  const ImportedModel model = import_pt2(fixture("mutates"));
  verify(model.graph);
  ASSERT_EQ(model.written.size(), 2U);
  EXPECT_EQ(model.written[0], (WrittenInput{"x", "x", ""}));
  EXPECT_EQ(model.written[1], (WrittenInput{"calls", "calls", "calls"}));
  ASSERT_EQ(model.graph.inputs.size(), 2U);
  EXPECT_EQ(model.graph.inputs[1]->name, "calls");
  EXPECT_EQ(model.graph.output_names.size(), 3U);
  EXPECT_EQ(model.graph.outputs[1], model.graph.inputs[0]);
  EXPECT_EQ(model.graph.outputs[2], model.graph.inputs[1]);
  ASSERT_EQ(model.buffers.size(), 1U);
  EXPECT_EQ(model.buffers[0].first, "calls");
  ASSERT_EQ(model.warnings.size(), 2U);
  EXPECT_THAT(model.warnings[0], HasSubstr("its buffers at make_testdata.py:"));
  EXPECT_THAT(model.warnings[0], HasSubstr("(calls): they are inputs"));
  EXPECT_THAT(model.warnings[1], testing::AllOf(HasSubstr("its input x at make_testdata.py:"), HasSubstr("x.clone()")));
  NamedTensors call;
  dynamo::add_buffers(model, call);
  EXPECT_EQ(call.size(), 1U);
  dynamo::add_buffers(model, call);  // what the call gives stays
  EXPECT_EQ(call.size(), 1U);
}

TEST(Import, ListsUnknownOperatorsWithTheirLines) {
  const std::string message = message_of<Unsupported>([] { import_pt2(fixture("unknown_ops")); });
  EXPECT_THAT(message, HasSubstr("aten._standard_gamma.default (2 times)\n    at make_testdata.py:"));
  EXPECT_THAT(message, HasSubstr("aten._sample_dirichlet.default (1 time)"));
}

TEST_P(EveryLayout, TellsItsInputsWithoutItsWeights) {
  const auto inputs = pt2_inputs(fixture(GetParam()));
  const ImportedModel model = import_pt2(fixture(GetParam()));
  ASSERT_EQ(inputs.size(), model.graph.inputs.size());
  EXPECT_EQ(inputs[0].first, model.graph.inputs[0]->name);
  EXPECT_EQ(inputs[0].second, model.graph.inputs[0]->type);
}

TEST(Import, MissingFile) { EXPECT_THROW(import_pt2(fixture("nothing")), NotFound); }

TEST(Import, OtherFilesAreNamedForWhatTheyAre) {
  const auto refused = [](std::string_view entry) {
    MemorySink sink;
    ZipWriter writer(sink, "top");
    writer.add(entry, "x");
    writer.finish();
    return message_of<Unsupported>([&] { import_pt2(sink.bytes(), "other"); });
  };
  EXPECT_THAT(refused("constants.pkl"), HasSubstr("TorchScript"));
  EXPECT_THAT(refused("data.pkl"), HasSubstr("torch.save"));
  EXPECT_THAT(refused("a.npy"), HasSubstr(".npz"));
  EXPECT_THAT(refused("readme.txt"), HasSubstr("no program of torch.export"));
}

TEST(Import, ChangedArchives) {
  const std::string path = fixture("small_2_15");
  const auto message = [&]<typename E>(E*, const Changes& changes) {
    const auto bytes = changed(path, changes);
    return message_of<E>([&] { import_pt2(bytes, "changed.pt2"); });
  };
  const auto* corrupt = static_cast<Corrupt*>(nullptr);
  EXPECT_THAT(message(static_cast<Incompatible*>(nullptr), {{"archive_version", "1"}}), HasSubstr("version \"1\""));
  EXPECT_THAT(message(const_cast<Corrupt*>(corrupt), {{"archive_format", "zzz"}}), HasSubstr("\"zzz\""));
  EXPECT_THAT(message(static_cast<Unsupported*>(nullptr), {{"byteorder", "big"}}), HasSubstr("big-endian"));
  EXPECT_THAT(message(static_cast<Unsupported*>(nullptr), {{"models/model.json", std::nullopt}}),
              HasSubstr("no exported program"));
  EXPECT_THAT(message(static_cast<NotFound*>(nullptr), {{"data/weights/weight_0", std::nullopt}}),
              HasSubstr("weight_0"));
  EXPECT_THAT(message(const_cast<Corrupt*>(corrupt), {{"data/weights/weight_0", "short"}}), HasSubstr("36 elements"));
  EXPECT_THAT(message(static_cast<Unsupported*>(nullptr), {{"data/weights/weight_0", ""}}), HasSubstr("fake tensors"));
  EXPECT_THAT(message(const_cast<Corrupt*>(corrupt), {{"models/model.json", "{"}}), HasSubstr("models/model.json"));
}

TEST(Import, DamagedWeightsAreFoundByTheirChecksum) {
  std::vector<std::byte> bytes = read_bytes(fixture("small_2_15"));
  const ZipReader zip(bytes, "damaged.pt2");
  bytes[zip.at("data/weights/weight_3").offset + 5] ^= std::byte{0x10};
  EXPECT_THAT(message_of<Corrupt>([&] { import_pt2(bytes, "damaged.pt2"); }), HasSubstr("weight_3"));
}

TEST(Import, PicklesThatCallSomethingAreRefused) {
  MemorySink sink;
  ZipWriter writer(sink, "archive");
  writer.add("data.pkl", "cposix\nsystem\n(S'echo'\ntR.");
  writer.add("version", "3\n");
  writer.finish();
  const std::string pickle(reinterpret_cast<const char*>(sink.bytes().data()), sink.bytes().size());
  for (const auto& [file, entry] :
       {std::pair("small_2_5", "serialized_state_dict.pt"), std::pair("small_2_8", "data/weights/model.pt")}) {
    const auto bytes = changed(fixture(file), {{entry, pickle}});
    EXPECT_THAT(message_of<Unsupported>([&] { import_pt2(bytes, "hostile.pt2"); }), HasSubstr("posix.system"));
  }
}

TEST(ImportPt2, SizesThatDataDecideAreDefinedByNodes) {
  const Graph graph = import_pt2(fixture("data_sizes")).graph;
  verify(graph, "import");
  const std::string text = print(graph);
  // The number's limit is what the model asserts; the mask's that of its operator. The same mask again has a name of
  // its own until lowering finds out.
  EXPECT_THAT(text, testing::ContainsRegex("u0 in \\[0,16\\] <= \\((s[0-9]+)\\)"));
  EXPECT_THAT(text, testing::ContainsRegex("u1 in \\[0,16\\] <= \\((s[0-9]+)\\), u1_1 in"));
  EXPECT_THAT(text, HasSubstr(": u8[u0,0] = aten.item.default(%n)"));
  EXPECT_THAT(text, HasSubstr(": f32[u1,3] = aten.index.Tensor(%x, [%"));
  EXPECT_THAT(text, testing::ContainsRegex(": i64\\[u[0-9_]+,1\\] = aten.nonzero.default"));
  EXPECT_EQ(text.find("_assert"), std::string::npos);
}

}  // namespace
}  // namespace aitune
