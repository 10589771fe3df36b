// Movement: everything becomes view, permute, expand, slice, select and cat.

#include <algorithm>
#include <numeric>

#include "compiler/ops/schema.h"
#include "compiler/passes/decompose.h"

namespace aitune {
namespace {

using Dims = std::vector<std::int64_t>;

std::int64_t signed_rank(const Value* value) { return static_cast<std::int64_t>(value->type.shape.size()); }

std::int64_t dim_argument(const Node& node, std::string_view name = "dim") {
  return wrap_dim(argument(node, name).integer(), operand(node)->type.shape.size());
}

Dims identity_dims(std::int64_t count) {
  Dims dims(static_cast<std::size_t>(count));
  std::iota(dims.begin(), dims.end(), 0);
  return dims;
}

/// Any operator whose result has the operand's elements in the operand's order.
Replacement to_view(Inserter& insert, Node& node) { return {{insert.view(operand(node), node.output()->type.shape)}}; }

/// A view that spells its sizes out already stays.
Replacement normalise_view(Inserter& insert, Node& node) {
  if (node.args.at(1).sym_list() == node.output()->type.shape &&
      operand(node)->type.shape != node.output()->type.shape) {
    return std::nullopt;
  }
  return to_view(insert, node);
}

Replacement to_expand(Inserter& insert, Node& node) {
  return {{insert.expand(operand(node), node.output()->type.shape)}};
}

Replacement normalise_expand(Inserter& insert, Node& node) {
  if (node.args.at(1).sym_list() == node.output()->type.shape &&
      operand(node)->type.shape != node.output()->type.shape) {
    return std::nullopt;
  }
  return to_expand(insert, node);
}

Replacement transpose(Inserter& insert, Node& node) {
  Dims dims = identity_dims(signed_rank(operand(node)));
  if (dims.empty()) return {{operand(node)}};
  const auto a = static_cast<std::size_t>(wrap_dim(node.args.at(1).integer(), dims.size()));
  const auto b = static_cast<std::size_t>(wrap_dim(node.args.at(2).integer(), dims.size()));
  std::swap(dims.at(a), dims.at(b));
  return {{insert.permute(operand(node), dims)}};
}

Replacement reverse_dims(Inserter& insert, Node& node) {
  Dims dims = identity_dims(signed_rank(operand(node)));
  std::reverse(dims.begin(), dims.end());
  return {{insert.permute(operand(node), dims)}};
}

/// A 0-dim tensor stays.
Replacement transpose_matrices(Inserter& insert, Node& node) {
  Dims dims = identity_dims(signed_rank(operand(node)));
  if (dims.size() >= 2) std::swap(dims[dims.size() - 1], dims[dims.size() - 2]);
  return {{insert.permute(operand(node), dims)}};
}

/// The same, with the conjugates of complex numbers.
Replacement adjoint(Inserter& insert, Node& node) {
  Value* turned = transpose_matrices(insert, node)->front();
  if (!is_complex(turned->type.dtype)) return {{turned}};
  return {{insert.call("aten.conj_physical.default", {turned})}};
}

Replacement normalise_permute(Inserter& insert, Node& node) {
  const Dims given = node.args.at(1).int_list();
  Dims dims = given;
  for (auto& dim : dims) dim = wrap_dim(dim, dims.size());
  if (node.op_name() == "aten.permute.default" && dims == given && dims != identity_dims(signed_rank(operand(node))))
    return std::nullopt;
  return {{insert.permute(operand(node), dims)}};
}

Replacement move_dims(Inserter& insert, Node& node) {
  const auto list = [&](const Arg& arg) {
    Dims dims = arg.is_list() ? arg.int_list() : Dims{arg.integer()};
    for (auto& dim : dims) dim = wrap_dim(dim, operand(node)->type.shape.size());
    return dims;
  };
  const Dims source = list(node.args.at(1)), destination = list(node.args.at(2));
  Dims dims(static_cast<std::size_t>(signed_rank(operand(node))), -1);
  for (std::size_t i = 0; i < source.size(); ++i) dims.at(static_cast<std::size_t>(destination[i])) = source[i];
  std::int64_t next = 0;
  for (auto& dim : dims) {
    if (dim >= 0) continue;
    while (std::find(source.begin(), source.end(), next) != source.end()) ++next;
    dim = next++;
  }
  return {{insert.permute(operand(node), dims)}};
}

/// [a, b] repeated (r, s) times: view [1, a, 1, b], expand [r, a, s, b], view [r*a, s*b].
Replacement repeat(Inserter& insert, Node& node) {
  const SymShape repeats = node.args.at(1).sym_list();
  const SymShape& shape = operand(node)->type.shape;
  const std::size_t lead = repeats.size() - shape.size();
  SymShape split, expanded;
  for (std::size_t i = 0; i < repeats.size(); ++i) {
    const SymInt size = i < lead ? SymInt(1) : shape[i - lead];
    if (size.is(1)) {
      split.push_back(1);
      expanded.push_back(repeats[i]);
    } else if (repeats[i].is(1)) {
      split.push_back(size);
      expanded.push_back(size);
    } else {
      split.insert(split.end(), {SymInt(1), size});
      expanded.insert(expanded.end(), {repeats[i], size});
    }
  }
  Value* whole = insert.expand(insert.view(operand(node), split), expanded);
  return {{insert.view(whole, node.output()->type.shape)}};
}

/// repeat_interleave with one count: a new dimension after `dim`, expanded and merged.
Replacement repeat_interleave(Inserter& insert, Node& node) {
  Value* x = operand(node);
  const SymInt count = node.args.at(1).sym();
  if (argument(node, "dim").is_none()) x = insert.view(x, {product(x->type.shape)});
  const std::size_t dim = argument(node, "dim").is_none() ? 0 : static_cast<std::size_t>(dim_argument(node));
  SymShape shape = x->type.shape;
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(dim) + 1, SymInt(1));
  x = insert.view(x, shape);
  shape[dim + 1] = count;
  return {{insert.view(insert.expand(x, shape), node.output()->type.shape)}};
}

/// A bound of a slice as PyTorch reads it: negative from the end, clamped to the size.
std::optional<SymInt> slice_bound(const Arg& arg, const SymInt& size, const SymInt& missing) {
  if (arg.is_none()) return missing;
  const SymInt& bound = arg.sym();
  const auto constant = bound.as_constant();
  if (!constant) return bound;
  if (*constant == INT64_MAX) return size;
  const auto extent = size.as_constant();
  if (extent) return SymInt(std::clamp(*constant < 0 ? *constant + *extent : *constant, std::int64_t{0}, *extent));
  if (*constant < 0) return size + bound;
  return bound;
}

/// Slices get a non-negative dimension and explicit bounds within the size.
Replacement normalise_slice(Inserter& insert, Node& node) {
  const std::int64_t dim = dim_argument(node);
  const SymInt& size = operand(node)->type.shape.at(static_cast<std::size_t>(dim));
  const auto start = slice_bound(argument(node, "start"), size, 0);
  const auto end = slice_bound(argument(node, "end"), size, size);
  const Arg& step = argument(node, "step");
  const SymInt& result = node.output()->type.shape.at(static_cast<std::size_t>(dim));
  if (result == size && step.sym().is(1)) return {{operand(node)}};
  ArgList args = {operand(node), SymInt(dim), *start, *end, step};
  // A bound beyond a symbolic size: say so through the result's size, which the shape rule knows.
  if (step.sym().is(1) && *end - *start != result) args[3] = *start + result;
  if (args == node.args && node.op_name() == "aten.slice.Tensor") return std::nullopt;
  Value* sliced = insert.call("aten.slice.Tensor", std::move(args));
  return {{sliced->type == node.output()->type ? sliced : insert.view(sliced, node.output()->type.shape)}};
}

Replacement narrow(Inserter& insert, Node& node) {
  SymInt start = argument(node, "start").sym();
  const std::int64_t dim = dim_argument(node);
  if (start.as_constant() && *start.as_constant() < 0)
    start += operand(node)->type.shape.at(static_cast<std::size_t>(dim));
  return {{insert.slice(operand(node), dim, start, start + argument(node, "length").sym())}};
}

Replacement normalise_select(Inserter& insert, Node& node) {
  const std::int64_t dim = dim_argument(node);
  const SymInt& size = operand(node)->type.shape.at(static_cast<std::size_t>(dim));
  SymInt index = argument(node, "index").sym();
  if (index.as_constant() && *index.as_constant() < 0) index += size;
  ArgList args = {operand(node), SymInt(dim), index};
  if (args == node.args && node.op_name() == "aten.select.int") return std::nullopt;
  return {{insert.call("aten.select.int", std::move(args))}};
}

Replacement unbind(Inserter& insert, Node& node) {
  const std::int64_t dim = dim_argument(node);
  std::vector<Value*> parts;
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    parts.push_back(insert.call("aten.select.int", {operand(node), SymInt(dim), SymInt(static_cast<std::int64_t>(i))}));
  }
  return parts;
}

