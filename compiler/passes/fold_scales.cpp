#include <algorithm>
#include <cmath>
#include <optional>

#include "compiler/ops/schema.h"
#include "compiler/passes/fuse.h"
#include "compiler/passes/rewrite.h"

namespace aitune {
namespace {

/// y = x * scale + shift for each channel.
struct Affine {
  std::vector<double> scale, shift;
};

/// A convolution or linear with constant parameters, and where its output channels lie.
struct Layer {
  const Node* node = nullptr;
  std::size_t weight_dim = 0;   // of the output channels in the weight
  std::size_t channel_dim = 0;  // of the output channels in the result
  std::size_t channels = 0;
};

std::optional<Layer> as_layer(const Value* value) {
  const Node* node = value->producer;
  if (node == nullptr) return std::nullopt;
  Layer layer{node, 0, 1, 0};
  if (is_op(*node, "aten.linear.default")) {
    layer.channel_dim = value->type.shape.size() - 1;
  } else if (is_op(*node, "aten.convolution.default")) {
    const bool transposed = argument(*node, "transposed").boolean();
    if (transposed && argument(*node, "groups").integer() != 1) return std::nullopt;
    layer.weight_dim = transposed ? 1 : 0;
  } else {
    return std::nullopt;
  }
  const Value* weight = operand(*node, 1);
  if (!is_weight(weight) || (!node->args[2].is_none() && !is_weight(node->args[2].value()))) return std::nullopt;
  if (weight->type.dtype != DType::f32 && weight->type.dtype != DType::f64) return std::nullopt;
  if (weight->data.dim() < 2 || value->type.dtype != weight->type.dtype) return std::nullopt;
  layer.channels = static_cast<std::size_t>(weight->data.size(layer.weight_dim));
  return layer;
}

template <typename T>
Tensor scaled_weight(const Tensor& weight, std::size_t dim, const std::vector<double>& scale) {
  Tensor result = weight.clone();
  std::int64_t inner = 1;
  for (std::size_t d = dim + 1; d < weight.shape().size(); ++d) inner *= weight.size(d);
  const std::int64_t channels = weight.size(dim), count = result.numel();
  T* data = result.as<T>();
  for (std::int64_t i = 0; i < count; ++i) {
    data[i] = static_cast<T>(data[i] * scale[static_cast<std::size_t>(i / inner % channels)]);
  }
  return result;
}

bool moves_within_range(const Affine& affine) {
  return std::ranges::all_of(affine.scale, is_moderate) &&
         std::ranges::all_of(affine.shift, [](double x) { return std::isfinite(x); });
}

/// The layer with `affine` applied to its result.
Value* apply(Inserter& insert, const Layer& layer, const Affine& affine) {
  const Tensor& weight = operand(*layer.node, 1)->data;
  const DType dtype = weight.dtype();
  Tensor scaled = dtype == DType::f32 ? scaled_weight<float>(weight, layer.weight_dim, affine.scale)
                                      : scaled_weight<double>(weight, layer.weight_dim, affine.scale);
  std::vector<double> bias = affine.shift;
  if (!layer.node->args[2].is_none()) {
    const auto old = to_doubles(operand(*layer.node, 2)->data);
    for (std::size_t c = 0; c < bias.size(); ++c) bias[c] += old[c] * affine.scale[c];
  }
  ArgList args = layer.node->args;
  const auto channels = static_cast<std::int64_t>(layer.channels);
  args[1] = insert.constant(std::move(scaled), operand(*layer.node, 1)->name);
  args[2] = insert.constant(from_doubles(dtype, {channels}, bias), "folded_bias");
  return insert.call(layer.node->op_name(), std::move(args));
}

// ---- batch norm

/// Scale and shift of a batch norm whose parameters are all constants.
std::optional<Affine> constant_batch_norm(const Node& node) {
  const auto parameter = [&](std::string_view name) -> const Value* { return argument(node, name).value_or_null(); };
  const Value* mean = parameter("running_mean");
  const Value* variance = parameter("running_var");
  const Value* weight = parameter("weight");
  const Value* bias = parameter("bias");
  if (mean == nullptr || variance == nullptr) return std::nullopt;
  for (const Value* value : {mean, variance, weight, bias}) {
    if (value != nullptr && !is_weight(value)) return std::nullopt;
  }
  const double epsilon = argument(node, "eps").number();
  Affine affine{to_doubles(variance->data), to_doubles(mean->data)};
  const auto gamma = weight != nullptr ? to_doubles(weight->data) : std::vector<double>(affine.scale.size(), 1);
  const auto beta = bias != nullptr ? to_doubles(bias->data) : std::vector<double>(affine.scale.size(), 0);
  if (affine.shift.size() != affine.scale.size() || gamma.size() != affine.scale.size() ||
      beta.size() != affine.scale.size()) {
    return std::nullopt;
  }
  for (std::size_t c = 0; c < affine.scale.size(); ++c) {
    affine.scale[c] = gamma[c] / std::sqrt(affine.scale[c] + epsilon);
    affine.shift[c] = beta[c] - affine.shift[c] * affine.scale[c];
  }
  return affine;
}

/// [C, 1, ...]: broadcasts along dimension 1 of a value of this rank.
SymShape channel_shape(const SymInt& channels, std::size_t rank) {
  SymShape shape(rank - 1, SymInt(1));
  shape[0] = channels;
  return shape;
}

/// Batch norm with parameters that are computed: the formula itself.
Value* spelt_out(Inserter& insert, const Node& node) {
  Value* x = operand(node, 0);
  const SymShape shape = channel_shape(x->type.shape.at(1), x->type.shape.size());
  const auto parameter = [&](std::string_view name) {
    return insert.cast(insert.view(argument(node, name).value(), shape), x->type.dtype);
  };
  Value* root = insert.call("aten.rsqrt.default",
                            {insert.call("aten.add.Scalar", {parameter("running_var"), argument(node, "eps")})});
  Value* result = insert.call("aten.sub.Tensor", {x, parameter("running_mean")});
  result = insert.call("aten.mul.Tensor", {result, root});
  if (!argument(node, "weight").is_none()) result = insert.call("aten.mul.Tensor", {result, parameter("weight")});
  if (!argument(node, "bias").is_none()) result = insert.call("aten.add.Tensor", {result, parameter("bias")});
  return result;
}

Replacement batch_norm(Inserter& insert, Node& node, const UseCounts& uses) {
  if (!is_op(node, "aten.batch_norm.default") || argument(node, "training").boolean()) return std::nullopt;
  Value* x = operand(node, 0);
  const auto affine = constant_batch_norm(node);
  if (!affine) {
    if (argument(node, "running_mean").is_none() || argument(node, "running_var").is_none()) return std::nullopt;
    return {{spelt_out(insert, node)}};
  }
  const auto layer = as_layer(x);
  if (layer && uses.single(x) && moves_within_range(*affine) && layer->channel_dim == 1 &&
      layer->channels == affine->scale.size()) {
    return {{apply(insert, *layer, *affine)}};
  }
  const auto channels = static_cast<std::int64_t>(affine->scale.size());
  Shape shape(x->type.shape.size() - 1, 1);
  shape[0] = channels;
  Value* scale = insert.constant(from_doubles(x->type.dtype, shape, affine->scale), "batch_norm_scale");
  Value* shift = insert.constant(from_doubles(x->type.dtype, shape, affine->shift), "batch_norm_shift");
  return {{insert.call("aten.add.Tensor", {insert.call("aten.mul.Tensor", {x, scale}), shift})}};
}

// ---- multiplications and additions after a layer

/// The elements of a constant that broadcasts along `dim` of a value of `rank` dimensions alone.
std::optional<std::vector<double>> per_channel(const Value* constant, std::size_t dim, std::size_t rank,
                                               std::size_t channels) {
  if (!is_weight(constant) || constant->data.numel() > static_cast<std::int64_t>(channels)) return std::nullopt;
  const auto elements = to_doubles(constant->data);
  if (elements.size() == 1) return std::vector<double>(channels, elements[0]);
  const Shape& shape = constant->data.shape();
  if (shape.size() > rank || elements.size() != channels) return std::nullopt;
  const std::size_t own_dim = dim - (rank - shape.size());
  if (dim < rank - shape.size() || shape[own_dim] != static_cast<std::int64_t>(channels)) return std::nullopt;
  return elements;
}

/// What `node` does to its operand `side`, where `constant` gives the elements of the other one for each channel.
std::optional<Affine> as_affine(const Node& node, std::size_t side, std::size_t dim, std::size_t channels) {
  const std::size_t rank = node.output()->type.shape.size();
  std::vector<double> elements;
  const Arg& other = node.args.at(1 - side);
  if (other.is_value()) {
    const auto found = per_channel(other.value(), dim, rank, channels);
    if (!found) return std::nullopt;
    elements = *found;
  } else {
    const auto number = constant_number(other);
    if (!number) return std::nullopt;
    elements.assign(channels, *number);
  }
  const std::vector<double> ones(channels, 1), zeros(channels, 0);
  const std::string_view op = node.op_name();
  if (op.starts_with("aten.mul.")) return Affine{elements, zeros};
  if (op.starts_with("aten.div.")) {
    if (side == 1 || std::any_of(elements.begin(), elements.end(), [](double e) { return e == 0; }))
      return std::nullopt;
    for (double& element : elements) element = 1 / element;
    return Affine{elements, zeros};
  }
  if (constant_number(argument(node, "alpha")) != 1) return std::nullopt;
  if (op.starts_with("aten.add.")) return Affine{ones, elements};
  if (side == 1) return Affine{std::vector<double>(channels, -1), elements};  // constant - x
  for (double& element : elements) element = -element;
  return Affine{ones, elements};
}

bool is_arithmetic(std::string_view op) {
  static constexpr std::string_view names[] = {"aten.mul.Tensor", "aten.mul.Scalar", "aten.div.Tensor",
                                               "aten.div.Scalar", "aten.add.Tensor", "aten.add.Scalar",
                                               "aten.sub.Tensor", "aten.sub.Scalar"};
  return std::find(std::begin(names), std::end(names), op) != std::end(names);
}

Replacement scale(Inserter& insert, Node& node, const UseCounts& uses) {
  if (!is_arithmetic(node.op_name())) return std::nullopt;
  const std::size_t sides = node.op_name().ends_with("Tensor") ? 2 : 1;
  for (std::size_t side = 0; side < sides; ++side) {
    Value* x = operand(node, side);
    if (x->type != node.output()->type || !uses.single(x)) continue;
    const Node* permute = producer_if(x, "aten.permute.default");
    Value* inner = permute != nullptr ? operand(*permute, 0) : x;
    const auto layer = as_layer(inner);
    if (!layer || !uses.single(inner)) continue;
    std::size_t dim = layer->channel_dim;
    std::vector<std::int64_t> order;
    if (permute != nullptr) {
      order = permute->args[1].int_list();
      dim = static_cast<std::size_t>(std::find(order.begin(), order.end(), static_cast<std::int64_t>(dim)) -
                                     order.begin());
    }
    const auto affine = as_affine(node, side, dim, layer->channels);
    if (!affine || !moves_within_range(*affine)) continue;
    Value* result = apply(insert, *layer, *affine);
    return {{permute != nullptr ? insert.permute(result, order) : result}};
  }
  return std::nullopt;
}

}  // namespace

void fold_batch_norm(Graph& graph, const PassContext&) {
  const UseCounts uses(graph);
  rewrite(graph, [&](Inserter& insert, Node& node) { return batch_norm(insert, node, uses); });
}

void fold_scales(Graph& graph, const PassContext&) {
  constexpr int kMaxRounds = 8;  // a chain of several constants
  for (int round = 0; round < kMaxRounds; ++round) {
    const UseCounts uses(graph);
    if (!rewrite(graph, [&](Inserter& insert, Node& node) { return scale(insert, node, uses); })) return;
  }
}

}  // namespace aitune
