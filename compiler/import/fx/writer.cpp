#include "compiler/import/fx/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "compiler/import/complex_scalar.h"
#include "compiler/import/out_argument.h"
#include "compiler/import/scaled_operands.h"
#include "compiler/ops/data_sizes.h"
#include "compiler/ops/index_masks.h"
#include "compiler/ops/slice_bounds.h"

namespace aitune::fx {
namespace {

constexpr std::size_t kMaxNodes = std::size_t{1} << 18;
constexpr std::int64_t kMaxElements = std::int64_t{1} << 40;
constexpr std::size_t kMaxWarnings = 50;
constexpr std::int64_t kMaxConstant = std::int64_t{1} << 24;

// "(Tensor values, Tensor indices)" makes a named tuple in Python.
std::vector<std::string> result_names(const OpInfo& op) {
  std::vector<std::string> names;
  std::string_view rest = std::string_view(op.schema).substr(op.schema.rfind("->"));
  constexpr std::string_view type = "Tensor ";
  for (auto at = rest.find(type); at != std::string_view::npos; at = rest.find(type)) {
    rest.remove_prefix(at + type.size());
    names.emplace_back(rest.substr(0, rest.find_first_of(",)")));
  }
  if (names.size() != op.result_count) names.clear();
  return names;
}

void check_size(const BoundCall& call, const TensorType& result) {
  const auto elements = product(result.shape).as_constant();
  if (elements && *elements > kMaxElements)
    throw Unsupported(fmt::format("a tensor of {} elements", *elements), call.op->name);
}

/// The dtype of a 0-dim tensor in a call that makes the result what a number of Python's would: f64 gives way to
/// floats with dimensions; other tensors of floats keep their type, and integers become PyTorch's default.
DType dtype_beside(const PyArgs& args) {
  DType type = DType::f32;
  const auto look = [&](const PyValue& value) {
    if (!value.is_tensor() || !is_floating(value.tensor->type.dtype) || type == DType::f64) return;
    type = value.tensor->type.shape.empty() ? value.tensor->type.dtype : DType::f64;
  };
  for (const PyValue& value : args.positional) look(value);
  for (const auto& [name, value] : args.keyword) look(value);
  return type;
}

bool has_double(const PyArgs& args) {
  return std::ranges::any_of(args.positional, [](const PyValue& value) {
    return value.is_tensor() && (value.tensor->type.dtype == DType::f64 || value.tensor->type.dtype == DType::c128);
  });
}

}  // namespace

PyValue Writer::append(BoundCall call) {
  if (graph_.nodes().size() >= kMaxNodes) throw Unsupported("the model has more operators than aitune reads");
  expand_masks(graph_, *call.op, call.args);
  clamp_slice(graph_, *call.op, call.args);
  std::vector<TensorType> types = infer_types(*call.op, call.args);
  name_data_size(graph_, *call.op, call.args, types);
  for (const TensorType& type : types) check_size(call, type);
  Node* const node = graph_.add_node(*call.op, std::move(call.args), std::move(types), hint_);
  node->source = source_;
  reshaped_.add(*node);
  if (node->op->id == OpId::aten_item_default || node->op->id == OpId::aten__local_scalar_dense_default)
    return PyValue::of(SymInt::symbol(data_symbol(*node)->name));
  if (node->outputs.size() == 1 && !call.op->variadic_results) return PyValue::of(node->output());
  PyItems results;
  for (Value* const output : node->outputs) results.push_back(PyValue::of(output));
  auto names = call.op->variadic_results ? std::vector<std::string>() : result_names(*call.op);
  return PyValue::sequence(PyKind::tuple, std::move(results), std::move(names));
}

PyValue Writer::call_into(std::string_view base, PyArgs args) {
  const auto keyword = std::ranges::find(args.keyword, "out", &std::pair<std::string, PyValue>::first);
  const PyValue out = keyword->second;
  args.keyword.erase(keyword);
  const PyValue made = call(base, args);
  const PyItems outs = out.is_sequence() ? out.items() : PyItems{out};
  const PyItems results = made.is_sequence() ? made.items() : PyItems{made};
  if (outs.size() != results.size())
    throw InvalidArgument(fmt::format("{} tensors for {} results", outs.size(), results.size()),
                          fmt::format("aten.{}", base));
  PyItems written;
  for (std::size_t i = 0; i < outs.size(); ++i) {
    if (!outs[i].is_tensor() || !results[i].is_tensor())
      throw InvalidArgument(fmt::format("out= is {}", outs[i].describe()), fmt::format("aten.{}", base));
    check_out_argument(outs[i].tensor->type, results[i].tensor->type);
    written.push_back(call("copy_", PyItems{outs[i], results[i]}));
  }
  return out.is_sequence() ? PyValue::sequence(PyKind::tuple, std::move(written)) : written.front();
}

PyValue Writer::call(std::string_view base, const PyArgs& args) {
  const bool into = std::ranges::any_of(
      args.keyword, [](const auto& keyword) { return keyword.first == "out" && !keyword.second.is_none(); });
  if (into) return call_into(base, args);
  const auto number_to_tensor = [&](const PyValue& value) {
    return value.is(PyKind::unknown) ? float_of_sizes(value, args) : number(value, args);
  };
  const bool in_place = base.size() > 1 && base.ends_with('_') && !base.ends_with("__");
  if (in_place && overloads_of(base).empty() && !args.positional.empty()) {
    const PyValue result = call(base.substr(0, base.size() - 1), args);
    return call("copy_", {args.positional.front(), result});
  }
  return append(choose_overload(base, with_scaled_operands(base, args), number_to_tensor));
}

PyArgs Writer::with_scaled_operands(std::string_view base, PyArgs args) {
  const std::string_view plain = base.ends_with('_') ? base.substr(0, base.size() - 1) : base;
  for (std::size_t i = args.keyword.size(); i-- > 0;) {
    const auto [name, factor] = args.keyword[i];
    const std::string_view scaled = scaled_operand(plain, name);
    const bool is_number =
        factor.is(PyKind::complex_number) || (factor.is(PyKind::unknown) && factor.tensor != nullptr);
    if (scaled.empty() || !is_number) continue;
    const auto& schema = overloads_of(plain).front()->args;
    const auto place = static_cast<std::size_t>(std::ranges::find(schema, scaled, &SchemaArg::name) - schema.begin());
    const auto keyword =
        std::ranges::find(args.keyword, scaled, [](const auto& k) { return std::string_view(k.first); });
    PyValue* const tensor = place < args.positional.size()  ? &args.positional[place]
                            : keyword != args.keyword.end() ? &keyword->second
                                                            : nullptr;
    if (tensor == nullptr || !tensor->is_tensor()) continue;
    *tensor = call("mul", {*tensor, factor});
    args.keyword.erase(args.keyword.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return args;
}

Value* Writer::float_of_sizes(const PyValue& value, const PyArgs& args) {
  if (value.tensor == nullptr) throw Unsupported(fmt::format("{} in the place of a tensor", value.describe()));
  const DType type = dtype_beside(args);
  if (type == DType::f64) return value.tensor;
  return call_exactly("aten.to.dtype", {{PyValue::of(value.tensor), PyValue::of(type)}, {}}).tensor;
}

PyValue Writer::call_exactly(std::string_view name, const PyArgs& args) {
  const OpInfo* const op = find_op(name);
  if (op == nullptr) {
    const bool of_pytorch = name.starts_with("aten.") || name.starts_with("prim.");
    throw Unsupported(fmt::format("the operator {} is not in aitune's list", name.substr(0, 100)), "",
                      of_pytorch
                          ? "docs/operators.md lists the operators"
                          : "if it is a custom operator, name the library that has it: --set custom_ops=LIBRARY, "
                            "in Python aitune.custom_op() (docs/custom-operators.md)");
  }
  return append(bind_overload(*op, args, [&](const PyValue& value) { return number(value, args); }));
}

Value* Writer::constant(Tensor data, std::string_view hint) {
  if (data.numel() > kMaxConstant) throw Unsupported("a constant of more than 16 million elements");
  Value* const value = graph_.add_weight(std::string(hint), "", std::move(data));
  value->weight_name = value->name;
  return value;
}

Value* Writer::number(const PyValue& value, const PyArgs& args) {
  std::string key;
  Tensor data;
  if (value.is(PyKind::boolean)) {
    key = value.boolean ? "True" : "False";
    data = Tensor::scalar(DType::b8, value.boolean);
  } else if (value.is(PyKind::real)) {
    key = fmt::format("{:a}", value.real);
    data = Tensor::scalar(DType::f32, value.real);
  } else if (value.is(PyKind::complex_number)) {
    data = complex_scalar(value.complex, has_double(args));
    key = fmt::format("{:a},{:a},{}", value.complex.real(), value.complex.imag(), dtype_name(data.dtype()));
  } else if (value.is(PyKind::integer) && value.integer.is_constant()) {
    key = value.integer.str();
    data = Tensor::scalar(DType::i64, value.integer.constant());
  } else {
    throw Unsupported(fmt::format("{} in the place of a tensor", value.describe()));
  }
  auto& made = numbers_[key];
  if (made == nullptr) made = constant(std::move(data), fmt::format("scalar_{}", numbers_.size() - 1));
  return made;
}

void Writer::warn_here(std::string_view message) {
  warn(fmt::format("{}: {}", source_.module.empty() ? source_.code : source_.module, message));
}

void Writer::warn(std::string message) {
  if (warnings_.size() < kMaxWarnings && std::ranges::find(warnings_, message) == warnings_.end()) {
    warnings_.push_back(std::move(message));
  }
}

}  // namespace aitune::fx
