// Lowers the models of a folder and compares the results with the recorded outputs:
//   passes_models FOLDER [NAME...] [--print] [--run]
// FOLDER holds NAME.pt2, and for --run NAME_io.npz and NAME_b3_io.npz: the inputs under their names, then out0, out1,
// ...

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "compiler/import/dynamo/import.h"
#include "compiler/passes/evaluate.h"
#include "compiler/passes/pipeline.h"
#include "format/tensor_files.h"

namespace {

using namespace aitune;

void show_counts(const Graph& graph) {
  std::map<std::string, int> counts;
  for (const auto& node : graph.nodes()) ++counts[std::string(node->op_name())];
  for (const auto& [op, count] : counts) fmt::print("  {:5} {}\n", count, op);
}

/// The largest relative error of the outputs against the recorded ones.
double compare(const Graph& graph, const std::filesystem::path& record) {
  std::vector<Tensor> inputs, expected;
  for (const auto& [name, tensor] : read_tensors(record)) {
    (name.starts_with("out") ? expected : inputs).push_back(tensor);
  }
  std::map<std::string, double> seconds;
  auto last = std::chrono::steady_clock::now();
  const auto outputs = evaluate(graph, inputs, [&](const Node& node, std::span<const Tensor>) {
    const auto now = std::chrono::steady_clock::now();
    seconds[std::string(node.op_name())] += std::chrono::duration<double>(now - last).count();
    last = now;
  });
  for (const auto& [op, time] : seconds) {
    if (time > 1) fmt::print("  {:.1f} s running {}\n", time, op);
  }
  double worst = outputs.size() == expected.size() ? 0 : INFINITY;
  for (std::size_t i = 0; i < outputs.size() && i < expected.size(); ++i) {
    worst = std::max(worst, relative_error(outputs[i], expected[i]));
  }
  return worst;
}

constexpr double kTolerance = 1e-4;

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const std::filesystem::path folder = argv[1];
  std::set<std::string> names, flags;
  for (int i = 2; i < argc; ++i) (std::string_view(argv[i]).starts_with("--") ? flags : names).insert(argv[i]);
  if (names.empty()) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.path().extension() == ".pt2") names.insert(entry.path().stem().string());
    }
  }
  int failures = 0;
  for (const std::string& name : names) {
    try {
      auto model = import_pt2(folder / (name + ".pt2"));
      fmt::print("== {}: {} nodes\n", name, model.graph.nodes().size());
      LowerOptions options;
      options.evaluator = reference_evaluator();
      options.warn = [](std::string_view message) { fmt::print("  warning: {}\n", message); };
      const auto reports = lower(model.graph, options);
      for (const auto& report : reports) {
        if (report.seconds > 0.05) fmt::print("  {:.2f} s {}\n", report.seconds, report.name);
      }
      fmt::print("  {} nodes\n", model.graph.nodes().size());
      if (flags.contains("--print")) fmt::print("{}\n", print(model.graph));
      show_counts(model.graph);
      for (const char* suffix : {"_io.npz", "_b3_io.npz"}) {
        if (!flags.contains("--run") || !std::filesystem::exists(folder / (name + suffix))) continue;
        const double error = compare(model.graph, folder / (name + suffix));
        fmt::print("  relative error {:.2e} on {}{}\n", error, name, suffix);
        if (!(error <= kTolerance)) ++failures;
      }
    } catch (const std::exception& error) {
      ++failures;
      fmt::print("== {}: {}\n", name, error.what());
    }
  }
  return failures == 0 ? 0 : 1;
}