/// split, chunk and their like: the results' sizes say where the cuts are.
Replacement split(Inserter& insert, Node& node) {
  const std::int64_t dim = dim_argument(node);
  std::vector<Value*> parts;
  SymInt start = 0;
  for (const Value* output : node.outputs) {
    const SymInt end = start + output->type.shape.at(static_cast<std::size_t>(dim));
    parts.push_back(insert.slice(operand(node), dim, start, end));
    // A slice of a size that moves ends at Min(1, size); a piece is as long as it says.
    if (parts.back() != operand(node)) parts.back()->type = output->type;
    start = end;
  }
  return parts;
}

Replacement stack(Inserter& insert, Node& node) {
  const std::int64_t dim = wrap_dim(argument(node, "dim").integer(), node.output()->type.shape.size());
  ArgList parts;
  for (const Arg& part : node.args.at(0).list()) {
    SymShape shape = part.value()->type.shape;
    shape.insert(shape.begin() + dim, SymInt(1));
    parts.emplace_back(insert.view(part.value(), shape));
  }
  if (parts.size() == 1) return {{parts[0].value()}};
  return {{insert.call("aten.cat.default", {parts, SymInt(dim)})}};
}

/// cat: a non-negative dimension, no operands without elements along it, none that are 1-dim and empty (PyTorch skips
/// those whatever the rank), one dtype.
Replacement normalise_cat(Inserter& insert, Node& node) {
  const std::int64_t dim = wrap_dim(argument(node, "dim").integer(), node.output()->type.shape.size());
  ArgList parts;
  for (const Arg& part : node.args.at(0).list()) {
    const SymShape& shape = part.value()->type.shape;
    const bool other_rank = shape.size() != node.output()->type.shape.size();
    if (other_rank ? shape.size() == 1 && shape[0].is(0) : shape[static_cast<std::size_t>(dim)].is(0)) continue;
    parts.emplace_back(insert.cast(part.value(), node.output()->type.dtype));
  }
  if (parts.empty()) return std::nullopt;
  if (parts.size() == 1) return {{parts[0].value()}};
  ArgList args = {parts, SymInt(dim)};
  if (node.op_name() == "aten.cat.default" && args == node.args) return std::nullopt;
  return {{insert.call("aten.cat.default", std::move(args))}};
}

