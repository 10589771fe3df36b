#pragma once
// The tensors of one pickle inside a zip archive of PyTorch: views of the storages that lie beside it.

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "base/tensor.h"
#include "compiler/import/pickle/pickle.h"
#include "format/zip_reader.h"

namespace aitune {

/// Storages are entries FOLDER/KEY of the archive. Many threads may use one object.
class TorchStorages {
 public:
  /// `zip` must outlive this. `where` names the file in messages.
  TorchStorages(const ZipReader& zip, std::string where, std::string folder)
      : zip_(zip), where_(std::move(where)), folder_(std::move(folder)) {}

  /// The tensor that `value` stands for, with its own strides and storage offset, mapped without copying (unless the
  /// file is not aligned or has no owner). Tensors of one storage share memory. The storage's checksum is checked once.
  /// Throws Corrupt when it leaves its storage, Unsupported for element types, layouts and subclasses that aitune does
  /// not have, and for what is on the meta device. `name` is the tensor's, for messages.
  Tensor tensor(const PickleValue& value, std::string_view name = {}) const;

 private:
  struct Storage {
    std::shared_ptr<const void> owner;
    std::byte* data = nullptr;
    std::uint64_t bytes = 0;
  };
  Storage copy(std::span<const std::byte> bytes, bool bools) const;
  Storage load(std::string_view key, bool bools) const;
  Storage find(std::string_view key, bool bools) const;

  const ZipReader& zip_;
  std::string where_, folder_;
  mutable std::mutex mutex_;
  mutable std::map<std::pair<std::string, bool>, Storage, std::less<>> storages_;  // guarded by mutex_
};

}  // namespace aitune
