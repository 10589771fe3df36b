#include "compiler/passes/decompose_attention.h"

#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

#include "compiler/passes/rewrite.h"

namespace aitune {
namespace {

/// The factor of the scores; nothing where it depends on a depth that moves.
std::optional<double> score_scale(const Node& node) {
  if (const auto given = constant_number(argument(node, "scale"))) return given;
  const auto depth = operand(node, 0)->type.shape.back().as_constant();
  return depth ? std::optional(1 / std::sqrt(static_cast<double>(*depth))) : std::nullopt;
}

bool same_leading(const Value* a, const Value* b) {
  return rank(a) == rank(b) && std::equal(a->type.shape.begin(), a->type.shape.end() - 2, b->type.shape.begin());
}

/// Whether row i may see column j: bool[rows, columns].
Value* causal_mask(Inserter& insert, const SymInt& rows, const SymInt& columns) {
  const auto count_to = [&](const SymInt& size) {
    return insert.call("aten.arange.start_step", {SymInt(0), size, SymInt(1)}, {{"dtype", DType::i64}});
  };
  Value* row = insert.view(count_to(rows), {rows, SymInt(1)});
  Value* column = insert.view(count_to(columns), {SymInt(1), columns});
  return insert.call("aten.ge.Tensor", {row, column});
}

/// Scores with -inf, and finite numbers added, where the arguments of attention say so.
Value* masked(Inserter& insert, const Node& node, Value* scores) {
  const DType dtype = scores->type.dtype;
  const std::size_t r = rank(scores);
  const auto keep = [&](Value* kept) {
    return insert.call("aten.where.self",
                       {kept, scores, insert.scalar(dtype, -std::numeric_limits<double>::infinity())});
  };
  if (Value* mask = argument(node, "attn_mask").value_or_null()) {
    if (mask->type.dtype == DType::b8)
      scores = keep(mask);
    else
      scores = insert.call("aten.add.Tensor", {scores, insert.cast(mask, dtype)});
  }
  if (argument(node, "is_causal").boolean())
    scores = keep(causal_mask(insert, scores->type.shape[r - 2], scores->type.shape[r - 1]));
  return scores;
}

/// Weights of the values. A row without any score gives 0, as fused attention does, and not NaN.
Value* soften(Inserter& insert, Value* scores, bool rows_may_be_empty) {
  const SymInt last(static_cast<std::int64_t>(rank(scores)) - 1);
  Value* weights = insert.call("aten._softmax.default", {scores, last, false});
  if (!rows_may_be_empty) return weights;
  Value* never = insert.call("aten.eq.Scalar", {scores, -std::numeric_limits<double>::infinity()});
  Value* some = insert.call("aten.any.dim", {insert.call("aten.logical_not.default", {never}), last, true});
  return insert.call("aten.where.self", {some, weights, insert.scalar(scores->type.dtype, 0)});
}

Replacement spell_out(Inserter& insert, Node& node) {
  if (!is_op(node, "aten.scaled_dot_product_attention.default")) return std::nullopt;
  Value *query = operand(node, 0), *key = operand(node, 1), *value = operand(node, 2);
  const auto scale = score_scale(node);
  if (!scale || rank(query) < 2 || !same_leading(query, key) || !same_leading(query, value)) return std::nullopt;
  SymShape shape(query->type.shape.begin(), query->type.shape.end() - 2);
  const SymInt batch = product(shape);
  const auto flat = [&](Value* x) {
    return insert.view(x, {batch, x->type.shape[rank(x) - 2], x->type.shape[rank(x) - 1]});
  };
  Value* product = insert.call("aten.bmm.default", {flat(query), insert.permute(flat(key), {0, 2, 1})});
  shape.insert(shape.end(), {product->type.shape[1], product->type.shape[2]});
  Value* scores = insert.call("aten.mul.Scalar", {insert.view(product, shape), *scale});
  const bool has_mask = !argument(node, "attn_mask").is_none();
  Value* weights = soften(insert, masked(insert, node, scores), has_mask);
  Value* result = insert.call("aten.bmm.default", {flat(weights), flat(value)});
  return {{insert.view(result, node.output()->type.shape)}};
}

}  // namespace

void decompose_attention(Graph& graph, const PassContext& context) {
  if (context.options.decompose_attention) rewrite(graph, spell_out);
}

}  // namespace aitune