Replacement pad(Inserter& insert, Node& node) {
  if (argument(node, "mode").string() != "constant") return std::nullopt;
  const Arg& value = argument(node, "value");
  return {{insert.call("aten.constant_pad_nd.default",
                       {operand(node), node.args.at(1), value.is_none() ? Arg(0.0) : value})}};
}

/// Padding by nothing, as models that pad to a multiple emit it, goes; by less than nothing it is a slice.
Replacement pad_no_more(Inserter& insert, Node& node) {
  Value* x = operand(node);
  ArgList amounts = node.args.at(1).list();
  bool changed = std::ranges::all_of(amounts, [](const Arg& amount) { return amount.sym().is(0); });
  for (std::size_t i = 0; i + 1 < amounts.size(); i += 2) {
    const std::size_t dim = rank(x) - 1 - i / 2;
    SymInt start = 0, end = x->type.shape[dim];
    for (const std::size_t side : {i, i + 1}) {
      const auto amount = amounts[side].sym().as_constant();
      if (!amount || *amount >= 0) continue;
      (side == i ? start : end) += SymInt(side == i ? -*amount : *amount);
      amounts[side] = SymInt(0);
      changed = true;
    }
    x = insert.slice(x, static_cast<std::int64_t>(dim), start, end);
  }
  if (!changed) return std::nullopt;
  if (std::ranges::all_of(amounts, [](const Arg& amount) { return amount.sym().is(0); })) return {{x}};
  return {{insert.call("aten.constant_pad_nd.default", {x, std::move(amounts), node.args.at(2)})}};
}

