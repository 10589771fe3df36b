#include "compiler/import/fx/overload.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include "base/error.h"

namespace aitune::fx {
namespace {

using Index = std::map<std::string, std::vector<const OpInfo*>, std::less<>>;

Index make_index() {
  Index index;
  for (const OpInfo& op : all_ops()) {
    const std::string_view name = op.name;
    constexpr std::string_view prefix = "aten.";
    if (!name.starts_with(prefix)) continue;
    const std::string_view rest = name.substr(prefix.size());
    index[std::string(rest.substr(0, rest.find('.')))].push_back(&op);
  }
  return index;
}

// Names of arguments in Python that differ from the schema's.
constexpr auto kAliases = std::to_array<std::pair<std::string_view, std::string_view>>(
    {{"input", "self"}, {"axis", "dim"}, {"keepdims", "keepdim"}, {"x", "self"}, {"x1", "self"}, {"x2", "other"}});

// What changes nothing when it is not in the schema.
bool is_ignorable(const std::string& name, const PyValue& value) {
  const bool off = value.is_none() || (value.is(PyKind::boolean) && !value.boolean);
  return off && (name == "out" || name == "requires_grad" || name == "pin_memory" || name == "dtype" ||
                 name == "memory_format" || name == "device" || name == "layout");
}

bool is_list(ArgType type) {
  return type == ArgType::tensor_list || type == ArgType::optional_tensor_list || type == ArgType::integer_list ||
         type == ArgType::number_list || type == ArgType::boolean_list;
}

// Whether a value is one element of this type, or a plain argument of it.
bool is_element(ArgType type, const PyValue& value) {
  switch (type) {
    case ArgType::tensor:
    case ArgType::tensor_list:
      return value.is_tensor();
    case ArgType::optional_tensor_list:
      return value.is_tensor() || value.is_none();
    case ArgType::integer:
    case ArgType::integer_list:
      return value.is(PyKind::integer);
    case ArgType::number:
    case ArgType::number_list:
      return value.is_number() && !value.is(PyKind::unknown);
    case ArgType::boolean:
    case ArgType::boolean_list:
      return value.is(PyKind::boolean);
    case ArgType::string:
      return value.is(PyKind::string);
    case ArgType::dtype:
      return value.is(PyKind::dtype);
    case ArgType::memory_format:
      return value.is(PyKind::memory_format);
    case ArgType::device:
      return value.is(PyKind::device) || value.is(PyKind::string);
    case ArgType::layout:
      return value.is(PyKind::string) || value.is_none();
  }
  return false;
}

// One attempt to fit a call to an overload; `problem` says why it does not.
class Binder {
 public:
  Binder(const OpInfo& op, const NumberToTensor* number_to_tensor) : op_(op), number_to_tensor_(number_to_tensor) {}

  std::optional<ArgList> bind(const PyArgs& args) {
    std::vector<std::optional<Arg>> given(op_.args.size());
    if (!bind_positional(args.positional, given) || !bind_keywords(args.keyword, given)) return std::nullopt;
    ArgList bound;
    for (std::size_t i = 0; i < given.size(); ++i) {
      const SchemaArg& expected = op_.args[i];
      if (!given[i]) given[i] = expected.default_value;
      if (!given[i] && expected.optional) given[i] = None{};
      if (!given[i]) {
        problem = fmt::format("{} is missing", expected.name);
        return std::nullopt;
      }
      bound.push_back(*std::move(given[i]));
    }
    return bound;
  }

  std::string problem;

 private:
  using Given = std::vector<std::optional<Arg>>;

  std::size_t positional_count() const {
    return static_cast<std::size_t>(std::ranges::count(op_.args, false, &SchemaArg::keyword_only));
  }

  // view(2, 3): sizes one by one, where they are all that is left.
  bool are_loose_sizes(const PyItems& items, std::size_t from) const {
    return from + 1 == positional_count() && from < items.size() && op_.args[from].type == ArgType::integer_list &&
           !op_.args[from].list_size &&
           std::all_of(
               items.begin() + static_cast<std::ptrdiff_t>(from), items.end(),
               [](const PyValue& v) { return v.is(PyKind::integer); });
  }

  bool bind_positional(const PyItems& items, Given& given) {
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (are_loose_sizes(items, i)) {
        ArgList sizes;
        for (std::size_t k = i; k < items.size(); ++k) sizes.push_back(to_arg(items[k]));
        given[i] = std::move(sizes);
        return true;
      }
      if (i >= positional_count()) {
        problem = fmt::format("{} arguments are too many", items.size());
        return false;
      }
      if (!fit(i, items[i], given)) return false;
    }
    return true;
  }

