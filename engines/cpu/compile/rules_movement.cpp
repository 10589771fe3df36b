// Operators that only move elements: strided views where the strides allow it, copies where they do not.

#include <fmt/format.h>

#include "compiler/ops/schema.h"
#include "engines/cpu/compile/op_rules.h"

namespace aitune::cpu {
namespace {

/// Applies a change of maps to whatever the operand is: memory, or an expression over loads. Returns whether it worked.
bool move(Lowering& lowering, const Node& node, const Value* from, const MapChange& change) {
  auto& source = lowering.state(from);
  const Value* result = node.output();
  if (!source.view && source.root) lowering.in_memory(from);
  std::vector<const Node*> sources = source.sources;
  sources.push_back(&node);
  if (source.view) {
    auto map = change(source.view->map);
    if (!map) return false;
    View view{source.view->buffer, source.view->dtype, result->type.shape, std::move(*map)};
    lowering.define_view(result, std::move(view), std::move(sources));
  } else {
    LazyPtr expr = remap(source.expr, change);
    if (!expr) return false;
    lowering.define_expression(result, std::move(expr), nullptr, std::move(sources));
  }
  lowering.state(result).non_negative = lowering.state(from).non_negative;
  return true;
}

/// A permutation of a product that is still pending only renames its dims: the epilogue can go on.
bool permute_pending(Lowering& lowering, const Node& node, const Value* from, const std::vector<std::int64_t>& order) {
  const auto source = lowering.state(from);
  if (source.view || !source.root || source.root->kind != Root::Kind::gemm) return false;
  if (source.uses != 1 || lowering.root_is_shared(from)) return false;
  auto root = std::make_shared<Root>(*source.root);
  std::vector<int> place(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) place[static_cast<std::size_t>(order[i])] = static_cast<int>(i);
  for (int& d : root->dims)
    if (d >= 0) d = place[static_cast<std::size_t>(d)];
  root->shape = node.output()->type.shape;
  const LazyPtr expr = remap(source.expr, [&](const Affine& map) { return std::optional(permute(map, order)); });
  std::vector<const Node*> sources = source.sources;
  sources.push_back(&node);
  lowering.define_expression(node.output(), expr, root, std::move(sources));
  return true;
}

void lower_permute(Lowering& lowering, const Node& node) {
  const Value* from = node.args[0].value();
  std::vector<std::int64_t> order;
  for (const auto d : node.args[1].int_list())
    order.push_back(static_cast<std::int64_t>(wrap(d, from->type.shape.size())));
  // Only where something elementwise follows; products write the permuted order by themselves (layout_order).
  if (from->type.shape.size() == 4 && permute_pending(lowering, node, from, order)) return;
  move(lowering, node, from, [&](const Affine& map) { return std::optional(permute(map, order)); });
}

void lower_view(Lowering& lowering, const Node& node) {
  const Value* from = node.args[0].value();
  const SymShape& target = node.output()->type.shape;
  const auto change = [&](const Affine& map) { return reshape(map, from->type.shape, target); };
  if (move(lowering, node, from, change)) return;
  // Not expressible by strides: make the operand row-major first.
  auto& source = lowering.state(from);
  const LazyPtr expr = lowering.expression(from);
  std::vector<int> order;
  for (std::size_t i = 0; i < from->type.shape.size(); ++i) order.push_back(static_cast<int>(i));
  View flat = lowering.copy(expr, from->type.shape, lowering.storage_type(node.output()), order, source.sources);
  auto map = reshape(flat.map, from->type.shape, target);
  if (!map) lowering.fail(node, "a view that is not expressible over contiguous memory");
  lowering.define_view(node.output(), {flat.buffer, flat.dtype, target, std::move(*map)}, {&node});
}

/// Views of data-decided sizes may fit for reasons that nobody has told: then they are left to the reference engine,
/// alone.
Support can_view(const Node& node) {
  const SymShape &from = node.args[0].value()->type.shape, &target = node.output()->type.shape;
  Affine together{0, std::vector<SymInt>(from.size(), SymInt(1))}, apart = together;
  for (std::size_t d = from.size(); d-- > 0;) {
    if (d + 1 < from.size()) together.strides[d] = together.strides[d + 1] * from[d + 1];
    apart.strides[d] = SymInt::symbol(fmt::format("stride{}", d));
  }
  if (reshape(together, from, target) || reshape(apart, from, target)) return Support::yes();
  return Support::no("a view that is not expressible over contiguous memory");
}

void lower_expand(Lowering& lowering, const Node& node) {
  const Value* from = node.args[0].value();
  move(lowering, node, from,
       [&](const Affine& map) { return std::optional(expand(map, from->type.shape, node.output()->type.shape)); });
}

/// Start of a slice in [0, size]; -1 counts from the end.
SymInt slice_start(const Arg& arg, const SymInt& size) {
  if (arg.is_none()) return 0;
  SymInt start = arg.sym();
  if (const auto c = start.as_constant()) {
    if (*c < 0) return max(SymInt(0), size + *c);
    if (const auto n = size.as_constant()) return std::min(*c, *n);
  }
  return start;
}

void lower_slice(Lowering& lowering, const Node& node) {
  const Value* from = node.args[0].value();
  const std::size_t dim = wrap(node.args[1].integer(), from->type.shape.size());
  const SymInt start = slice_start(node.args[2], from->type.shape[dim]);
  const SymInt step = node.args[4].sym();
  move(lowering, node, from,
       [&](const Affine& map) { return std::optional(slice(map, static_cast<std::int64_t>(dim), start, step)); });
}

void lower_select(Lowering& lowering, const Node& node) {
  const Value* from = node.args[0].value();
  const std::size_t dim = wrap(node.args[1].integer(), from->type.shape.size());
  SymInt index = node.args[2].sym();
  if (const auto c = index.as_constant(); c && *c < 0) index = from->type.shape[dim] + *c;
  move(lowering, node, from, [&](const Affine& map) {
    Affine out = slice(map, static_cast<std::int64_t>(dim), index, 1);
    out.strides.erase(out.strides.begin() + static_cast<std::ptrdiff_t>(dim));
    return std::optional(out);
  });
}

/// The two dims become one that walks along both, and goes last.
void lower_diagonal(Lowering& lowering, const Node& node) {
  const Value* from = node.args[0].value();
  const std::size_t rank = from->type.shape.size();
  const std::int64_t offset = node.args[1].integer();
  const std::size_t row = wrap(node.args[2].integer(), rank), column = wrap(node.args[3].integer(), rank);
  move(lowering, node, from, [&](const Affine& map) {
    Affine out{map.offset + (offset >= 0 ? map.strides[column] * offset : map.strides[row] * -offset), {}};
    for (std::size_t d = 0; d < rank; ++d)
      if (d != row && d != column) out.strides.push_back(map.strides[d]);
    out.strides.push_back(map.strides[row] + map.strides[column]);
    return std::optional(out);
  });
}

/// Windows of a dim: its steps stay in place, the elements of each go last.
void lower_unfold(Lowering& lowering, const Node& node) {
  const Value* from = node.args[0].value();
  const std::size_t dim = wrap(node.args[1].integer(), from->type.shape.size());
  const std::int64_t step = node.args[3].integer();
  move(lowering, node, from, [&](const Affine& map) {
    Affine out = map;
    out.strides.push_back(map.strides[dim]);
    out.strides[dim] = map.strides[dim] * step;
    return std::optional(out);
  });
}

void lower_cat(Lowering& lowering, const Node& node) {
  const Value* result = node.output();
  std::vector<const Value*> parts;
  for (const Arg& arg : node.args[0].list()) parts.push_back(arg.value());
  const std::size_t rank = result->type.shape.size();
  const std::size_t dim = wrap(node.args[1].integer(), rank);
  // The layout of the first part that has one decides for the whole.
  std::vector<int> order = lowering.layout_order(parts.front());
  for (const Value* part : parts) {
    const auto& state = lowering.state(part);
    if (state.view && state.view->shape.size() == 4 && state.view->map.strides[1].is(1)) order = {0, 2, 3, 1};
  }
  const Halo halo = lowering.wanted_halo(result);
  const View whole = lowering.fresh(result->type.shape, lowering.storage_type(result), order, halo);
  SymInt start = 0;
  bool non_negative = true;
  for (const Value* part : parts) {
    const auto state = lowering.state(part);
    View target{whole.buffer, whole.dtype, part->type.shape,
                slice(whole.map, static_cast<std::int64_t>(dim), start, 1)};
    const bool write_here = !state.view && (!state.root || (state.uses == 1 && !lowering.root_is_shared(part)));
    std::vector<const Node*> sources = state.sources;
    sources.push_back(&node);
    if (!write_here) lowering.in_memory(part);
    lowering.store(write_here ? state.expr : lowering.expression(part), write_here ? state.root : nullptr, target,
                   part->type.shape, sources);
    start += part->type.shape[dim];
    non_negative = non_negative && state.non_negative;
  }
  lowering.define_view(result, whole, {&node});
  lowering.state(result).halo = halo;
  lowering.state(result).non_negative = non_negative;
}

/// Rows of a table chosen by data: embedding, index_select, index with one index tensor. `dim` of the table is replaced
/// by the dims of the index.
void gather_rows(Lowering& lowering, const Node& node, const Value* table, const Value* index, std::size_t dim) {
  const View memory = lowering.in_memory(table);
  const SymShape& index_shape = index->type.shape;
  const std::size_t index_rank = index_shape.size(), rank = node.output()->type.shape.size();
  LazyPtr expr =
      lowering.state(index).root ? (lowering.in_memory(index), lowering.expression(index)) : lowering.expression(index);
  expr = remap(expr, [&](const Affine& map) {
    Affine out{map.offset, std::vector<SymInt>(rank, SymInt(0))};
    for (std::size_t d = 0; d < index_rank; ++d) out.strides[dim + d] = map.strides[d];
    return std::optional(out);
  });
  View rows{memory.buffer,
            memory.dtype,
            node.output()->type.shape,
            {memory.map.offset, std::vector<SymInt>(rank, SymInt(0))}};
  for (std::size_t d = 0; d < table->type.shape.size(); ++d) {
    if (d < dim) rows.map.strides[d] = memory.map.strides[d];
    if (d > dim) rows.map.strides[d - 1 + index_rank] = memory.map.strides[d];
  }
  lowering.define_expression(
      node.output(), make_gather(rows, make_cast(expr, ExprType::i64), memory.map.strides[dim], table->type.shape[dim]),
      nullptr, {&node});
}

const Value* single_index(const Node& node, std::size_t* dim) {
  const Value* found = nullptr;
  const ArgList& indices = node.args[1].list();
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (indices[i].is_none()) continue;
    if (found) return nullptr;
    found = indices[i].value();
    *dim = i;
  }
  return found;
}

/// constant_pad_nd: the padding is stored first, then the inside over it would race; so the regions are stored apart.
void lower_pad(Lowering& lowering, const Node& node) {
  const Value* from = node.args[0].value();
  const Value* result = node.output();
  const auto pads = node.args[1].int_list();
  const std::size_t rank = result->type.shape.size();
  const View source = lowering.in_memory(from);
  const LazyPtr inside = lowering.expression(from);
  const LazyPtr filler = make_constant(node.args[2].number(), arithmetic_type(result->type.dtype));
  std::vector<int> order;
  for (std::size_t i = 0; i < rank; ++i) order.push_back(static_cast<int>(i));
  if (rank > 2 && source.map.strides[1].is(1) && !source.shape[1].is(1)) {  // channels last, as what reads it wants
    order.erase(order.begin() + 1);
    order.push_back(1);
  }
  const View whole = lowering.fresh(result->type.shape, lowering.storage_type(result), order);
  SymShape shape = result->type.shape;
  Affine map = whole.map;
  for (std::size_t d = 0; d < rank; ++d) {
    const std::size_t p = 2 * (rank - 1 - d);
    if (p + 1 >= pads.size()) continue;
    const auto region = [&](const SymInt& start, std::int64_t count) {
      if (count <= 0) return;
      SymShape part = shape;
      part[d] = count;
      lowering.store(filler, nullptr,
                     {whole.buffer, whole.dtype, part, slice(map, static_cast<std::int64_t>(d), start, 1)}, part,
                     {&node});
    };
    region(0, pads[p]);
    region(shape[d] - pads[p + 1], pads[p + 1]);
    map = slice(map, static_cast<std::int64_t>(d), pads[p], 1);
    shape[d] = from->type.shape[d];
  }
  lowering.store(inside, nullptr, {whole.buffer, whole.dtype, shape, map}, shape, {&node});
  lowering.define_view(result, whole, {&node});
}

}  // namespace

