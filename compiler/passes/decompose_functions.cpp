// Rare functions of single elements in terms of common ones.

#include <cmath>
#include <limits>

#include "compiler/ops/schema.h"
#include "compiler/passes/decompose.h"

namespace aitune {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Argument i as a tensor of the result's type.
Value* in_result_type(Inserter& insert, const Node& node, std::size_t i) {
  const DType dtype = node.output()->type.dtype;
  const Arg& arg = node.args.at(i);
  return arg.is_value() ? insert.cast(arg.value(), dtype) : insert.scalar(dtype, arg.number());
}

Value* chosen(Inserter& insert, Value* condition, Value* yes, Value* no) {
  return insert.call("aten.where.self", {condition, yes, no});
}

/// The same operator on tensors, for a form that takes a number.
template <const char* Op>
Replacement on_tensors(Inserter& insert, Node& node) {
  if (!constant_number(node.args.at(node.args.at(0).is_value() ? 1 : 0))) return std::nullopt;
  return {{insert.call(Op, {in_result_type(insert, node, 0), in_result_type(insert, node, 1)})}};
}

template <int Sign>
Replacement is_infinite(Inserter& insert, Node& node) {
  if (!is_floating(operand(node)->type.dtype)) return std::nullopt;
  return {{insert.call("aten.eq.Scalar", {operand(node), Sign * kInfinity})}};
}

/// `values` at zero, 1 above, 0 below.
Replacement heaviside(Inserter& insert, Node& node) {
  const DType dtype = node.output()->type.dtype;
  Value* above = insert.cast(insert.call("aten.gt.Scalar", {operand(node), SymInt(0)}), dtype);
  Value* at = insert.call("aten.eq.Scalar", {operand(node), SymInt(0)});
  return {{chosen(insert, at, operand(node, 1), above)}};
}

/// -x log(x), continued by 0 at 0 and by -inf below.
Replacement entropy(Inserter& insert, Node& node) {
  Value* x = in_result_type(insert, node, 0);
  const DType dtype = x->type.dtype;
  Value* product = insert.call("aten.mul.Tensor", {x, insert.call("aten.log.default", {x})});
  Value* inside = insert.call("aten.neg.default", {product});
  Value* below =
      chosen(insert, insert.call("aten.lt.Scalar", {x, SymInt(0)}), insert.scalar(dtype, -kInfinity), inside);
  return {{chosen(insert, insert.call("aten.eq.Scalar", {x, SymInt(0)}), insert.scalar(dtype, 0), below)}};
}

/// The normal distribution's: erfc(-x / sqrt(2)) / 2.
Replacement normal_distribution(Inserter& insert, Node& node) {
  Value* scaled = insert.call("aten.mul.Scalar", {in_result_type(insert, node, 0), -M_SQRT1_2});
  return {{insert.call("aten.mul.Scalar", {insert.call("aten.erfc.default", {scaled}), 0.5})}};
}

/// x log(1 + y), 0 where x is 0 and y is a number.
Replacement xlog1py(Inserter& insert, Node& node) {
  for (const Arg& arg : node.args)
    if (!arg.is_value() && !constant_number(arg)) return std::nullopt;
  Value *x = in_result_type(insert, node, 0), *y = in_result_type(insert, node, 1);
  Value* product = insert.call("aten.mul.Tensor", {x, insert.call("aten.log1p.default", {y})});
  Value* zero = chosen(insert, insert.call("aten.eq.Scalar", {x, SymInt(0)}), insert.scalar(x->type.dtype, 0), product);
  return {{chosen(insert, insert.call("aten.isnan.default", {y}), y, zero)}};
}

/// x * 2^n
Replacement scaled_by_power(Inserter& insert, Node& node) {
  if (!is_floating(node.output()->type.dtype)) return std::nullopt;
  Value* power = insert.call("aten.exp2.default", {in_result_type(insert, node, 1)});
  return {{insert.call("aten.mul.Tensor", {in_result_type(insert, node, 0), power})}};
}

/// In double, whatever the operands are.
Replacement power_of_doubles(Inserter& insert, Node& node) {
  if (is_complex(node.output()->type.dtype)) return std::nullopt;
  const bool base = node.args.at(0).is_value(), exponent = node.args.at(1).is_value();
  if (base && exponent)
    return {
        {insert.call("aten.pow.Tensor_Tensor", {in_result_type(insert, node, 0), in_result_type(insert, node, 1)})}};
  if (!constant_number(node.args.at(base ? 1 : 0))) return std::nullopt;
  if (base) return {{insert.call("aten.pow.Tensor_Scalar", {in_result_type(insert, node, 0), node.args[1].number()})}};
  return {{insert.call("aten.pow.Scalar", {node.args[0].number(), in_result_type(insert, node, 1)})}};
}

/// By a known number of bits: a product, or a quotient rounded down.
template <bool Left>
Replacement shifted(Inserter& insert, Node& node) {
  const TensorType& type = node.output()->type;
  const auto bits = node.args.at(1).is_value() ? scalar_weight(operand(node, 1)) : constant_number(node.args[1]);
  const double most = 8 * static_cast<double>(dtype_size(type.dtype)) - 2;
  if (!bits || *bits < 0 || *bits > most || is_floating(type.dtype) || operand(node)->type.dtype != type.dtype)
    return std::nullopt;
  const SymInt factor(std::int64_t{1} << static_cast<int>(*bits));
  Value* x = insert.expand(operand(node), type.shape);
  if (Left) return {{insert.call("aten.mul.Scalar", {x, factor})}};
  return {{insert.call("aten.floor_divide.Scalar", {x, factor})}};
}

/// In inference the slope is the mean of the limits.
Replacement randomised_relu(Inserter& insert, Node& node) {
  const auto lower = constant_number(argument(node, "lower")), upper = constant_number(argument(node, "upper"));
  if (!lower || !upper || argument(node, "training").boolean()) return std::nullopt;
  return {{insert.call("aten.leaky_relu.default", {operand(node), (*lower + *upper) / 2})}};
}

/// Real numbers are their own conjugates and real parts.
Replacement same_if_real(Inserter&, Node& node) {
  return is_complex(operand(node)->type.dtype) ? Replacement() : Replacement({{operand(node)}});
}

/// Real numbers are; of complex ones those without an imaginary part.
Replacement is_real(Inserter& insert, Node& node) {
  Value* x = operand(node);
  if (is_complex(x->type.dtype)) {
    return {{insert.call("aten.eq.Scalar", {insert.call("aten.imag.default", {x}), SymInt(0)})}};
  }
  return {{insert.expand(insert.scalar(DType::b8, 1), x->type.shape)}};
}

/// 0 or pi by the sign; what is no number stays none.
Replacement angle_of_real(Inserter& insert, Node& node) {
  if (!is_floating(operand(node)->type.dtype)) return std::nullopt;
  Value* x = in_result_type(insert, node, 0);
  const DType dtype = x->type.dtype;
  Value* by_sign = chosen(insert, insert.call("aten.lt.Scalar", {x, SymInt(0)}), insert.scalar(dtype, M_PI),
                          insert.scalar(dtype, 0));
  return {{chosen(insert, insert.call("aten.isnan.default", {x}), x, by_sign)}};
}

constexpr char kXlogy[] = "aten.xlogy.Tensor", kCopysign[] = "aten.copysign.Tensor";

}  // namespace

