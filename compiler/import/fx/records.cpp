#include "compiler/import/fx/records.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <numbers>

#include "base/error.h"
#include "compiler/import/pickle/torch_storage.h"

namespace aitune::fx {
namespace {

// Beside GraphModules what is in their graphs, which torchvision's feature extractors keep: containers, and functions
// of C extensions as attributes of these, and in older versions of PyTorch patterns of names. It is not looked at.
constexpr auto kCallable = std::to_array<std::string_view>(
    {kGraphModule, "builtins.getattr", "builtins.iter", "builtins.slice", "builtins.set", "builtins.complex",
     "collections.defaultdict", "re._compile", "torch.fx.immutable_collections.immutable_dict",
     "torch.fx.immutable_collections.immutable_list"});
constexpr std::size_t kMaxPath = 1024;
// Wrappers of parameters around the tensor with the storage.
constexpr int kMaxWrappers = 8;

// Objects are records of their attributes, whatever their class: nothing of it is run.
bool is_inert(std::string_view) { return true; }
// Graphs and their nodes, which some GraphModules keep beside their source, and hooks, which know the module that they
// are of (those of loading and saving are on whatever convert_fx has quantised).
bool is_opaque(std::string_view name) {
  return name.starts_with("torch.fx.") || name == "torch.nn.modules.module._WrappedHook";
}

std::string join(const std::string& path, std::string_view name) {
  if (path.size() + name.size() > kMaxPath) throw Corrupt("the path of a module is too long");
  return path.empty() ? std::string(name) : fmt::format("{}.{}", path, name);
}

// The device in a tensor's storage: ("storage", type, key, location, size).
std::string_view location(const PickleValue& tensor) {
  const PickleValue* at = &tensor;
  for (int i = 0; i < kMaxWrappers && at->is(PickleKind::call) && !at->items.empty(); ++i) {
    at = at->items.front();
    if (!at->is(PickleKind::persistent) || at->items.empty()) continue;
    const PickleValue& id = *at->items.front();
    if (id.items.size() > 3 && id.items[3]->is(PickleKind::string)) return id.items[3]->text;
  }
  return {};
}

}  // namespace

PickleOptions pickle_options() {
  PickleOptions options;
  options.callable = kCallable;
  options.inert_class = is_inert;
  options.opaque_class = is_opaque;
  options.advice =
      "save the GraphModule of torch.fx.symbolic_trace, whose leaf modules are torch.nn's own (a Tracer's "
      "is_leaf_module decides)";
  return options;
}

bool Records::is_module(const PickleValue& value) {
  if (value.is_call(kGraphModule)) return true;
  if (!value.is(PickleKind::call)) return false;
  // A module of other classes is a container of the tracer's, or a leaf that is refused where it is called.
  return value.text.starts_with("torch.nn.modules.") ||
         (value.state != nullptr && value.state->find("_modules") != nullptr);
}

const PickleValue* Records::attributes(const PickleValue& module) const {
  const PickleValue* state = module.state;
  if (module.is_call(kGraphModule)) state = module.items.empty() ? nullptr : module.items.front();
  return state != nullptr && state->is(PickleKind::dict) ? state : nullptr;
}

const PickleValue* Records::find(const PickleValue* dict, std::string_view key) {
  if (dict == nullptr || !dict->is(PickleKind::dict)) return nullptr;
  const auto [it, fresh] = indices_.try_emplace(dict);
  if (fresh) {
    for (std::size_t i = 0; i + 1 < dict->items.size(); i += 2)
      if (dict->items[i]->is(PickleKind::string)) it->second[dict->items[i]->text] = dict->items[i + 1];
  }
  const auto found = it->second.find(key);
  return found == it->second.end() ? nullptr : found->second;
}

std::optional<PyValue> Records::attribute(const PyValue& module, std::string_view name) {
  const PickleValue* const state = attributes(*module.record);
  for (const std::string_view section : {"_parameters", "_buffers", "_modules"}) {
    if (const PickleValue* const value = find(find(state, section), name))
      return convert(*value, join(module.text, name));
  }
  const PickleValue* const value = find(state, name);
  if (value == nullptr) return std::nullopt;
  return convert(*value, join(module.text, name));
}

std::vector<PyValue> Records::children(const PyValue& module) {
  std::vector<PyValue> children;
  const PickleValue* const modules = find(attributes(*module.record), "_modules");
  if (modules == nullptr || !modules->is(PickleKind::dict)) return children;
  for (std::size_t i = 0; i + 1 < modules->items.size(); i += 2) {
    const PickleValue& key = *modules->items[i];
    if (key.is(PickleKind::string)) children.push_back(convert(*modules->items[i + 1], join(module.text, key.text)));
  }
  return children;
}

bool Records::has_hooks(const PickleValue& module) {
  for (const std::string_view name : {"_forward_hooks", "_forward_pre_hooks"}) {
    const PickleValue* const hooks = find(attributes(module), name);
    if (hooks != nullptr && !hooks->items.empty()) return true;
  }
  return false;
}

std::string_view Records::source(const PickleValue& graph_module) const {
  const PickleValue* const body = graph_module.items.empty() ? nullptr : graph_module.items.front();
  const PickleValue* code = body == nullptr ? nullptr : body->find("_code");
  if (code == nullptr && body != nullptr) code = body->find("code");
  if (code == nullptr || !code->is(PickleKind::string))
    throw Corrupt("the GraphModule comes without its source", where(), "save the GraphModule again");
  return code->text;
}

std::string_view Records::imports(const PickleValue& graph_module) const {
  const bool given = graph_module.items.size() > 1 && graph_module.items[1]->is(PickleKind::string);
  return given ? std::string_view(graph_module.items[1]->text) : std::string_view();
}

PyValue Records::convert(const PickleValue& value, const std::string& path) {
  switch (value.kind) {
    case PickleKind::none:
      return {};
    case PickleKind::boolean:
      return PyValue::of(value.boolean);
    case PickleKind::integer:
      return PyValue::of(SymInt(value.integer));
    case PickleKind::real:
      return PyValue::of(value.real);
    case PickleKind::string:
      return PyValue::string(value.text);
    case PickleKind::list:
    case PickleKind::tuple: {
      PyItems items;
      for (const PickleValue* const item : value.items) items.push_back(convert(*item, path));
      return PyValue::sequence(value.is(PickleKind::list) ? PyKind::list : PyKind::tuple, std::move(items));
    }
    case PickleKind::dict: {
      PyItems items;
      std::vector<std::string> keys;
      for (std::size_t i = 0; i + 1 < value.items.size(); i += 2) {
        if (!value.items[i]->is(PickleKind::string)) continue;
        keys.push_back(value.items[i]->text);
        items.push_back(convert(*value.items[i + 1], path));
      }
      return PyValue::sequence(PyKind::dict, std::move(items), std::move(keys));
    }
    case PickleKind::global:
      if (auto constant = global_constant(value.text)) return *std::move(constant);
      return PyValue::named(PyKind::global, value.text);
    case PickleKind::call:
      return convert_call(value, path);
    case PickleKind::bytes:
    case PickleKind::set:
    case PickleKind::persistent:
      break;
  }
  return PyValue::unknown(fmt::format("the pickled value of {}", path));
}

PyValue Records::convert_call(const PickleValue& value, const std::string& path) {
  if (TorchFile::is_tensor(value)) return PyValue::of(weight(value, path));
  if (is_module(value)) return PyValue::module(value, path);
  if (value.is_call("torch.Size") && value.items.size() == 1) return convert(*value.items.front(), path);
  if (value.is_call("builtins.complex") && value.items.size() == 2 && value.items[0]->is(PickleKind::real) &&
      value.items[1]->is(PickleKind::real))
    return PyValue::of(std::complex(value.items[0]->real, value.items[1]->real));
  if (value.is_call("torch.device") && !value.items.empty() && value.items.front()->is(PickleKind::string))
    return PyValue::named(PyKind::device, value.items.front()->text);
  if (value.is_call("torch.nn.parameter.Parameter") || value.is_call("torch._utils._rebuild_parameter"))
    throw Corrupt("a parameter is not a tensor", fmt::format("{}: {}", where(), path));
  return PyValue::unknown(fmt::format("the pickled {} of {}", value.text.substr(0, 80), path));
}

Value* Records::weight(const PickleValue& value, const std::string& path) {
  auto& made = weights_[&value];
  if (made == nullptr) {
    check_device(value, path);
    made = graph_.add_weight(path, path, file_.tensor(value, path));
  }
  return made;
}

// Some layers on one device and some on another were never a model that ran.
void Records::check_device(const PickleValue& tensor, const std::string& path) {
  const std::string_view device = location(tensor);
  if (device.empty() || device == "meta") return;
  if (device_.empty()) device_ = device;
  if (device_ != device) {
    throw Unsupported(fmt::format("weights on two devices: {} and {}", device_, device.substr(0, 40)),
                      fmt::format("{}: {}", where(), path), "move the whole model to one device before saving");
  }
}

std::optional<PyValue> global_constant(std::string_view name) {
  struct Row {
    std::string_view name;
    double value;
  };
  static constexpr auto numbers = std::to_array<Row>({{"inf", std::numeric_limits<double>::infinity()},
                                                      {"nan", std::numeric_limits<double>::quiet_NaN()},
                                                      {"pi", std::numbers::pi},
                                                      {"e", std::numbers::e},
                                                      {"tau", 2 * std::numbers::pi}});
  struct Format {
    std::string_view name;
    MemoryFormat format;
  };
  static constexpr auto formats = std::to_array<Format>({{"contiguous_format", MemoryFormat::contiguous},
                                                         {"preserve_format", MemoryFormat::preserve},
                                                         {"channels_last", MemoryFormat::channels_last},
                                                         {"channels_last_3d", MemoryFormat::channels_last_3d}});
  const bool torch = name.starts_with("torch.");
  const std::string_view last = name.substr(name.rfind('.') + 1);
  if (torch || name.starts_with("math.") || name == last) {
    for (const Row& row : numbers)
      if (row.name == last && (name != last || last == "inf" || last == "nan")) return PyValue::of(row.value);
  }
  if (!torch || name.size() != last.size() + std::string_view("torch.").size()) return std::nullopt;
  for (const Format& row : formats)
    if (row.name == last) return PyValue::of(row.format);
  if (last == "strided") return PyValue::string("strided");
  static constexpr auto spellings = std::to_array<std::pair<std::string_view, DType>>({{"float", DType::f32},
                                                                                       {"double", DType::f64},
                                                                                       {"half", DType::f16},
                                                                                       {"long", DType::i64},
                                                                                       {"int", DType::i32},
                                                                                       {"short", DType::i16},
                                                                                       {"cfloat", DType::c64},
                                                                                       {"cdouble", DType::c128}});
  for (const auto& [spelling, dtype] : spellings)
    if (last == spelling) return PyValue::of(dtype);
  if (last == "bool") return PyValue::of(DType::b8);
  if (last.starts_with("float") || last.starts_with("int") || last.starts_with("uint") || last == "bfloat16" ||
      last.starts_with("complex")) {
    if (const auto dtype = parse_dtype(name)) return PyValue::of(*dtype);
  }
  return std::nullopt;
}

}  // namespace aitune::fx
