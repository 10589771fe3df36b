#pragma once
// Imports what torch.export.save wrote. No PyTorch is needed, nothing in the file is executed.

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "compiler/import/imported_model.h"

namespace aitune {

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

}  // namespace aitune
