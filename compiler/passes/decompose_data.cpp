// Selections whose size data decide: the positions that a mask keeps, then a gather that compiled engines take. The
// size keeps its symbol, which the node of the positions now defines.

#include <algorithm>

#include "compiler/ops/data_sizes.h"
#include "compiler/passes/decompose.h"

namespace aitune {
namespace {

/// The symbol that the node defines; nothing where its size is known otherwise.
std::optional<SymInt> size_of(const Node& node) {
  const auto symbol = data_symbol(node);
  return symbol ? std::optional(SymInt::symbol(symbol->name)) : std::nullopt;
}

/// Where a mask is true, counted row-major: i64[size].
Value* kept_positions(Inserter& insert, Value* mask, const SymInt& size) {
  Value* flat = insert.view(mask, {product(mask->type.shape)});
  Value* positions = insert.call_typed("aten.nonzero.default", {flat}, {{DType::i64, {size, 1}}})->output();
  return insert.view(positions, {size});
}

/// x[mask]: the mask's dimensions become one, and the kept positions along it are selected.
Replacement index_by_mask(Inserter& insert, Node& node) {
  if (auto replacement = decompose_joint_index(insert, node)) return replacement;
  const auto size = size_of(node);
  if (!size) return std::nullopt;
  Value* self = node.args.at(0).value();
  const ArgList& indices = node.args.at(1).list();
  const auto found = std::ranges::find_if(indices, &Arg::is_value);
  const std::int64_t dim = found - indices.begin();
  Value* mask = found->value();
  SymShape shape = self->type.shape;
  const auto first = shape.begin() + dim;
  shape.erase(first, first + static_cast<std::ptrdiff_t>(mask->type.shape.size()));
  shape.insert(shape.begin() + dim, product(mask->type.shape));
  return {{insert.call("aten.index_select.default",
                       {insert.view(self, shape), SymInt(dim), kept_positions(insert, mask, *size)})}};
}

Replacement masked_select(Inserter& insert, Node& node) {
  const auto size = size_of(node);
  Value *self = node.args.at(0).value(), *mask = node.args.at(1).value();
  const OpInfo& both = op_info(OpId::aten_logical_and_default);  // NumPy's broadcasting
  const SymShape shape = infer_types(both, {self, mask}).at(0).shape;
  Value* flat = insert.view(insert.expand(self, shape), {product(shape)});
  Value* positions = kept_positions(insert, insert.expand(mask, shape), *size);
  return {{insert.call("aten.index_select.default", {flat, SymInt(0), positions})}};
}

Replacement argwhere(Inserter& insert, Node& node) {
  return {{insert.call_typed("aten.nonzero.default", {node.args.at(0)}, {node.output()->type})->output()}};
}

Replacement nonzero_columns(Inserter& insert, Node& node) {
  Value* self = node.args.at(0).value();
  const std::size_t rank = node.outputs.size();
  if (self->type.shape.empty()) self = insert.view(self, {1});
  const SymInt size = node.output()->type.shape[0];
  const SymShape shape = {size, static_cast<std::int64_t>(rank)};
  Value* rows = insert.call_typed("aten.nonzero.default", {self}, {{DType::i64, shape}})->output();
  std::vector<Value*> columns;
  for (std::size_t d = 0; d < rank; ++d)
    columns.push_back(insert.call("aten.select.int", {rows, SymInt(1), SymInt(static_cast<std::int64_t>(d))}));
  return columns;
}

/// Which element each result repeats, then a selection.
Replacement repeat_interleave_by_tensor(Inserter& insert, Node& node) {
  Value *self = node.args.at(0).value(), *repeats = node.args.at(1).value();
  const Arg& dim_argument = argument(node, "dim");
  if (dim_argument.is_none() || self->type.shape.empty()) self = insert.view(self, {product(self->type.shape)});
  const std::int64_t dim = dim_argument.is_none() ? 0 : wrap_dim(dim_argument.integer(), self->type.shape.size());
  const auto d = static_cast<std::size_t>(dim);
  if (repeats->type.shape != SymShape{self->type.shape[d]})
    repeats = insert.expand(insert.view(repeats, {1}), {self->type.shape[d]});
  const SymInt size = node.output()->type.shape[d];
  Value* positions = insert
                         .call_typed("aten.repeat_interleave.Tensor", {repeats, argument(node, "output_size")},
                                     {{repeats->type.dtype, {size}}})
                         ->output();
  return {{insert.call("aten.index_select.default", {self, SymInt(dim), positions})}};
}

}  // namespace

/// x[mask] = values, a value for each kept position. Where the values are known by the same mask, equal nodes become
/// one and with them the sizes; else the runtime checks that there are as many.
Replacement put_by_mask(Inserter& insert, Node& node) {
  const ArgList& indices = node.args.at(1).list();
  if (indices.size() != 1 || !indices[0].is_value() || indices[0].value()->type.dtype != DType::b8) return std::nullopt;
  Value *self = node.args.at(0).value(), *mask = indices[0].value(), *values = node.args.at(2).value();
  SymShape shape = self->type.shape;
  shape.erase(shape.begin(), shape.begin() + static_cast<std::ptrdiff_t>(mask->type.shape.size()));
  shape.insert(shape.begin(), product(mask->type.shape));
  Value* rows = insert.call("aten.nonzero.default", {insert.view(mask, {shape[0]})});
  Value* positions = insert.view(rows, {rows->type.shape[0]});
  Value* put = insert.call("aten.index_put.default",
                           {insert.view(self, shape), ArgList{positions}, values, argument(node, "accumulate")});
  return {{insert.view(put, self->type.shape)}};
}

void add_data_rules(DecomposeRules& rules) {
  rules["aten.index.Tensor"] = index_by_mask;
  rules["aten.masked_select.default"] = masked_select;
  rules["aten.argwhere.default"] = argwhere;
  rules["aten.nonzero_numpy.default"] = nonzero_columns;
  rules["aten.where.default"] = nonzero_columns;
  rules["aten.repeat_interleave.self_Tensor"] = repeat_interleave_by_tensor;
}

}  // namespace aitune
