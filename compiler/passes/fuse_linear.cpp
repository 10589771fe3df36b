#include <algorithm>
#include <unordered_set>

#include "compiler/ops/schema.h"
#include "compiler/passes/fuse.h"
#include "compiler/passes/rewrite.h"

namespace aitune {
namespace {

/// A weight, or a permuted weight (which folds to one).
bool is_constant_matrix(const Value* value) {
  if (value->type.shape.size() != 2) return false;
  if (is_weight(value)) return true;
  const Node* permute = producer_if(value, "aten.permute.default");
  return permute != nullptr && is_weight(permute->args[0].value());
}

/// W [in, out] as [out, in]: without the permute if it is one already.
Value* transposed(Inserter& insert, Value* weight) {
  if (const Node* permute = producer_if(weight, "aten.permute.default")) return permute->args[0].value();
  return insert.permute(weight, {1, 0});
}

Replacement linear_from_mm(Inserter& insert, Node& node) {
  if (!is_op(node, "aten.mm.default") || !is_constant_matrix(operand(node, 1)) ||
      is_constant_matrix(operand(node, 0))) {
    return std::nullopt;
  }
  return {{insert.call("aten.linear.default", {node.args[0], transposed(insert, operand(node, 1)), None{}})}};
}

/// bmm(x, expand(w)): every matrix of the batch is multiplied by the same constant.
Replacement linear_from_bmm(Inserter& insert, Node& node) {
  const Node* expand = is_op(node, "aten.bmm.default") ? producer_if(operand(node, 1), "aten.expand.default") : nullptr;
  if (expand == nullptr) return std::nullopt;
  Value* matrix = operand(*expand, 0);
  const SymShape& shape = matrix->type.shape;
  const SymShape& whole = operand(node, 1)->type.shape;
  const bool leading = shape.size() == 3 && shape[0].is(1);
  if (!(leading && is_weight(matrix)) && !is_constant_matrix(matrix)) return std::nullopt;
  if (shape[shape.size() - 2] != whole[1] || shape.back() != whole[2]) return std::nullopt;
  if (leading) matrix = insert.view(matrix, {whole[1], whole[2]});
  Value* weight = leading ? insert.permute(matrix, {1, 0}) : transposed(insert, matrix);
  return {{insert.call("aten.linear.default", {node.args[0], weight, None{}})}};
}

/// The sum of linear(x, w) and a constant of shape [out] (or [1, .., out]).
Replacement add_bias(Inserter& insert, Node& node, const UseCounts& uses) {
  if (!is_op(node, "aten.add.Tensor") || constant_number(argument(node, "alpha")) != 1) return std::nullopt;
  for (const std::size_t i : {0U, 1U}) {
    const Node* linear = producer_if(operand(node, i), "aten.linear.default");
    Value* bias = operand(node, 1 - i);
    if (linear == nullptr || !linear->args[2].is_none() || !uses.single(linear->output()) || !is_weight(bias)) continue;
    const SymInt& out = linear->output()->type.shape.back();
    if (bias->type.dtype != node.output()->type.dtype || bias->type.shape.empty() || bias->type.shape.back() != out ||
        product(bias->type.shape) != out || node.output()->type != linear->output()->type) {
      continue;
    }
    return {{insert.call("aten.linear.default", {linear->args[0], linear->args[1], insert.view(bias, {out})})}};
  }
  return std::nullopt;
}

/// Copies constant matrices (or vectors) one below the other.
Tensor stack_rows(const std::vector<Tensor>& parts) {
  Shape shape = parts[0].shape();
  shape[0] = 0;
  for (const Tensor& part : parts) shape[0] += part.size(0);
  Tensor whole(parts[0].dtype(), shape);
  std::byte* next = whole.data();
  for (const Tensor& part : parts) {
    const Tensor rows = part.contiguous();
    next = std::copy_n(rows.data(), rows.byte_size(), next);
  }
  return whole;
}

bool is_mergeable(const Node& node) {
  return is_op(node, "aten.linear.default") && is_weight(operand(node, 1)) &&
         (node.args[2].is_none() || is_weight(node.args[2].value())) && !is_weight(operand(node, 0));
}

bool fits(const Node& a, const Node& b) {
  const auto& wa = operand(a, 1)->type;
  const auto& wb = operand(b, 1)->type;
  return operand(a, 0) == operand(b, 0) && a.args[2].is_none() == b.args[2].is_none() && wa.dtype == wb.dtype &&
         wa.shape[1] == wb.shape[1];
}

}  // namespace

void fuse_linear(Graph& graph, const PassContext&) {
  rewrite(graph, linear_from_mm);
  rewrite(graph, linear_from_bmm);
  const UseCounts uses(graph);
  rewrite(graph, [&](Inserter& insert, Node& node) { return add_bias(insert, node, uses); });
}

void merge_linears(Graph& graph, const PassContext&) {
  std::unordered_map<const Value*, std::vector<std::vector<const Node*>>> groups;  // by input, then by what fits
  for (const auto& node : graph.nodes()) {
    if (!is_mergeable(*node)) continue;
    auto& sets = groups[operand(*node, 0)];
    const auto same = std::find_if(sets.begin(), sets.end(), [&](const auto& set) { return fits(*set[0], *node); });
    if (same == sets.end()) {
      sets.push_back({node.get()});
    } else {
      same->push_back(node.get());
    }
  }
  std::unordered_map<const Node*, const std::vector<const Node*>*> group_of;
  for (const auto& [input, sets] : groups) {
    for (const auto& set : sets) {
      if (set.size() < 2) continue;
      for (const Node* node : set) group_of[node] = &set;
    }
  }
  std::unordered_map<const Node*, Value*> parts;  // the slice that stands for a linear
  rewrite(graph, [&](Inserter& insert, Node& node) -> Replacement {
    const auto group = group_of.find(&node);
    if (group == group_of.end()) return std::nullopt;
    if (const auto it = parts.find(&node); it != parts.end()) return {{it->second}};
    std::vector<Tensor> weights, biases;
    for (const Node* member : *group->second) {
      weights.push_back(operand(*member, 1)->data);
      if (!member->args[2].is_none()) biases.push_back(member->args[2].value()->data);
    }
    const Arg bias = biases.empty() ? Arg(None{}) : Arg(insert.constant(stack_rows(biases), "merged_bias"));
    Value* weight = insert.constant(stack_rows(weights), "merged_weight");
    Value* merged = insert.call("aten.linear.default", {node.args[0], weight, bias});
    for (const Node* member : *group->second) merged->producer->source.adopt(member->source);
    const auto dim = static_cast<std::int64_t>(merged->type.shape.size()) - 1;
    std::int64_t start = 0;
    for (const Node* member : *group->second) {
      const std::int64_t rows = operand(*member, 1)->data.size(0);
      parts[member] = insert.slice(merged, dim, start, start + rows);
      start += rows;
    }
    return {{parts.at(&node)}};
  });
}

}  // namespace aitune
