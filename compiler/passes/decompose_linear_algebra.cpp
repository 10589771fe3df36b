// Powers and chains of matrices as products, and Vandermonde matrices. Factorisations stay as they are.

#include <algorithm>

#include "compiler/passes/decompose.h"

namespace aitune {
namespace {

/// Powers of a matrix make a product for each bit, and chains one for each factor: so many at most.
constexpr std::int64_t kHighestPower = 1 << 10;

Value* times(Inserter& insert, Value* a, Value* b) { return insert.call("aten.matmul.default", {a, b}); }

/// By squaring, as PyTorch does: the same order of products.
Replacement power_of_matrix(Inserter& insert, Node& node) {
  Value* base = operand(node);
  std::int64_t n = argument(node, "n").integer();
  if (is_complex(base->type.dtype) || n == 0 || n > kHighestPower || n < -kHighestPower) return std::nullopt;
  if (n < 0) {
    base = insert.call("aten.linalg_inv.default", {base});
    n = -n;
  }
  if (n == 3) return {{times(insert, times(insert, base, base), base)}};
  Value* result = nullptr;
  for (; n > 0; n >>= 1) {
    if ((n & 1) != 0) result = result == nullptr ? base : times(insert, result, base);
    if (n > 1) base = times(insert, base, base);
  }
  return {{result}};
}

/// From the end that is narrower; where that is not known, from the left.
Replacement chain_of_products(Inserter& insert, Node& node) {
  std::vector<Value*> factors;
  for (const Arg& arg : node.args.at(0).list()) factors.push_back(arg.value());
  if (is_complex(node.output()->type.dtype)) return std::nullopt;
  const auto rows = factors.front()->type.shape.front().as_constant();
  const auto columns = factors.back()->type.shape.back().as_constant();
  const bool vector_last = rank(factors.back()) == 1 && rank(factors.front()) > 1;
  const bool backwards = vector_last || (rank(factors.front()) > 1 && rows && columns && *columns < *rows);
  if (backwards) std::ranges::reverse(factors);
  Value* result = factors.front();
  for (std::size_t i = 1; i < factors.size(); ++i)
    result = backwards ? times(insert, factors[i], result) : times(insert, result, factors[i]);
  return {{result}};
}

/// Ones, and the running product of n - 1 copies.
Replacement vandermonde(Inserter& insert, Node& node) {
  const TensorType& type = node.output()->type;
  const auto n = type.shape.back().as_constant();
  if (is_complex(type.dtype) || !n || *n < 2) return std::nullopt;
  SymShape column = type.shape, rest = type.shape;
  column.back() = 1;
  rest.back() = *n - 1;
  Value* x = insert.view(insert.cast(operand(node), type.dtype), column);
  const auto along = static_cast<std::int64_t>(rank(x)) - 1;
  Value* powers = insert.call("aten.cumprod.default", {insert.expand(x, rest), SymInt(along)});
  Value* ones = insert.expand(insert.scalar(type.dtype, 1), column);
  Value* rising = insert.call("aten.cat.default", {ArgList{ones, powers}, SymInt(along)});
  if (!has_argument(node, "increasing") || argument(node, "increasing").boolean()) return {{rising}};
  return {{insert.call("aten.flip.default", {rising, to_args(std::vector<std::int64_t>{along})})}};
}

/// Sums of products of what variables, in rows, differ from their means by.
Value* products_of_deviations(Inserter& insert, const Node& node) {
  const DType dtype = node.output()->type.dtype;
  Value* x = insert.cast(operand(node), dtype);
  if (rank(x) < 2) x = insert.view(x, {SymInt(1), rank(x) == 0 ? SymInt(1) : x->type.shape[0]});
  Value* mean = insert.call("aten.mean.dim", {x, to_args(std::vector<std::int64_t>{1}), true});
  x = insert.call("aten.sub.Tensor", {x, mean});
  return insert.call("aten.mm.default", {x, insert.permute(x, {1, 0})});
}

Replacement covariance(Inserter& insert, Node& node) {
  const TensorType& type = node.output()->type;
  const SymShape& from = operand(node)->type.shape;
  const auto count = from.empty() ? 1 : from.back().as_constant();
  if (!is_floating(type.dtype) || !count || !argument(node, "fweights").is_none() ||
      !argument(node, "aweights").is_none())
    return std::nullopt;
  const std::int64_t freedom = std::max<std::int64_t>(*count - argument(node, "correction").integer(), 0);
  Value* sums = insert.view(products_of_deviations(insert, node), type.shape);
  return {{insert.call("aten.div.Tensor", {sums, insert.scalar(type.dtype, static_cast<double>(freedom))})}};
}

/// The number of observations cancels out.
Replacement correlation(Inserter& insert, Node& node) {
  const TensorType& type = node.output()->type;
  if (!is_floating(type.dtype) || type.shape.empty()) return std::nullopt;
  Value* sums = products_of_deviations(insert, node);
  Value* length = insert.call("aten.sqrt.default", {insert.call("aten.diagonal.default", {sums})});
  Value* result = insert.call("aten.div.Tensor", {sums, insert.view(length, {type.shape[0], SymInt(1)})});
  result = insert.call("aten.div.Tensor", {result, insert.view(length, {SymInt(1), type.shape[0]})});
  return {{insert.call("aten.clamp.default", {result, -1.0, 1.0})}};
}

}  // namespace

void add_linear_algebra_decompositions(DecomposeRules& rules) {
  rules["aten.linalg_matrix_power.default"] = power_of_matrix;
  rules["aten.matrix_power.default"] = power_of_matrix;
  rules["aten.linalg_multi_dot.default"] = chain_of_products;
  rules["aten.chain_matmul.default"] = chain_of_products;
  rules["aten.linalg_vander.default"] = vandermonde;
  rules["aten.vander.default"] = vandermonde;
  rules["aten.cov.default"] = covariance;
  rules["aten.corrcoef.default"] = correlation;
}

}  // namespace aitune
