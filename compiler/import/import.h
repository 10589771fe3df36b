#pragma once
// The one door to the importers: a saved model of any form becomes a graph.

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "compiler/import/imported_model.h"
#include "compiler/import/input_shapes.h"
#include "compiler/import/ir.h"

namespace aitune {

/// The form of a saved model, from what is in the file; an .ait is dynamo, for its portable program. Throws NotFound,
/// IoError, Corrupt, or Unsupported for files that are no model.
IRType detect_ir(const std::filesystem::path& path);

/// An input of a model whose samples have not been read yet.
struct ModelInput {
  std::string name;
  std::optional<std::size_t> rank;  ///< nothing: the file does not tell
};
std::vector<ModelInput> model_inputs(const std::filesystem::path& path, IRType ir);

/// A model and its samples, as its graph takes them.
struct ImportedCall {
  ImportedModel model;
  /// One for each sample given, named by the graph's inputs or by position. Inputs that became constants are left out.
  std::vector<NamedTensors> samples;
};

/// Imports the model. Forms that carry no shapes (ts, fx) take dtypes and shapes of the inputs from the samples: a size
/// that differs between samples is a symbol with the range that they show, or that `shapes` gives; any other one is
/// fixed. A program of torch.export has ranges of its own, which `shapes` narrows. Throws what the form's importer
/// throws, and InvalidArgument for samples and ranges that do not fit the model. `constants` computes a node whose
/// operands are constants, for numbers that a TorchScript model takes out of tensors; `largest_size` bounds what its
/// loops make larger, where nothing else does.
ImportedCall import_model(const std::filesystem::path& path, IRType ir, std::span<const NamedTensors> samples,
                          std::span<const Input> shapes = {}, const ConstantEvaluator& constants = {},
                          std::int64_t largest_size = kLargestSize);

}  // namespace aitune
