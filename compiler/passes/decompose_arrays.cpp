// NumPy's ways to arrange arrays: flips and turns, stacks, grids, diagonals, pieces at positions.

#include <algorithm>
#include <numeric>

#include "compiler/ops/constant_behind.h"
#include "compiler/ops/schema.h"
#include "compiler/passes/decompose.h"

namespace aitune {
namespace {

using Positions = std::vector<std::int64_t>;

/// Masks of diagonals are constants of at most this many rows.
constexpr std::int64_t kMostDiagonal = 2048;

Replacement viewed_alike(Inserter& insert, Node& node) {
  return {{insert.view(operand(node), node.output()->type.shape)}};
}

Value* flipped(Inserter& insert, Value* x, const Positions& dims) {
  return insert.call("aten.flip.default", {x, to_args(dims)});
}

Replacement flip_columns(Inserter& insert, Node& node) { return {{flipped(insert, operand(node), {1})}}; }
Replacement flip_rows(Inserter& insert, Node& node) { return {{flipped(insert, operand(node), {0})}}; }

/// Quarter turns from the first of `dims` towards the second.
Replacement turn(Inserter& insert, Node& node) {
  Value* x = operand(node);
  const std::int64_t quarters = ((argument(node, "k").integer() % 4) + 4) % 4;
  Positions dims = argument(node, "dims").int_list();
  for (std::int64_t& dim : dims) dim = wrap_dim(dim, rank(x));
  if (quarters == 0) return {{x}};
  if (quarters == 2) return {{flipped(insert, x, dims)}};
  Positions order(rank(x));
  std::iota(order.begin(), order.end(), 0);
  std::swap(order.at(static_cast<std::size_t>(dims[0])), order.at(static_cast<std::size_t>(dims[1])));
  return {{insert.permute(flipped(insert, x, {quarters == 1 ? dims[1] : dims[0]}), order)}};
}

/// Joins along `dim` what `shaped` makes of each operand.
template <typename F>
Replacement joined(Inserter& insert, const Node& node, std::int64_t dim, F&& shaped) {
  ArgList parts;
  for (const Arg& part : node.args.at(0).list())
    parts.emplace_back(shaped(insert.cast(part.value(), node.output()->type.dtype)));
  return {{insert.call("aten.cat.default", {parts, SymInt(dim)})}};
}

/// As atleast_3d: a vector is [1, n, 1], a matrix [m, n, 1].
Replacement depth_stack(Inserter& insert, Node& node) {
  return joined(insert, node, 2, [&](Value* x) {
    SymShape shape = x->type.shape;
    if (shape.size() < 2) shape.insert(shape.begin(), SymInt(1));
    while (shape.size() < 3) shape.emplace_back(1);
    return insert.view(x, shape);
  });
}

Replacement column_stack(Inserter& insert, Node& node) {
  return joined(insert, node, 1, [&](Value* x) {
    SymShape shape = x->type.shape;
    while (shape.size() < 2) shape.emplace_back(1);
    return insert.view(x, shape);
  });
}

/// Each matrix between zeros, one below the other.
Replacement block_diagonal(Inserter& insert, Node& node) {
  const SymInt& width = node.output()->type.shape.at(1);
  SymInt before = 0;
  return joined(insert, node, 0, [&](Value* x) {
    SymShape shape = x->type.shape;
    while (shape.size() < 2) shape.insert(shape.begin(), SymInt(1));
    Value* rows = insert.call("aten.constant_pad_nd.default",
                              {insert.view(x, shape), to_args(SymShape{before, width - before - shape[1]}), 0.0});
    before += shape[1];
    return rows;
  });
}

/// Where row + offset is the column, in a matrix of n rows and columns.
Tensor diagonal_mask(std::int64_t n, std::int64_t offset) {
  Tensor mask(DType::b8, {n, n});
  std::fill_n(mask.as<std::uint8_t>(), n * n, std::uint8_t{0});
  for (std::int64_t row = std::max<std::int64_t>(0, -offset); row < std::min(n, n - offset); ++row)
    mask.as<std::uint8_t>()[row * n + row + offset] = 1;
  return mask;
}

/// The last dimension on a diagonal of zeros, in two new last dimensions.
Value* on_diagonal(Inserter& insert, Value* x, std::int64_t offset) {
  const std::int64_t n = x->type.shape.back().constant() + std::abs(offset);
  // Each row takes its own element: rows before the first one of the diagonal, or after its last, have zeros.
  Value* padded = x;
  if (offset != 0)
    padded = insert.call(
        "aten.constant_pad_nd.default",
        {x, to_args(Positions{std::max<std::int64_t>(0, -offset), std::max<std::int64_t>(0, offset)}), 0.0});
  SymShape column = x->type.shape;
  column.back() = n;
  column.emplace_back(1);
  Value* mask = insert.constant(diagonal_mask(n, offset), "diagonal");
  return insert.call("aten.where.self", {mask, insert.view(padded, column), insert.scalar(x->type.dtype, 0)});
}

bool diagonal_is_small(const Value* x, std::int64_t offset) {
  if (rank(x) == 0 || is_complex(x->type.dtype)) return false;
  const auto size = x->type.shape.back().as_constant();
  return size && std::abs(offset) <= kMostDiagonal && *size + std::abs(offset) <= kMostDiagonal;
}

Replacement diagonal_embedding(Inserter& insert, Node& node) {
  Value* x = operand(node);
  const std::int64_t offset = argument(node, "offset").integer();
  if (!diagonal_is_small(x, offset)) return std::nullopt;
  const std::size_t dims = rank(x) + 1;
  const std::int64_t row = wrap_dim(argument(node, "dim1").integer(), dims);
  const std::int64_t column = wrap_dim(argument(node, "dim2").integer(), dims);
  Positions order(dims);
  std::int64_t next = 0;
  for (std::size_t d = 0; d < dims; ++d) {
    const auto dim = static_cast<std::int64_t>(d);
    order[d] = dim == row      ? static_cast<std::int64_t>(dims) - 2
               : dim == column ? static_cast<std::int64_t>(dims) - 1
                               : next++;
  }
  return {{insert.permute(on_diagonal(insert, x, offset), order)}};
}

/// A vector's matrix, or a matrix's vector.
Replacement diagonal_of_or_with(Inserter& insert, Node& node) {
  Value* x = operand(node);
  const std::int64_t offset = argument(node, "diagonal").integer();
  if (rank(x) == 2) return {{insert.call("aten.diagonal.default", {x, SymInt(offset), SymInt(0), SymInt(1)})}};
  if (!diagonal_is_small(x, offset)) return std::nullopt;
  return {{on_diagonal(insert, x, offset)}};
}

Replacement flat_diagonal(Inserter& insert, Node& node) {
  if (is_complex(operand(node)->type.dtype)) return std::nullopt;
  Value* flat = insert.view(operand(node), {product(operand(node)->type.shape)});
  return {{insert.call("aten.diag.default", {flat, argument(node, "offset")})}};
}

Replacement matrix_trace(Inserter& insert, Node& node) {
  Value* diagonal = insert.call("aten.diagonal.default", {operand(node), SymInt(0), SymInt(0), SymInt(1)});
  return {{insert.call("aten.sum.default", {diagonal})}};
}

/// Every vector along a dimension of its own; with indexing "xy" the first two change places.
Replacement mesh_grid(Inserter& insert, Node& node) {
  const ArgList& vectors = node.args.at(0).list();
  const bool swapped = node.args.size() > 1 && argument(node, "indexing").string() == "xy" && vectors.size() > 1;
  std::vector<Value*> grids;
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    const SymShape& whole = node.outputs.at(i)->type.shape;
    SymShape shape(whole.size(), SymInt(1));
    const std::size_t dim = swapped && i < 2 ? 1 - i : i;
    shape.at(dim) = whole.at(dim);
    grids.push_back(insert.expand(insert.view(vectors[i].value(), shape), whole));
  }
  return grids;
}

/// Differences of neighbours, `n` times over.
Replacement differences(Inserter& insert, Node& node) {
  const DType dtype = node.output()->type.dtype;
  Value* x = operand(node);
  if (rank(x) == 0) return std::nullopt;
  if (argument(node, "n").integer() == 0) return {{x}};
  const std::int64_t dim = wrap_dim(argument(node, "dim").integer(), rank(x));
  ArgList parts;
  if (!argument(node, "prepend").is_none()) parts.emplace_back(insert.cast(argument(node, "prepend").value(), dtype));
  parts.emplace_back(insert.cast(x, dtype));
  if (!argument(node, "append").is_none()) parts.emplace_back(insert.cast(argument(node, "append").value(), dtype));
  x = parts.size() == 1 ? parts[0].value() : insert.call("aten.cat.default", {parts, SymInt(dim)});
  for (std::int64_t i = 0; i < argument(node, "n").integer(); ++i) {
    const SymInt size = x->type.shape.at(static_cast<std::size_t>(dim));
    if (!size.is_constant() || size.is(0)) return std::nullopt;
    x = insert.call(dtype == DType::b8 ? "aten.ne.Tensor" : "aten.sub.Tensor",
                    {insert.slice(x, dim, 1, size), insert.slice(x, dim, 0, size - 1)});
  }
  return {{x}};
}

Replacement copied_into(Inserter& insert, Node& node) {
  const TensorType& type = node.output()->type;
  return {{insert.expand(insert.cast(operand(node, 1), type.dtype), type.shape)}};
}

/// Pieces that begin at these positions, and have the sizes of the results.
Replacement pieces_at(Inserter& insert, const Node& node, std::int64_t dim, const SymShape& starts) {
  Value* x = operand(node);
  const SymInt& size = x->type.shape.at(static_cast<std::size_t>(dim));
  std::vector<Value*> pieces;
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    const SymInt& length = node.outputs[i]->type.shape.at(static_cast<std::size_t>(dim));
    if (length.is(0) && !size.is_constant()) return std::nullopt;
    pieces.push_back(insert.slice(x, dim, starts[i], starts[i] + length));
  }
  return pieces;
}

