// Imports a TorchScript file and prints its graph: for trying the importer by hand.
//   torchscript_tool MODEL SAMPLE...   samples are .npz, .safetensors or .npy files

#include <fmt/format.h>

#include <chrono>

#include "base/error.h"
#include "compiler/import/torchscript/import.h"
#include "compiler/passes/evaluate.h"
#include "format/tensor_files.h"

int main(int argc, char** argv) {
  try {
    std::vector<aitune::NamedTensors> samples;
    for (int i = 2; i < argc; ++i) samples.push_back(aitune::read_tensors(argv[i]));
    const auto start = std::chrono::steady_clock::now();
    const aitune::ImportedScript imported =
        aitune::import_torchscript(argc > 1 ? argv[1] : "", samples, {}, aitune::reference_evaluator());
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    aitune::verify(imported.model.graph, "import");
    fmt::print("{}\n{} nodes, {} weights, {:.2f} s\n", aitune::print(imported.model.graph),
               imported.model.graph.nodes().size(), imported.model.graph.weights.size(), seconds.count());
    return 0;
  } catch (const aitune::Error& error) {
    fmt::print("{}: {}\n", aitune::error_code_name(error.code()), error.what());
    return 1;
  }
}
