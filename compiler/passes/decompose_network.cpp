// Layers of networks: normalisation, softmax, attention, pooling.

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "compiler/ops/schema.h"
#include "compiler/passes/decompose.h"

namespace aitune {
bool has_no_use(const Graph& graph, const Value* value) {
  if (graph.is_output(value)) return false;
  for (const auto& node : graph.nodes()) {
    const auto operands = node->operands();
    if (std::find(operands.begin(), operands.end(), value) != operands.end()) return false;
  }
  return true;
}

Replacement first_output(const Graph& graph, const Node& node, const std::function<Value*()>& make) {
  for (std::size_t i = 1; i < node.outputs.size(); ++i) {
    if (!has_no_use(graph, node.outputs[i])) return std::nullopt;
  }
  std::vector<Value*> values(node.outputs.size(), nullptr);
  values[0] = make();
  return values;
}

namespace {

// ---- normalisation

/// Mean and 1 / standard deviation over the last `count` dimensions of x, in the shapes of the node's other outputs.
std::vector<Value*> statistics(Inserter& insert, const Node& node, Value* x, std::size_t count, double epsilon) {
  std::vector<std::int64_t> dims;
  for (std::size_t i = rank(x) - count; i < rank(x); ++i) dims.push_back(static_cast<std::int64_t>(i));
  const DType dtype = node.outputs[1]->type.dtype;
  x = insert.cast(x, dtype);
  Value* mean = insert.call("aten.mean.dim", {x, to_args(dims), true});
  Value* distance = insert.call("aten.sub.Tensor", {x, mean});
  Value* spread =
      insert.call("aten.mean.dim", {insert.call("aten.mul.Tensor", {distance, distance}), to_args(dims), true});
  Value* inverse = insert.call("aten.rsqrt.default", {insert.call("aten.add.Scalar", {spread, epsilon})});
  return {insert.view(mean, node.outputs[1]->type.shape), insert.view(inverse, node.outputs[2]->type.shape)};
}

Replacement native_layer_norm(Inserter& insert, Node& node) {
  if (!has_no_use(insert.graph(), node.outputs[1]) || !has_no_use(insert.graph(), node.outputs[2])) {
    Value* normal = insert.call("aten.layer_norm.default",
                                {node.args[0], node.args[1], node.args[2], node.args[3], node.args[4], false});
    const auto rest = statistics(insert, node, operand(node), node.args.at(1).list().size(), node.args.at(4).number());
    return {{normal, rest[0], rest[1]}};
  }
  return first_output(insert.graph(), node, [&] {
    return insert.call("aten.layer_norm.default",
                       {node.args[0], node.args[1], node.args[2], node.args[3], node.args[4], false});
  });
}

/// The fused kernels for other devices give the same numbers: one spelling is enough.
Replacement normalise_layer_norm(Inserter& insert, Node& node) {
  if (!node.args.at(5).boolean()) return std::nullopt;
  return {{insert.call("aten.layer_norm.default",
                       {node.args[0], node.args[1], node.args[2], node.args[3], node.args[4], false})}};
}

/// With the statistics of the batch itself: mean and variance over all dimensions but the channels'.
Value* by_batch_statistics(Inserter& insert, const Node& node) {
  Value* x = operand(node, 0);
  const DType dtype = x->type.dtype;
  Value* wide = dtype == DType::f16 || dtype == DType::bf16 ? insert.cast(x, DType::f32) : x;
  std::vector<std::int64_t> dims;
  SymShape channels(rank(x), SymInt(1));
  channels.at(1) = x->type.shape.at(1);
  for (std::size_t d = 0; d < rank(x); ++d)
    if (d != 1) dims.push_back(static_cast<std::int64_t>(d));
  const auto mean = [&](Value* of) { return insert.call("aten.mean.dim", {of, to_args(dims), true}); };
  const auto parameter = [&](const char* name) { return insert.view(argument(node, name).value(), channels); };
  Value* centred = insert.call("aten.sub.Tensor", {wide, mean(wide)});
  Value* variance = mean(insert.call("aten.mul.Tensor", {centred, centred}));
  Value* scale = insert.call("aten.rsqrt.default", {insert.call("aten.add.Scalar", {variance, argument(node, "eps")})});
  if (!argument(node, "weight").is_none()) scale = insert.call("aten.mul.Tensor", {scale, parameter("weight")});
  Value* result = insert.call("aten.mul.Tensor", {centred, scale});
  if (!argument(node, "bias").is_none()) result = insert.call("aten.add.Tensor", {result, parameter("bias")});
  return insert.cast(result, dtype);
}

/// Training mode with running statistics was refused before.
Replacement batch_norm(Inserter& insert, Node& node) {
  if (!argument(node, "training").boolean() || rank(operand(node, 0)) < 2) return std::nullopt;
  return {{by_batch_statistics(insert, node)}};
}

Replacement native_batch_norm(Inserter& insert, Node& node) {
  const bool running =
      node.op->id != OpId::aten__native_batch_norm_legit_no_stats && !argument(node, "running_mean").is_none();
  if (!running && rank(operand(node, 0)) < 2) return std::nullopt;
  return first_output(insert.graph(), node, [&] {
    if (!running) return by_batch_statistics(insert, node);
    return insert.call("aten.batch_norm.default",
                       {node.args[0], node.args[1], node.args[2], argument(node, "running_mean"),
                        argument(node, "running_var"), false, 0.1, argument(node, "eps"), false});
  });
}

Replacement native_group_norm(Inserter& insert, Node& node) {
  if (!has_no_use(insert.graph(), node.outputs[1]) || !has_no_use(insert.graph(), node.outputs[2])) {
    Value* x = operand(node);
    Value* normal = insert.call("aten.group_norm.default", {x, argument(node, "group"), argument(node, "weight"),
                                                            argument(node, "bias"), argument(node, "eps"), false});
    const SymShape& groups = node.outputs[1]->type.shape;
    const auto inner = divide_exact(product(x->type.shape), product(groups));
    if (!inner || inner->is(0)) return std::nullopt;
    const auto rest = statistics(insert, node, insert.view(x, {groups.at(0), groups.at(1), *inner}), 1,
                                 argument(node, "eps").number());
    return {{normal, rest[0], rest[1]}};
  }
  return first_output(insert.graph(), node, [&] {
    return insert.call("aten.group_norm.default", {node.args[0], argument(node, "group"), argument(node, "weight"),
                                                   argument(node, "bias"), argument(node, "eps"), false});
  });
}

/// With statistics of the input: a group for each channel. With running statistics: batch norm.
Replacement instance_norm(Inserter& insert, Node& node) {
  if (!argument(node, "use_input_stats").boolean()) {
    return {{insert.call("aten.batch_norm.default", {node.args[0], node.args[1], node.args[2], node.args[3],
                                                     node.args[4], false, 0.1, argument(node, "eps"), false})}};
  }
  const SymInt& channels = operand(node, 0)->type.shape.at(1);
  if (!channels.is_constant()) return std::nullopt;
  return {{insert.call("aten.group_norm.default",
                       {node.args[0], channels, node.args[1], node.args[2], argument(node, "eps"), false})}};
}

/// x * rsqrt(mean(x * x) + eps) * weight
Value* rms_norm_value(Inserter& insert, const Node& node) {
  Value* x = operand(node, 0);
  const DType dtype = x->type.dtype;
  const double epsilon =
      argument(node, "eps").is_none() ? (dtype == DType::f64 ? 0x1p-52 : 0x1p-23) : argument(node, "eps").number();
  std::vector<std::int64_t> dims;
  const auto count = static_cast<std::int64_t>(argument(node, "normalized_shape").list().size());
  for (std::int64_t i = 0; i < count; ++i) dims.push_back(static_cast<std::int64_t>(rank(x)) - count + i);
  Value* wide = dtype == DType::f16 || dtype == DType::bf16 ? insert.cast(x, DType::f32) : x;
  Value* mean = insert.call("aten.mean.dim", {insert.call("aten.mul.Tensor", {wide, wide}), to_args(dims), true});
  Value* scale = insert.call("aten.rsqrt.default", {insert.call("aten.add.Scalar", {mean, epsilon})});
  Value* result = insert.cast(insert.call("aten.mul.Tensor", {wide, scale}), dtype);
  const Arg& weight = argument(node, "weight");
  return weight.is_none() ? result : insert.call("aten.mul.Tensor", {result, weight});
}

Replacement rms_norm(Inserter& insert, Node& node) { return {{rms_norm_value(insert, node)}}; }

Replacement fused_rms_norm(Inserter& insert, Node& node) {
  return first_output(insert.graph(), node, [&] { return rms_norm_value(insert, node); });
}

// ---- softmax

Replacement softmax(Inserter& insert, Node& node) {
  Value* x = insert.cast(operand(node, 0), node.output()->type.dtype);
  const std::int64_t dim = wrap_dim(node.args.at(1).integer(), rank(x));
  const bool log = node.op_name().find("log_softmax") != std::string_view::npos;
  return {{insert.call(log ? "aten._log_softmax.default" : "aten._softmax.default", {x, SymInt(dim), false})}};
}

Replacement normalise_softmax(Inserter& insert, Node& node) {
  const bool float_from_half = node.args.at(2).boolean();
  if (!float_from_half && node.args.at(1).integer() >= 0) return std::nullopt;
  return softmax(insert, node);
}

// ---- attention

Replacement fused_attention(Inserter& insert, Node& node) {
  return first_output(insert.graph(), node, [&] {
    return insert.call(
        "aten.scaled_dot_product_attention.default",
        {node.args[0], node.args[1], node.args[2], argument(node, "attn_mask"), 0.0, argument(node, "is_causal")},
        {{"scale", argument(node, "scale")}});
  });
}

/// Grouped heads: keys and values are repeated along the head dimension.
Value* repeat_heads(Inserter& insert, Value* x, const SymInt& heads) {
  const std::size_t dim = rank(x) - 3;
  const SymInt& own = x->type.shape[dim];
  if (own == heads) return x;
  SymShape split = x->type.shape;
  split.insert(split.begin() + static_cast<std::ptrdiff_t>(dim) + 1, SymInt(1));
  SymShape expanded = split, merged = x->type.shape;
  expanded[dim + 1] = floordiv(heads, own);
  merged[dim] = heads;
  return insert.view(insert.expand(insert.view(x, split), expanded), merged);
}

/// Leading dimensions of attention's operands, broadcast; nothing where they are the same already, or do not go
/// together.
std::optional<SymShape> common_batch(std::span<Value* const> operands) {
  const std::size_t leading = rank(operands[0]) - 2;
  bool differ = false;
  SymShape batch(leading, SymInt(1));
  for (const Value* x : operands) {
    if (rank(x) != leading + 2) return std::nullopt;
    for (std::size_t d = 0; d < leading; ++d) {
      const SymInt& size = x->type.shape[d];
      differ = differ || size != operands[0]->type.shape[d];
      if (batch[d].is(1))
        batch[d] = size;
      else if (!size.is(1) && size != batch[d])
        return std::nullopt;
    }
  }
  return differ ? std::optional(batch) : std::nullopt;
}

Value* with_batch(Inserter& insert, Value* x, const SymShape& batch) {
  SymShape shape = batch;
  shape.insert(shape.end(), x->type.shape.end() - 2, x->type.shape.end());
  return insert.expand(x, shape);
}

Replacement normalise_attention(Inserter& insert, Node& node) {
  std::array<Value*, 3> operands = {operand(node, 0), operand(node, 1), operand(node, 2)};
  const bool grouped = argument(node, "enable_gqa").boolean();
  if (rank(operands[0]) < 2) return std::nullopt;
  if (grouped) {
    const SymShape& query = operands[0]->type.shape;
    const SymInt& heads = query.at(query.size() - 3);
    for (std::size_t i = 1; i < operands.size(); ++i) operands[i] = repeat_heads(insert, operands[i], heads);
  }
  const auto batch = common_batch(operands);
  if (!grouped && !batch && argument(node, "dropout_p").number() == 0) return std::nullopt;
  if (batch)
    for (Value*& x : operands) x = with_batch(insert, x, *batch);
  return {{insert.call("aten.scaled_dot_product_attention.default",
                       {operands[0], operands[1], operands[2], node.args[3], 0.0, argument(node, "is_causal")},
                       {{"scale", argument(node, "scale")}})}};
}

// ---- pooling

Replacement max_pool_with_indices(Inserter& insert, Node& node) {
  const bool flat = node.op_name() == "aten.max_pool1d_with_indices.default";
  return first_output(insert.graph(), node, [&] {
    return insert.call(flat ? "aten.max_pool1d.default" : "aten.max_pool2d.default",
                       ArgList(node.args.begin(), node.args.begin() + 6));
  });
}

/// Pooling of one dimension as pooling of two, the first of size 1.
Replacement pool_1d(Inserter& insert, Node& node) {
  SymShape shape = operand(node, 0)->type.shape;
  shape.insert(shape.end() - 1, SymInt(1));
  const auto pair = [&](std::string_view name, std::int64_t first) {
    const auto list = argument(node, name).int_list();
    return list.empty() ? ArgList{} : to_args(std::vector<std::int64_t>{first, list.at(0)});
  };
  const bool is_max = node.op_name() == "aten.max_pool1d.default";
  ArgList args = {insert.view(operand(node, 0), shape), pair("kernel_size", 1), pair("stride", 1), pair("padding", 0)};
  if (is_max) args.emplace_back(pair("dilation", 1));
  args.push_back(argument(node, "ceil_mode"));
  if (!is_max) args.push_back(argument(node, "count_include_pad"));
  Value* pooled = insert.call(is_max ? "aten.max_pool2d.default" : "aten.avg_pool2d.default", std::move(args));
  return {{insert.view(pooled, node.output()->type.shape)}};
}

/// Adaptive pooling to 1 is a mean; to a divisor of the size it has windows of equal size.
Replacement adaptive_avg_pool(Inserter& insert, Node& node) {
  Value* x = operand(node, 0);
  const SymShape& out = node.output()->type.shape;
  const std::size_t spatial = node.args.at(1).list().size();
  const std::size_t first = rank(x) - spatial;
  std::vector<std::int64_t> dims, window;
  bool whole = true, same = true;
  for (std::size_t d = first; d < rank(x); ++d) {
    dims.push_back(static_cast<std::int64_t>(d));
    whole = whole && out[d].is(1);
    same = same && out[d] == x->type.shape[d];
  }
  if (same) return {{x}};
  if (whole) return {{insert.call("aten.mean.dim", {x, to_args(dims), true})}};
  if (spatial != 2) return decompose_uneven_average(insert, node);
  for (std::size_t d = first; d < rank(x); ++d) {
    const auto quotient = divide_exact(x->type.shape[d], out[d]);
    if (!quotient || !quotient->is_constant()) return decompose_uneven_average(insert, node);
    window.push_back(quotient->constant());
  }
  return {{insert.call("aten.avg_pool2d.default", {x, to_args(window), to_args(window)})}};
}

/// The stride is spelt out, lists have full length.
Replacement normalise_pool(Inserter& insert, Node& node) {
  if (!argument(node, "stride").list().empty()) return decompose_unbatched_pool(insert, node);
  ArgList args = node.args;
  args[node.op->arg_index("stride")] = argument(node, "kernel_size");
  return {{insert.call(node.op_name(), std::move(args))}};
}

}  // namespace

void add_network_rules(DecomposeRules& rules) {
  rules["aten.native_layer_norm.default"] = native_layer_norm;
  rules["aten.layer_norm.default"] = normalise_layer_norm;
  rules["aten.batch_norm.default"] = batch_norm;
  rules["aten._native_batch_norm_legit.no_stats"] = native_batch_norm;
  rules["aten.native_batch_norm.default"] = native_batch_norm;
  rules["aten._native_batch_norm_legit.default"] = native_batch_norm;
  rules["aten._native_batch_norm_legit_no_training.default"] = native_batch_norm;
  rules["aten.native_group_norm.default"] = native_group_norm;
  rules["aten.instance_norm.default"] = instance_norm;
  rules["aten.rms_norm.default"] = rms_norm;
  rules["aten._fused_rms_norm.default"] = fused_rms_norm;
  rules["aten.softmax.int"] = softmax;
  rules["aten.log_softmax.int"] = softmax;
  rules["aten._softmax.default"] = normalise_softmax;
  rules["aten._log_softmax.default"] = normalise_softmax;
  rules["aten._scaled_dot_product_flash_attention_for_cpu.default"] = fused_attention;
  rules["aten.scaled_dot_product_attention.default"] = normalise_attention;
  rules["aten.max_pool1d_with_indices.default"] = max_pool_with_indices;
  rules["aten.max_pool2d_with_indices.default"] = max_pool_with_indices;
  rules["aten.max_pool1d.default"] = pool_1d;
  rules["aten.avg_pool1d.default"] = pool_1d;
  rules["aten.max_pool2d.default"] = normalise_pool;
  rules["aten.avg_pool2d.default"] = normalise_pool;
  for (const auto* name :
       {"aten._adaptive_avg_pool3d.default", "aten.adaptive_avg_pool1d.default", "aten.adaptive_avg_pool2d.default",
        "aten.adaptive_avg_pool3d.default", "aten._adaptive_avg_pool2d.default"}) {
    rules[name] = adaptive_avg_pool;
  }
}

}  // namespace aitune
