// Imports models and evaluates them with the reference engine: for the tests against PyTorch, and by hand.
//   fx_tool evaluate FOLDER            every NAME.pt with its samples NAME.0.npz, NAME.1.npz, ...: the outputs go to
//                                      NAME.out0.npz, ..., the message of an error to NAME.error
//   fx_tool print FILE SAMPLES...      the graph's text
//   fx_tool lowered FILE SAMPLES...    the lowered graph's text; FILE may be a .pt2, too

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "compiler/import/dynamo/import.h"
#include "compiler/import/fx/import.h"
#include "compiler/passes/evaluate.h"
#include "compiler/passes/pipeline.h"

namespace {

using namespace aitune;
namespace fs = std::filesystem;

std::vector<NamedTensors> samples_beside(const fs::path& stem) {
  std::vector<NamedTensors> samples;
  for (std::size_t i = 0;; ++i) {
    const fs::path path = fmt::format("{}.{}.npz", stem.string(), i);
    if (!fs::exists(path)) return samples;
    samples.push_back(read_tensors(path));
  }
}

std::vector<Tensor> in_order(const Graph& graph, const NamedTensors& sample) {
  std::vector<Tensor> inputs;
  for (const Value* input : graph.inputs) {
    auto it = std::ranges::find(sample, input->name, &NamedTensors::value_type::first);
    if (it == sample.end()) it = sample.begin() + static_cast<std::ptrdiff_t>(inputs.size());
    inputs.push_back(it->second);
  }
  return inputs;
}

// Writes into tensors mean something once the graph is functional; nothing else of lowering is wanted here.
void make_functional(Graph& graph) {
  LowerOptions options;
  for (const std::string_view pass : pass_names())
    if (pass != "functionalise") options.disabled.emplace(pass);
  lower(graph, options);
}

void evaluate_model(const fs::path& stem) {
  const auto samples = samples_beside(stem);
  ImportedModel model = import_fx(stem.string() + ".pt", samples);
  verify(model.graph, "import");
  make_functional(model.graph);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const auto outputs = evaluate(model.graph, in_order(model.graph, samples[i]));
    NamedTensors named;
    for (std::size_t k = 0; k < outputs.size(); ++k) named.emplace_back(std::to_string(k), outputs[k]);
    write_tensors(fmt::format("{}.out{}.npz", stem.string(), i), named);
  }
  std::ofstream(stem.string() + ".warnings") << fmt::format("{}", fmt::join(model.warnings, "\n"));
}

void evaluate_folder(const fs::path& folder) {
  std::vector<fs::path> models;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".pt") models.push_back(entry.path());
  std::ranges::sort(models);
  for (const fs::path& path : models) {
    const fs::path stem = fs::path(path).replace_extension();
    try {
      evaluate_model(stem);
    } catch (const Error& error) {
      std::ofstream(stem.string() + ".error") << error_code_name(error.code()) << ": " << error.what();
    }
  }
}

Graph read_model(const std::string& path, std::vector<NamedTensors> samples) {
  if (path.ends_with(".pt2")) return std::move(import_pt2(path).graph);
  return std::move(import_fx(path, samples).graph);
}

int run(const std::vector<std::string>& words) {
  if (words.size() < 2)
    throw InvalidArgument("fx_tool evaluate FOLDER | print FILE SAMPLES... | lowered FILE SAMPLES...");
  if (words[0] == "evaluate") {
    evaluate_folder(words[1]);
    return 0;
  }
  std::vector<NamedTensors> samples;
  for (std::size_t i = 2; i < words.size(); ++i) samples.push_back(read_tensors(words[i]));
  Graph graph = read_model(words[1], std::move(samples));
  LowerOptions options;
  options.evaluator = reference_evaluator();
  if (words[0] == "lowered") lower(graph, options);
  fmt::print("{}", print(graph));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const aitune::Error& error) {
    fmt::print(stderr, "{}: {}\n", error_code_name(error.code()), error.what());
    return static_cast<int>(error.code());
  }
}
