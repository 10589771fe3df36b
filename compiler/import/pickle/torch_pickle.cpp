#include "compiler/import/pickle/torch_pickle.h"

#include <fmt/format.h>

#include "base/error.h"
#include "compiler/import/pickle/torch_storage.h"
#include "compiler/import/pickle/torch_storages.h"
#include "format/bytes.h"

namespace aitune {

namespace {

constexpr std::string_view kOldMagic = "\x80\x02\x8a\x0a";  // how torch.save began before PyTorch 1.6
constexpr std::size_t kMaxTensors = std::size_t{1} << 20;

}  // namespace

struct TorchFile::State {
  ZipReader zip;
  std::string where;
  PickleDocument document;
  TorchStorages storages;

  State(ZipReader reader, std::string name, const PickleOptions& options)
      : zip(std::move(reader)), where(std::move(name)), storages(zip, where, "data") {
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
};

TorchFile TorchFile::open(const std::filesystem::path& path, const PickleOptions& options) {
  const MappedFile file = MappedFile::open(path);
  return {file.bytes(), file.path(), file.owner(), options};
}

TorchFile::TorchFile(std::span<const std::byte> bytes, const std::string& where, std::shared_ptr<const void> owner,
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

Tensor TorchFile::tensor(const PickleValue& value, std::string_view name) const {
  return state_->storages.tensor(value, name);
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
      tensors_.emplace_back(path, file_.tensor(value, path));
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
