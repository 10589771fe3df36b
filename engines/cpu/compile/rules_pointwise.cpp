// Elementwise operators: by rule from a table of scalar forms.

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "base/tensor.h"
#include "compiler/ops/infer.h"
#include "engines/cpu/compile/pointwise.h"

namespace aitune::cpu {

Operands::Operands(Lowering& lowering, const Node& node)
    : lowering_(lowering), node_(node), shape_(node.output()->type.shape) {
  for (const Value* value : node.operands()) {
    const auto& state = lowering.state(value);
    if (!state.view && state.root && state.shape == shape_ && !root_) root_ = state.root;
  }
}

Scalar Operands::get(std::size_t i, ExprType type) {
  const Arg& arg = node_.args[i];
  if (arg.is_value()) return cast(tensor(arg.value()), type);
  if (const auto* size = std::get_if<SymInt>(&arg)) {
    if (const auto known = size->as_constant())
      return type == ExprType::i64 ? make_integer(*known) : make_constant(static_cast<double>(*known), type);
    return cast(make_index({*size, std::vector<SymInt>(shape_.size(), SymInt(0))}), type);
  }
  return make_constant(arg.number(), type);
}

DType Operands::common_dtype() const {
  infer::Promotion promotion;
  for (const Arg& arg : node_.args) {
    const bool number = std::holds_alternative<double>(arg) || std::holds_alternative<SymInt>(arg);
    if (arg.is_value() || number) promotion.add(arg);
  }
  return promotion.result();
}

namespace {

/// Whether not every number of the one type, which is whole or not, is one of the other.
bool loses_numbers(DType from, DType to) {
  if (from == DType::b8) return false;
  return is_floating(from) || dtype_size(from) > dtype_size(to) ||
         (dtype_size(from) == dtype_size(to) && (from == DType::u8) != (to == DType::u8));
}

/// Whether the expression may be a number that the result's short type does not hold.
bool may_overflow(const Node& node, const Scalar& expr) {
  static constexpr ExprOp kGrowing[] = {ExprOp::add, ExprOp::sub, ExprOp::mul, ExprOp::div,       ExprOp::floor_div,
                                        ExprOp::neg, ExprOp::abs, ExprOp::pow, ExprOp::shift_left};
  if (std::ranges::find(kGrowing, expr.expr->op) != std::end(kGrowing)) return true;
  return std::ranges::any_of(node.operands(), [&](const Value* operand) {
    return loses_numbers(operand->type.dtype, node.output()->type.dtype);
  });
}

/// The number as elements of the short integer types hold it, without the bits beyond theirs.
Scalar wrapped(const Scalar& x, DType dtype) {
  if (dtype == DType::u8) return binary(ExprOp::bitwise_and, x, make_integer(255));
  const Scalar bits = make_integer(64 - 8 * static_cast<std::int64_t>(dtype_size(dtype)));
  return binary(ExprOp::shift_right, binary(ExprOp::shift_left, x, bits), bits);
}

}  // namespace

void Operands::define(const Scalar& formula, bool non_negative) {
  const DType dtype = result_dtype();
  const bool is_short = is_integral(dtype) && dtype != DType::i64 && dtype != DType::b8;
  // What is stored is cut by that; nodes that read the expression are to see the cut number, too.
  const bool cut = is_short && formula.type() == ExprType::i64 && result_is_read() && may_overflow(node_, formula);
  const Scalar expr = cut ? wrapped(formula, dtype) : formula;
  std::vector<const Node*> sources;
  for (const Value* value : node_.operands()) {
    const auto& state = lowering_.state(value);
    if (!state.view) sources.insert(sources.end(), state.sources.begin(), state.sources.end());
  }
  sources.push_back(&node_);
  lowering_.state(node_.output()).non_negative = non_negative;
  lowering_.define_expression(node_.output(), expr, root_, std::move(sources));
}

void add_form(RuleTable& table, const std::string& name, Form form, Check check, bool non_negative) {
  table[name] = {[form, non_negative](Lowering& lowering, const Node& node) {
                   Operands operands(lowering, node);
                   operands.define(form(operands, operands.result_type()), non_negative);
                 },
                 std::move(check)};
}

namespace {

void add_rule(RuleTable& table, const std::string& name, Form form, bool non_negative = false) {
  add_form(table, name, form, {}, non_negative);
}

template <ExprOp op>
Scalar unary_form(Operands& o, ExprType t) {
  return unary(op, o.get(0, t));
}
template <ExprOp op>
Scalar binary_form(Operands& o, ExprType t) {
  return binary(op, o.get(0, t), o.get(1, t));
}
/// As an element of this type would be.
double rounded(double number, DType dtype) {
  Tensor one(DType::f64, {1});
  *one.as<double>() = number;
  return *one.to(dtype).to(DType::f64).as<double>();
}

/// The same for values that are known at run time: what a product with 2^k + 1 pushes out of an f32 is its lower k bits
/// (Dekker, 1971).
Scalar rounded(const Scalar& x, DType dtype) {
  const int bits = dtype == DType::bf16 ? 16 : dtype == DType::f16 ? 13 : 0;
  if (bits == 0 || x.type() != ExprType::f32) return x;
  const Scalar pushed = x * (std::ldexp(1.0, bits) + 1);
  const Scalar near = select(abs(x) < 1e30, pushed - (pushed - x), x);
  if (dtype != DType::f16) return near;
  // The numbers below 2^-14 are multiples of 2^-24, and those that round beyond 65504 are infinite.
  const Scalar small = select(abs(x) < 0x1p-14, (x + 0.75) - 0.75, near);
  return select(abs(x) >= 65520, x * std::numeric_limits<double>::infinity(), small);
}

/// PyTorch compares numbers in the tensor's own type.
template <ExprOp op>
Scalar compare_form(Operands& o, ExprType) {
  const DType dtype = o.common_dtype();
  const auto operand = [&](std::size_t i) {
    const Arg& arg = o.node().args[i];
    const Scalar x = o.get(i, arithmetic_type(dtype));
    if (arg.is_value()) return arg.value()->type.dtype == dtype ? x : rounded(x, dtype);
    return std::holds_alternative<double>(arg) ? x.number(rounded(arg.number(), dtype)) : x;
  };
  return compare(op, operand(0), operand(1));
}
/// add and sub: the second operand times alpha (argument 2).
template <ExprOp op>
Scalar alpha_form(Operands& o, ExprType t) {
  const Scalar other = o.get(1, t);
  const double alpha = o.number(2);
  return binary(op, o.get(0, t), alpha == 1 ? other : other * alpha);
}
template <ExprOp op>
Scalar logical_form(Operands& o, ExprType) {
  const ExprType common = o.common_type();
  return binary(op, o.get(0, common) != 0, o.get(1, common) != 0);
}

Scalar gelu_form(Operands& o, ExprType t) {
  const Scalar x = o.get(0, t);
  if (o.node().args[1].string() == "tanh")
    return x * 0.5 * (tanh(std::sqrt(2 / M_PI) * (x + x * x * x * 0.044715)) + 1);
  return x * 0.5 * (unary(ExprOp::erf, x * M_SQRT1_2) + 1);
}

Scalar hardsigmoid(const Scalar& x) { return min(max(x + 3, x.number(0)), x.number(6)) * (1.0 / 6); }

Scalar clamp_form(Operands& o, ExprType t) {
  Scalar x = o.get(0, t);
  if (o.has(1)) x = max(x, o.get(1, t));
  if (o.has(2)) x = min(x, o.get(2, t));
  return x;
}

/// Powers with an instruction or a few multiplications; of integers, only those.
Scalar pow_scalar_form(Operands& o, ExprType t) {
  const Scalar x = o.get(0, t);
  const double e = o.number(1);
  if (e == 2) return x * x;
  if (e == 3) return x * x * x;
  if (e == 1) return x;
  if (e == 0) return x.number(1);
  if (e == 0.5) return sqrt(x);
  if (e == -0.5) return unary(ExprOp::rsqrt, x);
  if (e == -1) return unary(ExprOp::reciprocal, x);
  return binary(ExprOp::pow, x, x.number(e));
}

Support check_pow_scalar(const Node& node) {
  if (is_floating(node.output()->type.dtype)) return Support::yes();
  const double e = node.args[1].number();
  return e >= 0 && e <= 3 ? Support::yes() : Support::no("such powers of integers are not compiled");
}
Support check_floating(const Node& node) {
  return is_floating(node.output()->type.dtype) ? Support::yes() : Support::no("integers are not compiled");
}

Support check_shift(const Node& node) {
  return is_floating(node.output()->type.dtype) ? Support::no("only integers have bits to shift") : Support::yes();
}

Scalar where_form(Operands& o, ExprType t) { return select(o.get(0, ExprType::i64), o.get(1, t), o.get(2, t)); }

/// A cast, or a copy.
Scalar cast_form(Operands& o, ExprType t) {
  const Scalar x = o.tensor(o.node().args[0].value());
  if (o.result_dtype() == DType::b8 && o.node().args[0].value()->type.dtype != DType::b8) return x != 0;
  // What is stored is rounded by that; nodes that read the expression are to see the rounded number, too.
  const DType from = o.node().args[0].value()->type.dtype;
  return from == o.result_dtype() || !o.result_is_read() ? cast(x, t) : rounded(cast(x, t), o.result_dtype());
}

void add_unary_rules(RuleTable& table) {
  add_rule(
      table, "aten.relu.default", [](Operands& o, ExprType t) { return max(o.get(0, t), make_constant(0, t)); }, true);
  add_rule(table, "aten.neg.default", unary_form<ExprOp::neg>);
  add_rule(table, "aten.abs.default", unary_form<ExprOp::abs>);
  add_rule(table, "aten.sqrt.default", unary_form<ExprOp::sqrt>);
  add_rule(table, "aten.rsqrt.default", unary_form<ExprOp::rsqrt>);
  add_rule(table, "aten.reciprocal.default", unary_form<ExprOp::reciprocal>);
  add_rule(table, "aten.exp.default", unary_form<ExprOp::exp>);
  add_rule(table, "aten.log.default", unary_form<ExprOp::log>);
  add_rule(table, "aten.tanh.default", unary_form<ExprOp::tanh>);
  add_rule(table, "aten.erf.default", unary_form<ExprOp::erf>);
  add_rule(table, "aten.sigmoid.default", unary_form<ExprOp::sigmoid>);
  add_rule(table, "aten.sin.default", unary_form<ExprOp::sin>);
  add_rule(table, "aten.cos.default", unary_form<ExprOp::cos>);
  add_rule(table, "aten.floor.default", unary_form<ExprOp::floor>);
  add_rule(table, "aten.ceil.default", unary_form<ExprOp::ceil>);
  add_rule(table, "aten.round.default", unary_form<ExprOp::round>);
  add_rule(table, "aten.trunc.default", unary_form<ExprOp::trunc>);
  add_rule(table, "aten.gelu.default", gelu_form);
  add_rule(table, "aten.silu.default", [](Operands& o, ExprType t) {
    const Scalar x = o.get(0, t);
    return x * unary(ExprOp::sigmoid, x);
  });
  add_rule(table, "aten.hardsigmoid.default", [](Operands& o, ExprType t) { return hardsigmoid(o.get(0, t)); }, true);
  add_rule(table, "aten.hardswish.default", [](Operands& o, ExprType t) {
    const Scalar x = o.get(0, t);
    return x * hardsigmoid(x);
  });
  add_rule(table, "aten.leaky_relu.default", [](Operands& o, ExprType t) {
    const Scalar x = o.get(0, t);
    return select(x > 0, x, x * o.get(1, t));
  });
  add_rule(table, "aten.logical_not.default", [](Operands& o, ExprType) { return o.get(0, o.common_type()) == 0; });
  add_rule(table, "aten.bitwise_not.default", [](Operands& o, ExprType t) {
    const Scalar x = o.get(0, t);
    return o.result_dtype() == DType::b8 ? x == 0 : unary(ExprOp::bitwise_not, x);
  });
  for (const char* name : {"aten.clamp.default", "aten.clamp_min.default"}) add_rule(table, name, clamp_form);
  add_rule(table, "aten.clamp_max.default", [](Operands& o, ExprType t) { return min(o.get(0, t), o.get(1, t)); });
  for (const char* name : {"aten._to_copy.default", "aten.to.dtype", "aten.clone.default", "aten.alias.default"})
    add_rule(table, name, cast_form);
}

void add_binary_rules(RuleTable& table) {
  const auto overloads = [&](const std::string& base, Form form) {
    for (const char* overload : {".Tensor", ".Scalar"}) add_rule(table, "aten." + base + overload, form);
  };
  overloads("add", alpha_form<ExprOp::add>);
  overloads("sub", alpha_form<ExprOp::sub>);
  overloads("mul", binary_form<ExprOp::mul>);
  overloads("div", binary_form<ExprOp::div>);
  add_rule(table, "aten.maximum.default", binary_form<ExprOp::max>);
  add_rule(table, "aten.minimum.default", binary_form<ExprOp::min>);
  add_form(table, "aten.pow.Tensor_Tensor", binary_form<ExprOp::pow>, check_floating);
  add_form(table, "aten.pow.Scalar", binary_form<ExprOp::pow>, check_floating);
  add_form(table, "aten.pow.Tensor_Scalar", pow_scalar_form, check_pow_scalar);
  overloads("eq", compare_form<ExprOp::eq>);
  overloads("ne", compare_form<ExprOp::ne>);
  overloads("lt", compare_form<ExprOp::lt>);
  overloads("le", compare_form<ExprOp::le>);
  overloads("gt", compare_form<ExprOp::gt>);
  overloads("ge", compare_form<ExprOp::ge>);
  add_rule(table, "aten.logical_and.default", logical_form<ExprOp::logical_and>);
  add_rule(table, "aten.logical_or.default", logical_form<ExprOp::logical_or>);
  add_rule(table, "aten.logical_xor.default", logical_form<ExprOp::bitwise_xor>);
  overloads("bitwise_and", binary_form<ExprOp::bitwise_and>);
  overloads("bitwise_or", binary_form<ExprOp::bitwise_or>);
  overloads("bitwise_xor", binary_form<ExprOp::bitwise_xor>);
  add_rule(table, "aten.bitwise_and.Scalar_Tensor", binary_form<ExprOp::bitwise_and>);
  add_rule(table, "aten.bitwise_or.Scalar_Tensor", binary_form<ExprOp::bitwise_or>);
  add_rule(table, "aten.bitwise_xor.Scalar_Tensor", binary_form<ExprOp::bitwise_xor>);
  for (const char* overload : {"Tensor", "Tensor_Scalar", "Scalar_Tensor"}) {
    const std::string suffix = std::string("_shift.") + overload;
    add_form(table, "aten.bitwise_left" + suffix, binary_form<ExprOp::shift_left>, check_shift);
    add_form(table, "aten.bitwise_right" + suffix, binary_form<ExprOp::shift_right>, check_shift);
  }
  add_form(table, "aten.__lshift__.Scalar", binary_form<ExprOp::shift_left>, check_shift);
  add_form(table, "aten.__rshift__.Scalar", binary_form<ExprOp::shift_right>, check_shift);
  for (const char* name : {"aten.where.self", "aten.where.ScalarOther", "aten.where.ScalarSelf", "aten.where.Scalar"})
    add_rule(table, name, where_form);
  for (const char* name : {"aten.masked_fill.Scalar", "aten.masked_fill.Tensor"})
    add_rule(table, name,
             [](Operands& o, ExprType t) { return select(o.get(1, ExprType::i64), o.get(2, t), o.get(0, t)); });
}

/// q = clamp(round(x / scale) + zero point, 0, 255), NaN becoming 0. The value stays a float until it is stored.
Scalar quantise_form(Operands& o, ExprType /*u8's*/) {
  const Scalar x = o.get(0, ExprType::f32);
  const Scalar q = unary(ExprOp::round, x * static_cast<double>(static_cast<float>(o.number(1)))) + o.number(2);
  const Scalar positive = select(q > 0, q, q.number(0));
  return select(positive < 255, positive, q.number(255));
}

/// Tensors without memory: arange, full and their kin.
void add_creation_rules(RuleTable& table) {
  const auto fill = [](std::size_t value_arg) {
    return [value_arg](Lowering& lowering, const Node& node) {
      const ExprType type = arithmetic_type(node.output()->type.dtype);
      const auto* size = value_arg < node.args.size() ? std::get_if<SymInt>(&node.args[value_arg]) : nullptr;
      LazyPtr filled;
      if (size != nullptr && !size->is_constant())
        filled = make_cast(make_index({*size, std::vector<SymInt>(node.output()->type.shape.size(), SymInt(0))}), type);
      else
        filled = make_constant(value_arg < node.args.size() ? node.args[value_arg].number() : 0, type);
      lowering.define_expression(node.output(), filled, nullptr, {&node});
    };
  };
  table["aten.full.default"] = {fill(1), {}};
  table["aten.full_like.default"] = {fill(1), {}};
  table["aten.scalar_tensor.default"] = {fill(0), {}};
  const auto constant = [](double value) {
    return [value](Lowering& lowering, const Node& node) {
      lowering.define_expression(node.output(), make_constant(value, arithmetic_type(node.output()->type.dtype)),
                                 nullptr, {&node});
    };
  };
  for (const char* name : {"aten.ones.default", "aten.ones_like.default", "aten.new_ones.default"})
    table[name] = {constant(1), {}};
  for (const char* name : {"aten.zeros.default", "aten.zeros_like.default", "aten.new_zeros.default"})
    table[name] = {constant(0), {}};
  const auto arange = [](std::size_t start, std::size_t step) {
    return [start, step](Lowering& lowering, const Node& node) {
      const auto at = [&](std::size_t i, std::int64_t fallback) {
        return i < 9 ? node.args[i].sym() : SymInt(fallback);
      };
      Affine map{at(start, 0), {at(step, 1)}};
      lowering.define_expression(node.output(),
                                 make_cast(make_index(std::move(map)), arithmetic_type(node.output()->type.dtype)),
                                 nullptr, {&node});
    };
  };
  const auto integers = [](std::vector<std::size_t> args) {
    return [args = std::move(args)](const Node& node) {
      for (const auto i : args)
        if (!std::holds_alternative<SymInt>(node.args[i])) return Support::no("its range is not made of integers");
      return Support::yes();
    };
  };
  table["aten.arange.default"] = {arange(9, 9), integers({})};
  table["aten.arange.start"] = {arange(0, 9), integers({0})};
  table["aten.arange.start_step"] = {arange(0, 2), integers({0, 2})};
}

}  // namespace

void add_pointwise_rules(RuleTable& table) {
  add_unary_rules(table);
  add_binary_rules(table);
  add_creation_rules(table);
  add_function_rules(table);
  add_rule(table, "aitune.quantise.default", quantise_form, true);
}

}  // namespace aitune::cpu