/// What comes round, then what stays ahead: a join of two slices for each dimension of fixed size.
Replacement roll(Inserter& insert, Node& node) {
  const SymShape shifts = node.args.at(1).sym_list();
  const Dims given = node.args.at(2).int_list();
  if (given.empty() || shifts.size() != given.size() || operand(node)->type.shape.empty()) return std::nullopt;
  if (!constant_shape(shifts)) return std::nullopt;
  for (const std::int64_t dim : given) {
    const SymInt& size =
        operand(node)->type.shape.at(static_cast<std::size_t>(wrap_dim(dim, operand(node)->type.shape.size())));
    if (!size.is_constant() || size.is(0)) return std::nullopt;
  }
  Value* value = operand(node);
  for (std::size_t i = 0; i < given.size(); ++i) {
    const std::int64_t dim = wrap_dim(given[i], value->type.shape.size());
    const std::int64_t size = value->type.shape.at(static_cast<std::size_t>(dim)).constant();
    const std::int64_t ahead = size - (shifts[i].constant() % size + size) % size;
    if (ahead == size) continue;
    const ArgList parts = {insert.slice(value, dim, ahead, size), insert.slice(value, dim, 0, ahead)};
    value = insert.call("aten.cat.default", {parts, SymInt(dim)});
  }
  return {{value}};
}

/// hstack, vstack: cat along the second (or only) and the first dimension of operands of rank two or more.
Replacement hstack(Inserter& insert, Node& node) {
  const std::int64_t dim = node.output()->type.shape.size() == 1 ? 0 : 1;
  ArgList parts;
  for (const Arg& part : node.args.at(0).list()) {
    const bool single = part.value()->type.shape.empty();
    parts.emplace_back(single ? insert.view(part.value(), {SymInt(1)}) : part.value());
  }
  return {{insert.call("aten.cat.default", {parts, SymInt(dim)})}};
}

Replacement vstack(Inserter& insert, Node& node) {
  ArgList parts;
  for (const Arg& part : node.args.at(0).list()) {
    SymShape shape = part.value()->type.shape;
    while (shape.size() < 2) shape.insert(shape.begin(), SymInt(1));
    parts.emplace_back(insert.view(part.value(), shape));
  }
  return {{insert.call("aten.cat.default", {parts, SymInt(0)})}};
}

Replacement broadcast_tensors(Inserter& insert, Node& node) {
  std::vector<Value*> results;
  const ArgList& operands = node.args.at(0).list();
  for (std::size_t i = 0; i < operands.size(); ++i) {
    results.push_back(insert.expand(operands[i].value(), node.outputs.at(i)->type.shape));
  }
  return results;
}

Replacement channel_shuffle(Inserter& insert, Node& node) {
  const SymShape& shape = operand(node)->type.shape;
  const std::int64_t groups = node.args.at(1).integer();
  SymShape split = {shape[0], SymInt(groups), floordiv(shape[1], groups)};
  split.insert(split.end(), shape.begin() + 2, shape.end());
  Dims dims = identity_dims(static_cast<std::int64_t>(split.size()));
  std::swap(dims[1], dims[2]);
  return {{insert.view(insert.permute(insert.view(operand(node), split), dims), shape)}};
}

