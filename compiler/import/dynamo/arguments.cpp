#include "compiler/import/dynamo/arguments.h"

#include <fmt/format.h>

#include <functional>
#include <map>

#include "compiler/import/dynamo/tensor_meta.h"

namespace aitune::dynamo {
namespace {

using Reader = std::function<Arg(const JsonView&, const Scope&)>;

Reader list_of(Reader element) {
  return [element = std::move(element)](const JsonView& value, const Scope& scope) -> Arg {
    ArgList list;
    for (const JsonView& item : value.items()) list.push_back(element(item, scope));
    return list;
  };
}

Arg read_none(const JsonView&, const Scope&) { return None{}; }
Arg read_int(const JsonView& value, const Scope&) { return SymInt(value.integer()); }
Arg read_float(const JsonView& value, const Scope&) { return value.number(); }
Arg read_bool(const JsonView& value, const Scope&) { return value.boolean(); }
Arg read_string(const JsonView& value, const Scope&) { return value.string(); }
Arg read_tensor(const JsonView& value, const Scope& scope) { return scope.tensor(value.at("name")); }
Arg read_symbolic(const JsonView& value, const Scope& scope) { return read_size_argument(value, scope); }
Arg read_scalar_type(const JsonView& value, const Scope&) { return read_dtype(value); }

Arg read_optional_tensor(const JsonView& value, const Scope& scope) {
  const auto [kind, inner] = value.tagged();
  if (kind == "as_none") return None{};
  if (kind == "as_tensor") return read_tensor(inner, scope);
  value.corrupt(fmt::format("\"{}\" where a tensor or none must be", printable(kind)));
}

Arg read_constant_bool(const JsonView& value, const Scope& scope) {
  const auto [kind, inner] = value.tagged();
  if (kind == "as_bool") return inner.boolean();
  if (Value* number = kind == "as_name" ? scope.number(inner.string()) : nullptr) return number;
  return scope.size(inner);  // explains that it is symbolic
}

Arg read_constant_float(const JsonView& value, const Scope& scope) {
  const auto [kind, inner] = value.tagged();
  if (kind == "as_float") return inner.number();
  if (Value* number = kind == "as_name" ? scope.number(inner.string()) : nullptr) return number;
  return scope.size(inner);  // explains that it is symbolic
}

Arg read_memory_format(const JsonView& value, const Scope&) {
  switch (value.integer()) {
    case 1:
      return MemoryFormat::contiguous;
    case 2:
      return MemoryFormat::channels_last;
    case 3:
      return MemoryFormat::channels_last_3d;
    case 4:
      return MemoryFormat::preserve;
    default:
      value.corrupt(fmt::format("no memory format has the number {}", value.integer()));
  }
}

Arg read_layout(const JsonView& value, const Scope&) {
  if (value.integer() != 7)
    value.unsupported(fmt::format("the tensor layout {}; only strided ones are", value.integer()));
  return None{};
}

Arg read_device(const JsonView& value, const Scope&) {
  const auto index = value.find("index");
  const std::string& type = value.at("type").string();
  return index ? fmt::format("{}:{}", type, index->integer()) : type;
}

const std::map<std::string_view, Reader>& readers() {
  static const std::map<std::string_view, Reader> table = {{"as_none", read_none},
                                                           {"as_tensor", read_tensor},
                                                           {"as_tensors", list_of(read_tensor)},
                                                           {"as_optional_tensor", read_optional_tensor},
                                                           {"as_optional_tensors", list_of(read_optional_tensor)},
                                                           {"as_int", read_int},
                                                           {"as_ints", list_of(read_int)},
                                                           {"as_sym_int", read_symbolic},
                                                           {"as_sym_ints", list_of(read_symbolic)},
                                                           {"as_float", read_float},
                                                           {"as_floats", list_of(read_float)},
                                                           {"as_sym_float", read_constant_float},
                                                           {"as_sym_floats", list_of(read_constant_float)},
                                                           {"as_bool", read_bool},
                                                           {"as_bools", list_of(read_bool)},
                                                           {"as_sym_bool", read_constant_bool},
                                                           {"as_sym_bools", list_of(read_constant_bool)},
                                                           {"as_string", read_string},
                                                           {"as_strings", list_of(read_string)},
                                                           {"as_scalar_type", read_scalar_type},
                                                           {"as_memory_format", read_memory_format},
                                                           {"as_layout", read_layout},
                                                           {"as_device", read_device}};
  return table;
}

bool is_foreign_kind(std::string_view kind) {
  static constexpr std::string_view kinds[] = {
      "as_graph",          "as_custom_obj", "as_operator",           "as_complex",
      "as_nested_tensors", "as_int_lists",  "as_string_to_argument", "as_float_lists"};
  for (const auto known : kinds)
    if (kind == known) return true;
  return false;
}

}  // namespace

SymInt read_size_argument(const JsonView& argument, const Scope& scope) {
  const auto [kind, value] = argument.tagged();
  if (kind == "as_int") return value.integer();
  if (kind == "as_name") return scope.size(value);
  argument.corrupt(fmt::format("\"{}\" where a size must be", printable(kind)));
}

Arg read_argument(const JsonView& argument, const Scope& scope) {
  const auto [kind, value] = argument.tagged();
  if (const auto it = readers().find(kind); it != readers().end()) return it->second(value, scope);
  if (is_foreign_kind(kind)) argument.unsupported(fmt::format("an argument of the kind {}", kind));
  argument.corrupt(fmt::format("\"{}\" is no kind of argument", printable(kind)));
}

}  // namespace aitune::dynamo
