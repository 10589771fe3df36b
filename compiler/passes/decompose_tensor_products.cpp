// Products of tensors in terms of products of matrices.

#include <algorithm>
#include <numeric>

#include "compiler/ops/schema.h"
#include "compiler/passes/decompose.h"

namespace aitune {
namespace {

/// The first operand with these dims last, and the sizes of the others and of these.
struct Arranged {
  Value* matrix = nullptr;
  SymShape kept;
};

/// As a matrix: `dims` along the columns (or the rows), the others along the rest.
Arranged arranged(Inserter& insert, Value* x, const std::vector<std::int64_t>& dims, bool dims_are_rows) {
  std::vector<std::int64_t> order;
  SymInt inner = 1, outer = 1;
  Arranged result;
  for (std::size_t d = 0; d < rank(x); ++d) {
    if (std::ranges::find(dims, static_cast<std::int64_t>(d)) != dims.end()) continue;
    order.push_back(static_cast<std::int64_t>(d));
    result.kept.push_back(x->type.shape[d]);
    outer *= x->type.shape[d];
  }
  for (const std::int64_t dim : dims) inner *= x->type.shape.at(static_cast<std::size_t>(dim));
  order.insert(dims_are_rows ? order.begin() : order.end(), dims.begin(), dims.end());
  const SymShape shape = dims_are_rows ? SymShape{inner, outer} : SymShape{outer, inner};
  result.matrix = insert.view(insert.permute(x, order), shape);
  return result;
}

Replacement contraction(Inserter& insert, Value* a, Value* b, std::vector<std::int64_t> a_dims,
                        std::vector<std::int64_t> b_dims, const SymShape& out) {
  for (std::int64_t& dim : a_dims) dim = wrap_dim(dim, rank(a));
  for (std::int64_t& dim : b_dims) dim = wrap_dim(dim, rank(b));
  // A size of 1 stands for any: the other side is summed before.
  const auto size = [](const Value* x, std::int64_t dim) { return x->type.shape.at(static_cast<std::size_t>(dim)); };
  const auto summed = [&](Value* x, std::int64_t dim) {
    return insert.call("aten.sum.dim_IntList", {x, to_args(std::vector<std::int64_t>{dim}), true},
                       {{"dtype", x->type.dtype}});
  };
  for (std::size_t i = 0; i < a_dims.size(); ++i) {
    if (size(a, a_dims[i]) == size(b, b_dims[i])) continue;
    if (size(b, b_dims[i]).is(1))
      a = summed(a, a_dims[i]);
    else if (size(a, a_dims[i]).is(1))
      b = summed(b, b_dims[i]);
    else
      return std::nullopt;
  }
  const Arranged left = arranged(insert, a, a_dims, false), right = arranged(insert, b, b_dims, true);
  return {{insert.view(insert.call("aten.mm.default", {left.matrix, right.matrix}), out)}};
}

Replacement tensor_dot(Inserter& insert, Node& node) {
  return contraction(insert, operand(node), operand(node, 1), argument(node, "dims_self").int_list(),
                     argument(node, "dims_other").int_list(), node.output()->type.shape);
}

Replacement inner_product(Inserter& insert, Node& node) {
  Value *a = operand(node), *b = operand(node, 1);
  if (rank(a) == 0 || rank(b) == 0) return {{insert.call("aten.mul.Tensor", {a, b})}};
  return contraction(insert, a, b, {-1}, {-1}, node.output()->type.shape);
}

/// Every element of the first times the whole second.
Replacement kronecker(Inserter& insert, Node& node) {
  Value *a = operand(node), *b = operand(node, 1);
  const std::size_t dims = std::max(rank(a), rank(b));
  SymShape outer, inner;
  for (std::size_t d = 0; d < dims; ++d) {
    const auto size = [&](const Value* x) {
      return d + rank(x) < dims ? SymInt(1) : x->type.shape[d + rank(x) - dims];
    };
    outer.insert(outer.end(), {size(a), SymInt(1)});
    inner.insert(inner.end(), {SymInt(1), size(b)});
  }
  Value* product = insert.call("aten.mul.Tensor", {insert.view(a, outer), insert.view(b, inner)});
  return {{insert.view(product, node.output()->type.shape)}};
}

/// y[o] = x1^T W[o] x2 + b[o]: a linear layer on all products of the two.
Replacement bilinear(Inserter& insert, Node& node) {
  Value *a = operand(node), *b = operand(node, 1), *weight = operand(node, 2);
  if (rank(a) == 0 || rank(a) != rank(b)) return std::nullopt;
  const SymShape& sizes = weight->type.shape;
  SymShape column = a->type.shape, row = b->type.shape, pairs = a->type.shape;
  column.emplace_back(1);
  row.insert(row.end() - 1, SymInt(1));
  pairs.back() = sizes.at(1) * sizes.at(2);
  Value* products = insert.call("aten.mul.Tensor", {insert.view(a, column), insert.view(b, row)});
  Value* matrix = insert.view(weight, {sizes[0], sizes[1] * sizes[2]});
  return {{insert.call("aten.linear.default", {insert.view(products, pairs), matrix, node.args[3]})}};
}

/// The sum of a batch's products is one product, along the batch and the depth.
Replacement sum_of_batch(Inserter& insert, Node& node) {
  if (scales_integers(node) || node.output()->type.dtype == DType::b8) return std::nullopt;
  Value *a = operand(node, 1), *b = operand(node, 2);
  const SymInt depth = a->type.shape.at(0) * a->type.shape.at(2);
  Value* left = insert.view(insert.permute(a, {1, 0, 2}), {a->type.shape[1], depth});
  Value* right = insert.view(b, {depth, b->type.shape.at(2)});
  return {{scaled_sum(insert, node, insert.call("aten.mm.default", {left, right}), node.output()->type.shape)}};
}

Replacement added_outer_product(Inserter& insert, Node& node) {
  const DType dtype = node.output()->type.dtype;
  if (scales_integers(node) || dtype == DType::b8 || operand(node, 1)->type.dtype != dtype ||
      operand(node, 2)->type.dtype != dtype)
    return std::nullopt;
  Value* product = insert.call("aten.outer.default", {operand(node, 1), operand(node, 2)});
  return {{scaled_sum(insert, node, product, node.output()->type.shape)}};
}

}  // namespace

void add_tensor_product_rules(DecomposeRules& rules) {
  rules["aten.tensordot.default"] = tensor_dot;
  rules["aten.inner.default"] = inner_product;
  rules["aten.kron.default"] = kronecker;
  rules["aten.bilinear.default"] = bilinear;
  rules["aten.addbmm.default"] = sum_of_batch;
  rules["aten.addr.default"] = added_outer_product;
}

}  // namespace aitune