void add_movement_rules(RuleTable& table) {
  table["aten.permute.default"] = {lower_permute, {}};
  table["aten.view.default"] = {lower_view, can_view};
  table["aten.expand.default"] = {lower_expand, {}};
  table["aten.slice.Tensor"] = {lower_slice, {}};
  table["aten.select.int"] = {lower_select, {}};
  table["aten.diagonal.default"] = {lower_diagonal, {}};
  table["aten.unfold.default"] = {lower_unfold, [](const Node& node) {
                                    return node.args[0].value()->type.shape.empty() ? Support::no("a 0-dim tensor")
                                                                                    : Support::yes();
                                  }};
  table["aten.cat.default"] = {lower_cat, {}};
  table["aten.constant_pad_nd.default"] = {lower_pad, [](const Node& node) {
                                             for (const auto& pad : node.args[1].list())
                                               if (!pad.sym().is_constant() || pad.integer() < 0)
                                                 return Support::no("negative or symbolic padding");
                                             return Support::yes();
                                           }};
  table["aten.embedding.default"] = {[](Lowering& lowering, const Node& node) {
                                       gather_rows(lowering, node, node.args[0].value(), node.args[1].value(), 0);
                                     },
                                     {}};
  table["aten.index_select.default"] = {[](Lowering& lowering, const Node& node) {
                                          const Value* table_value = node.args[0].value();
                                          gather_rows(lowering, node, table_value, node.args[2].value(),
                                                      wrap(node.args[1].integer(), table_value->type.shape.size()));
                                        },
                                        [](const Node& node) {
                                          // Of a tensor without dimensions, dimension 0 is the whole of it.
                                          const bool has_dims = !node.args[0].value()->type.shape.empty() &&
                                                                !node.args[2].value()->type.shape.empty();
                                          return has_dims ? Support::yes() : Support::no("a 0-dim tensor or index");
                                        }};
  table["aten.index.Tensor"] = {[](Lowering& lowering, const Node& node) {
                                  std::size_t dim = 0;
                                  const Value* index = single_index(node, &dim);
                                  gather_rows(lowering, node, node.args[0].value(), index, dim);
                                },
                                [](const Node& node) {
                                  std::size_t dim = 0;
                                  const Value* index = single_index(node, &dim);
                                  if (!index) return Support::no("more than one index tensor");
                                  return is_integral(index->type.dtype) ? Support::yes()
                                                                        : Support::no("a mask as index");
                                }};
}

}  // namespace aitune::cpu
