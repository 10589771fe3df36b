#pragma once
// Hugging Face's .safetensors: a JSON directory, then the tensors.

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "format/source.h"
#include "format/tensor_files.h"

namespace aitune {

/// Tensors in the order of their data. As the format demands, they must cover the data without holes or overlaps.
/// Throws Corrupt, or Unsupported for an element type that aitune does not have.
NamedTensors read_safetensors(std::span<const std::byte> bytes, const std::shared_ptr<const void>& owner,
                              std::string_view where);
/// Larger element types go first, so that all data is aligned. Throws Unsupported for c128.
void write_safetensors(ByteSink& sink, std::span<const std::pair<std::string, Tensor>> tensors);

}  // namespace aitune
