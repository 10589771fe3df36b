#include "compiler/import/fx/py_value.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace aitune::fx {
namespace {

constexpr std::uint64_t kMaxWeight = std::uint64_t{1} << 20;
constexpr std::uint32_t kMaxValueHeight = 50;
constexpr std::size_t kMaxShown = 80;

PyValue made(PyKind kind) {
  PyValue value;
  value.kind = kind;
  return value;
}

}  // namespace

PyValue PyValue::of(bool value) {
  PyValue result = made(PyKind::boolean);
  result.boolean = value;
  return result;
}

PyValue PyValue::of(SymInt value) {
  PyValue result = made(PyKind::integer);
  result.integer = std::move(value);
  return result;
}

PyValue PyValue::of(double value) {
  PyValue result = made(PyKind::real);
  result.real = value;
  return result;
}

PyValue PyValue::of(std::complex<double> value) {
  PyValue result = made(PyKind::complex_number);
  result.complex = value;
  return result;
}

PyValue PyValue::of(Value* value) {
  PyValue result = made(PyKind::tensor);
  result.tensor = value;
  return result;
}

PyValue PyValue::of(DType value) {
  PyValue result = made(PyKind::dtype);
  result.dtype = value;
  return result;
}

PyValue PyValue::of(MemoryFormat value) {
  PyValue result = made(PyKind::memory_format);
  result.format = value;
  return result;
}

PyValue PyValue::named(PyKind kind, std::string text) {
  PyValue result = made(kind);
  result.text = std::move(text);
  return result;
}

PyValue PyValue::module(const PickleValue& record, std::string path) {
  PyValue result = named(PyKind::module, std::move(path));
  result.record = &record;
  return result;
}

PyValue PyValue::sequence(PyKind kind, PyItems items, std::vector<std::string> keys) {
  PyValue result = made(kind);
  for (const PyValue& item : items) {
    result.weight_ += item.weight_;
    result.height_ = std::max(result.height_, item.height_ + 1);
  }
  if (result.weight_ > kMaxWeight) throw Unsupported("a list or tuple of more than a million items");
  if (result.height_ > kMaxValueHeight) throw Unsupported("lists or tuples that are nested too deep");
  result.items_ = std::make_shared<const PyItems>(std::move(items));
  result.keys = std::move(keys);
  return result;
}

PyValue PyValue::sizes(const SymShape& shape) {
  PyItems items;
  for (const SymInt& size : shape) items.push_back(of(size));
  return tuple(std::move(items));
}

bool PyValue::is_number() const {
  return kind == PyKind::integer || kind == PyKind::real || kind == PyKind::boolean || kind == PyKind::unknown;
}

const PyItems& PyValue::items() const {
  static const PyItems none;
  return items_ ? *items_ : none;
}

const PyValue* PyValue::find(std::string_view key) const {
  const auto it = std::find(keys.begin(), keys.end(), key);
  return it == keys.end() ? nullptr : &items()[static_cast<std::size_t>(it - keys.begin())];
}

std::string PyValue::describe() const {
  const std::string shown = text.substr(0, kMaxShown);
  switch (kind) {
    case PyKind::none:
      return "None";
    case PyKind::boolean:
      return boolean ? "True" : "False";
    case PyKind::integer:
      return fmt::format("the integer {}", integer.str());
    case PyKind::real:
      return fmt::format("the float {}", real);
    case PyKind::complex_number:
      return fmt::format("the complex number {}{:+}j", complex.real(), complex.imag());
    case PyKind::string:
      return fmt::format("the text '{}'", shown);
    case PyKind::tuple:
      return fmt::format("a tuple of {}", items().size());
    case PyKind::list:
      return fmt::format("a list of {}", items().size());
    case PyKind::dict:
      return fmt::format("a dict of {}", items().size());
    case PyKind::slice:
      return "a slice";
    case PyKind::tensor:
      return fmt::format("a tensor {}", to_string(tensor->type));
    case PyKind::dtype:
      return fmt::format("the dtype {}", dtype_name(dtype));
    case PyKind::memory_format:
      return "a memory format";
    case PyKind::device:
      return fmt::format("the device {}", shown);
    case PyKind::ellipsis:
      return "...";
    case PyKind::module:
      return fmt::format("the module {}", shown);
    case PyKind::global:
      return shown;
    case PyKind::method:
      return fmt::format("the method {}", shown);
    case PyKind::unknown:
      return fmt::format("{}, which depends on a symbolic size", shown);
    case PyKind::nothing:
      return "nothing";
  }
  return "a value";
}

Arg to_arg(const PyValue& value) {
  switch (value.kind) {
    case PyKind::none:
      return None{};
    case PyKind::boolean:
      return value.boolean;
    case PyKind::integer:
      return value.integer;
    case PyKind::real:
      return value.real;
    case PyKind::string:
    case PyKind::device:
      return value.text;
    case PyKind::dtype:
      return value.dtype;
    case PyKind::memory_format:
      return value.format;
    case PyKind::tensor:
      return value.tensor;
    case PyKind::tuple:
    case PyKind::list: {
      ArgList list;
      for (const PyValue& item : value.items()) list.push_back(to_arg(item));
      return list;
    }
    default:
      throw Unsupported(fmt::format("{} as an argument of an operator", value.describe()));
  }
}

}  // namespace aitune::fx
