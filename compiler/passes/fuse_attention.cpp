#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "compiler/ops/schema.h"
#include "compiler/passes/fuse.h"
#include "compiler/passes/rewrite.h"

namespace aitune {
namespace {

/// What the decomposed form softmax(scale * q k^T + mask) v consists of.
struct Attention {
  Value* q = nullptr;  // [batch, rows, depth] in this or another view
  Value* k = nullptr;  // [batch, depth, columns]: as the product reads it
  SymShape q_shape, k_shape;
  Value* v = nullptr;  // [batch, columns, width]
  double scale = 1;
  Value* added = nullptr;    // added to the scores, or
  Value* removed = nullptr;  // a bool mask of scores that become -inf, or
  Value* kept = nullptr;     // a bool mask of scores that stay
  SymShape scores;           // shape of the softmax's operand
  bool safe = false;         // a row without any score gives 0, and not NaN
};

/// Walks up from a value as long as it has one use.
class Walker {
 public:
  explicit Walker(const UseCounts& uses) : uses_(uses) {}
  /// The same, but a value may have so many uses where no number is given.
  Walker(const Walker& other, std::size_t most) : uses_(other.uses_), most_(most) {}
  Node* producer(const Value* value, std::string_view op, std::size_t uses = 0) const {
    Node* node = producer_if(value, op);
    return node != nullptr && uses_.of(value) <= std::max(uses, most_) ? node : nullptr;
  }
  Value* through_views(Value* value, std::size_t uses = 0) const {
    while (const Node* view = producer(value, "aten.view.default", uses)) value = operand(*view, 0);
    return value;
  }

