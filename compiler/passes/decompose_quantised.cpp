// Rounding to the steps of a quantised type, as networks that were trained for it do.

#include "compiler/ops/schema.h"
#include "compiler/passes/decompose.h"

namespace aitune {
namespace {

/// A scale or a zero point as an operand that broadcasts: a number, a tensor of one, or one for each channel.
Value* parameter(Inserter& insert, const Node& node, std::string_view name) {
  const Arg& given = argument(node, name);
  if (!given.is_value()) {
    const auto number = constant_number(given);
    return number ? insert.scalar(DType::f32, *number) : nullptr;
  }
  Value* value = insert.cast(given.value(), DType::f32);
  SymShape shape;
  if (has_argument(node, "axis")) {
    const std::size_t all = rank(operand(node));
    shape.assign(all, SymInt(1));
    shape[static_cast<std::size_t>(wrap_dim(argument(node, "axis").integer(), all))] = value->type.shape.at(0);
  }
  return insert.view(value, shape);
}

Value* rounded(Inserter& insert, const Node& node, Value* scale, Value* zero) {
  const Arg &low = argument(node, "quant_min"), &high = argument(node, "quant_max");
  Value* steps = insert.call("aten.mul.Tensor", {operand(node), insert.call("aten.reciprocal.default", {scale})});
  steps = insert.call("aten.add.Tensor", {insert.call("aten.round.default", {steps}), zero});
  steps = insert.call("aten.clamp.default", {steps, low, high});
  return insert.call("aten.mul.Tensor", {insert.call("aten.sub.Tensor", {steps, zero}), scale});
}

Replacement rounded_to_steps(Inserter& insert, Node& node) {
  if (operand(node)->type.dtype != DType::f32 || has_argument(node, "fake_quant_enabled")) return std::nullopt;
  Value *scale = parameter(insert, node, "scale"), *zero = parameter(insert, node, "zero_point");
  if (scale == nullptr || zero == nullptr) return std::nullopt;
  return first_output(insert.graph(), node, [&] { return rounded(insert, node, scale, zero); });
}

}  // namespace

void add_quantised_decompositions(DecomposeRules& rules) {
  for (const auto* name :
       {"aten.fake_quantize_per_tensor_affine.default", "aten.fake_quantize_per_tensor_affine.tensor_qparams",
        "aten.fake_quantize_per_tensor_affine_cachemask.default", "aten.fake_quantize_per_channel_affine.default",
        "aten.fake_quantize_per_channel_affine_cachemask.default"})
    rules[name] = rounded_to_steps;
}

}  // namespace aitune
