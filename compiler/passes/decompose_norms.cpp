// Norms, distances and means that leave numbers out.

#include <cmath>
#include <limits>
#include <numeric>

#include "compiler/ops/schema.h"
#include "compiler/passes/decompose.h"

namespace aitune {
namespace {

using Axes = std::vector<std::int64_t>;

/// Distances of all pairs have a difference for each pair and coordinate while they are summed: so many at most.
constexpr std::int64_t kMostDifferences = std::int64_t{1} << 24;

Axes every_axis(const Value* x) {
  Axes axes(rank(x));
  std::iota(axes.begin(), axes.end(), 0);
  return axes;
}

Axes axes_of(const Arg& dims, const Value* x) {
  if (dims.is_none()) return every_axis(x);
  Axes axes = dims.is_list() ? dims.int_list() : Axes{dims.integer()};
  for (std::int64_t& axis : axes) axis = wrap_dim(axis, rank(x));
  return axes.empty() ? every_axis(x) : axes;
}

Value* vector_norm(Inserter& insert, Value* x, const Arg& order, const Axes& axes, bool keep) {
  return insert.call("aten.linalg_vector_norm.default", {x, order, to_args(axes), keep}, {{"dtype", None{}}});
}

/// norm.ScalarOpt_dtype and norm.ScalarOpt_dim_dtype: p = None is 2.
Replacement norm_in_type(Inserter& insert, Node& node) {
  const Arg& p = argument(node, "p");
  Value* x = insert.cast(operand(node), node.output()->type.dtype);
  const bool has_dim = node.op_name() == "aten.norm.ScalarOpt_dim_dtype";
  const bool keep = has_dim && argument(node, "keepdim").boolean();
  const Axes axes = has_dim ? axes_of(argument(node, "dim"), x) : every_axis(x);
  return {{vector_norm(insert, x, p.is_none() ? Arg(2.0) : p, axes, keep)}};
}

/// A matrix norm that is a sum and a maximum; nothing for those of singular values.
Value* matrix_norm(Inserter& insert, Value* x, double order, const Axes& axes, bool keep) {
  const bool infinite = std::isinf(order);
  if (!infinite && std::abs(order) != 1) return nullptr;
  const std::int64_t summed = axes[infinite ? 1 : 0];
  std::int64_t compared = axes[infinite ? 0 : 1];
  if (x->type.shape[static_cast<std::size_t>(compared)].is(0)) return nullptr;  // nothing to compare
  Value* sums =
      insert.call("aten.sum.dim_IntList", {insert.call("aten.abs.default", {x}), to_args(Axes{summed}), keep});
  if (!keep && compared > summed) --compared;
  return insert.call(order > 0 ? "aten.amax.default" : "aten.amin.default", {sums, to_args(Axes{compared}), keep});
}

Replacement linear_algebra_norm(Inserter& insert, Node& node) {
  const Arg& order = argument(node, "ord");
  const Arg& dim = argument(node, "dim");
  const DType dtype = node.output()->type.dtype;
  if (is_complex(operand(node)->type.dtype)) return std::nullopt;
  Value* x = insert.cast(operand(node), dtype);
  const Axes axes = axes_of(dim, x);
  const bool keep = argument(node, "keepdim").boolean();
  // Without an order the dimensions are one vector; with one, two dimensions are a matrix.
  const bool vector = order.is_none() || axes.size() == 1 || (axes.empty() && dim.is_none());
  if (const auto* name = std::get_if<std::string>(&order))
    return *name == "fro" ? Replacement({{vector_norm(insert, x, 2.0, axes, keep)}}) : Replacement();
  if (vector) return {{vector_norm(insert, x, order.is_none() ? Arg(2.0) : order, axes, keep)}};
  const auto number = constant_number(order);
  if (axes.size() != 2 || !number) return std::nullopt;
  Value* norm = matrix_norm(insert, x, *number, axes, keep);
  return norm == nullptr ? Replacement() : Replacement({{norm}});
}

/// linalg_matrix_norm: what is a root of squares, or sums and a maximum.
Replacement norm_of_matrices(Inserter& insert, Node& node) {
  if (is_complex(operand(node)->type.dtype)) return std::nullopt;
  Value* x = insert.cast(operand(node), node.output()->type.dtype);
  const Arg& order = argument(node, "ord");
  const Axes axes = axes_of(argument(node, "dim"), x);
  const bool keep = argument(node, "keepdim").boolean();
  if (const auto* name = std::get_if<std::string>(&order))
    return *name == "fro" ? Replacement({{vector_norm(insert, x, 2.0, axes, keep)}}) : Replacement();
  const auto number = constant_number(order);
  Value* norm = number ? matrix_norm(insert, x, *number, axes, keep) : nullptr;
  return norm == nullptr ? Replacement() : Replacement({{norm}});
}

Replacement root_of_squares(Inserter& insert, Node& node) {
  Value* x = operand(node);
  if (is_complex(x->type.dtype)) return std::nullopt;
  return {{vector_norm(insert, x, 2.0, axes_of(argument(node, "dim"), x), argument(node, "keepdim").boolean())}};
}

Value* difference(Inserter& insert, Value* a, Value* b) { return insert.call("aten.sub.Tensor", {a, b}); }

Replacement distance(Inserter& insert, Node& node) {
  const DType dtype = node.output()->type.dtype;
  if (is_complex(operand(node)->type.dtype) || is_complex(operand(node, 1)->type.dtype)) return std::nullopt;
  Value* apart = difference(insert, insert.cast(operand(node), dtype), insert.cast(operand(node, 1), dtype));
  return {{vector_norm(insert, apart, argument(node, "p"), every_axis(apart), false)}};
}

/// Parts along `dim` whose norm is too large are brought to it.
Replacement renormalised(Inserter& insert, Node& node) {
  constexpr double kEpsilon = 1e-7;  // as PyTorch's
  Value* x = operand(node);
  const auto most = constant_number(argument(node, "maxnorm"));
  if (!most || is_complex(x->type.dtype) || x->type.dtype == DType::f16 || x->type.dtype == DType::bf16)
    return std::nullopt;
  Axes others = every_axis(x);
  std::erase(others, wrap_dim(argument(node, "dim").integer(), rank(x)));
  Value* norm = vector_norm(insert, x, argument(node, "p"), others, true);
  Value* factor = insert.call("aten.reciprocal.default", {insert.call("aten.add.Scalar", {norm, kEpsilon})});
  factor = insert.call("aten.mul.Scalar", {factor, *most});
  Value* large = insert.call("aten.gt.Scalar", {norm, *most});
  factor = insert.call("aten.where.self", {large, factor, insert.scalar(x->type.dtype, 1)});
  return {{insert.call("aten.mul.Tensor", {x, factor})}};
}

bool pairs_are_few(const Value* a, const Value* b) {
  std::int64_t all = 1;
  SymShape sizes = a->type.shape;
  sizes.push_back(b->type.shape[rank(b) - 2]);
  for (const SymInt& size : sizes) {
    const auto known = size.as_constant();
    if (!known || *known <= 0 || *known > kMostDifferences) return false;
    all *= *known;
    if (all > kMostDifferences) return false;
  }
  return true;
}

/// [..., p, m] and [..., r, m] give [..., p, r].
Replacement distances_of_pairs(Inserter& insert, Node& node) {
  Value *a = operand(node), *b = operand(node, 1);
  if (rank(a) < 2 || rank(b) < 2 || !is_floating(a->type.dtype) || !pairs_are_few(a, b)) return std::nullopt;
  SymShape rows = a->type.shape, columns = b->type.shape;
  rows.insert(rows.end() - 1, SymInt(1));
  columns.insert(columns.end() - 2, SymInt(1));
  Value* apart = difference(insert, insert.view(a, rows), insert.view(b, columns));
  return {{vector_norm(insert, apart, argument(node, "p"), {static_cast<std::int64_t>(rank(apart)) - 1}, false)}};
}

/// Of each row to those below it.
Replacement distances_within(Inserter& insert, Node& node) {
  Value* x = operand(node);
  const auto rows = x->type.shape.at(0).as_constant(), width = x->type.shape.at(1).as_constant();
  if (!rows || !width || *rows < 2 || *width < 1 || *rows > 4096 || *rows * *rows / 2 > kMostDifferences / *width)
    return std::nullopt;
  const std::int64_t pairs = *rows * (*rows - 1) / 2;
  Tensor first(DType::i64, {pairs}), second(DType::i64, {pairs});
  std::int64_t at = 0;
  for (std::int64_t i = 0; i < *rows; ++i)
    for (std::int64_t j = i + 1; j < *rows; ++j, ++at) {
      first.as<std::int64_t>()[at] = i;
      second.as<std::int64_t>()[at] = j;
    }
  const auto taken = [&](const Tensor& positions) {
    return insert.call("aten.index_select.default", {x, SymInt(0), insert.constant(positions, "pairs")});
  };
  return {{vector_norm(insert, difference(insert, taken(first), taken(second)), argument(node, "p"), {1}, false)}};
}

/// The sum of what is a number by the count of it.
Replacement mean_of_numbers(Inserter& insert, Node& node) {
  const DType dtype = node.output()->type.dtype;
  Value* x = operand(node);
  if (!is_floating(x->type.dtype) || !argument(node, "dtype").is_none()) return std::nullopt;
  const ArgList axes = to_args(axes_of(argument(node, "dim"), x));
  const bool keep = argument(node, "keepdim").boolean();
  Value* missing = insert.call("aten.isnan.default", {x});
  Value* numbers = insert.call("aten.where.self", {missing, insert.scalar(dtype, 0), x});
  Value* counted = insert.call("aten.where.self", {missing, insert.scalar(dtype, 0), insert.scalar(dtype, 1)});
  const auto sum = [&](Value* terms) { return insert.call("aten.sum.dim_IntList", {terms, axes, keep}); };
  return {{insert.call("aten.div.Tensor", {sum(numbers), sum(counted)})}};
}

Replacement sum_of_products(Inserter& insert, Node& node) {
  if (is_complex(node.output()->type.dtype)) return std::nullopt;
  Value* product = insert.call("aten.mul.Tensor", {operand(node), operand(node, 1)});
  const std::int64_t dim = wrap_dim(argument(node, "dim").integer(), rank(product));
  Value* sum = insert.call("aten.sum.dim_IntList", {product, to_args(Axes{dim}), false});
  return {{insert.cast(sum, node.output()->type.dtype)}};
}

/// Coordinate i of a x b is a[i+1] b[i+2] - a[i+2] b[i+1], counted around.
Replacement cross_product(Inserter& insert, Node& node) {
  const TensorType& type = node.output()->type;
  const std::int64_t dim = wrap_dim(argument(node, "dim").integer(), type.shape.size());
  const auto turned = [&](std::size_t i, std::int64_t by) {
    Value* x = insert.expand(insert.cast(operand(node, i), type.dtype), type.shape);
    return insert.call("aten.roll.default", {x, to_args(Axes{-by}), to_args(Axes{dim})});
  };
  const auto product = [&](std::int64_t a, std::int64_t b) {
    return insert.call("aten.mul.Tensor", {turned(0, a), turned(1, b)});
  };
  return {{difference(insert, product(1, 2), product(2, 1))}};
}

}  // namespace

void add_norm_rules(DecomposeRules& rules) {
  rules["aten.norm.ScalarOpt_dtype"] = norm_in_type;
  rules["aten.norm.ScalarOpt_dim_dtype"] = norm_in_type;
  rules["aten.linalg_norm.default"] = linear_algebra_norm;
  rules["aten.linalg_norm.ord_str"] = linear_algebra_norm;
  rules["aten.linalg_matrix_norm.default"] = norm_of_matrices;
  rules["aten.linalg_matrix_norm.str_ord"] = norm_of_matrices;
  rules["aten.frobenius_norm.dim"] = root_of_squares;
  rules["aten.dist.default"] = distance;
  rules["aten.renorm.default"] = renormalised;
  rules["aten.cdist.default"] = distances_of_pairs;
  rules["aten._cdist_forward.default"] = distances_of_pairs;
  rules["aten._pdist_forward.default"] = distances_within;
  rules["aten.nanmean.default"] = mean_of_numbers;
  rules["aten.linalg_vecdot.default"] = sum_of_products;
  rules["aten.linalg_cross.default"] = cross_product;
}

}  // namespace aitune
