#include "compiler/import/torchscript/inputs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/error.h"
#include "compiler/import/sample_types.h"

namespace aitune::torchscript {
namespace {

const Function& forward_of(const Archive& archive) {
  const auto& methods = archive.model()->type->methods;
  const auto found = methods.find("forward");
  if (found == methods.end())
    throw Unsupported("the model has no method forward", archive.where(), "save a module that has one");
  return found->second;
}

class Binder {
 public:
  Binder(const Archive& archive, std::span<const NamedTensors> samples, std::span<const Input> shapes, Graph& graph)
      : archive_(archive), graph_(graph), used_(samples.size()), types_(shapes, graph.symbols) {
    bound_.samples.resize(samples.size());
    for (std::size_t i = 0; i < samples.size(); ++i) {
      auto& tensors = tensors_.emplace_back();
      for (const auto& [name, tensor] : samples[i])
        if (!tensors.emplace(name, tensor).second)
          throw InvalidArgument(fmt::format("'{}' is given twice", name), sample_name(i));
    }
  }

  BoundInputs run() {
    const Function& forward = forward_of(archive_);
    for (std::size_t i = 1; i < forward.parameters.size(); ++i) {
      const Parameter& parameter = forward.parameters[i];
      Places places;
      for (std::size_t s = 0; s < tensors_.size(); ++s)
        places.push_back(has(s, parameter.name) ? parameter.name : std::to_string(i - 1));
      if (!present(places)) {
        bound_.args.push_back(missing(parameter));
        continue;
      }
      bound_.args.push_back(bind(parameter.type ? *parameter.type : Expr{}, parameter.name, places, 0));
    }
    bind_attributes();
    types_.check_given();
    return std::move(bound_);
  }

 private:
  using Places = std::vector<std::string>;  // the name in each sample

  static std::string sample_name(std::size_t i) { return fmt::format("sample {}", i); }

  // A tensor of this name, or of its parts.
  bool has(std::size_t sample, const std::string& name) const {
    const auto& tensors = tensors_[sample];
    if (tensors.contains(name)) return true;
    const auto after = tensors.lower_bound(name + ".");
    return after != tensors.end() && after->first.starts_with(name + ".");
  }
  bool present(const Places& places) const {
    std::size_t count = 0;
    for (std::size_t s = 0; s < places.size(); ++s) count += has(s, places[s]) ? 1 : 0;
    if (count != 0 && count != places.size())
      throw InvalidArgument(fmt::format("some samples have '{}' and some have not", printable(places[0])), "samples",
                            "give all samples the same inputs");
    return count != 0;
  }

  Val missing(const Parameter& parameter) const {
    const auto& type = parameter.type;
    if (parameter.value) {
      const Expr& value = *parameter.value;
      switch (value.kind) {
        case ExprKind::none:
          return None{};
        case ExprKind::boolean:
          return value.integer != 0;
        case ExprKind::integer:
          return SymInt(value.integer);
        case ExprKind::real:
          return value.real;
        case ExprKind::string:
          return value.text;
        default:
          return default_constant(parameter);
      }
    }
    if (type && type->kind == ExprKind::subscript && type->items[0].is_name("Optional")) return None{};
    throw InvalidArgument(fmt::format("input '{}' is missing", printable(parameter.name)), "samples",
                          fmt::format("The model's inputs are: {}", fmt::join(input_names(archive_), ", ")));
  }

  Val default_constant(const Parameter& parameter) const {
    const Expr& value = *parameter.value;
    if (value.kind == ExprKind::attribute && value.items[0].is_name("CONSTANTS"))
      if (const Val* constant = archive_.find_constant(value.text)) return *constant;
    if (value.kind == ExprKind::list && value.items.empty()) return make_list({});
    throw Unsupported(fmt::format("the default of '{}' is not a plain constant", printable(parameter.name)),
                      archive_.where(), "give it in the samples");
  }

