// The same network through every importer lowers to the same graph.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "compiler/import/dynamo/import.h"
#include "compiler/import/import.h"
#include "compiler/import/portable/portable.h"
#include "compiler/passes/evaluate.h"
#include "compiler/passes/pipeline.h"
#include "format/zip_writer.h"

namespace aitune {
namespace {

struct Network {
  std::string name;
  Shape shape;
};

// Names of values follow from their places; modules, weights' names and call specs are left out.
std::string canonical(Graph graph) {
  graph.in_spec.clear();
  graph.out_spec.clear();
  std::vector<Value*> weights;
  int count = 0;
  const auto name = [&](Value* value, std::string_view kind) {
    graph.rename(value, fmt::format("{}{}", kind, count++));
  };
  for (Value* input : graph.inputs) name(input, "in");
  for (auto& node : graph.nodes()) {
    node->source = {};
    for (Value* operand : node->operands())
      if (operand->kind == ValueKind::weight && std::ranges::find(weights, operand) == weights.end()) {
        weights.push_back(operand);
        name(operand, "w");
        operand->weight_name.clear();
      }
    for (Value* output : node->outputs) name(output, "v");
  }
  graph.weights = weights;
  graph.output_names.clear();
  for (std::size_t i = 0; i < graph.outputs.size(); ++i) graph.output_names.push_back(fmt::format("out{}", i));
  return print(graph);
}

class EveryForm : public testing::TestWithParam<Network> {
 protected:
  std::string lowered(const std::string& suffix, IRType ir) const {
    const std::string path =
        fmt::format("{}/compiler/import/torchscript/testdata/{}{}", AITUNE_SOURCE_DIR, GetParam().name, suffix);
    EXPECT_EQ(detect_ir(path), ir) << path;
    const NamedTensors sample = {{"x", Tensor(DType::f32, GetParam().shape)}};
    return lowered(import_model(path, ir, std::span(&sample, 1)).model.graph);
  }
  static std::string lowered(Graph graph) {
    LowerOptions options;
    options.evaluator = reference_evaluator();
    lower(graph, options);
    return canonical(std::move(graph));
  }
};

TEST_P(EveryForm, LowersToTheSameGraph) {
  const std::string dynamo = lowered(".pt2", IRType::dynamo);
  EXPECT_EQ(lowered("_scripted.pt", IRType::ts), dynamo);
  EXPECT_EQ(lowered("_traced.pt", IRType::ts), dynamo);
}

TEST_P(EveryForm, ComesBackFromItsPortableProgram) {
  const std::string path =
      fmt::format("{}/compiler/import/torchscript/testdata/{}_scripted.pt", AITUNE_SOURCE_DIR, GetParam().name);
  const NamedTensors sample = {{"x", Tensor(DType::f32, GetParam().shape)}};
  const ImportedModel model = import_model(path, IRType::ts, std::span(&sample, 1)).model;
  MemorySink sink;
  ZipWriter writer(sink, "again");
  for (const PortableEntry& entry : model.portable) writer.add(entry.name, entry.bytes);
  writer.finish();
  const ImportedModel again = import_pt2(sink.bytes(), "again.pt2");
  EXPECT_EQ(canonical(again.graph.clone()), canonical(model.graph.clone()));
  EXPECT_EQ(again.graph.inputs[0]->name, model.graph.inputs[0]->name);
}

INSTANTIATE_TEST_SUITE_P(Networks, EveryForm,
                         testing::Values(Network{"block", {2, 3, 8, 8}}, Network{"attention", {2, 5, 16}},
                                         Network{"mixer", {3, 6}}),
                         [](const auto& chosen) { return chosen.param.name; });

}  // namespace
}  // namespace aitune
