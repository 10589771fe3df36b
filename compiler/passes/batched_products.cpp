#include "compiler/passes/batched_products.h"

#include <algorithm>
#include <array>

#include "compiler/ops/schema.h"
#include "compiler/passes/rewrite.h"

namespace aitune {
namespace {

/// The tensor [batch..., m, n] behind a view [product of batch, m, n] of it; nullptr where the value is no such view.
Value* unmerged(const Value* value) {
  const Node* view = producer_if(value, "aten.view.default");
  if (view == nullptr || value->type.shape.size() != 3) return nullptr;
  Value* whole = operand(*view, 0);
  const SymShape& shape = whole->type.shape;
  const bool merges = shape.size() > 3 && std::equal(shape.end() - 2, shape.end(), value->type.shape.end() - 2);
  return merges ? whole : nullptr;
}

/// The same where the merged dimensions do not lie one within the other: reading the view would copy.
Value* unmerged_permutation(const Value* value) {
  Value* whole = unmerged(value);
  return whole != nullptr && producer_if(whole, "aten.permute.default") != nullptr ? whole : nullptr;
}

Value* with_batch(Inserter& insert, Value* value, const SymShape& batch) {
  SymShape shape = batch;
  shape.insert(shape.end(), value->type.shape.end() - 2, value->type.shape.end());
  return insert.view(value, shape);
}

SymShape batch_of(const Value* value) { return {value->type.shape.begin(), value->type.shape.end() - 2}; }

/// bmm over merged batch dimensions: matmul over all of them, and a view of the result, which is dense.
Replacement split_product(Inserter& insert, Node& node) {
  const Value* split = unmerged_permutation(operand(node, 0));
  if (split == nullptr) split = unmerged_permutation(operand(node, 1));
  if (split == nullptr) return std::nullopt;
  const SymShape batch = batch_of(split);
  const auto side = [&](std::size_t i) {
    Value* whole = unmerged(operand(node, i));
    return whole != nullptr && batch_of(whole) == batch ? whole : with_batch(insert, operand(node, i), batch);
  };
  Value* product = insert.call("aten.matmul.default", {side(0), side(1)});
  return {{insert.view(product, node.output()->type.shape)}};
}

/// Arithmetic on such a view moves to the product itself, where it is part of it.
Replacement sink_view(Inserter& insert, Node& node) {
  Value* whole = unmerged(operand(node, 0));
  if (whole == nullptr || node.output()->type.shape != operand(node, 0)->type.shape) return std::nullopt;
  const SymShape batch = batch_of(whole);
  ArgList args = node.args;
  args[0] = whole;
  for (std::size_t i = 1; i < args.size(); ++i) {
    if (!args[i].is_value()) continue;
    Value* other = args[i].value();
    if (other->type.shape.size() < 3 || (other->type.shape.size() == 3 && other->type.shape[0].is(1))) continue;
    if (other->type.shape.size() > 3 || other->type.shape[0] != node.output()->type.shape[0]) return std::nullopt;
    args[i] = with_batch(insert, other, batch);
  }
  return {{insert.view(insert.call(node.op_name(), std::move(args)), node.output()->type.shape)}};
}

constexpr auto kArithmetic = std::to_array<std::string_view>(
    {"aten.add.Tensor", "aten.sub.Tensor", "aten.mul.Tensor", "aten.mul.Scalar", "aten.div.Scalar", "aten.add.Scalar"});

}  // namespace

void split_batches(Graph& graph, const PassContext&) {
  std::vector<const Value*> products;  // and what is computed of them
  rewrite(graph, [&](Inserter& insert, Node& node) -> Replacement {
    if (is_op(node, "aten.bmm.default")) {
      auto split = split_product(insert, node);
      if (split) products.push_back((*split)[0]);
      return split;
    }
    const bool arithmetic = std::ranges::find(kArithmetic, node.op_name()) != kArithmetic.end();
    if (!arithmetic || std::ranges::find(products, operand(node, 0)) == products.end()) return std::nullopt;
    auto sunk = sink_view(insert, node);
    if (sunk) products.push_back((*sunk)[0]);
    return sunk;
  });
}

}  // namespace aitune
