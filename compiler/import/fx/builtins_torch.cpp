// Functions of torch and methods of tensors that need no operator, or choose one by more than its arguments' kinds.

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "compiler/import/fx/arithmetic.h"
#include "compiler/import/fx/builtins.h"
#include "compiler/import/fx/refuse.h"

namespace aitune::fx {
namespace {

bool given_and_not_none(const PyValue& value) { return !value.is(PyKind::nothing) && !value.is_none(); }

const TensorType& type_of(const PyArgs& args) {
  if (args.positional.empty() || !args.positional.front().is_tensor()) throw InvalidArgument("a tensor is missing");
  return args.positional.front().tensor->type;
}

PyValue size_value(std::int64_t value) { return PyValue::of(SymInt(value)); }

// ---- functions

PyValue shape_of(Interpreter&, const PyArgs& args) { return PyValue::tuple(arguments(args, {"sizes"})[0].items()); }

// The numbers of nested lists, row-major; every level must have one length.
void flatten(const PyValue& value, std::size_t level, Shape& shape, std::vector<PyValue>& numbers) {
  if (!value.is_sequence()) {
    if (level != shape.size()) throw InvalidArgument("torch.tensor of a ragged list");
    numbers.push_back(value);
    return;
  }
  const auto size = static_cast<std::int64_t>(value.items().size());
  const bool deepest_yet = level == shape.size() && numbers.empty();
  if (deepest_yet) shape.push_back(size);
  if (level >= shape.size() || shape[level] != size) throw InvalidArgument("torch.tensor of a ragged list");
  for (const PyValue& item : value.items()) flatten(item, level + 1, shape, numbers);
}

DType default_dtype(const std::vector<PyValue>& numbers) {
  const auto is_kind = [](PyKind kind) { return [kind](const PyValue& v) { return v.is(kind); }; };
  if (numbers.empty() || std::ranges::any_of(numbers, is_kind(PyKind::real))) return DType::f32;
  return std::ranges::all_of(numbers, is_kind(PyKind::boolean)) ? DType::b8 : DType::i64;
}

PyValue make_tensor(Interpreter& interpreter, const PyArgs& args) {
  const PyItems a = arguments(args, {"data", "dtype", "device", "requires_grad", "pin_memory"});
  if (a[0].is_tensor()) {
    if (!given_and_not_none(a[1])) return a[0];
    return interpreter.writer().call("to", {a[0], a[1]});
  }
  Shape shape;
  std::vector<PyValue> numbers;
  flatten(a[0], 0, shape, numbers);
  const DType dtype = given_and_not_none(a[1]) ? a[1].dtype : default_dtype(numbers);
  if (is_complex(dtype)) refuse("torch.tensor of complex numbers");
  Tensor data;
  if (is_floating(dtype)) {
    std::vector<double> values;
    for (const PyValue& number : numbers) values.push_back(constant_number(number, "an element of torch.tensor"));
    data = Tensor::of<double>(dtype, values);
  } else {
    std::vector<std::int64_t> values;
    for (const PyValue& number : numbers) values.push_back(constant_integer(number, "an element of torch.tensor"));
    data = Tensor::of<std::int64_t>(dtype, values);
  }
  Tensor shaped(dtype, shape);
  std::copy_n(data.data(), data.byte_size(), shaped.data());
  return PyValue::of(interpreter.writer().constant(std::move(shaped), "tensor"));
}

PyValue check(Interpreter& interpreter, const PyArgs& args) {
  const PyItems a = arguments(args, {"condition", "message"});
  if (a[0].is_tensor() || a[0].is(PyKind::unknown)) return {};  // for the caller's data to keep
  if (truth(a[0])) return {};
  const std::string& said = a[1].text;
  refuse(fmt::format("the model asserts what does not hold for these samples: {}", said.substr(0, 200)),
         "tune with inputs of the shapes that the model was traced for");
  static_cast<void>(interpreter);
}

PyValue check_none(Interpreter&, const PyArgs& args) {
  const PyItems a = arguments(args, {"value", "message"});
  if (a[0].is_none()) return {};
  refuse(fmt::format("an input that was None when the model was traced: {}", a[1].text.substr(0, 200)));
}

PyValue device(Interpreter&, const PyArgs& args) {
  const PyItems a = arguments(args, {"type", "index"});
  return PyValue::named(PyKind::device, a[0].text);
}

PyValue is_tensor(Interpreter&, const PyArgs& args) { return PyValue::of(arguments(args, {"obj"})[0].is_tensor()); }

PyValue finfo(Interpreter&, const PyArgs& args) {
  struct Row {
    DType dtype;
    double max, eps, tiny;
  };
  static constexpr auto rows =
      std::to_array<Row>({{DType::f32, 3.4028234663852886e+38, 1.1920928955078125e-07, 1.1754943508222875e-38},
                          {DType::f64, 1.7976931348623157e+308, 2.220446049250313e-16, 2.2250738585072014e-308},
                          {DType::f16, 65504.0, 0.0009765625, 6.103515625e-05},
                          {DType::bf16, 3.3895313892515355e+38, 0.0078125, 1.1754943508222875e-38}});
  const PyItems a = arguments(args, {"type"});
  const auto* const row = std::ranges::find(rows, a[0].dtype, &Row::dtype);
  if (!a[0].is(PyKind::dtype) || row == rows.end()) refuse(fmt::format("torch.finfo of {}", a[0].describe()));
  return PyValue::sequence(
      PyKind::dict, {PyValue::of(-row->max), PyValue::of(row->max), PyValue::of(row->eps), PyValue::of(row->tiny)},
      {"min", "max", "eps", "tiny"});
}

PyValue nothing(Interpreter&, const PyArgs&) { return {}; }

// Inputs and outputs are flat here already.
PyValue flat(Interpreter&, const PyArgs& args) {
  if (args.positional.empty() || !args.positional.front().is_sequence()) refuse("inputs or outputs of this form");
  const PyValue& list = args.positional.front();
  const bool plain = std::ranges::none_of(list.items(), [](const PyValue& v) { return v.is_sequence(); });
  // torch.export's modules pass (args, kwargs).
  if (!plain && list.items().size() == 2 && list.items().front().is_sequence() && list.items()[1].items().empty())
    return list.items().front();
  return list;
}

PyValue broadcast_shapes(Interpreter& interpreter, const PyArgs& args) {
  SymShape result;
  for (const PyValue& shape : args.positional) {
    const PyItems sizes = shape.is_sequence() ? shape.items() : PyItems{shape};
    SymShape next;
    for (const PyValue& size : sizes) next.push_back(size.integer);
    if (next.size() > result.size()) std::swap(next, result);
    const std::size_t skip = result.size() - next.size();
    for (std::size_t i = 0; i < next.size(); ++i)
      if (result[skip + i].is(1)) result[skip + i] = next[i];
  }
  static_cast<void>(interpreter);
  return PyValue::sizes(result);
}

constexpr auto kTorch = std::to_array<BuiltinRow>({{"torch.Size", shape_of},
                                                   {"torch.tensor", make_tensor},
                                                   {"torch.as_tensor", make_tensor},
                                                   {"torch._assert", check},
                                                   {"torch.fx._symbolic_trace._assert_is_none", check_none},
                                                   {"torch.device", device},
                                                   {"torch.is_tensor", is_tensor},
                                                   {"torch.finfo", finfo},
                                                   {"torch.iinfo", finfo},
                                                   {"torch.broadcast_shapes", broadcast_shapes},
                                                   {"torch.functional.broadcast_shapes", broadcast_shapes},
                                                   {"torch._C._set_grad_enabled", nothing},
                                                   {"torch._C._log_api_usage_once", nothing},
                                                   {"torch._C._autograd._saved_tensors_hooks_disable", nothing},
                                                   {"torch.fx._pytree.tree_flatten_spec", flat},
                                                   {"torch.utils._pytree.tree_unflatten", flat}});

// ---- methods

PyValue size(Interpreter&, const PyArgs& args) {
  const SymShape& shape = type_of(args).shape;
  const PyItems a = arguments(args, {"self", "dim"});
  if (!given_and_not_none(a[1])) return PyValue::sizes(shape);
  const auto rank = static_cast<std::int64_t>(shape.size());
  const std::int64_t dim = constant_integer(a[1], "a dimension");
  if (dim < -rank || dim >= rank) throw InvalidArgument(fmt::format("dimension {} of {}", dim, a[0].describe()));
  return PyValue::of(shape[static_cast<std::size_t>(dim < 0 ? dim + rank : dim)]);
}

PyValue rank(Interpreter&, const PyArgs& args) {
  return size_value(static_cast<std::int64_t>(type_of(args).shape.size()));
}

PyValue elements(Interpreter&, const PyArgs& args) { return PyValue::of(product(type_of(args).shape)); }

PyValue element_size(Interpreter&, const PyArgs& args) {
  return size_value(static_cast<std::int64_t>(dtype_size(type_of(args).dtype)));
}

PyValue is_floating_point(Interpreter&, const PyArgs& args) { return PyValue::of(is_floating(type_of(args).dtype)); }
PyValue is_complex_type(Interpreter&, const PyArgs& args) { return PyValue::of(is_complex(type_of(args).dtype)); }
PyValue yes(Interpreter&, const PyArgs&) { return PyValue::of(true); }
PyValue itself(Interpreter&, const PyArgs& args) {
  type_of(args);
  return args.positional.front();
}

// to(dtype), to(device), to(device, dtype), to(other), each with names, too.
PyValue to(Interpreter& interpreter, const PyArgs& args) {
  type_of(args);
  const PyValue self = args.positional.front();
  std::optional<DType> dtype;
  bool copy = false;
  const auto read = [&](const PyValue& value) {
    const bool names_device = value.is(PyKind::device) || value.is(PyKind::string);
    if (names_device && !value.text.starts_with("cpu"))
      interpreter.writer().warn_here(
          fmt::format("the model moves a tensor to {}: everything runs on the CPU here", value.text.substr(0, 40)));
    if (value.is(PyKind::dtype)) dtype = value.dtype;
    if (value.is_tensor()) dtype = value.tensor->type.dtype;
  };
  for (std::size_t i = 1; i < args.positional.size(); ++i) read(args.positional[i]);
  for (const auto& [name, value] : args.keyword) {
    read(value);
    if (name == "copy") copy = truth(value);
  }
  if (!dtype) return copy ? interpreter.writer().call("clone", {self}) : self;
  PyArgs exact{{self, PyValue::of(*dtype)}, {}};
  if (copy) exact.keyword.emplace_back("copy", PyValue::of(true));
  return interpreter.writer().call_exactly("aten.to.dtype", exact);
}

PyValue type(Interpreter& interpreter, const PyArgs& args) {
  if (args.positional.size() < 2 && args.keyword.empty()) refuse("the type of a tensor as a value");
  return to(interpreter, args);
}

// The one element as a number that data decide: a whole one is a size, a float is computed with as those made of sizes.
PyValue only_element(Interpreter& interpreter, const PyArgs& args) {
  const TensorType& type = type_of(args);
  if (!product(type.shape).is(1) || is_complex(type.dtype)) refuse(fmt::format("item() of {}", to_string(type)));
  PyValue self = args.positional.front();
  if (!type.shape.empty()) self = interpreter.writer().call("reshape", {self, PyValue::sequence(PyKind::list, {})});
  if (type.dtype == DType::b8) return PyValue::unknown("the data of a tensor");
  if (is_integral(type.dtype)) return interpreter.writer().call("item", {self});
  PyValue number = PyValue::unknown("the data of a tensor");
  number.tensor = interpreter.writer().call_exactly("aten.to.dtype", {{self, PyValue::of(DType::f64)}, {}}).tensor;
  return number;
}

PyValue data_dependent(Interpreter&, const PyArgs&) {
  refuse("a value of the forward that depends on the data of a tensor", "keep it a tensor");
}

constexpr auto kMethods = std::to_array<BuiltinRow>({{"size", size},
                                                     {"dim", rank},
                                                     {"ndimension", rank},
                                                     {"numel", elements},
                                                     {"nelement", elements},
                                                     {"element_size", element_size},
                                                     {"is_floating_point", is_floating_point},
                                                     {"is_complex", is_complex_type},
                                                     {"is_contiguous", yes},
                                                     {"requires_grad_", itself},
                                                     {"cpu", itself},
                                                     {"cuda", itself},
                                                     {"to", to},
                                                     {"type", type},
                                                     {"item", only_element},
                                                     {"tolist", data_dependent},
                                                     {"numpy", data_dependent}});

}  // namespace

std::span<const BuiltinRow> torch_builtins() { return kTorch; }

Builtin find_tensor_method(std::string_view name) {
  const auto* const row = std::ranges::find(kMethods, name, &BuiltinRow::name);
  return row == kMethods.end() ? nullptr : row->run;
}

}  // namespace aitune::fx
