// quantized_decomposed.*, by which PyTorch 2's quantisation writes a model: rounding to steps, and back. What they
// compute: PyTorch, torch/ao/quantization/fx/_decomposed.py.

#include "base/error.h"
#include "compiler/import/dynamo/alternatives.h"

namespace aitune::dynamo {
namespace {

/// A scale, a zero point or a bound: the number as it is, or the tensor, one element for each channel along `axis`.
Arg parameter(const NamedArgs& args, std::string_view name, const Value* input, const EmitOperator& emit) {
  const Arg given = take(args, name), axis = take(args, "axis");
  if (!given.is_value() || axis.is_none()) return given;
  const auto rank = static_cast<std::int64_t>(input->type.shape.size()), dim = axis.integer();
  if (dim < -rank || dim >= rank) throw InvalidArgument("axis is out of range");
  ArgList sizes(static_cast<std::size_t>(rank), SymInt(1));
  sizes[static_cast<std::size_t>(dim < 0 ? dim + rank : dim)] = SymInt(-1);
  return emit("aten.view.default", {given, sizes});
}

/// A call with a tensor or a number on the right.
Value* apply(const EmitOperator& emit, std::string_view op, Value* a, const Arg& b) {
  return emit("aten." + std::string(op) + (b.is_value() ? ".Tensor" : ".Scalar"), {a, b});
}

std::string_view first_given(const NamedArgs& args, std::string_view one, std::string_view other) {
  return take(args, one).is_none() ? other : one;
}

Alternative quantised(const NamedArgs& args, Graph& graph) {
  const EmitOperator emit = emitter(graph);
  Value* x = tensor(args, "input");
  const Arg scale = parameter(args, first_given(args, "scale", "scales"), x, emit);
  const Arg zero = parameter(args, first_given(args, "zero_point", "zero_points"), x, emit);
  const Arg inverse = scale.is_value() ? Arg(emit("aten.reciprocal.default", {scale})) : Arg(1.0 / scale.number());
  Value* steps = apply(emit, "add", emit("aten.round.default", {apply(emit, "mul", x, inverse)}), zero);
  const Arg low = take(args, "quant_min"), high = take(args, "quant_max");
  steps = emit(low.is_value() ? "aten.clamp.Tensor" : "aten.clamp.default", {steps, low, high});
  return {"aten._to_copy.default", {{"self", steps}, {"dtype", take(args, "dtype")}}};
}

Alternative dequantised(const NamedArgs& args, Graph& graph) {
  const EmitOperator emit = emitter(graph);
  Value* x = tensor(args, "input");
  const Arg scale = parameter(args, first_given(args, "scale", "scales"), x, emit);
  const Arg zero = parameter(args, first_given(args, "zero_point", "zero_points"), x, emit);
  const Arg wanted = take(args, "out_dtype");
  const Arg dtype = wanted.is_none() ? Arg(DType::f32) : wanted;
  x = emit("aten.to.dtype", {x, dtype});
  if (!zero.is_none()) x = apply(emit, "sub", x, zero);
  x = apply(emit, "mul", x, scale);
  return {"aten._to_copy.default", {{"self", x}, {"dtype", dtype}}};
}

}  // namespace

void add_quantised_alternatives(AlternativeTable& table) {
  for (const std::string_view name :
       {"quantized_decomposed.quantize_per_tensor.default", "quantized_decomposed.quantize_per_tensor.tensor",
        "quantized_decomposed.quantize_per_tensor.tensor2", "quantized_decomposed.quantize_per_channel.default"})
    table[name] = quantised;
  for (const std::string_view name :
       {"quantized_decomposed.dequantize_per_tensor.default", "quantized_decomposed.dequantize_per_tensor.tensor",
        "quantized_decomposed.dequantize_per_tensor.tensor2", "quantized_decomposed.dequantize_per_channel.default"})
    table[name] = dequantised;
}

}  // namespace aitune::dynamo
