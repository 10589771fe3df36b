#include <optional>

#include "compiler/ops/schema.h"
#include "compiler/passes/fuse.h"
#include "compiler/passes/rewrite.h"

namespace aitune {
namespace {

/// Whether `node` reduces the last dimension of its operand alone and keeps it with size 1.
bool reduces_last(const Node& node) {
  const Arg& dims = argument(node, "dim");
  if (!dims.is_list() || dims.list().size() != 1 || !argument(node, "keepdim").boolean()) return false;
  const std::size_t rank = operand(node, 0)->type.shape.size();
  return rank > 0 && wrap_dim(dims.list()[0].integer(), rank) == static_cast<std::int64_t>(rank) - 1;
}

/// x, where value = x - mean(x)
Value* centred(const Value* value) {
  const Node* difference = producer_if(value, "aten.sub.Tensor");
  if (difference == nullptr || constant_number(argument(*difference, "alpha")) != 1) return nullptr;
  const Node* mean = producer_if(operand(*difference, 1), "aten.mean.dim");
  Value* x = operand(*difference, 0);
  return mean != nullptr && operand(*mean, 0) == x && reduces_last(*mean) ? x : nullptr;
}

/// Whether value is the biased variance of x, `difference` being x - mean(x).
bool is_variance(const Value* value, const Value* difference, const Value* x) {
  if (const Node* mean = producer_if(value, "aten.mean.dim")) {
    const Node* square = producer_if(operand(*mean, 0), "aten.mul.Tensor");
    return square != nullptr && reduces_last(*mean) && operand(*square, 0) == operand(*square, 1) &&
           (operand(*square, 0) == difference || centred(operand(*square, 0)) == x);
  }
  const Node* variance = producer_if(value, "aten.var.correction");
  return variance != nullptr && operand(*variance, 0) == x && reduces_last(*variance) &&
         constant_number(argument(*variance, "correction")) == 0;
}

/// (x - mean) / sqrt(variance + eps), or times rsqrt
Replacement normalisation(Inserter& insert, Node& node) {
  const bool divides = is_op(node, "aten.div.Tensor");
  if (!divides && !is_op(node, "aten.mul.Tensor")) return std::nullopt;
  for (const std::size_t i : {0U, 1U}) {
    if (divides && i == 1) break;
    Value* difference = operand(node, i);
    Value* x = centred(difference);
    const Node* root = producer_if(operand(node, 1 - i), divides ? "aten.sqrt.default" : "aten.rsqrt.default");
    if (x == nullptr || root == nullptr || !x->type.shape.back().is_constant()) continue;
    const Node* sum = producer_if(operand(*root, 0), "aten.add.Scalar");
    if (sum == nullptr || !is_variance(operand(*sum, 0), difference, x)) continue;
    const auto epsilon = constant_number(sum->args[1]);
    if (!epsilon) continue;
    return {
        {insert.call("aten.layer_norm.default", {x, ArgList{x->type.shape.back()}, None{}, None{}, *epsilon, false})}};
  }
  return std::nullopt;
}

/// layer_norm(x) * weight, and then + bias, with constants of the normalised shape.
Replacement affine(Inserter& insert, Node& node, const UseCounts& uses) {
  const bool multiplies = is_op(node, "aten.mul.Tensor");
  if (!multiplies && !(is_op(node, "aten.add.Tensor") && constant_number(argument(node, "alpha")) == 1)) {
    return std::nullopt;
  }
  const std::size_t slot = multiplies ? 2 : 3;
  for (const std::size_t i : {0U, 1U}) {
    const Node* norm = producer_if(operand(node, i), "aten.layer_norm.default");
    Value* constant = operand(node, 1 - i);
    if (norm == nullptr || !is_weight(constant) || !uses.single(norm->output())) continue;
    if (!norm->args[slot].is_none() || !norm->args[3].is_none()) continue;
    if (constant->type.shape != norm->args[1].sym_list() || constant->type.dtype != norm->output()->type.dtype)
      continue;
    ArgList args = norm->args;
    args[slot] = constant;
    return {{insert.call("aten.layer_norm.default", std::move(args))}};
  }
  return std::nullopt;
}

}  // namespace

void fuse_layer_norm(Graph& graph, const PassContext&) {
  rewrite(graph, normalisation);
  for (int round = 0; round < 2; ++round) {  // weight, then bias
    const UseCounts uses(graph);
    rewrite(graph, [&](Inserter& insert, Node& node) { return affine(insert, node, uses); });
  }
}

}  // namespace aitune
