#pragma once
// Files of named tensors: .npy, .npz, .safetensors.

#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/tensor.h"

namespace aitune {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

/// Reads all tensors of a file, by its extension, in the file's order. Tensors point into the mapped file where they
/// are aligned and not compressed. The one tensor of a .npy is named after the file. Throws NotFound, IoError, Corrupt,
/// Unsupported.
NamedTensors read_tensors(const std::filesystem::path& path);
/// Replaces the file, atomically. Throws InvalidArgument for another extension, for names that occur twice, and for
/// more or fewer than one tensor in a .npy; Unsupported for an element type that the format lacks.
void write_tensors(const std::filesystem::path& path, std::span<const std::pair<std::string, Tensor>> tensors);

struct TensorFile {
  std::filesystem::path path;
  NamedTensors tensors;
};
/// The same for several files: none of them is replaced before all could be written.
void write_tensor_files(std::span<const TensorFile> files);

}  // namespace aitune