Replacement pixel_shuffle(Inserter& insert, Node& node) {
  const std::int64_t r = node.args.at(1).integer();
  const SymShape& out = node.output()->type.shape;
  const SymShape& in = operand(node)->type.shape;
  const std::size_t lead = in.size() - 3;
  SymShape split(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(lead));
  split.insert(split.end(), {out[lead], SymInt(r), SymInt(r), in[lead + 1], in[lead + 2]});
  Dims dims = identity_dims(static_cast<std::int64_t>(lead));
  const auto base = static_cast<std::int64_t>(lead);
  dims.insert(dims.end(), {base, base + 3, base + 1, base + 4, base + 2});
  return {{insert.view(insert.permute(insert.view(operand(node), split), dims), out)}};
}

}  // namespace

void add_movement_rules(DecomposeRules& rules) {
  for (const auto* name : {"aten.reshape.default", "aten._unsafe_view.default", "aten.flatten.using_ints",
                           "aten.unflatten.int", "aten.squeeze.default", "aten.squeeze.dim", "aten.squeeze.dims",
                           "aten.unsqueeze.default", "aten.view_as.default", "aten.reshape_as.default",
                           "aten._reshape_alias.default", "aten.view_copy.default", "aten.squeeze_copy.default",
                           "aten.squeeze_copy.dim", "aten.squeeze_copy.dims", "aten.unsqueeze_copy.default"}) {
    rules[name] = to_view;
  }
  rules["aten.view.default"] = normalise_view;
  rules["aten.expand.default"] = normalise_expand;
  rules["aten.expand_as.default"] = to_expand;
  rules["aten.expand_copy.default"] = to_expand;
  rules["aten.broadcast_to.default"] = to_expand;
  rules["aten.transpose.int"] = transpose;
  rules["aten.swapaxes.default"] = transpose;
  rules["aten.swapdims.default"] = transpose;
  rules["aten.transpose_copy.int"] = transpose;
  rules["aten.t_copy.default"] = reverse_dims;
  rules["aten.t.default"] = reverse_dims;
  rules["aten.numpy_T.default"] = reverse_dims;
  rules["aten.mT.default"] = transpose_matrices;
  rules["aten.mH.default"] = adjoint;
  rules["aten.adjoint.default"] = adjoint;
  rules["aten.permute.default"] = normalise_permute;
  rules["aten.permute_copy.default"] = normalise_permute;
  rules["aten.movedim.int"] = move_dims;
  rules["aten.movedim.intlist"] = move_dims;
  rules["aten.repeat.default"] = repeat;
  rules["aten.tile.default"] = [](Inserter& insert, Node& node) -> Replacement {
    return node.args.at(1).list().size() < operand(node)->type.shape.size() ? std::nullopt : repeat(insert, node);
  };
  rules["aten.repeat_interleave.self_int"] = repeat_interleave;
  rules["aten.slice.Tensor"] = normalise_slice;
  rules["aten.slice_copy.Tensor"] = normalise_slice;
  rules["aten.narrow.default"] = narrow;
  rules["aten.select.int"] = normalise_select;
  rules["aten.select_copy.int"] = normalise_select;
  rules["aten.unbind.int"] = unbind;
  for (const auto* name : {"aten.split.Tensor", "aten.split_with_sizes.default", "aten.split.sizes",
                           "aten.chunk.default", "aten.tensor_split.sections", "aten.unsafe_split.Tensor",
                           "aten.unsafe_split_with_sizes.default", "aten.unsafe_chunk.default"}) {
    rules[name] = split;
  }
  rules["aten.stack.default"] = stack;
  rules["aten.cat.default"] = normalise_cat;
  rules["aten.concat.default"] = normalise_cat;
  rules["aten.pad.default"] = pad;
  rules["aten.constant_pad_nd.default"] = pad_no_more;
  rules["aten.roll.default"] = roll;
  rules["aten.hstack.default"] = hstack;
  rules["aten.vstack.default"] = vstack;
  rules["aten.broadcast_tensors.default"] = broadcast_tensors;
  rules["aten.channel_shuffle.default"] = channel_shuffle;
  rules["aten.pixel_shuffle.default"] = pixel_shuffle;
}

}  // namespace aitune
