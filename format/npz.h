#pragma once
// NumPy's .npz: a zip of .npy files, stored (numpy.savez) or deflated (numpy.savez_compressed).

#include <cstdint>

#include "format/tensor_files.h"
#include "format/zip_reader.h"

namespace aitune {

/// Every entry must be a .npy; its name without ".npy" is the tensor's. Inflates at most `limit` bytes in all,
/// and throws Unsupported for more: what is stored takes no memory and has no limit.
NamedTensors read_npz(const ZipReader& zip, std::uint64_t limit = std::uint64_t{1} << 32);
/// Stored, as numpy.savez does.
void write_npz(ByteSink& sink, std::span<const std::pair<std::string, Tensor>> tensors);

}  // namespace aitune
