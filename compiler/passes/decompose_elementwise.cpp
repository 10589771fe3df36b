// Elementwise operators: aliases, forms with scalars, rare functions in terms of common ones, and constant creators.

#include <cmath>
#include <limits>

#include "compiler/ops/schema.h"
#include "compiler/passes/decompose.h"

namespace aitune {
namespace {

/// One operator under another name with the same arguments.
template <const char* Op>
Replacement renamed(Inserter& insert, Node& node) {
  return {{insert.call(Op, node.args)}};
}

Value* times(Inserter& insert, Value* x, const Arg& factor) {
  if (constant_number(factor) == 1) return x;
  return insert.call(factor.is_value() ? "aten.mul.Tensor" : "aten.mul.Scalar", {x, factor});
}
Value* plus(Inserter& insert, Value* a, const Arg& b) {
  return insert.call(b.is_value() ? "aten.add.Tensor" : "aten.add.Scalar", {a, b});
}

// ---- clamps

Replacement clamp_both(Inserter& insert, Node& node) {  // hardtanh(min_val, max_val), clip(min, max)
  // Floats limit integers as integers in hardtanh, which clamp would make floats of.
  if (node.op_name() == "aten.hardtanh.default" && !is_floating(node.output()->type.dtype))
    return decompose_integer_hardtanh(insert, node);
  return {{insert.call("aten.clamp.default", {node.args[0], node.args[1], node.args[2]})}};
}
Replacement relu6(Inserter& insert, Node& node) {
  if (!is_floating(node.output()->type.dtype))
    return {{insert.call("aten.clamp.default", {node.args[0], SymInt(0), SymInt(6)})}};
  return {{insert.call("aten.clamp.default", {node.args[0], 0.0, 6.0})}};
}
Replacement clamp_min(Inserter& insert, Node& node) {
  return {{insert.call("aten.clamp.default", {node.args[0], node.args[1], None{}})}};
}
Replacement clamp_max(Inserter& insert, Node& node) {
  return {{insert.call("aten.clamp.default", {node.args[0], None{}, node.args[1]})}};
}
Replacement clamp_tensors(Inserter& insert, Node& node) {
  const DType dtype = node.output()->type.dtype;
  Value* x = insert.cast(operand(node, 0), dtype);
  if (!node.args.at(1).is_none()) x = insert.call("aten.maximum.default", {x, insert.cast(operand(node, 1), dtype)});
  if (node.args.size() > 2 && !node.args[2].is_none()) {
    x = insert.call("aten.minimum.default", {x, insert.cast(operand(node, 2), dtype)});
  }
  return {{x}};
}
Replacement clamp_max_tensor(Inserter& insert, Node& node) {
  const DType dtype = node.output()->type.dtype;
  return {{insert.call("aten.minimum.default",
                       {insert.cast(operand(node, 0), dtype), insert.cast(operand(node, 1), dtype)})}};
}

// ---- arithmetic

Replacement rsub_tensor(Inserter& insert, Node& node) {
  return {{insert.call("aten.sub.Tensor", {node.args[1], node.args[0], argument(node, "alpha")})}};
}

/// other - alpha * x
Replacement rsub_scalar(Inserter& insert, Node& node) {
  const Arg& alpha = argument(node, "alpha");
  const bool integral = std::holds_alternative<SymInt>(alpha);
  const Arg negated = integral ? Arg(SymInt(-1) * alpha.sym()) : Arg(-alpha.number());
  Value* x = insert.cast(operand(node, 0), node.output()->type.dtype);  // an unsigned one has no negative
  return {{plus(insert, insert.call("aten.mul.Scalar", {x, negated}), node.args[1])}};
}

/// self + value * tensor1 (* or /) tensor2
Replacement addcmul(Inserter& insert, Node& node) {
  Value* product = insert.call("aten.mul.Tensor", {node.args[1], node.args[2]});
  return {{plus(insert, operand(node, 0), times(insert, product, argument(node, "value")))}};
}
Replacement addcdiv(Inserter& insert, Node& node) {
  Value* quotient = insert.call("aten.div.Tensor", {node.args[1], node.args[2]});
  return {{plus(insert, operand(node, 0), times(insert, quotient, argument(node, "value")))}};
}

Replacement lerp(Inserter& insert, Node& node) {
  Value* difference = insert.call("aten.sub.Tensor", {node.args[1], node.args[0]});
  return {{plus(insert, operand(node, 0), times(insert, difference, node.args[2]))}};
}

Replacement square(Inserter& insert, Node& node) {
  if (operand(node, 0)->type.dtype != node.output()->type.dtype) return std::nullopt;  // of a bool it is a number
  return {{insert.call("aten.mul.Tensor", {node.args[0], node.args[0]})}};
}

/// Powers that have an instruction, or a few multiplications.
Replacement power(Inserter& insert, Node& node) {
  const auto constant = constant_number(node.args.at(1));
  const DType dtype = node.output()->type.dtype;
  if (!constant || operand(node, 0)->type.dtype != dtype) return std::nullopt;
  const double exponent = *constant;
  Value* x = operand(node, 0);
  const auto product = [&](Value* a, Value* b) { return insert.call("aten.mul.Tensor", {a, b}); };
  if (exponent == 1) return {{x}};
  if (exponent == 2) return {{product(x, x)}};
  if (exponent == 3) return {{product(product(x, x), x)}};
  if (exponent == 4) {
    Value* squared = product(x, x);
    return {{product(squared, squared)}};
  }
  if (!is_floating(dtype)) return std::nullopt;
  if (exponent == 0.5) return {{insert.call("aten.sqrt.default", {x})}};
  if (exponent == -0.5) return {{insert.call("aten.rsqrt.default", {x})}};
  if (exponent == -1) return {{insert.call("aten.reciprocal.default", {x})}};
  if (exponent == -2) return {{insert.call("aten.reciprocal.default", {product(x, x)})}};
  return std::nullopt;
}

/// div with rounding_mode=None is true division.
Replacement div_mode(Inserter& insert, Node& node) {
  if (!argument(node, "rounding_mode").is_none()) return std::nullopt;
  const bool scalar = node.op_name() == "aten.div.Scalar_mode";
  return {{insert.call(scalar ? "aten.div.Scalar" : "aten.div.Tensor", {node.args[0], node.args[1]})}};
}

// ---- activations

/// x where it is positive, weight * x elsewhere; the weight along dimension 1
Replacement prelu(Inserter& insert, Node& node) {
  Value* x = operand(node, 0);
  Value* weight = operand(node, 1);
  if (node.op_name() == "aten.prelu.default" && x->type.shape.size() > 1 && weight->type.shape.size() == 1) {
    SymShape shape(x->type.shape.size() - 1, SymInt(1));
    shape[0] = weight->type.shape[0];
    weight = insert.view(weight, shape);
  }
  Value* positive = insert.call("aten.gt.Scalar", {x, SymInt(0)});
  return {{insert.call("aten.where.self", {positive, x, insert.call("aten.mul.Tensor", {x, weight})})}};
}

Replacement selu(Inserter& insert, Node& node) {
  return {{insert.call("aten.elu.default", {node.args[0], 1.6732632423543772, 1.0507009873554805, 1.0})}};
}
Replacement celu(Inserter& insert, Node& node) {
  const double alpha = node.args.at(1).number();
  return {{insert.call("aten.elu.default", {node.args[0], alpha, 1.0, 1.0 / alpha})}};
}

/// first half * sigmoid(second half)
Replacement glu(Inserter& insert, Node& node) {
  Value* x = operand(node, 0);
  const std::int64_t dim = wrap_dim(node.args.at(1).integer(), x->type.shape.size());
  const SymInt& whole = x->type.shape[static_cast<std::size_t>(dim)];
  const SymInt& half = node.output()->type.shape[static_cast<std::size_t>(dim)];
  Value* gate = insert.call("aten.sigmoid.default", {insert.slice(x, dim, half, whole)});
  return {{insert.call("aten.mul.Tensor", {insert.slice(x, dim, 0, half), gate})}};
}

// ---- selection

/// A scalar operand of where as a 0-dim constant of the result's dtype.
Replacement where_scalars(Inserter& insert, Node& node) {
  const TensorType& type = node.output()->type;
  const auto as_value = [&](const Arg& arg) {
    return arg.is_value() ? insert.cast(arg.value(), type.dtype) : insert.scalar(type.dtype, arg.number());
  };
  return {{insert.call("aten.where.self", {node.args[0], as_value(node.args[1]), as_value(node.args[2])})}};
}

Replacement logical_and(Inserter& insert, Node& node) {  // on bools the same as bitwise
  if (operand(node, 0)->type.dtype != DType::b8 || operand(node, 1)->type.dtype != DType::b8) return std::nullopt;
  return {{insert.call("aten.bitwise_and.Tensor", {node.args[0], node.args[1]})}};
}
Replacement logical_or(Inserter& insert, Node& node) {
  if (operand(node, 0)->type.dtype != DType::b8 || operand(node, 1)->type.dtype != DType::b8) return std::nullopt;
  return {{insert.call("aten.bitwise_or.Tensor", {node.args[0], node.args[1]})}};
}

// ---- constants of any, also symbolic, size: a 0-dim constant, expanded

Value* filled(Inserter& insert, const Node& node, double value) {
  return insert.expand(insert.scalar(node.output()->type.dtype, value), node.output()->type.shape);
}
Replacement zeros(Inserter& insert, Node& node) { return {{filled(insert, node, 0)}}; }
Replacement ones(Inserter& insert, Node& node) { return {{filled(insert, node, 1)}}; }

Replacement full(Inserter& insert, Node& node) {
  const std::string_view name = node.op_name();
  const Arg& value = argument(node, name == "aten.scalar_tensor.default" ? "s"
                                    : name == "aten.fill.Scalar"         ? "value"
                                                                         : "fill_value");
  if (const auto* integer = std::get_if<SymInt>(&value)) {
    // Integers beyond 2^53 do not survive a double; symbolic ones have no value yet.
    if (!integer->is_constant() || std::abs(static_cast<double>(integer->constant())) > 0x1p53) return std::nullopt;
  }
  return {{filled(insert, node, value.number())}};
}

Replacement fill_tensor(Inserter& insert, Node& node) {
  const TensorType& type = node.output()->type;
  return {{insert.expand(insert.cast(operand(node, 1), type.dtype), type.shape)}};
}

constexpr char kSub[] = "aten.sub.Tensor", kMul[] = "aten.mul.Tensor", kDiv[] = "aten.div.Tensor",
               kAnd[] = "aten.bitwise_and.Tensor", kOr[] = "aten.bitwise_or.Tensor", kXor[] = "aten.bitwise_xor.Tensor",
               kLt[] = "aten.lt.Tensor", kGt[] = "aten.gt.Tensor", kNe[] = "aten.ne.Tensor",
               kMaximum[] = "aten.maximum.default", kMinimum[] = "aten.minimum.default",
               kAndScalar[] = "aten.bitwise_and.Scalar", kOrScalar[] = "aten.bitwise_or.Scalar",
               kXorScalar[] = "aten.bitwise_xor.Scalar";

}  // namespace

void add_elementwise_rules(DecomposeRules& rules) {
  rules["aten.hardtanh.default"] = clamp_both;
  rules["aten.clip.default"] = clamp_both;
  rules["aten.relu6.default"] = relu6;
  rules["aten.clamp_min.default"] = clamp_min;
  rules["aten.clamp_max.default"] = clamp_max;
  rules["aten.clamp.Tensor"] = clamp_tensors;
  rules["aten.clip.Tensor"] = clamp_tensors;
  rules["aten.clamp_min.Tensor"] = clamp_tensors;
  rules["aten.clamp_max.Tensor"] = clamp_max_tensor;
  rules["aten.rsub.Tensor"] = rsub_tensor;
  rules["aten.rsub.Scalar"] = rsub_scalar;
  rules["aten.addcmul.default"] = addcmul;
  rules["aten.addcdiv.default"] = addcdiv;
  rules["aten.lerp.Scalar"] = lerp;
  rules["aten.lerp.Tensor"] = lerp;
  rules["aten.square.default"] = square;
  rules["aten.pow.Tensor_Scalar"] = power;
  rules["aten.div.Tensor_mode"] = div_mode;
  rules["aten.div.Scalar_mode"] = div_mode;
  rules["aten.prelu.default"] = prelu;
  rules["aten._prelu_kernel.default"] = prelu;
  rules["aten.selu.default"] = selu;
  rules["aten.celu.default"] = celu;
  rules["aten.glu.default"] = glu;
  for (const auto* name : {"aten.where.ScalarSelf", "aten.where.ScalarOther", "aten.where.Scalar"}) {
    rules[name] = where_scalars;
  }
  rules["aten.logical_and.default"] = logical_and;
  rules["aten.logical_or.default"] = logical_or;
  rules["aten.subtract.Tensor"] = renamed<kSub>;
  rules["aten.multiply.Tensor"] = renamed<kMul>;
  rules["aten.divide.Tensor"] = renamed<kDiv>;
  rules["aten.true_divide.Tensor"] = renamed<kDiv>;
  rules["aten.__and__.Tensor"] = renamed<kAnd>;
  rules["aten.__or__.Tensor"] = renamed<kOr>;
  rules["aten.__xor__.Tensor"] = renamed<kXor>;
  rules["aten.__and__.Scalar"] = renamed<kAndScalar>;
  rules["aten.__or__.Scalar"] = renamed<kOrScalar>;
  rules["aten.__xor__.Scalar"] = renamed<kXorScalar>;
  rules["aten.less.Tensor"] = renamed<kLt>;
  rules["aten.greater.Tensor"] = renamed<kGt>;
  rules["aten.not_equal.Tensor"] = renamed<kNe>;
  rules["aten.max.other"] = renamed<kMaximum>;
  rules["aten.min.other"] = renamed<kMinimum>;
  for (const auto* name :
       {"aten.zeros.default", "aten.zeros_like.default", "aten.new_zeros.default", "aten.zero.default",
        "aten.empty.memory_format", "aten.empty_like.default", "aten.new_empty.default"}) {
    rules[name] = zeros;
  }
  for (const auto* name : {"aten.ones.default", "aten.ones_like.default", "aten.new_ones.default"}) rules[name] = ones;
  for (const auto* name : {"aten.full.default", "aten.full_like.default", "aten.new_full.default",
                           "aten.scalar_tensor.default", "aten.fill.Scalar"}) {
    rules[name] = full;
  }
  rules["aten.fill.Tensor"] = fill_tensor;
}

}  // namespace aitune
