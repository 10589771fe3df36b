#include "compiler/passes/simplify.h"

#include <cmath>

#include "compiler/ops/schema.h"
#include "compiler/passes/cleanup.h"

namespace aitune {
namespace {

/// What a constant mask of attention says.
enum class Mask { nothing, causal, other };

Mask classify(const Value* mask) {
  constexpr std::int64_t kLimit = 1 << 22;
  if (!is_weight(mask) || mask->data.dim() < 2 || mask->data.numel() > kLimit || mask->data.numel() == 0) {
    return Mask::other;
  }
  const bool boolean = mask->type.dtype == DType::b8;
  if (!boolean && !is_floating(mask->type.dtype)) return Mask::other;
  // Added to scores; this far below any score, it removes the position as -inf does.
  constexpr double kRemoved = -1e30;
  const auto elements = to_doubles(mask->data);
  const auto columns = static_cast<std::size_t>(mask->data.shape().back());
  const auto rows = static_cast<std::size_t>(mask->data.shape()[mask->data.shape().size() - 2]);
  bool all_kept = true, causal = rows == columns && rows > 1;
  for (std::size_t i = 0; i < elements.size(); ++i) {
    const bool kept = boolean ? elements[i] != 0 : elements[i] == 0;
    const bool removed = boolean ? !kept : elements[i] <= kRemoved;
    if (!kept && !removed) return Mask::other;
    all_kept = all_kept && kept;
    causal = causal && kept == (i % columns <= i / columns % rows);
    if (!all_kept && !causal) return Mask::other;
  }
  return all_kept ? Mask::nothing : Mask::causal;
}

/// The mask without a broadcast that attention does by itself; its rank stays.
Value* without_expand(Inserter& insert, Value* mask) {
  const Node* expand = producer_if(mask, "aten.expand.default");
  if (expand == nullptr) return mask;
  Value* source = expand->args[0].value();
  SymShape shape = source->type.shape;
  while (shape.size() < mask->type.shape.size()) shape.insert(shape.begin(), SymInt(1));
  return insert.view(source, shape);
}

Replacement attention(Inserter& insert, Node& node, const UseCounts&) {
  if (argument(node, "attn_mask").is_none() || argument(node, "is_causal").boolean()) return std::nullopt;
  Value* mask = argument(node, "attn_mask").value();
  const Node* expand = producer_if(mask, "aten.expand.default");
  const Value* source = expand != nullptr ? expand->args[0].value() : mask;
  const Mask kind = classify(source);
  const SymShape& query = node.args[0].value()->type.shape;
  const SymShape& key = node.args[1].value()->type.shape;
  const SymInt &rows = query[query.size() - 2], &columns = key[key.size() - 2];
  const SymShape& own = source->type.shape;
  const bool square = own.size() >= 2 && own[own.size() - 2] == rows && own.back() == columns;
  ArgList args = node.args;
  if (kind == Mask::nothing) {
    args[3] = None{};
  } else if (kind == Mask::causal && square) {
    args[3] = None{};
    args[node.op->arg_index("is_causal")] = true;
  } else if (expand != nullptr) {
    args[3] = without_expand(insert, mask);
  } else {
    return std::nullopt;
  }
  return {{insert.call(node.op_name(), std::move(args))}};
}

const SimplifyRules& simplify_rules() {
  static const SimplifyRules rules = [] {
    SimplifyRules all;
    add_movement_simplifications(all);
    add_arithmetic_simplifications(all);
    all["aten.scaled_dot_product_attention.default"] = attention;
    return all;
  }();
  return rules;
}

}  // namespace

void simplify(Graph& graph, const PassContext& context) {
  constexpr int kMaxRounds = 16;
  for (int round = 0; round < kMaxRounds; ++round) {
    const UseCounts uses(graph);
    const bool changed = rewrite(graph, [&](Inserter& insert, Node& node) -> Replacement {
      const auto it = simplify_rules().find(node.op_name());
      if (it != simplify_rules().end()) {
        if (auto replacement = it->second(insert, node, uses)) return replacement;
      }
      return sink_expand(insert, node);
    });
    if (!changed) return;
    eliminate_dead_code(graph, context);
  }
}

}  // namespace aitune
