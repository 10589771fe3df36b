// Writes into parts of tensors, and positions as masks.

#include <algorithm>
#include <numeric>

#include "compiler/ops/schema.h"
#include "compiler/passes/decompose.h"

namespace aitune {
namespace {

/// A write at one position is a write of a slice of one.
Replacement select_scatter(Inserter& insert, Node& node) {
  const SymShape& shape = node.output()->type.shape;
  const std::int64_t dim = wrap_dim(argument(node, "dim").integer(), shape.size());
  SymInt index = argument(node, "index").sym();
  if (const auto constant = index.as_constant(); constant && *constant < 0)
    index += shape.at(static_cast<std::size_t>(dim));
  SymShape part = shape;
  part.at(static_cast<std::size_t>(dim)) = 1;
  return {{insert.call("aten.slice_scatter.default", {operand(node), insert.view(operand(node, 1), part), SymInt(dim),
                                                      index, index + 1, SymInt(1)})}};
}

/// Every position along `dim` of [self, src] joined that the result takes.
Tensor positions_of(std::int64_t size, std::int64_t start, std::int64_t step, std::int64_t count) {
  Tensor positions(DType::i64, {size});
  auto* at = positions.as<std::int64_t>();
  std::iota(at, at + size, std::int64_t{0});
  for (std::int64_t i = 0; i < count; ++i) at[start + i * step] = size + i;
  return positions;
}

/// Dense slices: what lies before, the part, what lies after. With a step, by constant positions.
Replacement slice_scatter(Inserter& insert, Node& node) {
  Value* whole = operand(node);
  Value* part = insert.cast(operand(node, 1), whole->type.dtype);
  const SymShape& shape = node.output()->type.shape;
  const std::int64_t dim = wrap_dim(argument(node, "dim").integer(), shape.size());
  const SymInt& size = shape.at(static_cast<std::size_t>(dim));
  const SymInt& count = part->type.shape.at(static_cast<std::size_t>(dim));
  if (count.is(0)) return {{whole}};
  const Arg& start_argument = argument(node, "start");
  SymInt start = start_argument.is_none() ? SymInt(0) : start_argument.sym();
  if (const auto constant = start.as_constant(); constant && *constant < 0)
    start = size.is_constant() ? SymInt(std::max<std::int64_t>(*constant + size.constant(), 0)) : start + size;
  const SymInt step = argument(node, "step").sym();
  if (step.is(1) || count.is(1)) {
    if (count == size) return {{part}};
    ArgList parts;
    if (!start.is(0)) parts.emplace_back(insert.slice(whole, dim, 0, start));
    parts.emplace_back(part);
    if (start + count != size) parts.emplace_back(insert.slice(whole, dim, start + count, size));
    return {{insert.call("aten.cat.default", {parts, SymInt(dim)})}};
  }
  if (!size.is_constant() || !start.is_constant() || !step.is_constant() || !count.is_constant()) return std::nullopt;
  Value* joined = insert.call("aten.cat.default", {ArgList{whole, part}, SymInt(dim)});
  const Tensor positions = positions_of(size.constant(), start.constant(), step.constant(), count.constant());
  return {{insert.call("aten.index_select.default", {joined, SymInt(dim), insert.constant(positions, "positions")})}};
}

/// x[mask] = values, where the values do not depend on how many positions the mask keeps: a choice by element.
Replacement index_put_mask(Inserter& insert, Node& node) {
  const ArgList& indices = node.args.at(1).list();
  const auto found = std::ranges::find_if(indices, [](const Arg& arg) { return arg.is_value(); });
  if (found == indices.end() || found->value()->type.dtype != DType::b8) return std::nullopt;
  Value *self = operand(node), *mask = found->value(), *values = operand(node, 2);
  const auto before = static_cast<std::size_t>(found - indices.begin());
  const std::size_t rest = self->type.shape.size() - before - mask->type.shape.size();
  SymShape mask_shape = mask->type.shape;
  mask_shape.insert(mask_shape.end(), rest, SymInt(1));
  SymShape values_shape = values->type.shape;
  if (values_shape.size() > rest && !values_shape[0].is(1)) return put_by_mask(insert, node);
  if (values_shape.size() > rest)  // the dimension of the kept positions, of size 1
    values_shape.erase(values_shape.begin(), values_shape.end() - static_cast<std::ptrdiff_t>(rest));
  Value* chosen = insert.cast(insert.view(values, values_shape), self->type.dtype);
  if (argument(node, "accumulate").boolean()) chosen = insert.call("aten.add.Tensor", {self, chosen});
  return {{insert.call("aten.where.self", {insert.view(mask, mask_shape), chosen, self})}};
}

/// One where the class is that of the last dimension.
Replacement one_hot(Inserter& insert, Node& node) {
  const SymShape& shape = node.output()->type.shape;
  SymShape column = shape;
  column.back() = 1;
  Value* classes = insert.call("aten.arange.default", {shape.back()}, {{"dtype", DType::i64}});
  Value* equal = insert.call("aten.eq.Tensor", {insert.view(operand(node), column), classes});
  return {{insert.cast(equal, DType::i64)}};
}

}  // namespace

void add_index_rules(DecomposeRules& rules) {
  rules["aten.select_scatter.default"] = select_scatter;
  rules["aten.slice_scatter.default"] = slice_scatter;
  rules["aten.index_put.default"] = index_put_mask;
  rules["aten.one_hot.default"] = one_hot;
}

}  // namespace aitune
