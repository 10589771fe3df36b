// Imports files and prints their graphs: for trying the importer by hand.
//   import_tool FILE...           one line each
//   import_tool --print FILE...   the graph's text too
//   import_tool --repack FILE...  writes FILE.repacked.pt2 from the portable entries, for torch.export.load

#include <fmt/format.h>

#include <chrono>
#include <string_view>

#include "base/error.h"
#include "compiler/import/dynamo/import.h"
#include "format/zip_writer.h"

namespace {

void repack(const aitune::ImportedModel& model, const std::string& path) {
  aitune::AtomicFile file(path);
  aitune::ZipWriter writer(file, "repacked");
  for (const aitune::PortableEntry& entry : model.portable) writer.add(entry.name, entry.bytes);
  writer.finish();
  file.commit();
}

}  // namespace

int main(int argc, char** argv) {
  bool print_graphs = false, repack_files = false;
  int failures = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string_view path = argv[i];
    if (path == "--print" || path == "--repack") {
      (path == "--print" ? print_graphs : repack_files) = true;
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
      if (repack_files) repack(model, fmt::format("{}.repacked.pt2", path));
      if (print_graphs) fmt::print("{}\n", aitune::print(model.graph));
    } catch (const aitune::Error& error) {
      fmt::print("{}: {}: {}\n", path, aitune::error_code_name(error.code()), error.what());
      ++failures;
    }
  }
  return failures == 0 ? 0 : 1;
}
