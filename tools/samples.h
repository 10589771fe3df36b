#pragma once
// Input files of the command line: one or several samples of named tensors.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "format/tensor_files.h"

namespace aitune::tools {

/// What a program expects of one input: enough to tell a sample from a list of samples.
struct ExpectedInput {
  std::string name;
  std::optional<std::size_t> rank;  ///< nothing: unknown until samples are seen, which then are single ones
};

/// Reads samples from `files`. Each is a .npz, .safetensors or .npy file; "NAME=FILE.npy" names the tensor of a .npy
/// file, otherwise it is input 0, and consecutive .npy files with names make one sample together. Tensors are named as
/// in the program or by position, in a .npz also arr_0, arr_1, … as numpy.savez names them. A file whose tensors all
/// have one dimension more than the program's inputs, in front, is a list of samples. Throws InvalidArgument where the
/// files leave it unclear.
std::vector<NamedTensors> read_samples(const std::vector<std::string>& files, const std::vector<ExpectedInput>& inputs);

/// Throws InvalidArgument where writing `output` would destroy one of the files that are read. Samples may be
/// NAME=FILE.npy.
void refuse_loss(const std::string& output, std::span<const std::string> read);

}  // namespace aitune::tools