Replacement decompose_integer_hardtanh(Inserter& insert, Node& node) {
  const auto low = constant_number(node.args.at(1)), high = constant_number(node.args.at(2));
  if (!low || !high || std::abs(*low) > 0x1p53 || std::abs(*high) > 0x1p53) return std::nullopt;
  const auto limit = [](double number) { return SymInt(static_cast<std::int64_t>(number)); };
  return {{insert.call("aten.clamp.default", {operand(node), limit(*low), limit(*high)})}};
}

void add_function_decompositions(DecomposeRules& rules) {
  rules["aten.xlogy.Scalar_Other"] = on_tensors<kXlogy>;
  rules["aten.xlogy.Scalar_Self"] = on_tensors<kXlogy>;
  rules["aten.copysign.Scalar"] = on_tensors<kCopysign>;
  rules["aten.isposinf.default"] = is_infinite<1>;
  rules["aten.isneginf.default"] = is_infinite<-1>;
  rules["aten.heaviside.default"] = heaviside;
  rules["aten.special_entr.default"] = entropy;
  rules["aten.special_ndtr.default"] = normal_distribution;
  for (const auto* name :
       {"aten.special_xlog1py.default", "aten.special_xlog1py.other_scalar", "aten.special_xlog1py.self_scalar"})
    rules[name] = xlog1py;
  for (const auto* name :
       {"aten.float_power.Tensor_Tensor", "aten.float_power.Tensor_Scalar", "aten.float_power.Scalar"})
    rules[name] = power_of_doubles;
  rules["aten.ldexp.Tensor"] = scaled_by_power;
  for (const auto* name : {"aten.bitwise_left_shift.Tensor", "aten.bitwise_left_shift.Tensor_Scalar"})
    rules[name] = shifted<true>;
  for (const auto* name : {"aten.bitwise_right_shift.Tensor", "aten.bitwise_right_shift.Tensor_Scalar"})
    rules[name] = shifted<false>;
  rules["aten.rrelu.default"] = randomised_relu;
  for (const auto* name : {"aten.real.default", "aten.conj.default", "aten._conj.default", "aten.conj_physical.default",
                           "aten.resolve_conj.default", "aten.resolve_neg.default"})
    rules[name] = same_if_real;
  rules["aten.angle.default"] = angle_of_real;
  rules["aten.isreal.default"] = is_real;
}

}  // namespace aitune
