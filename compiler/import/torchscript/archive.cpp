#include "compiler/import/torchscript/archive.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "base/error.h"
#include "compiler/import/pickle/torch_storage.h"
#include "compiler/import/torchscript/debug_info.h"
#include "compiler/import/torchscript/parser.h"
#include "format/bytes.h"

namespace aitune::torchscript {
namespace {

constexpr int kOldestVersion = 2, kNewestVersion = 12;
constexpr std::size_t kMaxSourceBytes = std::size_t{1} << 27, kMaxDebugBytes = std::size_t{1} << 26;
constexpr std::string_view kCallable[] = {"torch.jit._pickle.build_intlist", "torch.jit._pickle.build_tensorlist",
                                          "torch.jit._pickle.build_doublelist", "torch.jit._pickle.build_boollist",
                                          "torch.jit._pickle.restore_type_tag"};
constexpr std::string_view kPrefixes[] = {"__torch__."};

// Makes values of the pickle's. What the pickle shares stays shared.
class Loader {
 public:
  Loader(const Archive& archive, const TorchStorages& storages, std::string where)
      : archive_(archive), storages_(storages), where_(std::move(where)) {}

  Val load(const PickleValue& value, const std::string& path) {
    const auto known = made_.find(&value);
    if (known != made_.end()) return known->second;
    Val made = make(value, path);
    if (!value.items.empty() || value.state != nullptr) made_.emplace(&value, made);
    return made;
  }

 private:
  Val make(const PickleValue& value, const std::string& path) {
    switch (value.kind) {
      case PickleKind::none:
        return None{};
      case PickleKind::boolean:
        return value.boolean;
      case PickleKind::integer:
        return SymInt(value.integer);
      case PickleKind::real:
        return value.real;
      case PickleKind::string:
        return value.text;
      case PickleKind::list: {
        ListPtr list = make_list(load_all(value, path));
        list->stored = true;
        return list;
      }
      case PickleKind::tuple:
        return make_tuple(load_all(value, path));
      case PickleKind::dict:
        return load_dict(value, path);
      case PickleKind::call:
        return load_call(value, path);
      default:
        return Unknown{"the file holds a value of a kind that aitune does not have"};
    }
  }

  Vals load_all(const PickleValue& value, const std::string& path) {
    Vals items;
    for (std::size_t i = 0; i < value.items.size(); ++i) items.push_back(load(*value.items[i], join(path, i)));
    return items;
  }

  Val load_dict(const PickleValue& value, const std::string& path) {
    auto dict = std::make_shared<Dict>();
    dict->stored = true;
    for (std::size_t i = 0; i + 1 < value.items.size(); i += 2)
      dict->items.emplace_back(load(*value.items[i], path), load(*value.items[i + 1], join(path, i / 2)));
    return dict;
  }

  Val load_call(const PickleValue& value, const std::string& path) {
    if (is_tensor(value))
      return Stored{storages_.tensor(value, path), path, read_tensor_record(value, path).requires_grad};
    if (value.text.starts_with("__torch__.")) return load_object(value, path);
    if (value.text.starts_with("torch.jit._pickle.") && !value.items.empty()) return load(*value.items[0], path);
    if (value.text == "torch.device" && !value.items.empty()) return Device{value.items[0]->text};
    return Unknown{fmt::format("the file holds a {}, which aitune does not have", printable(value.text))};
  }

  static bool is_tensor(const PickleValue& value) {
    return value.text.starts_with("torch._utils._rebuild") || value.text.starts_with("torch._tensor._rebuild");
  }

  Val load_object(const PickleValue& value, const std::string& path) {
    if (value.text.starts_with("__torch__.torch.classes.quantized."))
      throw Unsupported("packed weights of PyTorch's old quantisation, which aitune does not have",
                        fmt::format("{}: {}", where_, printable(path)), std::string(kQuantisationFix));
    const Class* type = archive_.find_class(value.text);
    if (type == nullptr)
      throw Corrupt(fmt::format("the class {} of an object is not in code/", printable(value.text)), where_,
                    "the file is damaged; save it again");
    if (is_enum(type) && value.items.size() == 1) return make_tuple({load(*value.items[0], path)}, type);
    auto object = std::make_shared<Object>();
    object->type = type;
    object->path = path;
    object->in_file = true;
    if (value.state == nullptr) return object;
    if (!value.state->is(PickleKind::dict))
      throw Unsupported(fmt::format("the {} at {} keeps its state in a form of its own (__getstate__)",
                                    printable(type->name), printable(path)),
                        where_, "leave such objects out of the model");
    const auto& items = value.state->items;
    for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
      if (!items[i]->is(PickleKind::string)) throw Corrupt("an attribute has no name", where_);
      object->slots[items[i]->text].value = load(*items[i + 1], join(path, items[i]->text));
    }
    return object;
  }

  template <typename T>
  std::string join(const std::string& path, const T& name) const {
    std::string joined = path.empty() ? fmt::format("{}", name) : fmt::format("{}.{}", path, name);
    if (joined.size() > 4096) throw Corrupt("the path of a module is too long", where_);
    return joined;
  }

  const Archive& archive_;
  const TorchStorages& storages_;
  std::string where_;
  std::unordered_map<const PickleValue*, Val> made_;
};

}  // namespace

struct Archive::Parsed {
  std::string module;
  std::vector<std::byte> text;
  Source source;
  File file;
};

