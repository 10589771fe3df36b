#include "compiler/import/dynamo/numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "base/error.h"
#include "compiler/import/scaled_operands.h"
#include "compiler/ops/data_sizes.h"

namespace aitune::dynamo {
namespace {

using NumberTensors = std::vector<Value*>;

Value* add_call(Graph& graph, std::string_view op, ArgList args, NamedArgs named = {}) {
  const OpInfo& info = *find_op(op);
  return graph.add_node_inferred(info, bind_arguments(info, std::move(args), std::move(named)))->output();
}

Value* cast(Graph& graph, Value* value, DType dtype) {
  if (value->type.dtype == dtype) return value;
  if (dtype == DType::b8) return add_call(graph, "aten.ne.Scalar", {value, SymInt(0)});
  return add_call(graph, "aten.to.dtype", {value, dtype});
}

Value* constant(Graph& graph, Arg number, DType dtype) {
  return add_call(graph, "aten.full.default", {ArgList{}, std::move(number)}, {{"dtype", dtype}});
}

/// An operand of arithmetic, and whether it is a number that data decide. nullptr for what is not known.
struct Operand {
  Value* value = nullptr;
  bool decided = false;
};

Operand named_operand(const JsonView& name, const Scope& scope, Graph& graph) {
  if (Value* number = scope.number(name.string())) return {number, true};
  if (const SizeFact* fact = scope.fact(name.string())) return {fact_tensor(graph, *fact), false};
  if (scope.is_size(name.string())) return {size_tensor(graph, scope.size(name)), false};
  return {};
}

Operand operand_of(const JsonView& argument, const Scope& scope, Graph& graph) {
  auto [kind, value] = argument.tagged();
  if (kind == "as_sym_int" || kind == "as_sym_float" || kind == "as_sym_bool") std::tie(kind, value) = value.tagged();
  if (kind == "as_name") return named_operand(value, scope, graph);
  if (kind == "as_int") return {constant(graph, SymInt(value.integer()), DType::i64), false};
  if (kind == "as_float") return {constant(graph, value.number(), DType::f64), false};
  if (kind == "as_bool") return {constant(graph, value.boolean(), DType::b8), false};
  return {};
}

/// Whether any operand is a number that data decide, or the result cannot be a size; without making anything.
bool needs_numbers(const JsonView& node, const Scope& scope) {
  for (const JsonView& output : node.at("outputs").items())
    if (output.tagged().first == "as_sym_float") return true;
  for (const JsonView& input : node.at("inputs").items()) {
    const auto [kind, value] = input.at("arg").tagged();
    if (!kind.starts_with("as_sym_")) continue;
    const auto [inner, name] = value.tagged();
    if (inner == "as_name" && scope.number(name.string()) != nullptr) return true;
  }
  return false;
}

DType common(const NumberTensors& operands) {
  const auto has = [&](DType dtype) {
    return std::ranges::any_of(operands, [&](const Value* v) { return v->type.dtype == dtype; });
  };
  return has(DType::f64) ? DType::f64 : DType::i64;
}

using Function = Value* (*)(Graph&, const NumberTensors&, std::string_view op);

Value* arithmetic(Graph& graph, const NumberTensors& x, std::string_view op) {
  const DType type = common(x);
  ArgList args;
  for (Value* operand : x) args.emplace_back(cast(graph, operand, type));
  return add_call(graph, op, std::move(args));
}
Value* on_floats(Graph& graph, const NumberTensors& x, std::string_view op) {
  ArgList args;
  for (Value* operand : x) args.emplace_back(cast(graph, operand, DType::f64));
  return add_call(graph, op, std::move(args));
}
/// Of bools; of whole numbers bit by bit, which is what Python's operators do.
Value* logic(Graph& graph, const NumberTensors& x, std::string_view op) {
  if (std::ranges::all_of(x, [](const Value* v) { return v->type.dtype == DType::b8; }))
    return add_call(graph, op, ArgList(x.begin(), x.end()));
  return nullptr;
}
Value* negation(Graph& graph, const NumberTensors& x, std::string_view op) {
  return add_call(graph, op, {cast(graph, x[0], DType::b8)});
}
Value* choice(Graph& graph, const NumberTensors& x, std::string_view op) {
  const NumberTensors both{x[1], x[2]};
  const bool bools = x[1]->type.dtype == DType::b8 && x[2]->type.dtype == DType::b8;
  const DType type = bools ? DType::b8 : common(both);
  return add_call(graph, op, {cast(graph, x[0], DType::b8), cast(graph, x[1], type), cast(graph, x[2], type)});
}
Value* as_integer(Graph& graph, const NumberTensors& x, std::string_view) { return cast(graph, x[0], DType::i64); }
Value* as_float(Graph& graph, const NumberTensors& x, std::string_view) { return cast(graph, x[0], DType::f64); }
Value* itself(Graph&, const NumberTensors& x, std::string_view) { return x[0]; }

struct Row {
  std::size_t operands;
  Function function;
  std::string_view op = {};
};

const std::map<std::string_view, Row>& rows() {
  static const std::map<std::string_view, Row> table = {
      {"_operator.add", {2, arithmetic, "aten.add.Tensor"}},
      {"_operator.sub", {2, arithmetic, "aten.sub.Tensor"}},
      {"_operator.mul", {2, arithmetic, "aten.mul.Tensor"}},
      {"_operator.floordiv", {2, arithmetic, "aten.floor_divide.default"}},
      {"_operator.mod", {2, arithmetic, "aten.remainder.Tensor"}},
      {"_operator.pow", {2, arithmetic, "aten.pow.Tensor_Tensor"}},
      {"_operator.truediv", {2, on_floats, "aten.div.Tensor"}},
      {"_operator.neg", {1, arithmetic, "aten.neg.default"}},
      {"_operator.pos", {1, itself}},
      {"_operator.lt", {2, arithmetic, "aten.lt.Tensor"}},
      {"_operator.le", {2, arithmetic, "aten.le.Tensor"}},
      {"_operator.gt", {2, arithmetic, "aten.gt.Tensor"}},
      {"_operator.ge", {2, arithmetic, "aten.ge.Tensor"}},
      {"_operator.eq", {2, arithmetic, "aten.eq.Tensor"}},
      {"_operator.ne", {2, arithmetic, "aten.ne.Tensor"}},
      {"_operator.and_", {2, logic, "aten.logical_and.default"}},
      {"_operator.or_", {2, logic, "aten.logical_or.default"}},
      {"_operator.not_", {1, negation, "aten.logical_not.default"}},
      {"torch.sym_not", {1, negation, "aten.logical_not.default"}},
      {"torch.sym_max", {2, arithmetic, "aten.maximum.default"}},
      {"torch.sym_min", {2, arithmetic, "aten.minimum.default"}},
      {"torch.sym_ite", {3, choice, "aten.where.self"}},
      {"torch.sym_int", {1, as_integer}},
      {"math.trunc", {1, as_integer}},
      {"torch.sym_float", {1, as_float}},
      {"torch.sym_sqrt", {1, on_floats, "aten.sqrt.default"}},
      {"torch._sym_sqrt", {1, on_floats, "aten.sqrt.default"}}};
  return table;
}

const SchemaArg* argument_named(const OpInfo& op, std::string_view name) {
  const auto it = std::ranges::find(op.args, name, &SchemaArg::name);
  return it == op.args.end() ? nullptr : &*it;
}

const NumberArg* find_number(const std::vector<NumberArg>& numbers, const std::string& name) {
  const auto it = std::ranges::find(numbers, name, &NumberArg::name);
  return it == numbers.end() ? nullptr : &*it;
}

bool takes_tensors(const OpInfo& op, const NamedArgs& args, const std::vector<NumberArg>& numbers) {
  return std::ranges::all_of(args, [&](const auto& named) {
    const SchemaArg* expected = argument_named(op, named.first);
    return expected != nullptr && (find_number(numbers, named.first) == nullptr || expected->type == ArgType::tensor);
  });
}

/// The overload of this name, "aten.clamp", whose arguments at these places are tensors; nullptr if there is none.
const OpInfo* tensor_overload(const OpInfo& op, const NamedArgs& args, const std::vector<NumberArg>& numbers) {
  if (takes_tensors(op, args, numbers)) return &op;
  const std::string base = op.name.substr(0, op.name.rfind('.'));
  static constexpr std::string_view kOverloads[] = {".Tensor", ".self", ".default", ".Tensor_Tensor", ".Tensor_mode"};
  for (const std::string_view overload : kOverloads)
    if (const OpInfo* other = find_op(base + std::string(overload)); other && takes_tensors(*other, args, numbers))
      return other;
  return nullptr;
}

/// A number beside tensors as a 0-dim one that promotes as the number does.
Value* beside(Graph& graph, Value* number, const NumberTensors& tensors) {
  const auto rank = [&](auto&& kind) {
    int most = -1;  // no tensor is of the kind
    for (const Value* tensor : tensors)
      if (kind(tensor->type.dtype)) most = std::max(most, static_cast<int>(tensor->type.shape.size()));
    return most;
  };
  const auto floats = [](DType dtype) { return is_floating(dtype) || is_complex(dtype); };
  const auto whole = [](DType dtype) { return !is_floating(dtype) && !is_complex(dtype) && dtype != DType::b8; };
  const DType dtype = number->type.dtype;
  const auto like = [&](auto&& kind) {
    const auto found = std::ranges::find_if(tensors, [&](const Value* tensor) { return kind(tensor->type.dtype); });
    return is_complex((*found)->type.dtype) ? number : cast(graph, number, (*found)->type.dtype);
  };
  if (dtype == DType::f64) {
    const int most = rank(floats);
    return most > 0 ? number : most == 0 ? like(floats) : cast(graph, number, DType::f32);
  }
  const auto doubles = [](DType other) { return other == DType::f64 || other == DType::c128; };
  if (dtype == DType::c128) return rank(doubles) < 0 ? cast(graph, number, DType::c64) : number;
  if (dtype == DType::i64 && rank(floats) < 0 && rank(whole) == 0) return like(whole);
  return number;
}

[[noreturn]] void refuse_number(const OpInfo& op, const std::string& name, DType type) {
  if (is_complex(type))
    throw Unsupported(fmt::format("its argument {} is a complex number", name), op.name,
                      "Multiply a tensor by it beforehand");
  throw Unsupported(fmt::format("its argument {} is a number that data decide", name), op.name,
                    "Compute with the tensor itself instead of its item()");
}

/// An operator that fills a tensor with a number, and what its argument is called.
struct Filling {
  OpId op;
  std::string_view value;
};
constexpr auto kFillings = std::to_array<Filling>({{OpId::aten_full_default, "fill_value"},
                                                   {OpId::aten_new_full_default, "fill_value"},
                                                   {OpId::aten_full_like_default, "fill_value"},
                                                   {OpId::aten_fill_Scalar, "value"},
                                                   {OpId::aten_scalar_tensor_default, "s"}});

Arg argument_or_none(const NamedArgs& args, std::string_view name) {
  const auto it = std::ranges::find(args, name, [](const auto& named) { return std::string_view(named.first); });
  return it == args.end() ? Arg(None{}) : it->second;
}

/// The dtype that is stated, or that of the tensor which gives it; else PyTorch's default for the number.
DType filled_type(const NamedArgs& args, const Value* like, DType number) {
  const Arg stated = argument_or_none(args, "dtype");
  if (const DType* dtype = std::get_if<DType>(&stated)) return *dtype;
  if (like != nullptr) return like->type.dtype;
  return number == DType::f64 ? DType::f32 : number == DType::c128 ? DType::c64 : number;
}

/// full(size, value) and its like: the value, over and over.
bool spread_value(const OpInfo& op, NamedArgs& args, Graph& graph) {
  const auto* const row = std::ranges::find(kFillings, op.id, &Filling::op);
  if (row == kFillings.end()) return false;
  Value* const number = argument_or_none(args, row->value).value_or_null();
  Value* const like = argument_or_none(args, "self").value_or_null();
  if (number == nullptr) return false;
  Arg size = argument_or_none(args, "size");
  if (!size.is_list()) size = like == nullptr ? ArgList{} : ArgList(like->type.shape.begin(), like->type.shape.end());
  Value* const filled = cast(graph, number, filled_type(args, like, number->type.dtype));
  args = {{"self", add_call(graph, "aten.expand.default", {filled, size})}};
  return true;
}

/// An operator that puts a number at places, the one that puts a tensor there, what the tensor is called, and whose
/// shape it has.
struct Placing {
  OpId op;
  OpId with_tensor;
  std::string_view tensor;
  std::string_view shaped_as = {};
};
constexpr auto kPlacings =
    std::to_array<Placing>({{OpId::aten_index_fill_int_Scalar, OpId::aten_index_fill_int_Tensor, "value"},
                            {OpId::aten_index_fill__int_Scalar, OpId::aten_index_fill__int_Tensor, "value"},
                            {OpId::aten_scatter_value, OpId::aten_scatter_src, "src", "index"},
                            {OpId::aten_scatter__value, OpId::aten_scatter__src, "src", "index"},
                            {OpId::aten_scatter_value_reduce, OpId::aten_scatter_reduce, "src", "index"},
                            {OpId::aten_scatter__value_reduce, OpId::aten_scatter__reduce, "src", "index"}});

/// scatter(self, dim, index, value) and its like, with the value as a tensor; nullptr for other operators.
const OpInfo* place_tensor(const OpInfo& op, NamedArgs& args, Graph& graph) {
  const auto* const row = std::ranges::find(kPlacings, op.id, &Placing::op);
  if (row == kPlacings.end()) return nullptr;
  const auto value = std::ranges::find(args, "value", [](const auto& named) { return std::string_view(named.first); });
  Value* const self = argument_or_none(args, "self").value_or_null();
  Value* const shaped = argument_or_none(args, row->shaped_as).value_or_null();
  if (self == nullptr || value == args.end() || !value->second.is_value()) return nullptr;
  Value* placed = cast(graph, value->second.value(), self->type.dtype);
  if (shaped != nullptr) {
    const SymShape& shape = shaped->type.shape;
    placed = add_call(graph, "aten.expand.default", {placed, ArgList(shape.begin(), shape.end())});
  }
  *value = {std::string(row->tensor), placed};
  return &op_info(row->with_tensor);
}

}  // namespace

Value* size_tensor(Graph& graph, const SymInt& size) { return constant(graph, size, DType::i64); }

Value* fact_tensor(Graph& graph, const SizeFact& fact) {
  return add_call(graph, fact.equal ? "aten.eq.Tensor" : "aten.ge.Tensor",
                  {size_tensor(graph, fact.lhs), size_tensor(graph, fact.rhs)});
}

Value* number_argument(const JsonView& argument, const Scope& scope, Graph& graph) {
  return operand_of(argument, scope, graph).value;
}

SymInt number_as_size(Graph& graph, Value* number, const std::string& wanted) {
  const OpInfo& item = op_info(OpId::aten_item_default);
  ArgList args = bind_arguments(item, {number}, {});
  std::vector<TensorType> types = infer_types(item, args);
  name_data_size(graph, item, args, types, wanted);
  return SymInt::symbol(data_symbol(*graph.add_node(item, std::move(args), std::move(types)))->name);
}

Value* number_of(Graph& graph, Value* tensor, DType dtype) {
  if (!tensor->type.shape.empty()) tensor = add_call(graph, "aten.reshape.default", {tensor, ArgList{}});
  return cast(graph, tensor, dtype);
}

Value* number_result(const JsonView& node, const Scope& scope, Graph& graph, bool always) {
  const auto row = rows().find(node.at("target").string());
  const auto inputs = node.at("inputs").items();
  if (row == rows().end() || inputs.size() != row->second.operands) return nullptr;
  if (!always && !needs_numbers(node, scope)) return nullptr;
  NumberTensors operands;
  for (const JsonView& input : inputs) {
    Value* value = operand_of(input.at("arg"), scope, graph).value;
    if (value == nullptr) return nullptr;
    operands.push_back(value);
  }
  return row->second.function(graph, operands, row->second.op);
}

namespace {

/// Scales tensors by numbers that an operator takes no other way; these are no arguments then.
void scale_operands(const OpInfo& op, NamedArgs& args, const std::vector<NumberArg>& numbers, Graph& graph) {
  const std::string_view base = std::string_view(op.name).substr(0, op.name.rfind('.'));
  for (const NumberArg& number : numbers) {
    const std::string_view scaled = scaled_operand(base.substr(base.find('.') + 1), number.name);
    const auto named = [](std::string_view name) {
      return [name](const auto& arg) { return std::string_view(arg.first) == name; };
    };
    const auto factor = std::ranges::find_if(args, named(number.name)),
               tensor = std::ranges::find_if(args, named(scaled));
    if (scaled.empty() || number.size || factor == args.end() || tensor == args.end() || !tensor->second.is_value())
      continue;
    Value* const whole = tensor->second.value();
    tensor->second = add_call(graph, "aten.mul.Tensor", {whole, beside(graph, factor->second.value(), {whole})});
    args.erase(factor);
  }
}

}  // namespace

const OpInfo* with_numbers(const OpInfo& op, NamedArgs& args, const std::vector<NumberArg>& numbers, Graph& graph) {
  scale_operands(op, args, numbers, graph);
  if (spread_value(op, args, graph)) return find_op("aten.clone.default");
  if (const OpInfo* const placing = place_tensor(op, args, graph)) return placing;
  const OpInfo* other = tensor_overload(op, args, numbers);
  if (other == nullptr) {
    for (auto& [name, arg] : args) {
      const NumberArg* number = find_number(numbers, name);
      if (number == nullptr) continue;
      if (!number->size) refuse_number(op, name, arg.value()->type.dtype);
      arg = *number->size;
    }
    return &op;
  }
  NumberTensors tensors;
  for (const auto& [name, arg] : args) {
    if (find_number(numbers, name) != nullptr) continue;
    if (arg.is_value()) tensors.push_back(arg.value());
    if (arg.is_list())
      for (const Arg& item : arg.list())
        if (item.is_value()) tensors.push_back(item.value());
  }
  for (auto& [name, arg] : args)
    if (find_number(numbers, name) != nullptr && arg.is_value()) arg = beside(graph, arg.value(), tensors);
  return other;
}

}  // namespace aitune::dynamo
