#pragma once
// Imports what torch.jit.save wrote. No PyTorch is needed, nothing in the file is executed.

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "compiler/import/imported_model.h"
#include "compiler/import/input_shapes.h"

namespace aitune {

/// A TorchScript model, and the samples as its graph takes them: named by its inputs, without what became constants.
struct ImportedScript {
  ImportedModel model;  ///< without a portable program
  std::vector<NamedTensors> samples;
};

/// Imports a file of torch.jit.save (scripted or traced, PyTorch 1.6 or newer). The file holds no shapes: dtypes and
/// sizes of the inputs are those of the samples, of which there must be one at least; see torchscript/inputs.h for
/// how names are matched; `shapes` gives ranges beyond what they show. `constants` computes what the model makes of
/// constants where it goes on with numbers; without it, such numbers are those of data. What a loop makes larger has at
/// most `largest_size` in a dimension, where its trips do not say. The file stays mapped as long as the graph's weights
/// live and must not change meanwhile. Throws
///   NotFound, IoError  there is no such file, or it cannot be read
///   Corrupt            damaged, or its source is not TorchScript
///   Incompatible       written by a PyTorch that is too new or too old
///   Unsupported        well-formed, but not for aitune: with the line of the model
///   InvalidArgument    samples that do not fit the model, or that make it raise an exception
ImportedScript import_torchscript(const std::filesystem::path& path, std::span<const NamedTensors> samples,
                                  std::span<const Input> shapes = {}, const ConstantEvaluator& constants = {},
                                  std::int64_t largest_size = kLargestSize);

/// The same for bytes in memory; weights are copied. `where` names them.
ImportedScript import_torchscript(std::span<const std::byte> bytes, const std::string& where,
                                  std::span<const NamedTensors> samples, std::span<const Input> shapes = {},
                                  const ConstantEvaluator& constants = {}, std::int64_t largest_size = kLargestSize);

/// The names that samples may use, in the order of the call.
std::vector<std::string> torchscript_inputs(const std::filesystem::path& path);

}  // namespace aitune
