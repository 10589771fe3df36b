// Questions about tensors that their types answer, and tensors made of plain data.

#include <fmt/format.h>

#include <algorithm>

#include "compiler/import/torchscript/builtins.h"
#include "compiler/import/torchscript/operators.h"
#include "compiler/ops/infer.h"
#include "compiler/ops/schema.h"

namespace aitune::torchscript {
namespace {

using Result = std::optional<Val>;

// The type of the first argument, if it is a tensor.
std::optional<TensorType> type_of(Call& call) {
  if (call.size() == 0) return std::nullopt;
  if (const auto* number = call[0].get<Number>()) return TensorType{number->dtype, {}};
  if (const auto* tensor = call[0].get<Value*>()) return (*tensor)->type;
  return std::nullopt;
}

Result size(Call& call) {
  const auto type = type_of(call);
  if (!type) return std::nullopt;
  if (call.size() == 1) return make_list(Vals(type->shape.begin(), type->shape.end()));
  const auto d = call[1].integer();
  const auto rank = static_cast<std::int64_t>(type->shape.size());
  if (!d || *d < -rank || *d >= rank)
    call.evaluator.invalid(fmt::format("the size of dimension {} of {}", to_text(call[1]), to_string(*type)));
  return type->shape[static_cast<std::size_t>(*d < 0 ? *d + rank : *d)];
}

Result dim(Call& call) {
  const auto type = type_of(call);
  return type ? Result(SymInt(static_cast<std::int64_t>(type->shape.size()))) : std::nullopt;
}
Result numel(Call& call) {
  const auto type = type_of(call);
  return type ? Result(product(type->shape)) : std::nullopt;
}
Result dtype(Call& call) {
  const auto type = type_of(call);
  return type ? Result(SymInt(scalar_type_of(type->dtype))) : std::nullopt;
}
Result element_size(Call& call) {
  const auto type = type_of(call);
  return type ? Result(SymInt(static_cast<std::int64_t>(dtype_size(type->dtype)))) : std::nullopt;
}
Result is_floating_point(Call& call) {
  const auto type = type_of(call);
  return type ? Result(is_floating(type->dtype)) : std::nullopt;
}
Result is_complex_tensor(Call& call) {
  const auto type = type_of(call);
  return type ? Result(is_complex(type->dtype)) : std::nullopt;
}
Result same_size(Call& call) {
  const auto type = type_of(call);
  const auto* other = call[1].get<Value*>();
  if (!type || other == nullptr) return std::nullopt;
  const auto same = call.evaluator.same(make_list(Vals(type->shape.begin(), type->shape.end())),
                                        make_list(Vals((*other)->type.shape.begin(), (*other)->type.shape.end())));
  return same ? Result(*same) : Result(Unknown{"it depends on sizes that move"});
}

Result never(Call&) { return false; }
Result always(Call&) { return true; }
Result gives_none(Call&) { return Val(None{}); }
Result first(Call& call) { return call[0]; }
Result unwrapped(Call& call) {
  const Maybe* maybe = maybe_of(call[0]);
  return maybe != nullptr ? maybe->value : call[0];
}
Result device(Call& call) {
  return Device{call.size() > 0 && call[0].get<std::string>() != nullptr ? *call[0].get<std::string>() : "cpu"};
}
Result device_type(Call& call) {
  const auto* given = call.size() == 1 ? call[0].get<Device>() : nullptr;
  return given != nullptr ? Result(given->name.substr(0, given->name.find(':'))) : std::nullopt;
}
Result device_index(Call& call) {
  return call.size() == 1 && call[0].get<Device>() != nullptr ? Result(Val(None{})) : std::nullopt;
}
Result layout(Call&) { return Val(SymInt(0)); }

Result size_if_not_equal(Call& call) {
  const auto same = call.evaluator.same(call[0], call[1]);
  if (same == true) return Val(None{});
  return call[0];
}

Result promote(Call& call) {
  const auto a = call[0].integer(), b = call[1].integer();
  const auto left = a ? dtype_of_scalar_type(*a) : std::nullopt, right = b ? dtype_of_scalar_type(*b) : std::nullopt;
  if (!left || !right) return std::nullopt;
  return SymInt(scalar_type_of(infer::promote(*left, *right)));
}

Result result_type(Call& call) {
  infer::Promotion types;
  for (const Val& value : {call[0], call[1]}) {
    if (const auto* tensor = value.get<Value*>())
      types.add((*tensor)->type);
    else if (const auto* number = value.get<Number>())
      types.add(TensorType{number->dtype, {}});
    else if (const auto* whole = value.get<SymInt>())
      types.add(Arg(*whole));
    else if (const auto* real = value.get<double>())
      types.add(Arg(*real));
    else if (const auto* flag = value.get<bool>())
      types.add(Arg(*flag));
    else
      return std::nullopt;
  }
  return SymInt(scalar_type_of(types.result()));
}

Result can_cast(Call& call) {
  const auto a = call[0].integer(), b = call[1].integer();
  const auto from = a ? dtype_of_scalar_type(*a) : std::nullopt, to = b ? dtype_of_scalar_type(*b) : std::nullopt;
  if (!from || !to) return std::nullopt;
  const auto kind = [](DType type) { return is_complex(type) ? 3 : is_floating(type) ? 2 : type == DType::b8 ? 0 : 1; };
  return kind(*from) <= kind(*to);
}

// ---- .to() in all its forms: devices are of no matter here

// Whether copy=True is among the arguments: it follows non_blocking, the first bool.
bool copies(const Call& call) {
  const auto is_true = [](const Val* value) {
    return value != nullptr && value->get<bool>() != nullptr && *value->get<bool>();
  };
  const auto first = std::ranges::find_if(call.args, [](const Val& v) { return v.get<bool>() != nullptr; });
  return is_true(call.keyword("copy")) ||
         (first != call.args.end() && std::next(first) != call.args.end() && is_true(&*std::next(first)));
}

Result to(Call& call) {
  if (call.size() == 0 || !call[0].is_tensor()) return std::nullopt;
  std::optional<DType> wanted;
  const auto take = [&](const Val& value) {
    if (const auto* device = value.get<Device>(); device != nullptr && !device->name.starts_with("cpu"))
      call.evaluator.warn(
          fmt::format("the model moves a tensor to {}: everything runs on the CPU here", device->name.substr(0, 40)));
    if (const auto number = value.integer()) {
      wanted = dtype_of_scalar_type(*number);
      if (!wanted) call.evaluator.unsupported(fmt::format("the element type {}", *number));
    } else if (const auto* other = value.get<Value*>()) {
      wanted = (*other)->type.dtype;
    }
  };
  if (const Val* device = call.keyword("device")) take(*device);
  for (std::size_t i = 1; i < std::min<std::size_t>(call.size(), 3); ++i) {
    take(call[i]);
    if (call[i].get<bool>() != nullptr || wanted) break;
  }
  if (const Val* given = call.keyword("dtype")) take(*given);
  const bool copied = copies(call);
  if (!wanted) return copied ? call_operator(call.evaluator, "clone", {call[0]}, {}) : call[0];
  if (const auto* number = call[0].get<Number>()) {
    if (number->dtype == *wanted && !copied) return call[0];
    Number converted{number->value, *wanted};
    if (is_floating(*wanted))
      if (const auto* whole = std::get_if<SymInt>(&number->value); whole != nullptr && whole->is_constant())
        converted.value = static_cast<double>(whole->constant());
    if (is_integral(*wanted))
      if (const auto* real = std::get_if<double>(&number->value); real != nullptr && std::abs(*real) < 9e18)
        converted.value = SymInt(static_cast<std::int64_t>(*real));
    return converted;
  }
  if (type_of(call)->dtype == *wanted && !copied) return call[0];
  const Val converted = call_operator(call.evaluator, "to", {call[0], SymInt(scalar_type_of(*wanted))}, {});
  return copied ? call_operator(call.evaluator, "clone", {converted}, {}) : converted;
}

// ---- torch.tensor(data, dtype=…, device=…)

void flatten(Call& call, const Val& data, std::vector<Val>& flat, Shape& shape, std::size_t depth) {
  const Vals* items = data.items();
  if (items == nullptr) {
    if (depth != shape.size()) call.evaluator.invalid("a tensor is made of lists of different lengths");
    const auto known = call.evaluator.known_number(data);
    const auto* unknown = data.get<Unknown>();
    if (!known && (unknown == nullptr || unknown->value == nullptr))
      call.evaluator.unsupported(fmt::format("a tensor made of {}", data.kind()), "make it of numbers");
    flat.push_back(known ? *known : data);
    return;
  }
  const auto count = static_cast<std::int64_t>(items->size());
  if (depth == shape.size() && flat.empty()) shape.push_back(count);
  if (depth >= shape.size() || shape[depth] != count || depth > 16)
    call.evaluator.invalid("a tensor is made of lists of different lengths");
  call.evaluator.charge(items->size());
  for (const Val& item : *items) flatten(call, item, flat, shape, depth + 1);
}

double as_real(const Val& value) {
  if (const auto* flag = value.get<bool>()) return *flag ? 1 : 0;
  if (const auto* real = value.get<double>()) return *real;
  return static_cast<double>(value.integer().value_or(0));
}

/// Numbers of which some are sizes that move, or what data decide.
Val tensor_of_numbers(Call& call, const std::vector<Val>& flat, const Shape& shape, std::optional<DType> wanted) {
  DType natural = DType::b8;
  for (const Val& value : flat) {
    const auto* unknown = value.get<Unknown>();
    const DType dtype = unknown != nullptr ? unknown->value->type.dtype : DType::b8;
    if (value.get<double>() != nullptr || dtype == DType::f64) natural = DType::f32;
    if ((value.get<SymInt>() != nullptr || dtype == DType::i64) && natural == DType::b8) natural = DType::i64;
  }
  const SymInt dtype(scalar_type_of(wanted.value_or(natural)));
  Vals elements;
  for (const Val& value : flat)
    elements.push_back(call_operator(call.evaluator, "to", {call.evaluator.tensor(value), dtype}, {}));
  const Val row = call_operator(call.evaluator, "stack", {make_list(std::move(elements))}, {});
  Vals sizes;
  for (const std::int64_t size : shape) sizes.emplace_back(SymInt(size));
  return call_operator(call.evaluator, "reshape", {row, make_list(std::move(sizes))}, {});
}

Result make_tensor(Call& call) {
  if (call.size() == 0) return std::nullopt;
  std::optional<DType> wanted;
  const Val* named = call.keyword("dtype");
  if (named == nullptr && call.size() > 1) named = &call.args[1];
  if (named != nullptr && named->integer()) wanted = dtype_of_scalar_type(*named->integer());
  if (call[0].get<Value*>() != nullptr) {  // as_tensor of a tensor
    if (!wanted) return call[0];
    return call_operator(call.evaluator, "to", {call[0], SymInt(scalar_type_of(*wanted))}, {});
  }
  if (const auto* unknown = call[0].get<Unknown>(); unknown != nullptr && unknown->value != nullptr) {
    const DType natural = unknown->value->type.dtype == DType::f64 ? DType::f32 : unknown->value->type.dtype;
    return call_operator(call.evaluator, "to", {unknown->value, SymInt(scalar_type_of(wanted.value_or(natural)))}, {});
  }
  if (const auto known = call.evaluator.known_number(call[0])) {
    if (const auto* flag = known->get<bool>()) return Number{*flag, wanted.value_or(DType::b8)};
    if (const auto* real = known->get<double>()) {
      if (wanted && is_integral(*wanted) && std::abs(*real) < 9e18)
        return Number{SymInt(static_cast<std::int64_t>(*real)), *wanted};
      return Number{*real, wanted.value_or(DType::f32)};
    }
    if (wanted && !is_integral(*wanted) && known->integer())
      return Number{static_cast<double>(*known->integer()), *wanted};
    return Number{*known->get<SymInt>(), wanted.value_or(DType::i64)};
  }
  if (const auto* list = call[0].get<ListPtr>(); list != nullptr && (*list)->grown != nullptr) {
    Value* rows = call.evaluator.tensor((*list)->grown->rows);
    if (!(*list)->grown->numbers) return std::nullopt;
    const DType type = wanted.value_or(rows->type.dtype == DType::f64 ? DType::f32 : rows->type.dtype);
    return call_operator(call.evaluator, "to", {rows, SymInt(scalar_type_of(type)), false, true}, {});
  }
  if (call[0].items() == nullptr) return std::nullopt;
  std::vector<Val> flat;
  Shape shape;
  flatten(call, call[0], flat, shape, 0);
  const auto is_known = [](const Val& value) {
    return value.get<SymInt>() == nullptr ? value.is_number() : value.integer().has_value();
  };
  if (!std::ranges::all_of(flat, is_known)) return tensor_of_numbers(call, flat, shape, wanted);
  DType natural = flat.empty() ? DType::f32 : DType::b8;
  for (const Val& value : flat) {
    if (value.get<double>() != nullptr) natural = DType::f32;
    if (value.get<SymInt>() != nullptr && natural == DType::b8) natural = DType::i64;
  }
  const DType type = wanted.value_or(natural);
  Tensor data;
  if (natural == DType::i64) {
    data = Tensor(DType::i64, shape);
    for (std::size_t i = 0; i < flat.size(); ++i)
      data.as<std::int64_t>()[i] =
          static_cast<std::int64_t>(flat[i].get<bool>() != nullptr ? as_real(flat[i]) : static_cast<double>(0)) +
          flat[i].integer().value_or(0);
  } else {
    data = Tensor(DType::f64, shape);
    for (std::size_t i = 0; i < flat.size(); ++i) data.as<double>()[i] = as_real(flat[i]);
  }
  const std::string name = fmt::format("tensor_{}", call.evaluator.model().weights.size());
  return call.evaluator.model().add_weight(name, name, data.dtype() == type ? data : data.to(type));
}

Result shape_as_tensor(Call& call) {
  const auto sizes = size(call);
  if (!sizes) return std::nullopt;
  Vals args{*sizes};
  Keywords none;
  Call made{call.evaluator, "tensor", args, none};
  return make_tensor(made);
}

// What goes in does not.
Result requires_grad(Call& call) {
  const auto* tensor = call[0].get<Value*>();
  return tensor == nullptr || call.evaluator.requires_grad(*tensor);
}

}  // namespace

void add_tensor_questions(BuiltinTable& table) {
  table.add({"size", "shape"}, size);
  table.add({"dim", "ndimension", "ndim"}, dim);
  table.add({"numel"}, numel);
  table.add({"dtype"}, dtype);
  table.add({"element_size", "itemsize"}, element_size);
  table.add({"is_floating_point"}, is_floating_point);
  table.add({"is_complex"}, is_complex_tensor);
  table.add({"is_same_size"}, same_size);
  table.add({"is_cuda", "is_xla", "is_mps", "is_xpu", "is_sparse", "is_sparse_csr", "is_mkldnn", "is_quantized",
             "is_meta", "is_vulkan", "is_ipu", "is_maia", "is_ort", "is_nested"},
            never);
  table.add({"requires_grad"}, requires_grad);
  table.add({"is_leaf", "is_cpu", "is_contiguous"}, always);
  table.add({"grad", "name"}, gives_none);
  table.add({"device"}, device);
  table.add({"type"}, device_type);
  table.add({"index"}, device_index);
  table.add({"layout"}, layout);
  table.add({"_size_if_not_equal"}, size_if_not_equal);
  table.add({"promote_types"}, promote);
  table.add({"result_type"}, result_type);
  table.add({"can_cast"}, can_cast);
  table.add({"data", "cpu", "cuda", "requires_grad_", "pin_memory"}, first);
  table.add({"unchecked_unwrap_optional", "unwrap_optional", "_unwrap_optional"}, unwrapped);
}

void add_tensor_makers(BuiltinTable& table) {
  table.add({"to"}, to);
  table.add({"tensor", "as_tensor"}, make_tensor);
  table.add({"_shape_as_tensor"}, shape_as_tensor);
}

}  // namespace aitune::torchscript
