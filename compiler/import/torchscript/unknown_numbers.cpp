#include "compiler/import/torchscript/unknown_numbers.h"

#include <algorithm>
#include <numbers>
#include <unordered_map>

#include "compiler/import/torchscript/operators.h"

namespace aitune::torchscript {
namespace {

const Unknown* unknown_in(const Val& value) {
  const auto* unknown = value.get<Unknown>();
  return unknown != nullptr && unknown->value != nullptr ? unknown : nullptr;
}

/// One call on numbers, of which at least one is unknown.
struct NumberCall {
  Evaluator& evaluator;
  std::string_view name;
  const Vals& args;
  std::string reason;

  DType dtype(std::size_t i) const {
    if (const auto* unknown = unknown_in(args[i])) return unknown->value->type.dtype;
    if (args[i].get<double>() != nullptr) return DType::f64;
    return args[i].get<bool>() != nullptr ? DType::b8 : DType::i64;
  }
  bool has_float() const {
    for (std::size_t i = 0; i < args.size(); ++i)
      if (dtype(i) == DType::f64) return true;
    return false;
  }
  bool all_bools() const {
    for (std::size_t i = 0; i < args.size(); ++i)
      if (dtype(i) != DType::b8) return false;
    return true;
  }
  /// An argument as a 0-dim tensor of this dtype.
  Val as(std::size_t i, DType wanted) const {
    if (const auto* unknown = unknown_in(args[i])) return cast(unknown->value, wanted);
    const Val& value = args[i];
    if (const auto* flag = value.get<bool>()) {
      if (wanted == DType::b8) return Number{*flag, wanted};
      return Number{SymInt(*flag ? 1 : 0), wanted};
    }
    if (const auto* real = value.get<double>()) return Number{*real, wanted};
    const auto& size = *value.get<SymInt>();
    if (wanted == DType::f64 && size.is_constant()) return Number{static_cast<double>(size.constant()), wanted};
    if (!size.is_constant()) return cast(evaluator.size_tensor(evaluator.graph(), size), wanted);
    return Number{size, wanted};
  }
  Val cast(Value* value, DType wanted) const {
    if (value->type.dtype == wanted) return value;
    return call_operator(evaluator, "to", {value, SymInt(scalar_type_of(wanted))}, {});
  }
  Val number(const Val& tensor) const { return Unknown{reason, evaluator.tensor(tensor)}; }
  Val call(std::string_view op, const Vals& operands) const {
    Vals tensors;
    for (const Val& operand : operands) tensors.emplace_back(evaluator.tensor(operand));
    return call_operator(evaluator, op, tensors, {});
  }
};

using NumberFunction = std::optional<Val> (*)(const NumberCall&);

// Python's result is a float if an operand is one.
std::optional<Val> arithmetic(const NumberCall& c) {
  if (c.args.size() != 2) return std::nullopt;
  const DType type = c.has_float() ? DType::f64 : DType::i64;
  const std::string_view op = c.name == "floordiv" ? "floor_divide" : c.name == "mod" ? "remainder" : c.name;
  const Val result = c.number(c.call(op, {c.as(0, type), c.as(1, type)}));
  if (c.name == "add" && type == DType::i64)
    for (std::size_t i = 0; i < 2; ++i)
      if (const auto* more = c.args[1 - i].get<SymInt>(); more != nullptr && unknown_in(c.args[i]) != nullptr)
        c.evaluator.note_sum(result.get<Unknown>()->value, unknown_in(c.args[i])->value, *more);
  return result;
}
std::optional<Val> division(const NumberCall& c) {
  if (c.args.size() != 2) return std::nullopt;
  return c.number(c.call("div", {c.as(0, DType::f64), c.as(1, DType::f64)}));
}
std::optional<Val> smaller_or_larger(const NumberCall& c) {
  if (c.args.size() != 2) return std::nullopt;
  const DType type = c.has_float() ? DType::f64 : DType::i64;
  return c.number(c.call(c.name == "min" ? "minimum" : "maximum", {c.as(0, type), c.as(1, type)}));
}
std::optional<Val> comparison(const NumberCall& c) {
  if (c.args.size() != 2) return std::nullopt;
  const DType type = c.has_float() ? DType::f64 : DType::i64;
  return c.number(c.call(c.name, {c.as(0, type), c.as(1, type)}));
}
std::optional<Val> negation(const NumberCall& c) {
  if (c.args.size() != 1) return std::nullopt;
  return c.number(c.call(c.name, {c.as(0, c.has_float() ? DType::f64 : DType::i64)}));
}
std::optional<Val> logical_not(const NumberCall& c) {
  if (c.args.size() != 1) return std::nullopt;
  return c.number(c.call("logical_not", {c.as(0, DType::b8)}));
}
std::optional<Val> logic(const NumberCall& c) {
  if (c.args.size() != 2 || c.has_float()) return std::nullopt;
  const std::string op = c.name == "__and__" ? "and" : c.name == "__or__" ? "or" : "xor";
  if (!c.all_bools()) return c.number(c.call("bitwise_" + op, {c.as(0, DType::i64), c.as(1, DType::i64)}));
  for (std::size_t i = 0; i < 2; ++i)  // a side that is known may decide
    if (const auto* flag = c.args[i].get<bool>(); flag != nullptr && op != "xor") {
      if (*flag == (op == "or")) return *flag;
      return c.args[1 - i];
    }
  return c.number(c.call("logical_" + op, {c.as(0, DType::b8), c.as(1, DType::b8)}));
}
/// floor, ceil, round and trunc give integers; sizes, where they round a share of one.
template <bool up, bool down>
std::optional<Val> rounding(const NumberCall& c) {
  if (c.args.size() != 1) return std::nullopt;
  if (!c.has_float()) return c.number(c.as(0, DType::i64));
  const auto* share = unknown_in(c.args[0]);
  if (const auto fraction = share != nullptr ? share->fraction : nullptr; fraction && (up || down)) {
    if (up) return floordiv(fraction->numerator + (fraction->denominator - 1), fraction->denominator);
    return floordiv(fraction->numerator, fraction->denominator);
  }
  return c.number(c.cast(c.evaluator.tensor(c.call(c.name, {c.as(0, DType::f64)})), DType::i64));
}
std::optional<Val> to_integer(const NumberCall& c) {
  if (c.args.size() != 1) return std::nullopt;
  const auto* share = unknown_in(c.args[0]);
  if (share != nullptr && share->fraction && c.evaluator.range_of(share->fraction->numerator).min >= 0)
    return floordiv(share->fraction->numerator, share->fraction->denominator);
  return c.number(c.as(0, DType::i64));
}
template <DType type>
std::optional<Val> conversion(const NumberCall& c) {
  if (c.args.size() != 1) return std::nullopt;
  return c.number(c.as(0, type));
}
std::optional<Val> itself(const NumberCall& c) { return c.args.size() == 1 ? std::optional(c.args[0]) : std::nullopt; }
std::optional<Val> boxed(const NumberCall& c) {
  return c.args.size() == 1 ? std::optional(Val(unknown_in(c.args[0])->value)) : std::nullopt;
}
// torch.tensor(n)
std::optional<Val> tensor_of(const NumberCall& c) {
  Value* value = c.args.empty() || unknown_in(c.args[0]) == nullptr ? nullptr : unknown_in(c.args[0])->value;
  if (value == nullptr || c.args.size() != 1) return std::nullopt;
  return value->type.dtype == DType::f64 ? c.cast(value, DType::f32) : Val(value);
}
std::optional<Val> function_of_float(const NumberCall& c) {
  if (c.args.size() != 1) return std::nullopt;
  return c.number(c.call(c.name, {c.as(0, DType::f64)}));
}
// To a base, or the natural one.
std::optional<Val> logarithm(const NumberCall& c) {
  if (c.args.size() != 2) return function_of_float(c);
  const auto log = [&](std::size_t i) { return c.call("log", {c.as(i, DType::f64)}); };
  return c.number(c.call("div", {log(0), log(1)}));
}
std::optional<Val> absolute_float(const NumberCall& c) {
  if (c.args.size() != 1) return std::nullopt;
  return c.number(c.call("abs", {c.as(0, DType::f64)}));
}
template <double (*factor)()>
std::optional<Val> scaled(const NumberCall& c) {
  if (c.args.size() != 1) return std::nullopt;
  return c.number(c.call("mul", {c.as(0, DType::f64), Number{factor(), DType::f64}}));
}
double degrees_of_radian() { return 180 / std::numbers::pi; }
double radians_of_degree() { return std::numbers::pi / 180; }
std::optional<Val> range(const NumberCall& c) {
  return c.args.size() == 1 && c.dtype(0) == DType::i64 ? std::optional(c.args[0]) : std::nullopt;
}
// range(first, last, step) has (last - first + step - 1) // step steps.
std::optional<Val> range_length(const NumberCall& c) {
  const auto step = c.args.size() == 3 ? c.args[2].integer() : std::nullopt;
  if (!step || *step == 0 || *step == INT64_MIN || c.has_float()) return std::nullopt;
  const bool up = *step > 0;
  const Val span = c.call("sub", {c.as(up ? 1 : 0, DType::i64), c.as(up ? 0 : 1, DType::i64)});
  const std::int64_t size = up ? *step : -*step;
  if (size == 1) return c.number(span);
  const Val more = call_operator(c.evaluator, "add", {span, SymInt(size - 1)}, {});
  return c.number(c.call("floor_divide", {more, Number{SymInt(size), DType::i64}}));
}
std::optional<Val> derive_index(const NumberCall& c) {
  if (c.args.size() != 3 || c.has_float()) return std::nullopt;
  return c.number(c.call("add", {c.as(1, DType::i64), c.call("mul", {c.as(0, DType::i64), c.as(2, DType::i64)})}));
}

NumberFunction find_function(std::string_view name) {
  static const std::unordered_map<std::string_view, NumberFunction> table = {{"add", arithmetic},
                                                                             {"sub", arithmetic},
                                                                             {"mul", arithmetic},
                                                                             {"floordiv", arithmetic},
                                                                             {"floor_divide", arithmetic},
                                                                             {"remainder", arithmetic},
                                                                             {"mod", arithmetic},
                                                                             {"pow", arithmetic},
                                                                             {"div", division},
                                                                             {"true_divide", division},
                                                                             {"min", smaller_or_larger},
                                                                             {"max", smaller_or_larger},
                                                                             {"eq", comparison},
                                                                             {"ne", comparison},
                                                                             {"lt", comparison},
                                                                             {"le", comparison},
                                                                             {"gt", comparison},
                                                                             {"ge", comparison},
                                                                             {"neg", negation},
                                                                             {"abs", negation},
                                                                             {"__not__", logical_not},
                                                                             {"__and__", logic},
                                                                             {"__or__", logic},
                                                                             {"__xor__", logic},
                                                                             {"int", to_integer},
                                                                             {"Int", to_integer},
                                                                             {"IntImplicit", to_integer},
                                                                             {"floor", rounding<false, true>},
                                                                             {"ceil", rounding<true, false>},
                                                                             {"round", rounding<false, false>},
                                                                             {"trunc", rounding<false, false>},
                                                                             {"log2", function_of_float},
                                                                             {"float", conversion<DType::f64>},
                                                                             {"Float", conversion<DType::f64>},
                                                                             {"FloatImplicit", conversion<DType::f64>},
                                                                             {"bool", conversion<DType::b8>},
                                                                             {"Bool", conversion<DType::b8>},
                                                                             {"item", itself},
                                                                             {"Scalar", itself},
                                                                             {"ScalarImplicit", itself},
                                                                             {"NumToTensor", boxed},
                                                                             {"tensor", tensor_of},
                                                                             {"as_tensor", tensor_of},
                                                                             {"sqrt", function_of_float},
                                                                             {"exp", function_of_float},
                                                                             {"log", logarithm},
                                                                             {"sin", function_of_float},
                                                                             {"cos", function_of_float},
                                                                             {"tan", function_of_float},
                                                                             {"asin", function_of_float},
                                                                             {"acos", function_of_float},
                                                                             {"atan", function_of_float},
                                                                             {"sinh", function_of_float},
                                                                             {"cosh", function_of_float},
                                                                             {"tanh", function_of_float},
                                                                             {"asinh", function_of_float},
                                                                             {"acosh", function_of_float},
                                                                             {"atanh", function_of_float},
                                                                             {"log10", function_of_float},
                                                                             {"log1p", function_of_float},
                                                                             {"expm1", function_of_float},
                                                                             {"erf", function_of_float},
                                                                             {"erfc", function_of_float},
                                                                             {"lgamma", function_of_float},
                                                                             {"fabs", absolute_float},
                                                                             {"fmod", arithmetic},
                                                                             {"degrees", scaled<degrees_of_radian>},
                                                                             {"radians", scaled<radians_of_degree>},
                                                                             {"range", range},
                                                                             {"__range_length", range_length},
                                                                             {"__derive_index", derive_index}};
  const auto found = table.find(name);
  return found == table.end() ? nullptr : found->second;
}

bool is_plain(const Val& value) { return value.is_number() || unknown_in(value) != nullptr; }

// Beside tensors the number stands as a 0-dim one. It promotes as a number does, but for a float beside integers.
std::optional<Val> beside_tensors(Evaluator& evaluator, std::string_view name, const Vals& args,
                                  const Keywords& keywords) {
  if (std::ranges::none_of(args, [](const Val& v) { return v.get<Value*>() != nullptr; })) return std::nullopt;
  const bool floats = std::ranges::any_of(args, [](const Val& v) {
    const auto* tensor = v.get<Value*>();
    return tensor != nullptr && is_floating((*tensor)->type.dtype);
  });
  // Beside tensors without dimensions a 0-dim one would weigh as much as they do.
  std::optional<DType> scalars;
  for (const Val& arg : args)
    if (const auto* tensor = arg.get<Value*>()) scalars = (*tensor)->type.dtype;
  if (std::ranges::any_of(args, [](const Val& v) {
        const auto* tensor = v.get<Value*>();
        return tensor != nullptr && !(*tensor)->type.shape.empty();
      }))
    scalars.reset();
  Vals given;
  for (const Val& arg : args) {
    const auto* unknown = unknown_in(arg);
    if (unknown == nullptr)
      given.push_back(arg);
    else if (scalars && (floats || (is_integral(*scalars) && unknown->value->type.dtype != DType::f64)))
      given.push_back(call_operator(evaluator, "to", {unknown->value, SymInt(scalar_type_of(*scalars))}, {}));
    else if (unknown->value->type.dtype == DType::f64 && !floats)
      given.push_back(call_operator(evaluator, "to", {unknown->value, SymInt(scalar_type_of(DType::f32))}, {}));
    else
      given.emplace_back(unknown->value);
  }
  static constexpr std::string_view kElementwise[] = {"add",       "sub",          "mul", "div",        "eq",
                                                      "ne",        "lt",           "le",  "gt",         "ge",
                                                      "remainder", "floor_divide", "pow", "true_divide"};
  if (std::ranges::find(kElementwise, name) == std::end(kElementwise)) return std::nullopt;
  return call_operator(evaluator, name, given, keywords);
}

}  // namespace

std::optional<Val> call_on_unknown_numbers(Evaluator& evaluator, std::string_view name, const Vals& args,
                                           const Keywords& keywords) {
  const auto first = std::ranges::find_if(args, [](const Val& value) { return unknown_in(value) != nullptr; });
  if (first == args.end()) return std::nullopt;
  if (!std::ranges::all_of(args, is_plain)) return beside_tensors(evaluator, name, args, keywords);
  const NumberFunction function = keywords.empty() ? find_function(name) : nullptr;
  if (function == nullptr) return std::nullopt;
  return function({evaluator, name, args, unknown_in(*first)->reason});
}

}  // namespace aitune::torchscript