 private:
  const UseCounts& uses_;
  std::size_t most_ = 1;
};

/// Whether each row of a constant has an element that `keeps` a score.
template <typename Keeps>
bool each_row_has(const Value* mask, Keeps keeps) {
  if (!is_weight(mask) || mask->data.dim() < 1 || mask->data.numel() == 0) return false;
  const auto elements = to_doubles(mask->data);
  const auto columns = static_cast<std::ptrdiff_t>(mask->data.shape().back());
  for (auto row = elements.begin(); row != elements.end(); row += columns)
    if (std::none_of(row, row + columns, keeps)) return false;
  return true;
}

/// Whether each row of a constant bool mask keeps a score when `removing` says what true means. A row without any is 0
/// in fused attention, and uniform where the model fills with a large finite number.
bool keeps_each_row(const Value* mask, bool removing) {
  return each_row_has(mask, [=](double m) { return (m != 0) != removing; });
}

bool removes(double fill, const Value* mask, bool removing) {
  return fill == -INFINITY || (fill <= -1e30 && keeps_each_row(mask, removing));
}

/// Takes a mask off the scores; returns what it was applied to.
Value* take_mask(Value* scores, const Walker& walk, Attention& found) {
  if (const Node* sum = walk.producer(scores, "aten.add.Tensor");
      sum != nullptr && constant_number(argument(*sum, "alpha")) == 1) {
    // The mask is the operand that is smaller, or else the second.
    const bool swapped = operand(*sum, 0)->type.shape != scores->type.shape;
    found.added = operand(*sum, swapped ? 0 : 1);
    Value* rest = operand(*sum, swapped ? 1 : 0);
    return rest->type == scores->type && found.added->type.dtype == scores->type.dtype ? rest : nullptr;
  }
  if (const Node* fill = walk.producer(scores, "aten.masked_fill.Scalar")) {
    const auto value = constant_number(fill->args[2]);
    if (!value || !removes(*value, operand(*fill, 1), true)) return nullptr;
    found.removed = operand(*fill, 1);
    return operand(*fill, 0);
  }
  if (const Node* where = walk.producer(scores, "aten.where.self")) {
    const bool removing = scalar_weight(operand(*where, 1)).has_value();  // where(mask, -inf, scores)
    const auto value = scalar_weight(operand(*where, removing ? 1 : 2));
    if (!value || !removes(*value, operand(*where, 0), removing)) return nullptr;
    (removing ? found.removed : found.kept) = operand(*where, 0);
    Value* rest = operand(*where, removing ? 2 : 1);
    return rest->type == scores->type ? rest : nullptr;
  }
  return scores;
}

Value* take_scale(Value* scores, const Walker& walk, Attention& found, std::size_t uses = 0) {
  for (const std::string_view op : {"aten.mul.Scalar", "aten.div.Scalar"}) {
    const Node* scaling = walk.producer(scores, op, uses);
    const auto factor = scaling != nullptr ? constant_number(scaling->args[1]) : std::nullopt;
    if (!factor || *factor == 0) continue;
    found.scale *= op == "aten.mul.Scalar" ? *factor : 1 / *factor;
    return operand(*scaling, 0);
  }
  return scores;
}

/// Scores, where value = where(all of a row's scores are -inf, 0, softmax(scores)): PyTorch's decomposed attention,
/// which gives 0 for rows without any score, as fused attention does. Nothing for another value.
const Node* safe_softmax(const Value* value, const Walker& walk) {
  const Node* where = walk.producer(value, "aten.where.self");
  if (where == nullptr || scalar_weight(operand(*where, 1)) != 0) return nullptr;
  const Node* softmax = walk.producer(operand(*where, 2), "aten._softmax.default");
  const Node* none = walk.producer(operand(*where, 0), "aten.logical_not.default");
  const Node* any = none != nullptr ? walk.producer(operand(*none, 0), "aten.any.dim") : nullptr;
  const Node* finite = any != nullptr ? walk.producer(operand(*any, 0), "aten.logical_not.default") : nullptr;
  const Node* never = finite != nullptr ? walk.producer(operand(*finite, 0), "aten.eq.Scalar") : nullptr;
  if (softmax == nullptr || never == nullptr || constant_number(never->args[1]) != -INFINITY) return nullptr;
  const std::size_t rank = value->type.shape.size();
  const bool same_row = wrap_dim(argument(*any, "dim").integer(), rank) == static_cast<std::int64_t>(rank) - 1;
  return same_row && operand(*never, 0) == operand(*softmax, 0) ? softmax : nullptr;
}

std::optional<Attention> match(const Node& node, const Walker& walk) {
  if (!is_op(node, "aten.bmm.default")) return std::nullopt;
  Attention found;
  found.v = operand(node, 1);
  Value* weights = walk.through_views(operand(node, 0));
  const Node* softmax = walk.producer(weights, "aten._softmax.default");
  const bool safe = softmax == nullptr;
  if (safe) softmax = safe_softmax(weights, walk);
  found.safe = safe;
  if (softmax == nullptr || !is_floating(weights->type.dtype)) return std::nullopt;
  found.scores = weights->type.shape;
  const std::size_t rank = found.scores.size();
  if (rank < 3 || wrap_dim(softmax->args[1].integer(), rank) != static_cast<std::int64_t>(rank) - 1)
    return std::nullopt;
  if (found.scores[rank - 2] != operand(node, 0)->type.shape[1] ||
      found.scores.back() != operand(node, 0)->type.shape[2]) {
    return std::nullopt;
  }
  // The safe form reads the scores twice: below it they may be a view, a scaling or a product with two uses.
  Value* masked = operand(*softmax, 0);
  Value* scores = take_mask(masked, Walker(walk, safe ? 2 : 1), found);
  if (scores == nullptr) return std::nullopt;
  const std::size_t uses = safe && scores == masked ? 2 : 1;
  scores = walk.through_views(scores, uses);
  scores = walk.through_views(take_scale(scores, walk, found, uses), uses);
  const Node* product = walk.producer(scores, "aten.bmm.default", uses);
  if (product == nullptr || product->output()->type.shape != operand(node, 0)->type.shape) return std::nullopt;
  found.q_shape = operand(*product, 0)->type.shape;
  found.k_shape = operand(*product, 1)->type.shape;
  found.q = take_scale(walk.through_views(operand(*product, 0)), walk, found);
  found.k = take_scale(walk.through_views(operand(*product, 1)), walk, found);
  return found;
}

/// The mask argument of fused attention, with the rank of the scores.
Arg mask_argument(Inserter& insert, const Attention& found) {
  Value* mask = found.added != nullptr ? found.added : found.kept;
  if (found.removed != nullptr) mask = insert.call("aten.logical_not.default", {found.removed});
  if (mask == nullptr) return None{};
  SymShape shape = mask->type.shape;
  while (shape.size() < found.scores.size()) shape.insert(shape.begin(), SymInt(1));
  return insert.view(mask, shape);
}

/// Whether a mask may remove all scores of a row.
bool empties_rows(const Attention& found) {
  if (found.removed != nullptr) return !keeps_each_row(found.removed, true);
  if (found.kept != nullptr) return !keeps_each_row(found.kept, false);
  return found.added != nullptr && !each_row_has(found.added, [](double m) { return m != -INFINITY; });
}

/// What a softmax that was spelled out gives for rows without any score: NaN, where fused attention has 0.
Value* with_empty_rows(Inserter& insert, const Attention& found, const Arg& mask, Value* result) {
  if (found.safe || !empties_rows(found)) return result;
  Value* kept = mask.value();
  if (found.added != nullptr) kept = insert.call("aten.ne.Scalar", {kept, -std::numeric_limits<double>::infinity()});
  const SymInt last(static_cast<std::int64_t>(found.scores.size()) - 1);
  Value* some = insert.call("aten.any.dim", {kept, last, true});
  return insert.call("aten.where.self", {some, result, insert.scalar(result->type.dtype, std::nan(""))});
}

}  // namespace

void fuse_attention(Graph& graph, const PassContext& context) {
  if (context.options.decompose_attention) return;
  const UseCounts uses(graph);
  rewrite(graph, [&](Inserter& insert, Node& node) -> Replacement {
    const auto found = match(node, Walker(uses));
    if (!found) return std::nullopt;
    const SymShape batch(found->scores.begin(), found->scores.end() - 2);
    const auto with_batch = [&](Value* x, const SymShape& as_read) {
      SymShape shape = batch;
      shape.insert(shape.end(), {as_read[1], as_read[2]});
      return insert.view(x, shape);
    };
    std::vector<std::int64_t> swap(found->scores.size());
    std::iota(swap.begin(), swap.end(), 0);
    std::swap(swap[swap.size() - 1], swap[swap.size() - 2]);
    Value* query = with_batch(found->q, found->q_shape);
    Value* key = insert.permute(with_batch(found->k, found->k_shape), swap);
    Value* value = with_batch(found->v, found->v->type.shape);
    const Arg mask = mask_argument(insert, *found);
    Value* result = insert.call("aten.scaled_dot_product_attention.default", {query, key, value, mask, 0.0, false},
                                {{"scale", found->scale}});
    return {{insert.view(with_empty_rows(insert, *found, mask, result), node.output()->type.shape)}};
  });
}

}  // namespace aitune