Archive::Archive(std::shared_ptr<const ZipReader> zip) : zip_(std::move(zip)), where_(zip_->where()) {
  if (zip_->find_in_top("bytecode.pkl") != nullptr && zip_->find_in_top("constants.pkl") == nullptr)
    throw Unsupported("this file is for PyTorch's mobile interpreter", where_, "save the module with torch.jit.save");
  if (zip_->find_in_top("constants.pkl") == nullptr || zip_->find_in_top("data.pkl") == nullptr)
    throw Unsupported("this is not a TorchScript file", where_, "save the model with torch.jit.save");
  const ZipEntry* order = zip_->find_in_top("byteorder");
  if (order != nullptr && zip_->text(*order) != "little")
    throw Unsupported("the file was written on a big-endian machine", where_, "save it on a little-endian one");
  const ZipEntry* entry = zip_->find_in_top(".data/version");
  if (entry == nullptr) entry = &zip_->at("version");
  const std::string_view text = zip_->text(*entry);
  std::from_chars(text.data(), text.data() + text.size(), version_);
  if (version_ < kOldestVersion || version_ > kNewestVersion)
    throw Incompatible(
        fmt::format("the file has version {}, this aitune reads {} to {}", version_, kOldestVersion, kNewestVersion),
        where_, "save it again with PyTorch 1.6 to 2.15");

  const TorchStorages constants(*zip_, where_, "constants"), data(*zip_, where_, "data");
  const PickleDocument constants_pickle = read_pickle("constants.pkl");
  if (!constants_pickle.root().is(PickleKind::tuple) && !constants_pickle.root().is(PickleKind::list))
    throw Corrupt("constants.pkl is not a list", where_);
  Loader loader(*this, constants, where_);
  std::size_t index = 0;
  for (const PickleValue* value : constants_pickle.root().items) {
    const std::string name = fmt::format("c{}", index++);
    constants_[name] = loader.load(*value, "constants." + name);
  }
  const PickleDocument model = read_pickle("data.pkl");
  const Val root = Loader(*this, data, where_).load(model.root(), "");
  if (root.get<ObjectPtr>() == nullptr) throw Corrupt("data.pkl holds no module", where_);
  model_ = *root.get<ObjectPtr>();
}

Archive::~Archive() = default;

PickleDocument Archive::read_pickle(std::string_view name) const {
  const ZipEntry& entry = zip_->at(name);
  PickleOptions options;
  options.callable = kCallable;
  options.callable_prefixes = kPrefixes;
  if (entry.deflated) {
    const auto bytes = zip_->read(entry, options.max_bytes);
    return PickleDocument::parse(bytes, fmt::format("{}/{}", where_, name), options);
  }
  zip_->verify_crc(entry);
  return PickleDocument::parse(zip_->bytes(entry), fmt::format("{}/{}", where_, name), options);
}

const File* Archive::find_file(std::string_view module) const {
  const auto known = files_.find(module);
  if (known != files_.end()) return known->second ? &known->second->file : nullptr;
  std::string path = "code/" + std::string(module);
  std::ranges::replace(path.begin() + 5, path.end(), '.', '/');
  path += ".py";
  const ZipEntry* entry = zip_->find_in_top(path);
  std::unique_ptr<Parsed>& slot = files_[std::string(module)];
  if (entry == nullptr) return nullptr;
  parsed_bytes_ += entry->size;
  if (parsed_bytes_ > kMaxSourceBytes) throw Unsupported("the model's source is too large", where_);
  auto parsed = std::make_unique<Parsed>();
  if (!entry->deflated) zip_->verify_crc(*entry);
  parsed->text = zip_->read(*entry, kMaxSourceBytes);
  parsed->module = path;
  parsed->source = {fmt::format("{}/{}", where_, printable(path)), as_text(parsed->text)};
  parsed->file = parse(parsed->source, module);
  slot = std::move(parsed);
  return &slot->file;
}

const Class* Archive::find_class(std::string_view name) const {
  const auto dot = name.rfind('.');
  if (dot == std::string_view::npos) return nullptr;
  const File* file = find_file(name.substr(0, dot));
  if (file == nullptr) return nullptr;
  const auto found = file->classes.find(name.substr(dot + 1));
  return found == file->classes.end() ? nullptr : &found->second;
}

const Function* Archive::find_function(std::string_view name) const {
  const auto dot = name.rfind('.');
  if (dot == std::string_view::npos) return nullptr;
  const File* file = find_file(name.substr(0, dot));
  if (file == nullptr) return nullptr;
  const auto found = file->functions.find(name.substr(dot + 1));
  return found == file->functions.end() ? nullptr : &found->second;
}

const Val* Archive::find_constant(std::string_view name) const {
  const auto found = constants_.find(name);
  return found == constants_.end() ? nullptr : &found->second;
}

const DebugInfo& Archive::debug_info(const Source& source) const {
  std::unique_ptr<DebugInfo>& slot = debug_[&source];
  if (slot) return *slot;
  slot = std::make_unique<DebugInfo>();
  for (const auto& [module, parsed] : files_) {
    if (!parsed || &parsed->source != &source) continue;
    const std::string name = parsed->module + ".debug_pkl";
    const ZipEntry* entry = zip_->find_in_top(name);
    if (entry == nullptr || entry->size > kMaxDebugBytes) break;
    try {
      *slot = DebugInfo(read_pickle(name).root());
    } catch (const Error&) {
      // refused: the lines of code/ serve as well
    }
    break;
  }
  return *slot;
}

std::string Archive::user_line(const Source& source, std::uint32_t offset) const {
  const UserLine line = debug_info(source).find(offset);
  if (line.file.empty()) return {};
  return fmt::format("{}:{}: {}", line.file, line.line, line.text);
}

bool Archive::is_pytorch_code(const Source& source, std::uint32_t offset) const {
  const std::string file = debug_info(source).find(offset).file;
  return file.find("site-packages/torch/") != std::string::npos || file.starts_with("<") || file.starts_with("torch/");
}

}  // namespace aitune::torchscript
