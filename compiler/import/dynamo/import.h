#pragma once
// Imports what torch.export.save wrote. No PyTorch is needed, nothing in the file is executed.

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "compiler/graph/graph.h"

namespace aitune {

/// One entry of the portable program: what a PT2 archive must hold for torch.export.load to open it.
struct PortableEntry {
  std::string name;  ///< inside the archive's folder: "models/model.json", "data/weights/weight_0"
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;  ///< keeps `bytes` alive; null when the caller of import_pt2 does
};

struct ImportedModel {
  Graph graph;                ///< weights are views of the mapped file
  std::string name;           ///< of the file, without folder and extension
  std::string torch_version;  ///< as the file says it, e.g. "2.15.0+cu132"
  /// The program itself, in the layout of PyTorch 2.8 and newer whichever it came in (programs of 2.5 to 2.7 keep their
  /// pickles, under the names that newer PyTorch still reads). Entries that are not PyTorch's (extra/, data/aitune/,
  /// data/aotinductor/) and ".data/serialization_id" are left out. Written in this order into any PT2 archive, together
  /// with other entries, they give back the program; torch.export.load wants extra/ to hold UTF-8 text only.
  std::vector<PortableEntry> portable;
};

/// Imports a .pt2 file (PyTorch 2.5 or newer), or the portable program of an .ait. The file stays mapped as long as the
/// graph's weights live and must not change meanwhile. Throws
///   NotFound, IoError  there is no such file, or it cannot be read
///   Corrupt            damaged: where in the archive or in its JSON
///   Incompatible       written by a PyTorch that is too new or too old
///   Unsupported        well-formed, but not for aitune: unknown operators (all of them in one message, with counts and
///                      the lines of the model), programs that write to their inputs or weights, pickles of more than
///                      plain tensors, TorchScript and other files
ImportedModel import_pt2(const std::filesystem::path& path);

/// The same for bytes in memory, which must outlive the portable entries; weights are copied. `where` names them.
ImportedModel import_pt2(std::span<const std::byte> bytes, const std::string& where);

/// The tensors that a program takes, in call order. Reads the program's signature alone: no weights, no nodes. Throws
/// as import_pt2 does.
std::vector<std::pair<std::string, TensorType>> pt2_inputs(const std::filesystem::path& path);

}  // namespace aitune
