// How the evaluator evaluates expressions.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "compiler/import/complex_scalar.h"
#include "compiler/import/torchscript/builtins.h"
#include "compiler/import/torchscript/evaluator.h"
#include "compiler/import/torchscript/operators.h"
#include "compiler/import/torchscript/unknown_numbers.h"
#include "compiler/ops/schema.h"

namespace aitune::torchscript {
namespace {

constexpr int kMaxCallDepth = 2000;
constexpr std::size_t kMaxString = 100'000;

// The number in a 0-dim tensor.
std::optional<Number> number_in(const Tensor& data) {
  const DType dtype = data.dtype();
  if (!data.shape().empty() || is_complex(dtype)) return std::nullopt;
  if (dtype == DType::b8) return Number{*data.as<bool>(), dtype};
  if (is_floating(dtype)) return Number{*data.contiguous().to(DType::f64).as<double>(), dtype};
  return Number{SymInt(*data.contiguous().to(DType::i64).as<std::int64_t>()), dtype};
}

std::optional<Val> plain(const std::optional<Number>& number) {
  if (!number) return std::nullopt;
  return std::visit([](const auto& value) { return Val(value); }, number->value);
}

bool is_optional_type(const Expr& type) {
  return type.kind == ExprKind::subscript && type.items[0].is_name("Optional");
}

}  // namespace

Val Evaluator::evaluate(const Expr& expr) {
  charge();
  if (depth_ >= kMaxCallDepth) unsupported("an expression is nested too deeply");
  ++depth_;
  struct Leave {
    int& depth;
    ~Leave() { --depth; }
  } const leave{depth_};
  Val value = evaluate_here(expr);
  if (const auto* text = value.get<std::string>()) {
    if (text->size() > kMaxString) unsupported(fmt::format("a string of {} characters", text->size()));
    charge(text->size() / 16);
  }
  return value;
}

Val Evaluator::evaluate_here(const Expr& expr) {
  switch (expr.kind) {
    case ExprKind::none:
      return None{};
    case ExprKind::boolean:
      return expr.integer != 0;
    case ExprKind::integer:
      return SymInt(expr.integer);
    case ExprKind::real:
      return expr.real;
    case ExprKind::complex:
      return ComplexNumber({expr.items[0].real, expr.items[1].real});
    case ExprKind::string:
      return expr.text;
    case ExprKind::name:
      return name(expr);
    case ExprKind::list:
      return make_list(evaluate_all(expr.items));
    case ExprKind::tuple:
      return make_tuple(evaluate_all(expr.items));
    case ExprKind::dict: {
      auto dict = std::make_shared<Dict>();
      for (std::size_t i = 0; i + 1 < expr.items.size(); i += 2) {
        Val key = evaluate(expr.items[i]);
        dict->items.emplace_back(std::move(key), evaluate(expr.items[i + 1]));
      }
      return dict;
    }
    case ExprKind::attribute: {
      const auto dotted = dotted_name(expr);
      if (dotted && !frame().locals.contains(dotted->substr(0, dotted->find('.')))) return global(*dotted);
      return attribute(evaluate(expr.items[0]), expr.text);
    }
    case ExprKind::call:
      return call(expr);
    case ExprKind::subscript: {
      const Val base = evaluate(expr.items[0]);
      return subscript(base, evaluate(expr.items[1]));
    }
    case ExprKind::slice:
      return slice(expr);
    case ExprKind::negate: {
      const Val value = evaluate(expr.items[0]);
      if (const auto* real = value.get<double>()) return -*real;
      if (const auto* size = value.get<SymInt>()) return SymInt(0) - *size;
      unsupported(fmt::format("minus of {}", value.kind()));
    }
  }
  unsupported("an expression of a kind that aitune does not have");
}

Vals Evaluator::evaluate_all(const std::vector<Expr>& items, std::size_t first) {
  Vals values;
  values.reserve(items.size() - first);
  for (std::size_t i = first; i < items.size(); ++i) values.push_back(evaluate(items[i]));
  return values;
}

Val Evaluator::name(const Expr& expr) {
  const auto found = frame().locals.find(expr.text);
  if (found != frame().locals.end()) {
    const auto* tensor = found->second.get<Value*>();
    return tensor != nullptr ? Val(reshaped_.latest(*tensor)) : found->second;
  }
  return global(expr.text);
}

Val Evaluator::global(const std::string& dotted) {
  if (dotted == "inf") return HUGE_VAL;
  if (dotted == "nan") return std::nan("");
  if (dotted.starts_with("CONSTANTS.")) {
    const Val* constant = archive_.find_constant(std::string_view(dotted).substr(10));
    if (constant == nullptr) unsupported(fmt::format("there is no {} in the file", printable(dotted)));
    const auto* stored = constant->get<Stored>();
    if (stored == nullptr) return *constant;
    const auto known = number_in(stored->data);
    if (!known) return weight(stored->data, stored->name);
    const Number& number = constant_numbers_.try_emplace(stored->name, *known).first->second;
    const auto made = number_tensors_.find(number.identity);
    return made != number_tensors_.end() && written_.contains(made->second) ? Val(made->second) : Val(number);
  }
  if (!dotted.starts_with("__torch__.")) return Builtin{dotted};
  if (const Function* function = archive_.find_function(dotted)) return Callable{function, nullptr};
  if (const Class* type = archive_.find_class(dotted)) return type;
  const auto dot = dotted.rfind('.');
  if (const Class* type = archive_.find_class(dotted.substr(0, dot))) return attribute(type, dotted.substr(dot + 1));
  unsupported(fmt::format("{} is not in the file", printable(dotted)));
}

/// Tensors of the file become weights where they are first read, in lists and dicts too.
void Evaluator::load(Val& value, int depth) {
  constexpr int kMaxContainers = 20;
  if (const auto* stored = value.get<Stored>()) {
    value = weight(*stored);
  } else if (depth < kMaxContainers) {
    charge();
    if (const auto* list = value.get<ListPtr>())
      for (Val& item : (*list)->items) load(item, depth + 1);
    if (const auto* dict = value.get<DictPtr>())
      for (auto& [key, item] : (*dict)->items) load(item, depth + 1);
  }
}

Val Evaluator::attribute(const Val& base, const std::string& name) {
  if (const auto* object = base.get<ObjectPtr>()) {
    const auto slot = (*object)->slots.find(name);
    if (slot != (*object)->slots.end()) {
      if (!slot->second.saved) slot->second.read_first = true;
      load(slot->second.value);
      return slot->second.value;
    }
    const auto method = (*object)->type->methods.find(name);
    if (method != (*object)->type->methods.end()) return Callable{&method->second, *object};
    const Field* field = (*object)->type->find_field(name);
    if (field != nullptr && field->value) return evaluate(*field->value);
    unsupported(fmt::format("{} has no attribute {}", printable((*object)->type->name), printable(name)));
  }
  if (const auto* tuple = base.get<TuplePtr>(); tuple != nullptr && is_enum((*tuple)->type)) {
    const Val& value = (*tuple)->items.at(0);
    if (name == "value") return value;
    for (const Field& field : (*tuple)->type->fields)
      if (name == "name" && field.value && same(evaluate(*field.value), value) == true) return field.name;
  } else if (tuple != nullptr && (*tuple)->type != nullptr) {
    const auto& fields = (*tuple)->type->fields;
    for (std::size_t i = 0; i < fields.size() && i < (*tuple)->items.size(); ++i)
      if (fields[i].name == name) return (*tuple)->items[i];
  }
  if (const auto* type = base.get<const Class*>()) {
    if (name == "__new__") return Builtin{"__new__"};
    const Field* field = (*type)->find_field(name);
    if (field != nullptr && field->value) {
      Val value = evaluate(*field->value);
      return is_enum(*type) ? Val(make_tuple({std::move(value)}, *type)) : value;
    }
  }
  unsupported(fmt::format("the attribute {} of {}", printable(name), base.kind()));
}

Val Evaluator::call(const Expr& expr) {
  if (std::optional<Val> result = call_with_types(expr)) return *std::move(result);
  const Expr& target = expr.items[0];
  const Val callee = evaluate(target);
  if (const auto* builtin = callee.get<Builtin>(); builtin != nullptr && builtin->name == "__new__") {
    const Val made = expr.items.size() == 2 ? evaluate(expr.items[1]) : Val(None{});
    if (made.get<const Class*>() == nullptr) unsupported("__new__ of what is no class");
    return make_object(**made.get<const Class*>());
  }
  const std::size_t named = expr.keywords.size();
  Vals args = evaluate_all(expr.items, 1);
  Keywords keywords;
  for (std::size_t i = 0; i < named; ++i)
    keywords.emplace_back(expr.keywords[i], std::move(args[args.size() - named + i]));
  args.resize(args.size() - named);
  frame().offset = expr.offset;
  if (const auto* builtin = callee.get<Builtin>()) unwrap_numbers(builtin->name, expr, args);
  return call_value(callee, std::move(args), std::move(keywords));
}

/// Numbers of Python that tracing has made constants of ("torch.mul(x, CONSTANTS.c0)") promote as numbers do: next to a
/// tensor of integers a float is PyTorch's default float, and not f64.
void Evaluator::unwrap_numbers(std::string_view function, const Expr& expr, Vals& args) {
  static constexpr std::string_view kArithmetic[] = {"torch.add", "torch.sub", "torch.rsub",      "torch.mul",
                                                     "torch.div", "torch.pow", "torch.remainder", "torch.floor_divide"};
  if (std::ranges::find(kArithmetic, function) == std::end(kArithmetic)) return;
  const bool beside_tensor = std::ranges::any_of(args, [](const Val& v) { return v.get<Value*>() != nullptr; });
  for (std::size_t i = 0; beside_tensor && i < std::min<std::size_t>(args.size(), 2); ++i) {
    const Expr& written = expr.items[i + 1];
    const auto* number = args[i].get<Number>();
    if (number == nullptr || written.kind != ExprKind::attribute || !written.items[0].is_name("CONSTANTS")) continue;
    if (number->dtype == DType::f64) args[i] = std::get<double>(number->value);
  }
}

// Calls whose first arguments are types, or names.
std::optional<Val> Evaluator::call_with_types(const Expr& expr) {
  if (expr.items[0].kind != ExprKind::name || frame().locals.contains(expr.items[0].text)) return std::nullopt;
  const std::string& name = expr.items[0].text;
  const std::size_t count = expr.items.size() - 1;
  if (name == "fork" && count == 1 && expr.items[1].kind == ExprKind::name) return run_fork(expr.items[1].text);
  if (name == "annotate" && count == 2) return convert(expr.items[1], evaluate(expr.items[2]));
  if (name == "unchecked_cast" && count == 2) {
    Val value = evaluate(expr.items[2]);
    const Maybe* maybe = maybe_of(value);
    return maybe != nullptr && !is_optional_type(expr.items[1]) ? maybe->value : value;
  }
  if (name == "uninitialized") return Uninitialized{};
  if (name == "isinstance" && count == 2) return may_be_instance(evaluate(expr.items[1]), expr.items[2]);
  if (name == "getattr" && count == 2 && expr.items[2].kind == ExprKind::string)
    return attribute(evaluate(expr.items[1]), expr.items[2].text);
  return std::nullopt;
}

Val Evaluator::call_value(const Val& callee, Vals args, Keywords keywords) {
  if (const auto* function = callee.get<Callable>()) {
    if (function->self && keywords.empty())
      return call_method(function->self, function->function->name, std::move(args));
    return call_function(*function, std::move(args), std::move(keywords));
  }
  if (const auto* type = callee.get<const Class*>()) {
    if ((*type)->base == "NamedTuple" && args.size() == (*type)->fields.size())
      return make_tuple(std::move(args), *type);
    unsupported(fmt::format("{} is called", printable((*type)->name)));
  }
  const auto* builtin = callee.get<Builtin>();
  if (builtin == nullptr) unsupported(fmt::format("{} is called", callee.kind()));
  const auto dot = builtin->name.rfind('.');
  const std::string_view full = builtin->name;
  const std::string_view name = dot == std::string::npos ? full : full.substr(dot + 1);
  const bool known_space = dot == std::string::npos || full.substr(0, dot) == "torch" ||
                           full.substr(0, dot) == "ops.prim" || full.substr(0, dot) == "ops.aten" ||
                           full.substr(0, dot) == "math" || full.substr(0, dot) == "warnings" ||
                           full.substr(0, dot) == "ops.profiler";
  if (!known_space) {  // ops.torchvision.nms, or a custom operator
    const std::string_view other = full.starts_with("ops.") ? full.substr(4) : full;
    if (find_op(other) == nullptr)
      unsupported(
          fmt::format("the operator {} is not in aitune's list", printable(full)),
          "use operators of PyTorch itself, or name the library that has it: --set custom_ops=LIBRARY, in Python "
          "aitune.custom_op() (docs/custom-operators.md)");
    return call_operator(*this, other, args, keywords);
  }
  if (std::optional<Val> result = call_on_unknown_numbers(*this, name, args, keywords)) return *std::move(result);
  for (const BuiltinFunction function : find_builtins(name)) {
    Call made{*this, name, args, keywords};
    try {
      if (std::optional<Val> result = function(made)) return *std::move(result);
    } catch (const Error& error) {  // of arithmetic on sizes, which knows no place
      if (!error.where().empty()) throw;
      throw_error(error.code(), error.problem(), location().code, error.fix());
    }
  }
  if (std::optional<Val> result = call_into(*this, name, args, keywords)) return *std::move(result);
  if (std::optional<Val> result = call_composite(*this, name, args, keywords)) return *std::move(result);
  return call_operator(*this, name, args, keywords);
}

Val Evaluator::make_object(const Class& type) {
  auto object = std::make_shared<Object>();
  object->type = &type;
  return object;
}

// A declaration's type: it turns numbers in tensors into numbers, and integers into floats.
Val Evaluator::convert(const Expr& type, Val value) {
  if (type.kind != ExprKind::name) return value;
  const bool to_int = type.text == "int", to_float = type.text == "float", to_bool = type.text == "bool";
  if (!to_int && !to_float && !to_bool && type.text != "number") return value;
  if (value.is_tensor()) {
    const auto known = decided_number(value);
    if (!known) {
      if (to_bool) return unknown_number(tensor(value), DType::b8);
      return unknown_number(tensor(value), to_int     ? std::optional(DType::i64)
                                           : to_float ? std::optional(DType::f64)
                                                      : std::nullopt);
    }
    value = *known;
  }
  if (to_float && value.integer()) return static_cast<double>(*value.integer());
  return value;
}

Val Evaluator::subscript(const Val& base, const Val& index) {
  if (const auto* dict = base.get<DictPtr>()) {
    if (const auto* found = find_in_dict(*this, (*dict)->items, index)) return found->second;
    invalid(fmt::format("a dict has no key {}", printable(to_text(index))));
  }
  if (const GrownPtr grown = grown_for_places(base, {&index})) return item_of(*grown, index);
  const auto at = index.integer();
  if (!at) unsupported(fmt::format("{} is indexed by {}", base.kind(), index.kind()));
  if (const auto* text = base.get<std::string>()) {
    const auto size = static_cast<std::int64_t>(text->size());
    if (*at < -size || *at >= size) invalid("an index beyond the end of a string");
    return std::string(1, (*text)[static_cast<std::size_t>(*at < 0 ? *at + size : *at)]);
  }
  const Vals* items = base.items();
  if (items == nullptr) unsupported(fmt::format("{} is indexed", base.kind()));
  const auto size = static_cast<std::int64_t>(items->size());
  if (*at < -size || *at >= size) invalid(fmt::format("index {} of {} with {} elements", *at, base.kind(), size));
  return (*items)[static_cast<std::size_t>(*at < 0 ? *at + size : *at)];
}

Val Evaluator::slice(const Expr& expr) {
  const Val base = evaluate(expr.items[0]);
  const Val from = evaluate(expr.items[1]), to = evaluate(expr.items[2]);
  if (const GrownPtr grown = grown_for_places(base, {&from, &to})) return slice_of(*grown, from, to, 1);
  const Vals* items = base.items();
  if (items == nullptr) unsupported(fmt::format("a slice of {}", base.kind()));
  const auto size = static_cast<std::int64_t>(items->size());
  const auto bound = [&](const Val& value, std::int64_t otherwise) {
    if (value.is_none()) return otherwise;
    const auto at = value.integer();
    if (!at) unsupported(fmt::format("a slice is bounded by {}", value.kind()));
    return std::clamp<std::int64_t>(*at < 0 ? *at + size : *at, 0, size);
  };
  const auto first = bound(from, 0), last = std::max(bound(to, size), first);
  Vals part(items->begin() + first, items->begin() + last);
  charge(part.size());
  if (base.get<ListPtr>() != nullptr) return make_list(std::move(part));
  return make_tuple(std::move(part));
}

Val Evaluator::may_be_instance(const Val& value, const Expr& type) {
  const Maybe* maybe = maybe_of(value);
  if (maybe == nullptr) return is_instance(value, type);
  const bool present = is_instance(maybe->value, type), absent = is_instance(None{}, type);
  if (present == absent) return present;
  const std::string& reason = value.get<Unknown>()->reason;
  if (present) return Unknown{reason, maybe->present};
  return Unknown{reason, tensor(call_operator(*this, "logical_not", {maybe->present}, {}))};
}

bool Evaluator::is_instance(const Val& value, const Expr& type) {
  if (type.kind == ExprKind::list || type.kind == ExprKind::tuple)
    return std::ranges::any_of(type.items, [&](const Expr& t) { return is_instance(value, t); });
  if (type.kind == ExprKind::subscript) {
    const Expr& base = type.items[0];
    if (base.is_name("Optional")) return value.is_none() || is_instance(value, type.items[1]);
    if (base.is_name("List")) return value.get<ListPtr>() != nullptr;
    if (base.is_name("Tuple")) return value.get<TuplePtr>() != nullptr;
    if (base.is_name("Dict")) return value.get<DictPtr>() != nullptr;
    unsupported(fmt::format("isinstance of {}", printable(base.text)));
  }
  const auto dotted = dotted_name(type);
  if (!dotted) unsupported("isinstance of what is no type");
  if (const auto* unknown = value.get<Unknown>(); unknown != nullptr && unknown->value != nullptr) {
    const DType dtype = unknown->value->type.dtype;
    return *dotted == "number" || *dotted == (dtype == DType::b8 ? "bool" : dtype == DType::f64 ? "float" : "int");
  }
  if (*dotted == "Tensor") return value.is_tensor();
  if (*dotted == "int") return value.get<SymInt>() != nullptr;
  if (*dotted == "float") return value.get<double>() != nullptr;
  if (*dotted == "bool") return value.get<bool>() != nullptr;
  if (*dotted == "str") return value.get<std::string>() != nullptr;
  if (*dotted == "number") return value.is_number();
  if (*dotted == "NoneType") return value.is_none();
  if (*dotted == "list") return value.get<ListPtr>() != nullptr;
  if (*dotted == "tuple") return value.get<TuplePtr>() != nullptr;
  if (const auto* object = value.get<ObjectPtr>()) return (*object)->type->name == *dotted;
  if (const auto* tuple = value.get<TuplePtr>()) return (*tuple)->type != nullptr && (*tuple)->type->name == *dotted;
  return false;
}

Value* Evaluator::weight(const Tensor& data, const std::string& name) {
  std::string key = fmt::format("{} {}", static_cast<const void*>(data.data()), describe(data.dtype(), data.shape()));
  for (const auto stride : data.strides()) key += fmt::format(" {}", stride);
  if (data.data() == nullptr || data.numel() == 0) key += name;
  Value*& found = weights_[key];
  if (found == nullptr) found = model_.add_weight(name, name, data);
  return found;
}

Value* Evaluator::weight(const Stored& stored) {
  Value* value = weight(stored.data, stored.name);
  if (stored.requires_grad) with_gradients_.insert(value);
  return value;
}

bool Evaluator::requires_grad(const Value* value) {
  if (value->kind != ValueKind::weight) return false;
  const Source* source = frame().source;
  const bool is_asked_by_pytorch = source != nullptr && source->name.find("/__torch__/torch/nn/") != std::string::npos;
  return is_asked_by_pytorch || with_gradients_.contains(value);
}

Value* Evaluator::complex_tensor(const ComplexNumber& number, bool as_doubles) {
  const std::string name = fmt::format("scalar_{}", model_.weights.size());
  return weight(complex_scalar(number.value, as_doubles), name);
}

Value* Evaluator::tensor(const Val& value) {
  if (const auto* known = value.get<Value*>()) return *known;
  if (const auto* stored = value.get<Stored>()) return weight(*stored);
  if (const auto* complex = value.get<ComplexNumber>()) return complex_tensor(*complex, false);
  Val number = value;
  DType dtype = DType::i64;
  const auto* boxed = value.get<Number>();
  if (boxed != nullptr) {
    if (const auto made = number_tensors_.find(boxed->identity); made != number_tensors_.end()) return made->second;
    dtype = boxed->dtype;
    number = std::visit([](const auto& v) { return Val(v); }, boxed->value);
  } else if (value.get<bool>() != nullptr) {
    dtype = DType::b8;
  } else if (value.get<double>() != nullptr) {
    dtype = DType::f32;
  } else if (const auto* unknown = value.get<Unknown>()) {
    if (unknown->value != nullptr) return unknown->value;
    unsupported(fmt::format("a tensor that is not known: {}", unknown->reason));
  } else if (value.get<SymInt>() == nullptr) {
    unsupported(fmt::format("{} where a tensor must be", value.kind()));
  }
  const auto add = [&](auto known) {
    const std::string name = fmt::format("scalar_{}", model_.weights.size());
    Value* made = model_.add_weight(name, name, Tensor::scalar(dtype, known));
    if (boxed != nullptr) number_tensors_.emplace(boxed->identity, made);
    return made;
  };
  if (const bool* flag = number.get<bool>()) return add(*flag);
  if (const double* real = number.get<double>()) return add(*real);
  const auto integer = number.integer();
  if (!integer) {
    Value* size = size_tensor(*graph_, *number.get<SymInt>());
    if (dtype == DType::i64) return size;
    return tensor(call_operator(*this, "to", {size, SymInt(scalar_type_of(dtype))}, {}));
  }
  return add(*integer);
}

std::optional<Val> Evaluator::known_number(const Val& value) const {
  if (value.is_number()) return value;
  if (const auto* number = value.get<Number>())
    return std::visit([](const auto& known) { return Val(known); }, number->value);
  if (const auto* tensor = value.get<Value*>();
      tensor != nullptr && (*tensor)->kind == ValueKind::weight && !written_.contains(*tensor))
    return plain(number_in((*tensor)->data));
  return std::nullopt;
}

std::optional<Val> Evaluator::decided_number(const Val& value) {
  if (auto known = known_number(value)) return known;
  const auto* tensor = value.get<Value*>();
  if (tensor == nullptr || !(product((*tensor)->type.shape) == SymInt(1))) return std::nullopt;
  if (all_equal(*tensor)) return true;
  if (const auto batch = batch_of_packed(*tensor)) return *batch;
  const std::optional<Tensor> data = constant_data(*tensor);
  if (!data) return std::nullopt;
  Tensor flat = data->contiguous();
  return plain(number_in(Tensor(flat.dtype(), {}, {}, flat.owner(), flat.data())));
}

Val Evaluator::truth(const Val& value) {
  if (value.get<bool>() != nullptr || value.get<Unknown>() != nullptr) return value;
  if (const auto* real = value.get<double>()) return *real != 0;
  if (const auto* size = value.get<SymInt>()) {
    if (const auto known = size->as_constant()) return *known != 0;
    const SymRange range = range_of(*size);
    if (range.min > 0 || range.max < 0) return true;
    const Val differs = call_operator(*this, "ne", {size_tensor(*graph_, *size), SymInt(0)}, {});
    return Unknown{fmt::format("it depends on the size {}", size->str()), tensor(differs)};
  }
  if (value.is_tensor()) {
    const auto known = decided_number(value);
    return known ? truth(*known) : Val(Unknown{"it depends on the data of a tensor"});
  }
  if (value.is_none()) return false;
  return Unknown{fmt::format("it is {}", value.kind())};
}

}  // namespace aitune::torchscript
