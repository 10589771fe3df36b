#include "compiler/import/pickle/torch_pickle.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <mutex>

#include "base/error.h"
#include "compiler/import/pickle/torch_storage.h"
#include "format/bytes.h"
#include "format/tensor_bytes.h"

namespace aitune {

namespace {

constexpr std::string_view kOldMagic = "\x80\x02\x8a\x0a";  // how torch.save began before PyTorch 1.6
constexpr std::size_t kMaxTensors = std::size_t{1} << 20;
constexpr std::size_t kAlignment = 16;  // of what the heap gives, enough for every element type

struct Storage {
  std::shared_ptr<const void> owner;
  std::byte* data = nullptr;
  std::uint64_t bytes = 0;
};

Storage copy_storage(std::span<const std::byte> bytes, bool bools) {
  const auto copy = std::make_shared<std::vector<std::byte>>(bytes.begin(), bytes.end());
  if (bools) normalize_bools(*copy);
  return {copy, copy->data(), copy->size()};
}

std::string_view storage_key(const PickleValue& storage, std::string_view where) {
  const auto& id = storage.items[0]->items;
  if (id.size() != 5 || !id[0]->is(PickleKind::string) || id[0]->text != "storage" || !id[2]->is(PickleKind::string)) {
    throw Corrupt(fmt::format("the storage at offset {} of the pickle is malformed", storage.offset),
                  std::string(where));
  }
  return id[2]->text;
}

}  // namespace

struct TorchFile::State {
  ZipReader zip;
  std::string where;
  PickleDocument document;
  mutable std::mutex mutex;
  mutable std::map<std::pair<std::string, bool>, Storage, std::less<>> storages;  // guarded by mutex

  State(ZipReader reader, std::string name, const PickleOptions& options)
      : zip(std::move(reader)), where(std::move(name)) {
    check_kind();
    const ZipEntry& entry = zip.at("data.pkl");
    zip.verify_crc(entry);
    document = PickleDocument::parse(zip.bytes(entry), where + "/data.pkl", options);
  }

  void check_kind() const {
    if (zip.find_in_top("data.pkl") == nullptr) {
      throw Unsupported("the archive holds no data.pkl, so torch.save did not write it", where);
    }
    if (zip.find_in_top("constants.pkl") != nullptr) {
      throw Unsupported("this is a TorchScript file, not one of torch.save", where, "save the tensors with torch.save");
    }
    const ZipEntry* const order = zip.find_in_top("byteorder");
    if (order != nullptr && zip.text(*order) != "little") {
      throw Unsupported("the file was written on a big-endian machine", where, "save it on a little-endian one");
    }
  }

  Storage load_storage(std::string_view key, bool bools) const {
    const ZipEntry* const entry = zip.find_in_top("data/" + std::string(key));
    if (entry == nullptr) {
      throw Corrupt(fmt::format("the storage data/{} is missing", key.substr(0, 100)), where,
                    "the file is damaged; save it again");
    }
    zip.verify_crc(*entry);
    const auto bytes = zip.bytes(*entry);
    const bool aligned = reinterpret_cast<std::uintptr_t>(bytes.data()) % kAlignment == 0;
    if (zip.owner() == nullptr || !aligned || (bools && has_bad_bool(bytes))) return copy_storage(bytes, bools);
    // The mapping is read-only; Tensor has no type for that.
    return {zip.owner(), const_cast<std::byte*>(bytes.data()), bytes.size()};
  }

  Storage storage(const TensorRecord& record) const {
    std::pair<std::string, bool> key(storage_key(*record.storage, where), record.dtype == DType::b8);
    const std::lock_guard lock(mutex);
    const auto found = storages.find(key);
    if (found != storages.end()) return found->second;
    Storage loaded = load_storage(key.first, key.second);
    storages.emplace(std::move(key), loaded);
    return loaded;
  }
};

TorchFile TorchFile::open(const std::filesystem::path& path, const PickleOptions& options) {
  const MappedFile file = MappedFile::open(path);
  return {file.bytes(), file.path(), file.owner(), options};
}

TorchFile::TorchFile(std::span<const std::byte> bytes, std::string where, std::shared_ptr<const void> owner,
                     const PickleOptions& options) {
  if (as_text(bytes).starts_with(kOldMagic)) {
    throw Unsupported("the file has the form that torch.save wrote before PyTorch 1.6", where,
                      "load it in PyTorch and save it again");
  }
  state_ = std::make_unique<State>(ZipReader(bytes, where, std::move(owner)), where, options);
}

TorchFile::~TorchFile() = default;
TorchFile::TorchFile(TorchFile&&) noexcept = default;
TorchFile& TorchFile::operator=(TorchFile&&) noexcept = default;

const PickleValue& TorchFile::root() const { return state_->document.root(); }

const std::string& TorchFile::where() const { return state_->where; }

bool TorchFile::is_tensor(const PickleValue& value) { return is_tensor_record(value); }

Tensor TorchFile::tensor(const PickleValue& value) const {
  TensorRecord record = read_tensor_record(value, state_->where);
  const Storage storage = state_->storage(record);
  check_tensor_bounds(record, storage.bytes, state_->where);
  if (tensor_bytes(record.dtype, record.shape) == 0) return {record.dtype, std::move(record.shape)};
  std::byte* const data = storage.data + static_cast<std::uint64_t>(record.offset) * dtype_size(record.dtype);
  return {record.dtype, std::move(record.shape), std::move(record.strides), storage.owner, data};
}

namespace {

class Flattener {
 public:
  explicit Flattener(const TorchFile& file) : file_(file) {}

  NamedTensors flatten(const PickleValue& root) {
    if (TorchFile::is_tensor(root)) return {{"tensor", file_.tensor(root)}};
    visit(root, "");
    return std::move(tensors_);
  }

 private:
  // Nesting is limited by the pickle reader.
  void visit(const PickleValue& value, const std::string& path) {
    if (TorchFile::is_tensor(value)) {
      if (tensors_.size() == kMaxTensors) throw Corrupt("the file refers to tensors beyond number");
      tensors_.emplace_back(path, file_.tensor(value));
      return;
    }
    if (value.is(PickleKind::list) || value.is(PickleKind::tuple)) {
      for (std::size_t i = 0; i < value.items.size(); ++i) visit(*value.items[i], join(path, std::to_string(i)));
    }
    if (!value.is(PickleKind::dict)) return;
    for (std::size_t i = 0; i + 1 < value.items.size(); i += 2) {
      const PickleValue& key = *value.items[i];
      if (key.is(PickleKind::string)) visit(*value.items[i + 1], join(path, key.text));
      if (key.is(PickleKind::integer)) visit(*value.items[i + 1], join(path, std::to_string(key.integer)));
    }
  }
  // Shared containers may repeat a long path many times; paths beyond reason would exhaust memory.
  std::string join(const std::string& path, const std::string& name) const {
    if (path.size() + name.size() > 4096) throw Corrupt("the path of a tensor is too long");
    return path.empty() ? name : fmt::format("{}.{}", path, name);
  }

  const TorchFile& file_;
  NamedTensors tensors_;
};

}  // namespace

NamedTensors TorchFile::named_tensors() const { return Flattener(*this).flatten(root()); }

}  // namespace aitune
