#pragma once
// Inputs of models whose files carry no shapes, as the samples show them.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/graph/graph.h"
#include "format/tensor_files.h"

namespace aitune {

/// The tensors of one input, one for each sample, or nothing where the samples do not have it. Tensors are found by the
/// input's name or by its position ("0"). Throws InvalidArgument when some samples have it and others do not.
std::optional<std::vector<Tensor>> find_samples(std::string_view name, std::size_t position,
                                                std::span<const NamedTensors> samples);

/// The type of every input. A size that differs between samples is a symbol with the range that they show; sizes that
/// agree in every sample share one. Symbols are added to `symbols`. Throws InvalidArgument, naming the input, for
/// samples of different dtypes or ranks.
std::vector<TensorType> types_of_samples(std::span<const std::string> names,
                                         std::span<const std::vector<Tensor>> inputs, SymRanges& symbols);

}  // namespace aitune
