#include "format/tensor_files.h"

#include <fmt/format.h>

#include "base/error.h"
#include "format/npy.h"
#include "format/npz.h"
#include "format/safetensors.h"

namespace aitune {

namespace {

enum class Kind { npy, npz, safetensors };

Kind kind_of(const std::filesystem::path& path) {
  const std::string extension = path.extension().string();
  if (extension == ".npy") return Kind::npy;
  if (extension == ".npz") return Kind::npz;
  if (extension == ".safetensors") return Kind::safetensors;
  throw InvalidArgument(fmt::format("'{}' is not an extension of a tensor file", extension), path.string(),
                        "use .npy, .npz or .safetensors");
}

}  // namespace

NamedTensors read_tensors(const std::filesystem::path& path) {
  const Kind kind = kind_of(path);
  const MappedFile file = MappedFile::open(path);
  switch (kind) {
    case Kind::npy:
      return {{path.stem().string(), read_npy(file.bytes(), file.owner(), file.path())}};
    case Kind::npz:
      return read_npz(ZipReader(file));
    case Kind::safetensors:
      return read_safetensors(file.bytes(), file.owner(), file.path());
  }
  throw InternalError("no such kind of tensor file");
}

void write_tensors(const std::filesystem::path& path, std::span<const std::pair<std::string, Tensor>> tensors) {
  const TensorFile file{path, {tensors.begin(), tensors.end()}};
  write_tensor_files({&file, 1});
}

void write_tensor_files(std::span<const TensorFile> files) {
  for (const auto& [path, tensors] : files) {
    if (kind_of(path) == Kind::npy && tensors.size() != 1) {
      throw InvalidArgument(fmt::format("a .npy holds one tensor, not {}", tensors.size()), path.string(),
                            "save as .npz");
    }
  }
  std::vector<std::unique_ptr<AtomicFile>> written;
  written.reserve(files.size());
  for (const auto& [path, tensors] : files) {
    AtomicFile& file = *written.emplace_back(std::make_unique<AtomicFile>(path));
    switch (kind_of(path)) {
      case Kind::npy:
        write_npy(file, tensors.front().second);
        break;
      case Kind::npz:
        write_npz(file, tensors);
        break;
      case Kind::safetensors:
        write_safetensors(file, tensors);
        break;
    }
  }
  for (const auto& file : written) file->commit();
}

}  // namespace aitune
