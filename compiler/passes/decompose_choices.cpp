// Products and choices of vectors, chunks, sums to a size, and indices under a mask.

#include <algorithm>

#include "compiler/ops/schema.h"
#include "compiler/passes/decompose.h"

namespace aitune {
namespace {

/// Chosen positions are constants of at most this many numbers.
constexpr std::int64_t kMostChosen = std::int64_t{1} << 22;

/// A grid along each vector, and one column of the result for each grid.
Replacement cartesian_product(Inserter& insert, Node& node) {
  const ArgList& vectors = node.args.at(0).list();
  if (vectors.size() == 1) return {{vectors[0].value()}};
  SymShape grid;
  for (const Arg& vector : vectors) grid.push_back(vector.value()->type.shape.at(0));
  ArgList columns;
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    SymShape shape(grid.size(), SymInt(1));
    shape[i] = grid[i];
    Value* spread = insert.expand(insert.view(vectors[i].value(), shape), grid);
    columns.emplace_back(insert.view(spread, {product(grid), SymInt(1)}));
  }
  return {{insert.call("aten.cat.default", {columns, SymInt(1)})}};
}

/// Positions of every choice of r among n, row by row.
Tensor choices(std::int64_t n, std::int64_t r, std::int64_t rows, bool again) {
  Tensor positions(DType::i64, {rows * r});
  auto* to = positions.as<std::int64_t>();
  std::vector<std::int64_t> places(static_cast<std::size_t>(r));
  for (std::int64_t i = 0; i < r; ++i) places[static_cast<std::size_t>(i)] = again ? 0 : i;
  for (std::int64_t row = 0; row < rows; ++row) {
    to = std::ranges::copy(places, to).out;
    for (std::size_t i = places.size(); i-- > 0;) {
      if (places[i] >= (again ? n - 1 : n - r + static_cast<std::int64_t>(i))) continue;
      ++places[i];
      for (std::size_t j = i + 1; j < places.size(); ++j) places[j] = places[j - 1] + (again ? 0 : 1);
      break;
    }
  }
  return positions;
}

Replacement combinations(Inserter& insert, Node& node) {
  const SymShape& shape = node.output()->type.shape;
  const auto n = operand(node)->type.shape.at(0).as_constant(), rows = shape.at(0).as_constant();
  const std::int64_t r = argument(node, "r").integer();
  if (!n || !rows || *rows == 0 || r == 0 || *rows > kMostChosen / r) return std::nullopt;
  Value* positions = insert.constant(choices(*n, r, *rows, argument(node, "with_replacement").boolean()), "choices");
  return {{insert.view(insert.call("aten.index_select.default", {operand(node), SymInt(0), positions}), shape)}};
}

/// Each tensor filled up with zeros and cut into as many chunks, and the chunks joined.
Replacement joined_chunks(Inserter& insert, Node& node) {
  const std::size_t dim = rank(node.output()) - 2;
  const std::int64_t chunks = argument(node, "num_chunks").integer();
  ArgList parts;
  for (const Arg& tensor : node.args.at(0).list()) {
    Value* x = tensor.value();
    const auto size = x->type.shape.at(dim).as_constant();
    if (!size) return std::nullopt;
    if (const std::int64_t missing = (chunks - *size % chunks) % chunks; missing > 0) {
      std::vector<std::int64_t> pads(2 * (rank(x) - dim), 0);
      pads.back() = missing;
      x = insert.call("aten.constant_pad_nd.default", {x, to_args(pads), 0.0});
    }
    SymShape shape(x->type.shape.begin(), x->type.shape.begin() + static_cast<std::ptrdiff_t>(dim));
    SymShape inner(x->type.shape.begin() + static_cast<std::ptrdiff_t>(dim), x->type.shape.end());
    inner[0] = (*size + chunks - 1) / chunks;
    shape.emplace_back(chunks);
    shape.push_back(product(inner));
    parts.emplace_back(insert.view(x, shape));
  }
  return {{insert.call("aten.cat.default", {parts, SymInt(static_cast<std::int64_t>(dim) + 1)})}};
}

/// What the size lacks, or has once, is summed.
Replacement sum_to_size(Inserter& insert, Node& node) {
  Value* x = operand(node);
  const SymShape& size = node.output()->type.shape;
  if (size.empty()) return {{insert.call("aten.sum.default", {x})}};
  const std::size_t leading = rank(x) - size.size();
  std::vector<std::int64_t> dims;
  for (std::size_t d = 0; d < rank(x); ++d)
    if (d < leading || (size[d - leading].is(1) && !x->type.shape[d].is(1)))
      dims.push_back(static_cast<std::int64_t>(d));
  if (dims.empty()) return {{x}};
  return {{insert.view(insert.call("aten.sum.dim_IntList", {x, to_args(dims), true}), size)}};
}

/// The indices brought to the ends of what they index; nothing where a size is not known, or 0.
std::optional<ArgList> clamped_positions(Inserter& insert, const Node& node) {
  ArgList indices;
  const SymShape& shape = operand(node)->type.shape;
  const ArgList& given = argument(node, "indices").list();
  for (std::size_t d = 0; d < given.size(); ++d) {
    Value* index = given[d].value_or_null();
    if (index == nullptr) {
      indices.emplace_back(None{});
      continue;
    }
    const auto size = shape.at(d).as_constant();
    if (!size || *size == 0) return std::nullopt;
    indices.emplace_back(insert.call("aten.clamp.default", {index, SymInt(-*size), SymInt(*size - 1)}));
  }
  return indices;
}

Value* where_masked(Inserter& insert, const Node& node, Value* values, const Arg& otherwise) {
  Value* unset = insert.call("aten.logical_not.default", {argument(node, "mask")});
  return insert.call("aten.masked_fill.Scalar", {values, unset, otherwise});
}

Replacement index_under_mask(Inserter& insert, Node& node) {
  if (is_complex(operand(node)->type.dtype)) return std::nullopt;
  auto indices = clamped_positions(insert, node);
  if (!indices || product(operand(node)->type.shape).is(0)) return std::nullopt;
  Value* taken = insert.call("aten.index.Tensor", {operand(node), std::move(*indices)});
  return {{where_masked(insert, node, taken, argument(node, "fill"))}};
}

Replacement add_under_mask(Inserter& insert, Node& node) {
  if (is_complex(operand(node)->type.dtype)) return std::nullopt;
  auto indices = clamped_positions(insert, node);
  if (!indices || product(operand(node)->type.shape).is(0)) return std::nullopt;
  Value* added = where_masked(insert, node, argument(node, "values").value(), SymInt(0));
  return {{insert.call("aten.index_put.default", {operand(node), std::move(*indices), added, true})}};
}

}  // namespace

void add_choice_decompositions(DecomposeRules& rules) {
  rules["aten.cartesian_prod.default"] = cartesian_product;
  rules["aten.combinations.default"] = combinations;
  rules["aten._chunk_cat.default"] = joined_chunks;
  rules["aten.sum_to_size.default"] = sum_to_size;
  rules["aten._unsafe_masked_index.default"] = index_under_mask;
  rules["aten._unsafe_masked_index_put_accumulate.default"] = add_under_mask;
}

}  // namespace aitune
