// Lowers the models of a folder and compares the results with the recorded outputs:
//   passes_models FOLDER [NAME...] [--print] [--run]
// FOLDER holds NAME.pt2 and NAME_io.npz (in0, in1, ..., out0, out1, ...).

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <set>

#include "compiler/import/dynamo/import.h"
#include "compiler/passes/evaluate.h"
#include "compiler/passes/pipeline.h"

namespace {

using namespace aitune;

void show_counts(const Graph& graph) {
  std::map<std::string, int> counts;
  for (const auto& node : graph.nodes()) ++counts[std::string(node->op_name())];
  for (const auto& [op, count] : counts) fmt::print("  {:5} {}\n", count, op);
}

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
    } catch (const std::exception& error) {
      ++failures;
      fmt::print("== {}: {}\n", name, error.what());
    }
  }
  return failures == 0 ? 0 : 1;
}