/// The dimension that hsplit, vsplit and dsplit cut; tensor_split says it.
std::int64_t cut_dim(const Node& node) {
  const std::string_view name = node.op_name();
  if (name.starts_with("aten.hsplit")) return rank(operand(node)) == 1 ? 0 : 1;
  if (name.starts_with("aten.dsplit")) return 2;
  return name.starts_with("aten.vsplit") ? 0 : wrap_dim(argument(node, "dim").integer(), rank(operand(node)));
}

/// tensor_split at constant positions, counted from the end where they are negative.
Replacement split_at_positions(Inserter& insert, Node& node) {
  const std::int64_t dim = cut_dim(node);
  const auto size = operand(node)->type.shape.at(static_cast<std::size_t>(dim)).as_constant();
  SymShape starts = {SymInt(0)};
  for (const SymInt& position : node.args.at(1).sym_list()) {
    const auto at = position.as_constant();
    if (!at || (!size && *at < 0)) return std::nullopt;
    const std::int64_t from_start = *at < 0 ? *at + *size : *at;
    starts.emplace_back(size ? std::clamp<std::int64_t>(from_start, 0, *size) : from_start);
  }
  return pieces_at(insert, node, dim, starts);
}

/// tensor_split by a constant tensor, as by the numbers in it.
Replacement split_by_constant(Inserter& insert, Node& node) {
  const Tensor* constant = constant_behind(operand(node, 1));
  if (constant == nullptr) return std::nullopt;
  const Tensor values = constant->contiguous();
  const auto* numbers = values.as<std::int64_t>();
  if (values.dim() == 0)
    return insert.call_node("aten.tensor_split.sections", {operand(node), SymInt(numbers[0]), argument(node, "dim")})
        ->outputs;
  const Positions positions(numbers, numbers + values.numel());
  return insert.call_node("aten.tensor_split.indices", {operand(node), to_args(positions), argument(node, "dim")})
      ->outputs;
}