  Val bind(const Expr& type, const std::string& name, const Places& places, int depth) {
    if (depth > 20) throw Unsupported(fmt::format("the type of '{}' is nested too deeply", printable(name)));
    if (type.kind == ExprKind::subscript) {
      const Expr& base = type.items[0];
      const Expr& inner = type.items[1];
      if (base.is_name("Optional")) return bind(inner, name, places, depth + 1);
      if (base.is_name("List")) return bind_list(inner, name, places, depth);
      if (base.is_name("Tuple")) return bind_tuple(inner, name, places, depth);
      if (base.is_name("Dict") && inner.kind == ExprKind::tuple && inner.items.size() == 2)
        return bind_dict(inner.items[1], name, places, depth);
    }
    if (type.is_name("int") || type.is_name("float") || type.is_name("bool") || type.is_name("number"))
      return bind_number(type.text, name, places, true);
    if (type.kind == ExprKind::attribute || type.is_name("str"))
      throw Unsupported(fmt::format("the input '{}' is neither a tensor nor a number", printable(name)),
                        archive_.where(), "let the model take tensors");
    return bind_tensor(name, places);
  }

  static Places part(const Places& places, std::string_view key) {
    Places parts;
    for (const auto& place : places) parts.push_back(fmt::format("{}.{}", place, key));
    return parts;
  }

  Val bind_list(const Expr& inner, const std::string& name, const Places& places, int depth) {
    Vals items;
    for (std::size_t i = 0;; ++i) {
      const Places parts = part(places, std::to_string(i));
      if (!present(parts)) break;
      items.push_back(bind(inner, fmt::format("{}.{}", name, i), parts, depth + 1));
    }
    if (items.empty()) return make_list({bind(inner, name, places, depth + 1)});  // one tensor for a list of one
    return make_list(std::move(items));
  }

  Val bind_tuple(const Expr& inner, const std::string& name, const Places& places, int depth) {
    const std::vector<Expr> one = {inner};
    const std::vector<Expr>& types = inner.kind == ExprKind::tuple ? inner.items : one;
    Vals items;
    for (std::size_t i = 0; i < types.size(); ++i)
      items.push_back(bind(types[i], fmt::format("{}.{}", name, i), part(places, std::to_string(i)), depth + 1));
    return make_tuple(std::move(items));
  }

  Val bind_dict(const Expr& inner, const std::string& name, const Places& places, int depth) {
    auto dict = std::make_shared<Dict>();
    const std::string prefix = places[0] + ".";
    std::set<std::string> keys;
    for (auto it = tensors_[0].lower_bound(prefix); it != tensors_[0].end() && it->first.starts_with(prefix); ++it)
      keys.insert(it->first.substr(prefix.size(), it->first.find('.', prefix.size()) - prefix.size()));
    for (const auto& key : keys)
      dict->items.emplace_back(key, bind(inner, fmt::format("{}.{}", name, key), part(places, key), depth + 1));
    return dict;
  }

  // The tensor in each sample.
  std::vector<Tensor> take(const std::string& name, const Places& places) {
    std::vector<Tensor> found;
    for (std::size_t s = 0; s < places.size(); ++s) {
      const auto it = tensors_[s].find(places[s]);
      if (it == tensors_[s].end())
        throw InvalidArgument(fmt::format("input '{}' is missing", printable(name)), sample_name(s));
      used_[s].insert(places[s]);
      found.push_back(it->second);
    }
    return found;
  }

  /// The same number in all samples is a constant; one that differs is an input, if it `may_move`.
  Val bind_number(const std::string& type, const std::string& name, const Places& places, bool may_move) {
    std::optional<double> known;
    const std::vector<Tensor> tensors = take(name, places);
    for (const Tensor& tensor : tensors) {
      if (tensor.numel() != 1 || is_complex(tensor.dtype()))
        throw InvalidArgument(fmt::format("input '{}' is a number, the sample has {}", printable(name),
                                          describe(tensor.dtype(), tensor.shape())),
                              "samples", "give a tensor of one element");
      const double value = *tensor.contiguous().to(DType::f64).as<double>();
      if (known && *known != value) {
        const bool fits =
            std::ranges::all_of(tensors, [&](const Tensor& t) { return type != "int" || !is_floating(t.dtype()); });
        if (may_move && fits) return Unknown{"it differs between samples", *bind_tensor(name, places).get<Value*>()};
        throw InvalidArgument(fmt::format("input '{}' is a number and differs between samples", printable(name)),
                              "samples", "it becomes a constant: tune once for each of its values");
      }
      known = value;
    }
    if (std::isfinite(*known)) bound_.arguments.push_back({name, place_of(name), "", known});
    if (type == "bool") return *known != 0;
    if (type == "float") return *known;
    if (!(std::abs(*known) < 9e18)) throw InvalidArgument(fmt::format("input '{}' is no integer", printable(name)));
    return SymInt(static_cast<std::int64_t>(*known));
  }

