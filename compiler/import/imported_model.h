#pragma once
// What every importer gives.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "compiler/graph/graph.h"
#include "format/arguments.h"
#include "format/tensor_files.h"

namespace aitune {

/// One entry of the portable program: what a PT2 archive must hold for torch.export.load to open it.
struct PortableEntry {
  std::string name;  ///< inside the archive's folder: "models/model.json", "data/weights/weight_0"
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;  ///< keeps `bytes` alive; null when the importer's caller does
};

/// Computes a node on constants, for importers that go on with the numbers; operands as in Node::operands().
using ConstantEvaluator =
    std::function<std::vector<Tensor>(const Node& node, std::span<const Tensor> operands, const SymValues& symbols)>;

/// What a size that nothing bounds is taken to be at most, where nobody says otherwise.
inline constexpr std::int64_t kLargestSize = 1 << 20;

struct ImportedModel {
  Graph graph;                ///< weights are views of the mapped file
  std::string name;           ///< of the file, without folder and extension
  std::string torch_version;  ///< as the file says it, e.g. "2.15.0+cu132"; empty if it does not
  /// The program itself, in the layout of PyTorch 2.8 and newer whichever it came in (programs of 2.5 to 2.7 keep their
  /// pickles, under the names that newer PyTorch still reads). Entries that are not PyTorch's (extra/, data/aitune/,
  /// data/aotinductor/) and ".data/serialization_id" are left out. Written in this order into any PT2 archive, together
  /// with other entries, they give back the program; torch.export.load wants extra/ to hold UTF-8 text only.
  std::vector<PortableEntry> portable;
  std::vector<Argument> arguments;    ///< what forward() takes, and which inputs of the graph that is; may be empty
  std::vector<WrittenInput> written;  ///< inputs that forward() writes to; buffers among them stand last
  NamedTensors buffers;               ///< what those of `written` that are buffers hold at first, by input
  std::vector<std::string> warnings;  ///< what the user should know, each with its place in the model
};

}  // namespace aitune
