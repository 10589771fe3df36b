#pragma once
// Imports what torch.save wrote of a torch.fx GraphModule. Nothing in the file is executed or imported.

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "compiler/import/imported_model.h"
#include "compiler/import/input_shapes.h"
#include "format/tensor_files.h"

namespace aitune {

/// Whether a file of torch.save holds a GraphModule; false for files of any other kind.
bool is_fx_file(const std::filesystem::path& path);

/// The names of the forward's parameters.
std::vector<std::string> fx_inputs(const std::filesystem::path& path);

/// Imports a GraphModule. FX carries no shapes: dtypes and shapes of the inputs are those of the samples (at least one;
/// tensors by the parameter's name or its position), where a size that differs between samples becomes a symbol with
/// the range that they show, or that `shapes` gives. Parameters without a sample take their defaults. Throws
///   NotFound, IoError  there is no such file, or it cannot be read
///   Corrupt            damaged, or a source that is not Python: with its line
///   Unsupported        well-formed, but not for aitune: pickles that call something, unknown modules and functions (by
///                      name), modules in training mode, sizes or conditions that depend on data
///   InvalidArgument    samples that do not fit the forward
ImportedModel import_fx(const std::filesystem::path& path, std::span<const NamedTensors> samples,
                        std::span<const Input> shapes = {});

/// The same for bytes in memory; weights are copied. `where` names them.
ImportedModel import_fx(std::span<const std::byte> bytes, const std::string& where,
                        std::span<const NamedTensors> samples, std::span<const Input> shapes = {});

}  // namespace aitune
