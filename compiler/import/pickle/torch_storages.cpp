#include "compiler/import/pickle/torch_storages.h"

#include <fmt/format.h>

#include "base/error.h"
#include "compiler/import/pickle/torch_storage.h"
#include "format/tensor_bytes.h"

namespace aitune {
namespace {

constexpr std::size_t kAlignment = 16;  // of what the heap gives, enough for every element type

std::string_view storage_key(const PickleValue& storage, std::string_view where) {
  const auto& id = storage.items[0]->items;
  if (id.size() != 5 || !id[0]->is(PickleKind::string) || id[0]->text != "storage" || !id[2]->is(PickleKind::string)) {
    throw Corrupt(fmt::format("the storage at offset {} of the pickle is malformed", storage.offset),
                  std::string(where));
  }
  return id[2]->text;
}

// ("storage", type, key, location, size), as storage_key has checked.
bool is_meta(const PickleValue& storage) {
  const PickleValue& location = *storage.items[0]->items[3];
  return location.is(PickleKind::string) && location.text == "meta";
}

}  // namespace

TorchStorages::Storage TorchStorages::copy(std::span<const std::byte> bytes, bool bools) const {
  const auto owned = std::make_shared<std::vector<std::byte>>(bytes.begin(), bytes.end());
  if (bools) normalize_bools(*owned);
  return {owned, owned->data(), owned->size()};
}

TorchStorages::Storage TorchStorages::load(std::string_view key, bool bools) const {
  const ZipEntry* const entry = zip_.find_in_top(fmt::format("{}/{}", folder_, key));
  if (entry == nullptr) {
    throw Corrupt(fmt::format("the storage {}/{} is missing", folder_, key.substr(0, 100)), where_,
                  "the file is damaged; save it again");
  }
  zip_.verify_crc(*entry);
  const auto bytes = zip_.bytes(*entry);
  const bool aligned = reinterpret_cast<std::uintptr_t>(bytes.data()) % kAlignment == 0;
  if (zip_.owner() == nullptr || !aligned || (bools && has_bad_bool(bytes))) return copy(bytes, bools);
  // The mapping is read-only; Tensor has no type for that.
  return {zip_.owner(), const_cast<std::byte*>(bytes.data()), bytes.size()};
}

TorchStorages::Storage TorchStorages::find(std::string_view key, bool bools) const {
  std::pair<std::string, bool> place(key, bools);
  const std::lock_guard lock(mutex_);
  const auto found = storages_.find(place);
  if (found != storages_.end()) return found->second;
  Storage loaded = load(key, bools);
  storages_.emplace(std::move(place), loaded);
  return loaded;
}

Tensor TorchStorages::tensor(const PickleValue& value, std::string_view name) const {
  const std::string place = name.empty() ? where_ : fmt::format("{}: {}", where_, name.substr(0, 200));
  TensorRecord record = read_tensor_record(value, place);
  const std::string_view key = storage_key(*record.storage, place);
  if (is_meta(*record.storage)) refuse_meta_tensor(place);
  const Storage storage = find(key, record.dtype == DType::b8);
  check_tensor_bounds(record, storage.bytes, place);
  if (tensor_bytes(record.dtype, record.shape) == 0) return {record.dtype, std::move(record.shape)};
  std::byte* const data = storage.data + static_cast<std::uint64_t>(record.offset) * dtype_size(record.dtype);
  return {record.dtype, std::move(record.shape), std::move(record.strides), storage.owner, data};
}

}  // namespace aitune