Replacement split_evenly(Inserter& insert, Node& node) {
  const std::int64_t dim = cut_dim(node);
  SymShape starts;
  SymInt next = 0;
  for (const Value* piece : node.outputs) {
    starts.push_back(next);
    next += piece->type.shape.at(static_cast<std::size_t>(dim));
  }
  return pieces_at(insert, node, dim, starts);
}

/// Each filled up to the longest, where their lengths are known.
Replacement filled_sequences(Inserter& insert, Node& node) {
  const TensorType& type = node.output()->type;
  const bool batch_first = argument(node, "batch_first").boolean(),
             left = argument(node, "padding_side").string() == "left";
  const auto longest = type.shape.at(batch_first ? 1 : 0).as_constant();
  ArgList filled;
  for (const Arg& arg : node.args.at(0).list()) {
    Value* sequence = insert.cast(arg.value(), type.dtype);
    const auto length = sequence->type.shape.at(0).as_constant();
    if (!longest || !length) return std::nullopt;
    std::vector<std::int64_t> pads(2 * rank(sequence), 0);
    pads[pads.size() - (left ? 2 : 1)] = *longest - *length;
    if (*longest != *length)
      sequence =
          insert.call("aten.constant_pad_nd.default", {sequence, to_args(pads), argument(node, "padding_value")});
    filled.emplace_back(sequence);
  }
  return {{insert.call("aten.stack.default", {filled, SymInt(batch_first ? 0 : 1)})}};
}

}  // namespace

void add_array_rules(DecomposeRules& rules) {
  rules["aten.pad_sequence.default"] = filled_sequences;
  for (const auto* name :
       {"aten.ravel.default", "aten.atleast_1d.default", "aten.atleast_2d.default", "aten.atleast_3d.default"})
    rules[name] = viewed_alike;
  rules["aten.fliplr.default"] = flip_columns;
  rules["aten.flipud.default"] = flip_rows;
  rules["aten.rot90.default"] = turn;
  rules["aten.dstack.default"] = depth_stack;
  rules["aten.column_stack.default"] = column_stack;
  rules["aten.block_diag.default"] = block_diagonal;
  rules["aten.diag.default"] = diagonal_of_or_with;
  rules["aten.diag_embed.default"] = diagonal_embedding;
  rules["aten.diagflat.default"] = flat_diagonal;
  rules["aten.trace.default"] = matrix_trace;
  rules["aten.meshgrid.default"] = mesh_grid;
  rules["aten.meshgrid.indexing"] = mesh_grid;
  rules["aten.diff.default"] = differences;
  rules["aten.tensor_split.tensor_indices_or_sections"] = split_by_constant;
  rules["aten.copy.default"] = copied_into;
  for (const auto* name : {"aten.tensor_split.indices", "aten.hsplit.array", "aten.vsplit.array", "aten.dsplit.array"})
    rules[name] = split_at_positions;
  for (const auto* name : {"aten.hsplit.int", "aten.vsplit.int", "aten.dsplit.int"}) rules[name] = split_evenly;
}

}  // namespace aitune