  std::optional<std::size_t> find(std::string_view name) const {
    const auto it = std::ranges::find(op_.args, name, &SchemaArg::name);
    if (it == op_.args.end()) return std::nullopt;
    return static_cast<std::size_t>(it - op_.args.begin());
  }

  bool bind_keywords(const std::vector<std::pair<std::string, PyValue>>& keyword, Given& given) {
    for (const auto& [name, value] : keyword) {
      auto index = find(name);
      for (const auto& [python, schema] : kAliases)
        if (!index && name == python) index = find(schema);
      if (!index && is_ignorable(name, value)) continue;
      if (!index || given[*index]) {
        problem = fmt::format("{} {}", name, index ? "is given twice" : "is no argument");
        return false;
      }
      if (!fit(*index, value, given)) return false;
    }
    return true;
  }

  bool fit(std::size_t index, const PyValue& value, Given& given) {
    const SchemaArg& expected = op_.args[index];
    given[index] = convert(expected, value);
    if (!given[index]) problem = fmt::format("{} is {}", expected.name, value.describe());
    return given[index].has_value();
  }

  std::optional<Arg> convert(const SchemaArg& expected, const PyValue& value) {
    if (value.is_none() && (expected.optional || expected.type == ArgType::layout)) return Arg(None{});
    if (value.is_none() && is_list(expected.type) && expected.default_value) return expected.default_value;
    if (!is_list(expected.type)) return element(expected.type, value);
    ArgList list;
    if (value.is_sequence()) {
      for (const PyValue& item : value.items()) {
        auto converted = element(expected.type, item);
        if (!converted) return std::nullopt;
        list.push_back(*std::move(converted));
      }
    } else {
      auto converted = element(expected.type, value);
      if (!converted || (!expected.list_size && expected.type != ArgType::integer_list)) return std::nullopt;
      list.push_back(*std::move(converted));
    }
    const auto size = static_cast<std::size_t>(expected.list_size.value_or(1));
    if (list.size() == 1 && size > 1) list.resize(size, Arg(list.front()));
    return Arg(std::move(list));
  }

  std::optional<Arg> element(ArgType type, const PyValue& value) {
    if (is_element(type, value)) return to_arg(value);
    const bool wrap = number_to_tensor_ != nullptr && type == ArgType::tensor && value.is_operand();
    if (wrap && (!value.is(PyKind::unknown) || value.tensor != nullptr)) return Arg((*number_to_tensor_)(value));
    return std::nullopt;
  }

  const OpInfo& op_;
  const NumberToTensor* number_to_tensor_;
};

}  // namespace

std::span<const OpInfo* const> overloads_of(std::string_view base) {
  static const Index index = make_index();
  const auto it = index.find(base);
  if (it == index.end()) return {};
  return it->second;
}

BoundCall choose_overload(std::string_view base, const PyArgs& args, const NumberToTensor& number_to_tensor) {
  const auto overloads = overloads_of(base);
  if (overloads.empty()) {
    throw Unsupported(fmt::format("the operator aten.{} is not in aitune's list", base), "",
                      "docs/operators.md lists the operators");
  }
  std::string problems;
  for (const NumberToTensor* const wrap : {static_cast<const NumberToTensor*>(nullptr), &number_to_tensor}) {
    problems.clear();
    for (const OpInfo* const op : overloads) {
      Binder binder(*op, wrap);
      if (auto bound = binder.bind(args)) return {op, *std::move(bound)};
      problems += fmt::format("{}{}: {}", problems.empty() ? "" : "; ", op->name, binder.problem);
    }
  }
  throw InvalidArgument(fmt::format("no overload takes these arguments ({})", problems), fmt::format("aten.{}", base));
}

BoundCall bind_overload(const OpInfo& op, const PyArgs& args, const NumberToTensor& number_to_tensor) {
  Binder strict(op, nullptr);
  if (auto bound = strict.bind(args)) return {&op, *std::move(bound)};
  Binder wrapping(op, &number_to_tensor);
  if (auto bound = wrapping.bind(args)) return {&op, *std::move(bound)};
  throw InvalidArgument(wrapping.problem, op.name);
}

}  // namespace aitune::fx
