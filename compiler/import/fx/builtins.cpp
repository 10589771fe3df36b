#include "compiler/import/fx/builtins.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "compiler/import/fx/arithmetic.h"
#include "compiler/import/fx/indexing.h"
#include "compiler/import/fx/refuse.h"
#include "compiler/import/fx/size_numbers.h"

namespace aitune::fx {
namespace {

constexpr std::int64_t kMaxRange = 1 << 20;

PyValue first(const PyArgs& args) {
  if (args.positional.empty()) throw InvalidArgument("an argument is missing");
  return args.positional.front();
}

bool given(const PyValue& value) { return !value.is(PyKind::nothing); }

// Items of whatever Python would walk through here.
PyItems walk(Interpreter& interpreter, const PyValue& value) {
  if (value.is_sequence()) return value.items();
  if (value.is(PyKind::module)) return interpreter.records().children(value);
  refuse(fmt::format("a walk through {}", value.describe()));
}

PyValue get_attribute(Interpreter& interpreter, const PyArgs& args) {
  const PyItems a = arguments(args, {"object", "name", "default"});
  if (!a[1].is(PyKind::string)) throw InvalidArgument("getattr takes a name");
  if (given(a[2]) && a[0].is(PyKind::module)) return interpreter.records().attribute(a[0], a[1].text).value_or(a[2]);
  return interpreter.attribute(a[0], a[1].text);
}

PyValue has_attribute(Interpreter& interpreter, const PyArgs& args) {
  const PyItems a = arguments(args, {"object", "name"});
  if (!a[0].is(PyKind::module) || !a[1].is(PyKind::string)) refuse("hasattr of what is not a module");
  return PyValue::of(interpreter.records().attribute(a[0], a[1].text).has_value());
}

PyValue length(Interpreter& interpreter, const PyArgs& args) {
  const PyValue value = first(args);
  if (value.is_tensor()) {
    if (value.tensor->type.shape.empty()) throw InvalidArgument("the length of a 0-dim tensor");
    return PyValue::of(value.tensor->type.shape.front());
  }
  if (value.is(PyKind::dict)) return PyValue::of(SymInt(static_cast<std::int64_t>(value.items().size())));
  return PyValue::of(SymInt(static_cast<std::int64_t>(walk(interpreter, value).size())));
}

PyValue to_integer(Interpreter& interpreter, const PyArgs& args) {
  const PyValue value = first(args);
  if (value.is(PyKind::integer)) return value;
  if (value.is(PyKind::unknown)) return cut_size(interpreter.writer(), value);
  const double number = constant_number(value, "int()");
  if (!(std::abs(number) < 9.2e18)) refuse("an integer beyond 64 bits");
  return PyValue::of(SymInt(static_cast<std::int64_t>(number)));
}

PyValue to_real(Interpreter& interpreter, const PyArgs& args) {
  const PyValue value = first(args);
  if (value.is(PyKind::string)) {
    if (value.text == "inf" || value.text == "-inf") return PyValue::of(value.text == "inf" ? HUGE_VAL : -HUGE_VAL);
    refuse("a text as a float");
  }
  if (depends_on_sizes(value)) return size_as_float(interpreter.writer(), value);
  return PyValue::of(constant_number(value, "float()"));
}

PyValue to_complex(Interpreter&, const PyArgs& args) {
  const PyItems a = arguments(args, {"real", "imag"});
  const double real = given(a[0]) ? constant_number(a[0], "complex()") : 0;
  return PyValue::of(std::complex(real, given(a[1]) ? constant_number(a[1], "complex()") : 0));
}

PyValue to_boolean(Interpreter&, const PyArgs& args) { return PyValue::of(truth(first(args))); }

PyValue to_tuple(Interpreter& interpreter, const PyArgs& args) {
  if (args.positional.empty()) return PyValue::tuple({});
  return PyValue::tuple(walk(interpreter, first(args)));
}

PyValue to_list(Interpreter& interpreter, const PyArgs& args) {
  if (args.positional.empty()) return PyValue::sequence(PyKind::list, {});
  return PyValue::sequence(PyKind::list, walk(interpreter, first(args)));
}

PyValue to_text(Interpreter&, const PyArgs& args) {
  const PyValue value = first(args);
  if (value.is(PyKind::string)) return value;
  return PyValue::string(std::to_string(constant_integer(value, "str()")));
}

PyValue absolute(Interpreter& interpreter, const PyArgs& args) {
  const PyValue value = first(args);
  if (value.is_tensor()) return interpreter.writer().call("abs", {value});
  if (value.is(PyKind::real)) return PyValue::of(std::abs(value.real));
  if (value.is(PyKind::complex_number)) return PyValue::of(std::abs(value.complex));
  const std::int64_t number = constant_integer(value, "abs()");
  return PyValue::of(number < 0 ? SymInt(0) - SymInt(number) : SymInt(number));
}

// min and max of sizes stay symbolic.
template <bool Largest>
PyValue extreme(Interpreter& interpreter, const PyArgs& args) {
  const PyItems items = args.positional.size() == 1 ? walk(interpreter, first(args)) : args.positional;
  if (items.empty()) throw InvalidArgument("min() or max() of nothing");
  PyValue best = items.front();
  for (const PyValue& item : items) {
    if (item.is(PyKind::integer) && best.is(PyKind::integer)) {
      best = PyValue::of(Largest ? max(best.integer, item.integer) : min(best.integer, item.integer));
    } else {
      const double a = constant_number(best, "min() or max()"), b = constant_number(item, "min() or max()");
      if (Largest ? b > a : b < a) best = item;
    }
  }
  return best;
}

PyValue total(Interpreter& interpreter, const PyArgs& args) {
  const PyItems a = arguments(args, {"iterable", "start"});
  PyValue sum = given(a[1]) ? a[1] : PyValue::of(SymInt(0));
  for (const PyValue& item : walk(interpreter, a[0])) sum = binary(interpreter.writer(), "+", sum, item);
  return sum;
}

PyValue rounded(Interpreter&, const PyArgs& args) {
  const PyValue value = first(args);
  if (value.is(PyKind::integer)) return value;
  if (args.positional.size() > 1) refuse("round() to digits");
  return PyValue::of(SymInt(std::llrint(constant_number(value, "round()"))));
}

PyValue range(Interpreter&, const PyArgs& args) {
  std::vector<std::int64_t> bounds;
  for (const PyValue& bound : args.positional) bounds.push_back(constant_integer(bound, "a bound of range()"));
  if (bounds.empty() || bounds.size() > 3) throw InvalidArgument("range() takes one to three numbers");
  const std::int64_t start = bounds.size() > 1 ? bounds[0] : 0, stop = bounds.size() > 1 ? bounds[1] : bounds[0];
  const std::int64_t step = bounds.size() > 2 ? bounds[2] : 1;
  if (step == 0 || std::abs(start) > kMaxRange || std::abs(stop) > kMaxRange || std::abs(step) > kMaxRange)
    refuse("a range beyond reason");
  PyItems items;
  for (std::int64_t i = start; step > 0 ? i < stop : i > stop; i += step) items.push_back(PyValue::of(SymInt(i)));
  return PyValue::sequence(PyKind::list, std::move(items));
}

PyValue zip(Interpreter& interpreter, const PyArgs& args) {
  std::vector<PyItems> lists;
  for (const PyValue& list : args.positional) lists.push_back(walk(interpreter, list));
  PyItems rows;
  for (std::size_t i = 0; !lists.empty(); ++i) {
    PyItems row;
    for (const PyItems& list : lists)
      if (i < list.size()) row.push_back(list[i]);
    if (row.size() < lists.size()) break;
    rows.push_back(PyValue::tuple(std::move(row)));
  }
  return PyValue::sequence(PyKind::list, std::move(rows));
}

PyValue enumerate(Interpreter& interpreter, const PyArgs& args) {
  PyItems rows;
  for (const PyValue& item : walk(interpreter, first(args)))
    rows.push_back(PyValue::tuple({PyValue::of(SymInt(static_cast<std::int64_t>(rows.size()))), item}));
  return PyValue::sequence(PyKind::list, std::move(rows));
}

PyValue reversed(Interpreter& interpreter, const PyArgs& args) {
  PyItems items = walk(interpreter, first(args));
  std::ranges::reverse(items);
  return PyValue::sequence(PyKind::list, std::move(items));
}

PyValue slice(Interpreter&, const PyArgs& args) {
  PyItems parts = args.positional;
  if (parts.empty() || parts.size() > 3) throw InvalidArgument("slice() takes one to three bounds");
  if (parts.size() == 1) parts.insert(parts.begin(), PyValue());
  parts.resize(3);
  return PyValue::sequence(PyKind::slice, std::move(parts));
}

bool is_instance_of(const PyValue& value, std::string_view type) {
  if (type == "int") return value.is(PyKind::integer) || value.is(PyKind::boolean);
  if (type == "float") return value.is(PyKind::real);
  if (type == "bool") return value.is(PyKind::boolean);
  if (type == "complex") return value.is(PyKind::complex_number);
  if (type == "str") return value.is(PyKind::string);
  if (type == "tuple" || type == "torch.Size") return value.is(PyKind::tuple);
  if (type == "list") return value.is(PyKind::list);
  if (type == "dict") return value.is(PyKind::dict);
  if (type == "torch.Tensor" || type == "torch.nn.parameter.Parameter") return value.is_tensor();
  refuse(fmt::format("isinstance of {}", type));
}

PyValue is_instance(Interpreter&, const PyArgs& args) {
  const PyItems a = arguments(args, {"object", "classes"});
  const PyItems types = a[1].is_sequence() ? a[1].items() : PyItems{a[1]};
  return PyValue::of(std::ranges::any_of(types, [&](const PyValue& t) { return is_instance_of(a[0], t.text); }));
}

PyValue warn(Interpreter& interpreter, const PyArgs& args) {
  interpreter.writer().warn_here(first(args).text);
  return {};
}

constexpr auto kBuiltins = std::to_array<BuiltinRow>({{"getattr", get_attribute},
                                                      {"hasattr", has_attribute},
                                                      {"len", length},
                                                      {"int", to_integer},
                                                      {"float", to_real},
                                                      {"complex", to_complex},
                                                      {"bool", to_boolean},
                                                      {"str", to_text},
                                                      {"tuple", to_tuple},
                                                      {"list", to_list},
                                                      {"abs", absolute},
                                                      {"min", extreme<false>},
                                                      {"max", extreme<true>},
                                                      {"sum", total},
                                                      {"round", rounded},
                                                      {"range", range},
                                                      {"zip", zip},
                                                      {"enumerate", enumerate},
                                                      {"reversed", reversed},
                                                      {"slice", slice},
                                                      {"isinstance", is_instance},
                                                      {"aitune.warn", warn}});

PyValue dict_items(Interpreter&, const PyArgs& args) {
  const PyValue dict = first(args);
  PyItems rows;
  for (std::size_t i = 0; i < dict.keys.size(); ++i)
    rows.push_back(PyValue::tuple({PyValue::string(dict.keys[i]), dict.items()[i]}));
  return PyValue::sequence(PyKind::list, std::move(rows));
}

PyValue dict_keys(Interpreter&, const PyArgs& args) {
  PyItems keys;
  for (const std::string& key : first(args).keys) keys.push_back(PyValue::string(key));
  return PyValue::sequence(PyKind::list, std::move(keys));
}

PyValue dict_values(Interpreter&, const PyArgs& args) { return PyValue::sequence(PyKind::list, first(args).items()); }

PyValue dict_get(Interpreter&, const PyArgs& args) {
  const PyItems a = arguments(args, {"self", "key", "default"});
  const PyValue* const found = a[0].find(a[1].text);
  return found != nullptr ? *found : given(a[2]) ? a[2] : PyValue();
}

PyValue count_elements(Interpreter& interpreter, const PyArgs& args) {
  PyValue product = PyValue::of(SymInt(1));
  for (const PyValue& size : walk(interpreter, first(args))) product = binary(interpreter.writer(), "*", product, size);
  return product;
}

constexpr auto kPlainMethods = std::to_array<BuiltinRow>({{"items", dict_items},
                                                          {"keys", dict_keys},
                                                          {"values", dict_values},
                                                          {"get", dict_get},
                                                          {"numel", count_elements}});

template <typename Rows>
Builtin find_row(const Rows& rows, std::string_view name) {
  const auto row = std::ranges::find(rows, name, &BuiltinRow::name);
  return row == std::end(rows) ? nullptr : row->run;
}

}  // namespace

PyItems arguments(const PyArgs& args, std::initializer_list<std::string_view> names) {
  PyItems bound(names.size(), PyValue::named(PyKind::nothing, ""));
  if (args.positional.size() > names.size())
    throw InvalidArgument(fmt::format("{} arguments are too many", args.positional.size()));
  std::ranges::copy(args.positional, bound.begin());
  for (const auto& [name, value] : args.keyword) {
    const auto* const at = std::ranges::find(names, name);
    if (at == names.end()) throw InvalidArgument(fmt::format("there is no argument {}", name.substr(0, 60)));
    bound[static_cast<std::size_t>(at - names.begin())] = value;
  }
  return bound;
}

Builtin find_builtin(std::string_view name) {
  if (name.starts_with("builtins.")) name.remove_prefix(std::string_view("builtins.").size());
  if (name.starts_with("_operator.")) name.remove_prefix(1);
  if (name.starts_with("math.")) return find_row(math_builtins(), name);
  if (name.starts_with("operator.")) return find_row(operator_builtins(), name);
  if (const Builtin found = find_row(kBuiltins, name)) return found;
  if (const Builtin found = find_row(torch_builtins(), name)) return found;
  return find_row(type_builtins(), name);
}

Builtin find_plain_method(std::string_view name) { return find_row(kPlainMethods, name); }

}  // namespace aitune::fx
