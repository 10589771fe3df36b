#include "compiler/passes/views.h"

#include <map>

#include "compiler/ops/aliasing.h"
#include "compiler/ops/schema.h"

namespace aitune {
namespace {

/// One view: the node, which of its outputs, and the type of what it shows.
struct View {
  const Node& node;
  std::size_t output;
  const TensorType& type() const { return node.outputs.at(output)->type; }
};

struct Rule {
  Value* (*show)(Inserter&, const View&, Value* whole);
  Value* (*put)(Inserter&, const View&, Value* whole, Value* part);
};

/// The same call on another operand.
Value* call_again(Inserter& insert, const View& view, Value* operand) {
  ArgList args = view.node.args;
  args.at(0) = operand;
  const OpInfo& op = *view.node.op;
  return insert.call(op.is_inplace() ? functional_form(op)->name : op.name, std::move(args));
}

Value* no_inverse(Inserter&, const View&, Value*, Value*) { return nullptr; }

// The elements in the operand's order.
Value* show_reshaped(Inserter& insert, const View& view, Value* whole) { return insert.view(whole, view.type().shape); }
Value* put_reshaped(Inserter& insert, const View&, Value* whole, Value* part) {
  return insert.view(part, whole->type.shape);
}

Value* show_expanded(Inserter& insert, const View& view, Value* whole) {
  return insert.expand(whole, view.type().shape);
}
Value* put_expanded(Inserter&, const View&, Value* whole, Value* part) {
  return part->type.shape == whole->type.shape ? part : nullptr;
}

// Two dimensions change places, or all: the inverse is the operator itself.
Value* put_transposed(Inserter& insert, const View& view, Value*, Value* part) {
  return call_again(insert, view, part);
}

Value* put_permuted(Inserter& insert, const View& view, Value*, Value* part) {
  const auto dims = view.node.args.at(1).int_list();
  std::vector<std::int64_t> inverse(dims.size());
  for (std::size_t i = 0; i < dims.size(); ++i)
    inverse.at(static_cast<std::size_t>(wrap_dim(dims[i], dims.size()))) = static_cast<std::int64_t>(i);
  return insert.permute(part, inverse);
}

Value* put_moved(Inserter& insert, const View& view, Value*, Value* part) {
  return insert.call(view.node.op_name(), {part, view.node.args.at(2), view.node.args.at(1)});
}

Value* put_sliced(Inserter& insert, const View& view, Value* whole, Value* part) {
  ArgList args = view.node.args;
  args.insert(args.begin() + 1, Arg(part));
  args.at(0) = whole;
  return insert.call("aten.slice_scatter.default", std::move(args));
}

/// Where an output of narrow, split, chunk, ... lies along its dimension.
struct Piece {
  std::int64_t dim;
  SymInt start, end;
};

Piece piece_of(const View& view) {
  const auto dim = wrap_dim(argument(view.node, "dim").integer(), view.type().shape.size());
  const auto length = [&](std::size_t i) {
    return view.node.outputs.at(i)->type.shape.at(static_cast<std::size_t>(dim));
  };
  SymInt start = 0;
  if (view.node.op->id == OpId::aten_narrow_default) {
    start = argument(view.node, "start").sym();
    const auto constant = start.as_constant();
    const Value* operand = view.node.args.at(0).value();
    if (constant && *constant < 0) start += operand->type.shape.at(static_cast<std::size_t>(dim));
  }
  for (std::size_t i = 0; i < view.output; ++i) start += length(i);
  return {dim, start, start + length(view.output)};
}

Value* show_piece(Inserter& insert, const View& view, Value* whole) {
  const Piece piece = piece_of(view);
  return insert.slice(whole, piece.dim, piece.start, piece.end);
}
Value* put_piece(Inserter& insert, const View& view, Value* whole, Value* part) {
  const Piece piece = piece_of(view);
  return insert.call("aten.slice_scatter.default", {whole, part, SymInt(piece.dim), piece.start, piece.end, SymInt(1)});
}

Value* put_selected(Inserter& insert, const View& view, Value* whole, Value* part) {
  return insert.call("aten.select_scatter.default", {whole, part, view.node.args.at(1), view.node.args.at(2)});
}

ArgList unbound(const View& view, Value* whole) {
  const auto dim = wrap_dim(argument(view.node, "dim").integer(), whole->type.shape.size());
  return {whole, SymInt(dim), SymInt(static_cast<std::int64_t>(view.output))};
}
Value* show_unbound(Inserter& insert, const View& view, Value* whole) {
  return insert.call("aten.select.int", unbound(view, whole));
}
Value* put_unbound(Inserter& insert, const View& view, Value* whole, Value* part) {
  ArgList args = unbound(view, whole);
  args.insert(args.begin() + 1, Arg(part));
  return insert.call("aten.select_scatter.default", std::move(args));
}

Value* put_diagonal(Inserter& insert, const View& view, Value* whole, Value* part) {
  ArgList args = view.node.args;
  args.insert(args.begin() + 1, Arg(part));
  args.at(0) = whole;
  return insert.call("aten.diagonal_scatter.default", std::move(args));
}

constexpr Rule kReshaped{show_reshaped, put_reshaped}, kExpanded{show_expanded, put_expanded},
    kTransposed{call_again, put_transposed}, kPermuted{call_again, put_permuted}, kMoved{call_again, put_moved},
    kSliced{call_again, put_sliced}, kPiece{show_piece, put_piece}, kSelected{call_again, put_selected},
    kUnbound{show_unbound, put_unbound}, kDiagonal{call_again, put_diagonal}, kReadOnly{call_again, no_inverse};

const std::map<OpId, Rule>& rules() {
  using enum OpId;
  static const std::map<OpId, Rule> table = {
      {aten_view_default, kReshaped},
      {aten__unsafe_view_default, kReshaped},
      {aten_reshape_default, kReshaped},
      {aten_view_as_default, kReshaped},
      {aten_reshape_as_default, kReshaped},
      {aten__reshape_alias_default, kReshaped},
      {aten_flatten_using_ints, kReshaped},
      {aten_unflatten_int, kReshaped},
      {aten_squeeze_default, kReshaped},
      {aten_squeeze_dim, kReshaped},
      {aten_squeeze_dims, kReshaped},
      {aten_squeeze__default, kReshaped},
      {aten_squeeze__dim, kReshaped},
      {aten_squeeze__dims, kReshaped},
      {aten_unsqueeze_default, kReshaped},
      {aten_unsqueeze__default, kReshaped},
      {aten_expand_default, kExpanded},
      {aten_expand_as_default, kExpanded},
      {aten_broadcast_to_default, kExpanded},
      {aten_broadcast_tensors_default, kExpanded},
      {aten_transpose_int, kTransposed},
      {aten_transpose__default, kTransposed},
      {aten_t_default, kTransposed},
      {aten_t__default, kTransposed},
      {aten_numpy_T_default, kTransposed},
      {aten_mT_default, kTransposed},
      {aten_mH_default, kTransposed},
      {aten_adjoint_default, kTransposed},
      {aten_swapaxes_default, kTransposed},
      {aten_swapdims_default, kTransposed},
      {aten_swapaxes__default, kTransposed},
      {aten_swapdims__default, kTransposed},
      {aten_permute_default, kPermuted},
      {aten_movedim_int, kMoved},
      {aten_movedim_intlist, kMoved},
      {aten_slice_Tensor, kSliced},
      {aten_narrow_default, kPiece},
      {aten_split_Tensor, kPiece},
      {aten_split_sizes, kPiece},
      {aten_split_with_sizes_default, kPiece},
      {aten_chunk_default, kPiece},
      {aten_tensor_split_sections, kPiece},
      {aten_unsafe_split_Tensor, kPiece},
      {aten_unsafe_split_with_sizes_default, kPiece},
      {aten_unsafe_chunk_default, kPiece},
      {aten_select_int, kSelected},
      {aten_unbind_int, kUnbound},
      {aten_diagonal_default, kDiagonal},
      {aten_linalg_diagonal_default, kDiagonal},
      {aten_unfold_default, kReadOnly},
      {aten_moveaxis_int, kMoved},
      {aten_moveaxis_intlist, kMoved},
      {aten_matrix_H_default, kTransposed},
      {aten_atleast_1d_default, kReshaped},
      {aten_atleast_2d_default, kReshaped},
      {aten_atleast_3d_default, kReshaped},
      {aten_as_strided_default, kReadOnly},
      {aten_real_default, kReadOnly},
      {aten_imag_default, kReadOnly},
      {aten_view_as_real_default, kReadOnly},
      {aten_view_as_complex_default, kReadOnly},
      {aten_view_dtype, kReadOnly},
  };
  return table;
}

}  // namespace

Value* show_through(Inserter& insert, const Node& view, std::size_t output, Value* whole) {
  const auto it = rules().find(view.op->id);
  return it == rules().end() ? nullptr : it->second.show(insert, {view, output}, whole);
}

Value* put_through(Inserter& insert, const Node& view, std::size_t output, Value* whole, Value* part) {
  const auto it = rules().find(view.op->id);
  return it == rules().end() ? nullptr : it->second.put(insert, {view, output}, whole, part);
}

}  // namespace aitune
