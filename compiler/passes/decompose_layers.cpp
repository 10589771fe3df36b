// Layers in terms of others that engines have kernels for: group norm, transposed convolutions, uneven adaptive
// pooling.

#include <algorithm>

#include "compiler/passes/decompose.h"

namespace aitune {
namespace {

/// Normalisation runs in f32 for the short floating types.
DType compute_type(DType dtype) { return dtype == DType::f16 || dtype == DType::bf16 ? DType::f32 : dtype; }

/// [N, C, ...] as [N, groups, C / groups, rest], normalised over the last two. Both views cost nothing in channels-last
/// memory, too.
Replacement group_norm(Inserter& insert, Node& node) {
  Value* x = operand(node, 0);
  const SymShape& shape = x->type.shape;
  const auto channels = shape.at(1).as_constant();
  const std::int64_t groups = node.args.at(1).integer();
  if (!channels || groups < 1 || *channels % groups != 0) return std::nullopt;
  SymInt rest = 1;
  for (std::size_t d = 2; d < shape.size(); ++d) rest *= shape[d];
  if (rest.is(0) || *channels == 0) return std::nullopt;
  const SymInt inner = *channels / groups;
  const DType wide = compute_type(x->type.dtype);
  Value* split = insert.view(insert.cast(x, wide), {shape[0], groups, inner, rest});
  Value* normal = insert.call("aten.layer_norm.default",
                              {split, to_args(SymShape{inner, rest}), None{}, None{}, argument(node, "eps"), false});
  Value* result = insert.view(normal, shape);
  SymShape one_by_channel(shape.size() - 1, SymInt(1));
  one_by_channel[0] = *channels;
  const auto along_channels = [&](std::string_view name) {
    return insert.view(insert.cast(argument(node, name).value(), wide), one_by_channel);
  };
  if (!argument(node, "weight").is_none()) result = insert.call("aten.mul.Tensor", {result, along_channels("weight")});
  if (!argument(node, "bias").is_none()) result = insert.call("aten.add.Tensor", {result, along_channels("bias")});
  return {{insert.cast(result, x->type.dtype)}};
}

/// The means of adaptive pooling along one dim as a matrix: out x in.
Tensor averaging_matrix(std::int64_t in, std::int64_t out) {
  Tensor matrix(DType::f32, {out, in});
  std::fill_n(matrix.as<float>(), in * out, 0.0f);
  for (std::int64_t o = 0; o < out; ++o) {
    const std::int64_t begin = o * in / out, end = ((o + 1) * in + out - 1) / out;
    for (std::int64_t i = begin; i < end; ++i) matrix.as<float>()[o * in + i] = 1.0f / static_cast<float>(end - begin);
  }
  return matrix;
}

}  // namespace

Replacement decompose_uneven_average(Inserter& insert, Node& node) {
  Value* x = operand(node, 0);
  const SymShape& out = node.output()->type.shape;
  if (x->type.dtype != DType::f32) return std::nullopt;
  const std::size_t spatial = node.args.at(1).list().size(), first = rank(x) - spatial;
  for (std::size_t d = first; d < rank(x); ++d)
    if (!x->type.shape[d].is_constant() || !out[d].is_constant() || out[d].is(0)) return std::nullopt;
  for (std::size_t d = first; d < rank(x); ++d) {
    if (x->type.shape[d] == out[d]) continue;
    std::vector<std::int64_t> last;
    for (std::size_t i = 0; i < rank(x); ++i) last.push_back(static_cast<std::int64_t>(i));
    std::swap(last[d], last.back());
    Value* matrix = insert.graph().add_weight("means", "adaptive_means",
                                              averaging_matrix(x->type.shape[d].constant(), out[d].constant()));
    x = insert.permute(insert.call("aten.linear.default", {insert.permute(x, last), matrix, None{}}), last);
  }
  return {{x}};
}

Replacement decompose_unbatched_pool(Inserter& insert, Node& node) {
  Value* x = operand(node, 0);
  if (rank(x) != 3) return std::nullopt;
  SymShape shape = x->type.shape;
  shape.insert(shape.begin(), SymInt(1));
  ArgList args = node.args;
  args[0] = insert.view(x, shape);
  return {{insert.view(insert.call(node.op_name(), std::move(args)), node.output()->type.shape)}};
}

namespace {

/// [N, C r r, H, W] from [N, C, H r, W r].
Replacement pixel_unshuffle(Inserter& insert, Node& node) {
  Value* x = operand(node, 0);
  const std::int64_t factor = node.args.at(1).integer();
  const SymShape& out = node.output()->type.shape;
  const std::size_t outer = rank(x) - 2;  // dims up to the channels
  SymShape split(x->type.shape.begin(), x->type.shape.begin() + static_cast<std::ptrdiff_t>(outer));
  for (const std::size_t d : {outer, outer + 1}) {
    split.push_back(out[d]);
    split.emplace_back(factor);
  }
  std::vector<std::int64_t> order;
  for (std::size_t d = 0; d < outer; ++d) order.push_back(static_cast<std::int64_t>(d));
  for (const std::int64_t d : {1, 3, 0, 2}) order.push_back(static_cast<std::int64_t>(outer) + d);
  return {{insert.view(insert.permute(insert.view(x, split), order), out)}};
}

/// The sum of products of both, each divided by its length. They are broadcast first: that changes the lengths.
Replacement cosine_similarity(Inserter& insert, Node& node) {
  const DType dtype = node.output()->type.dtype;
  if (!is_floating(dtype)) return std::nullopt;
  const double epsilon = argument(node, "eps").number();
  Value *a = insert.cast(operand(node, 0), dtype), *b = insert.cast(operand(node, 1), dtype);
  const std::size_t dims = rank(a);
  if (rank(b) != dims || dims == 0) return std::nullopt;
  SymShape shape = a->type.shape;
  for (std::size_t d = 0; d < dims; ++d)
    if (shape[d].is(1)) shape[d] = b->type.shape[d];
  a = insert.expand(a, shape);
  b = insert.expand(b, shape);
  const ArgList along = {SymInt(wrap_dim(argument(node, "dim").integer(), dims))};
  const auto unit = [&](Value* x) {
    Value* length = insert.call("aten.linalg_vector_norm.default", {x, 2.0, along, true});
    return insert.call("aten.div.Tensor", {x, insert.call("aten.clamp.default", {length, epsilon, None{}})});
  };
  return {{insert.call("aten.sum.dim_IntList", {insert.call("aten.mul.Tensor", {unit(a), unit(b)}), along})}};
}

}  // namespace

void add_layer_rules(DecomposeRules& rules) {
  rules["aten.group_norm.default"] = group_norm;
  rules["aten.pixel_unshuffle.default"] = pixel_unshuffle;
  rules["aten.cosine_similarity.default"] = cosine_similarity;
}

}  // namespace aitune