  Val bind_tensor(const std::string& name, const Places& places) {
    const std::vector<Tensor> tensors = take(name, places);
    TensorType type = types_.type_of(printable(name), position_of(name), tensors);
    std::string identifier = name;
    std::ranges::replace(identifier, '.', '_');
    Value* input = graph_.add_input(std::move(identifier), std::move(type));
    bound_.arguments.push_back({name, place_of(name), input->name});
    for (std::size_t s = 0; s < tensors.size(); ++s) bound_.samples[s].emplace_back(input->name, tensors[s]);
    return input;
  }

  // In forward(), without self; beyond it for what is no parameter by itself.
  std::size_t position_of(const std::string& name) const {
    const auto& parameters = forward_of(archive_).parameters;
    std::size_t i = 1;
    while (i < parameters.size() && parameters[i].name != name) ++i;
    return i - 1;
  }

  /// "3.key" for "d.key"; empty for an attribute.
  std::string place_of(const std::string& name) const {
    const std::string root = name.substr(0, name.find('.'));
    const std::size_t at = position_of(root);
    if (at + 1 >= forward_of(archive_).parameters.size()) return {};
    return std::to_string(at) + name.substr(root.size());
  }

  // What names no parameter may name an attribute.
  void bind_attributes() {
    std::set<std::string> names;
    for (std::size_t s = 0; s < tensors_.size(); ++s)
      for (const auto& [name, tensor] : tensors_[s])
        if (!used_[s].contains(name)) names.insert(name);
    for (const auto& name : names) {
      Slot* slot = find_slot(archive_.model(), name);
      if (slot == nullptr)
        throw InvalidArgument(fmt::format("the model has no input '{}'", printable(name)), "samples",
                              fmt::format("Its inputs are: {}", fmt::join(input_names(archive_), ", ")));
      const Places places(tensors_.size(), name);
      std::string type = "Tensor";
      if (slot->value.get<SymInt>() != nullptr) type = "int";
      if (slot->value.get<double>() != nullptr) type = "float";
      if (slot->value.get<bool>() != nullptr) type = "bool";
      slot->value = type == "Tensor" ? bind_tensor(name, places) : bind_number(type, name, places, false);
      slot->given = true;
      bound_.state.push_back(name);
    }
  }

  const Archive& archive_;
  Graph& graph_;
  std::vector<std::map<std::string, Tensor>> tensors_;
  std::vector<std::set<std::string>> used_;
  SampleTypes types_;
  BoundInputs bound_;
};

}  // namespace

std::vector<std::string> input_names(const Archive& archive) {
  std::vector<std::string> names;
  const Function& forward = forward_of(archive);
  for (std::size_t i = 1; i < forward.parameters.size(); ++i) names.push_back(printable(forward.parameters[i].name));
  for (const auto& [name, slot] : archive.model()->slots)
    if ((slot.value.get<Stored>() != nullptr || slot.value.is_number()) && name != "training")
      names.push_back(printable(name));
  return names;
}

BoundInputs bind_inputs(const Archive& archive, std::span<const NamedTensors> samples, std::span<const Input> shapes,
                        Graph& graph) {
  if (samples.empty())
    throw InvalidArgument("a TorchScript file holds no shapes", archive.where(),
                          "give at least one sample of its inputs");
  return Binder(archive, samples, shapes, graph).run();
}

}  // namespace aitune::torchscript
