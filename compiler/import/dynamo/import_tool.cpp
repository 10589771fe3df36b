// Imports files and prints their graphs: for trying the importer by hand.
//   import_tool FILE...           one line each
//   import_tool --print FILE...   the graph's text too

#include <fmt/format.h>

#include <chrono>
#include <string_view>

#include "base/error.h"
#include "compiler/import/dynamo/import.h"

int main(int argc, char** argv) {
  bool print_graphs = false;
  int failures = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string_view path = argv[i];
    if (path == "--print") {
      print_graphs = true;
      continue;
    }
    try {
      const auto start = std::chrono::steady_clock::now();
      const aitune::ImportedModel model = aitune::import_pt2(path);
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      aitune::verify(model.graph, "import");
      fmt::print("{}: {} nodes, {} inputs, {} outputs, {} weights, {} portable entries, torch {}, {:.2f} s\n", path,
                 model.graph.nodes().size(), model.graph.inputs.size(), model.graph.outputs.size(),
                 model.graph.weights.size(), model.portable.size(), model.torch_version, seconds.count());
      if (print_graphs) fmt::print("{}\n", aitune::print(model.graph));
    } catch (const aitune::Error& error) {
      fmt::print("{}: {}: {}\n", path, aitune::error_code_name(error.code()), error.what());
      ++failures;
    }
  }
  return failures == 0 ? 0 : 1;
}
