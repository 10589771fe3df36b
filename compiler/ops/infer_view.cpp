// Operators that rearrange one tensor: views, copies, conversions.

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

#include "compiler/ops/infer.h"

namespace aitune::infer {
namespace {

/// The same elements and dtype in another shape.
Types with_shape(const Call& call, SymShape shape) { return {{call.tensor("self").dtype, std::move(shape)}}; }

Types reshape(const Call& call) {
  return with_shape(
      call, fill_in_size(call, call.sym_list(call.has("size") ? "size" : "shape"), product(call.shape("self"))));
}

Types reshape_as(const Call& call) {
  return with_shape(call, fill_in_size(call, call.shape("other"), product(call.shape("self"))));
}

Types flatten(const Call& call) {
  const SymShape& self = call.shape("self");
  if (self.empty()) return with_shape(call, {1});
  const std::size_t first = call.dim("start_dim", self.size()), last = call.dim("end_dim", self.size());
  call.require(first <= last, "start_dim comes after end_dim");
  SymShape shape;
  for (std::size_t i = 0; i < self.size(); ++i) {
    if (i > first && i <= last)
      shape.back() *= self[i];
    else
      shape.push_back(self[i]);
  }
  return with_shape(call, shape);
}

Types unflatten(const Call& call) {
  SymShape shape = call.shape("self");
  const std::size_t d = call.dim("dim", shape.size());
  call.require(!shape.empty(), "a 0-dim tensor has nothing to unflatten");
  const SymShape sizes = fill_in_size(call, call.sym_list("sizes"), shape[d]);
  shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(d));
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(d), sizes.begin(), sizes.end());
  return with_shape(call, shape);
}

Types squeeze(const Call& call) {
  const SymShape& self = call.shape("self");
  std::vector<std::size_t> dims;
  if (!call.has("dim") || !call["dim"].is_list() || !call["dim"].list().empty())
    for (std::size_t i = 0; i < self.size(); ++i) dims.push_back(i);
  if (call.has("dim") && !dims.empty()) dims = call.dims("dim", self.size());
  SymShape shape;
  for (std::size_t i = 0; i < self.size(); ++i)
    if (!self[i].is(1) || std::ranges::find(dims, i) == dims.end()) shape.push_back(self[i]);
  return with_shape(call, shape);
}

Types unsqueeze(const Call& call) {
  SymShape shape = call.shape("self");
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(call.dim("dim", shape.size() + 1)), 1);
  return with_shape(call, shape);
}

Types permute(const Call& call) {
  const SymShape& self = call.shape("self");
  const auto order = call.int_list("dims");
  call.require(order.size() == self.size(), "dims does not name every dimension");
  SymShape shape;
  for (const std::size_t d : call.dims("dims", self.size())) shape.push_back(self[d]);
  return with_shape(call, shape);
}

Types transpose(const Call& call) {
  SymShape shape = call.shape("self");
  const bool axes = call.has("axis0");
  const std::size_t a = call.dim(axes ? "axis0" : "dim0", shape.size()),
                    b = call.dim(axes ? "axis1" : "dim1", shape.size());
  if (!shape.empty()) std::swap(shape[a], shape[b]);
  return with_shape(call, shape);
}

Types reversed(const Call& call) {
  SymShape shape = call.shape("self");
  std::ranges::reverse(shape);
  return with_shape(call, shape);
}

Types matrix_transpose(const Call& call) {
  call.require(call.shape("self").size() <= 2, "t takes at most two dimensions");
  return reversed(call);
}

Types last_two_swapped(const Call& call) {
  SymShape shape = call.shape("self");
  const std::size_t rank = shape.size();
  call.require(rank != 1, "a matrix has two dimensions");
  if (rank >= 2) std::swap(shape[rank - 1], shape[rank - 2]);
  return with_shape(call, shape);
}

Types movedim(const Call& call) {
  const SymShape& self = call.shape("self");
  const std::size_t rank = self.size();
  const auto source = call.dims("source", rank), destination = call.dims("destination", rank);
  call.require(source.size() == destination.size(), "source and destination have different lengths");
  std::vector<std::optional<std::size_t>> order(rank);
  std::vector<bool> moved(rank);
  for (std::size_t i = 0; i < source.size() && rank > 0; ++i) {
    order[destination[i]] = source[i];
    moved[source[i]] = true;
  }
  std::size_t next = 0;
  SymShape shape;
  for (auto& o : order) {
    if (!o) {
      while (moved[next]) ++next;
      o = next++;
    }
    shape.push_back(self[*o]);
  }
  return with_shape(call, shape);
}

SymShape expanded(const Call& call, const SymShape& self, SymShape size) {
  call.require(size.size() >= self.size(), "the new shape has fewer dimensions");
  const std::size_t offset = size.size() - self.size();
  for (std::size_t i = 0; i < self.size(); ++i) {
    SymInt& s = size[offset + i];
    if (s.is(-1))
      s = self[i];
    else if (!self[i].is(1)) {
      if (differ(s, self[i])) call.fail(fmt::format("{} does not expand to {}", to_string(self), to_string(size)));
      call.assume_equal(s, self[i]);
    }
  }
  for (std::size_t i = 0; i < offset; ++i) call.require(!size[i].is(-1), "-1 in a new leading dimension");
  return size;
}

Types expand(const Call& call) { return with_shape(call, expanded(call, call.shape("self"), call.sym_list("size"))); }

Types expand_as(const Call& call) { return with_shape(call, expanded(call, call.shape("self"), call.shape("other"))); }

SymShape sliced(const Call& call) {
  SymShape shape = call.shape("self");
  const std::size_t d = call.dim("dim", shape.size());
  call.require(!shape.empty(), "a 0-dim tensor has nothing to slice");
  shape[d] = slice_length(call, shape[d], call["start"], call["end"], call.sym("step"));
  return shape;
}

Types slice(const Call& call) { return with_shape(call, sliced(call)); }

SymShape selected(const Call& call) {
  SymShape shape = call.shape("self");
  const std::size_t d = call.dim("dim", shape.size());
  call.require(!shape.empty(), "a 0-dim tensor has nothing to select from");
  const SymInt index = call.sym("index");
  if (index.is_constant() && index.constant() < 0) {
    call.require_at_least(shape[d] + index, 0, "the index is out of range");
  } else {
    call.require_at_least(index, 0, "the index is out of range");
    call.require_at_least(shape[d] - 1, index, "the index is out of range");
  }
  shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(d));
  return shape;
}

Types select(const Call& call) { return with_shape(call, selected(call)); }

Types narrow(const Call& call) {
  SymShape shape = call.shape("self");
  const std::size_t d = call.dim("dim", shape.size());
  call.require(!shape.empty(), "a 0-dim tensor has nothing to narrow");
  SymInt start = call.sym("start");
  const SymInt length = call.sym("length");
  if (start.is_constant() && start.constant() < 0) start += shape[d];
  call.require_at_least(start, 0, "the start is out of range");
  call.require_at_least(shape[d], start + length, "start and length are out of range");
  shape[d] = length;
  return with_shape(call, shape);
}

SymShape diagonal_shape(const Call& call) {
  SymShape shape = call.shape(call.has("A") ? "A" : "self");
  const std::size_t a = call.dim("dim1", shape.size()), b = call.dim("dim2", shape.size());
  call.require(a != b, "dim1 and dim2 are the same");
  const std::int64_t offset = call.integer("offset");
  SymInt length = min(offset < 0 ? shape[a] + offset : shape[a], offset > 0 ? shape[b] - offset : shape[b]);
  if (const auto n = length.as_constant(); n && *n < 0) length = 0;
  shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(std::max(a, b)));
  shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(std::min(a, b)));
  shape.push_back(length);
  return shape;
}

Types diagonal(const Call& call) {
  return {{call.tensor(call.has("A") ? "A" : "self").dtype, diagonal_shape(call)}};  // linalg_diagonal calls it A
}

/// A copy of self with src in the place of the part that a view shows.
template <SymShape (*Part)(const Call&)>
Types scattered(const Call& call) {
  const SymShape part = Part(call);
  const TensorType& src = call.tensor("src");
  call.require(src.shape.size() == part.size(), "the part written has another rank than the place");
  for (std::size_t i = 0; i < part.size(); ++i) unify(call, part[i], src.shape[i]);
  return {call.tensor("self")};
}

Types unfold(const Call& call) {
  SymShape shape = call.shape("self");
  const std::size_t d = call.dim("dimension", shape.size());
  const SymInt size = call.sym("size"), step = call.sym("step");
  call.require(!step.is(0), "the step must be positive");
  call.require_at_least(step, 1, "the step must be positive");
  if (!shape.empty()) call.require_at_least(shape[d], size, "the window is longer than the dimension");
  if (!shape.empty()) shape[d] = floordiv(shape[d] - size, step) + 1;
  shape.push_back(size);
  return with_shape(call, shape);
}

/// Memory addressed by sizes and strides, which must stay within it.
SymShape strided_shape(const Call& call) {
  const SymShape size = call.sym_list("size"), stride = call.sym_list("stride");
  call.require(size.size() == stride.size(), "size and stride have different lengths");
  SymInt last = call.given("storage_offset") ? call.sym("storage_offset") : SymInt(0);
  call.require_at_least(last, 0, "the view reaches beyond the tensor");
  bool empty = false;
  for (std::size_t d = 0; d < size.size(); ++d) {
    call.require_at_least(stride[d], 0, "strides are not negative");
    empty |= size[d].is(0);
    last += (size[d] - 1) * stride[d];
  }
  if (!empty) call.require_at_least(product(call.shape("self")) - 1, last, "the view reaches beyond the tensor");
  return size;
}

Types as_strided(const Call& call) { return with_shape(call, strided_shape(call)); }

Types ravel(const Call& call) { return with_shape(call, {product(call.shape("self"))}); }

template <std::size_t Rank>
Types at_least(const Call& call) {
  SymShape shape = call.shape("self");
  if (shape.empty()) shape = {1};
  if (Rank >= 2 && shape.size() == 1) shape.insert(shape.begin(), 1);
  if (Rank >= 3 && shape.size() == 2) shape.push_back(1);
  return with_shape(call, shape);
}

Types rot90(const Call& call) {
  SymShape shape = call.shape("self");
  const auto dims = call.int_list("dims");
  call.require(dims.size() == 2 && shape.size() >= 2, "dims has two dimensions");
  const std::size_t a = call.dim(dims[0], shape.size()), b = call.dim(dims[1], shape.size());
  call.require(a != b, "dims has two dimensions");
  if (call.integer("k") % 2 != 0) std::swap(shape[a], shape[b]);
  return with_shape(call, shape);
}

Types diag(const Call& call) {
  const SymShape& self = call.shape("self");
  const std::int64_t offset = call.integer("diagonal");
  call.require(self.size() == 1 || self.size() == 2, "the operand is a vector or a matrix");
  call.require(offset > -(1 << 30) && offset < 1 << 30, "the offset is out of range");
  if (self.size() == 1) return with_shape(call, SymShape(2, self[0] + std::abs(offset)));
  SymInt length = min(offset < 0 ? self[0] + offset : self[0], offset > 0 ? self[1] - offset : self[1]);
  if (const auto n = length.as_constant(); n && *n < 0) length = 0;
  return with_shape(call, {length});
}

Types diagflat(const Call& call) {
  const std::int64_t offset = call.integer("offset");
  call.require(offset > -(1 << 30) && offset < 1 << 30, "the offset is out of range");
  return with_shape(call, SymShape(2, product(call.shape("self")) + std::abs(offset)));
}

Types diag_embed(const Call& call) {
  SymShape shape = call.shape("self");
  call.require(!shape.empty(), "a 0-dim tensor has no diagonal");
  const std::int64_t offset = call.integer("offset");
  call.require(offset > -(1 << 30) && offset < 1 << 30, "the offset is out of range");
  const SymInt size = shape.back() + std::abs(offset);
  shape.pop_back();
  const std::size_t rank = shape.size() + 2, a = call.dim("dim1", rank), b = call.dim("dim2", rank);
  call.require(a != b, "dim1 and dim2 are the same");
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(std::min(a, b)), size);
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(std::max(a, b)), size);
  return with_shape(call, shape);
}

/// The same bytes as elements of another size: the last dimension takes it up.
Types reinterpreted(const Call& call) {
  TensorType t = call.tensor("self");
  const auto from = static_cast<std::int64_t>(dtype_size(t.dtype));
  t.dtype = call.dtype_or("dtype", t.dtype);
  const auto to = static_cast<std::int64_t>(dtype_size(t.dtype));
  if (from == to) return {t};
  call.require(!t.shape.empty(), "a 0-dim tensor has no dimension to take up another size");
  if (from > to) {
    t.shape.back() *= from / to;
  } else {
    const auto size = divide_exact(t.shape.back(), to / from);
    call.require(size.has_value(), "the last dimension does not divide");
    t.shape.back() = *size;
  }
  return {t};
}

Types affine_grid(const Call& call) {
  const TensorType& theta = call.tensor("theta");
  const SymShape size = call.sym_list("size");
  call.require(size.size() == 4 || size.size() == 5, "size has four or five numbers");
  const auto dims = static_cast<std::int64_t>(size.size()) - 2;
  call.require(theta.shape.size() == 3, "theta has three dimensions");
  unify(call, theta.shape[0], size[0]);
  unify(call, theta.shape[1], dims);
  unify(call, theta.shape[2], dims + 1);
  SymShape shape = {size[0]};
  shape.insert(shape.end(), size.begin() + 2, size.end());
  shape.emplace_back(dims);
  return {{theta.dtype, shape}};
}

Types unchanged(const Call& call) { return {call.tensor("self")}; }

Types converted(const Call& call) {
  const TensorType& self = call.tensor("self");
  return {{call.dtype_or("dtype", self.dtype), self.shape}};
}

Types converted_as(const Call& call) { return {{call.tensor("other").dtype, call.shape("self")}}; }

}  // namespace

void add_view_rules(RuleTable& table) {
  using enum OpId;
  table.add({aten_view_default, aten__unsafe_view_default, aten_reshape_default, aten__reshape_alias_default,
             aten_view_copy_default},
            reshape);
  table.add({aten_view_as_default, aten_reshape_as_default}, reshape_as);
  table.add({aten_flatten_using_ints}, flatten);
  table.add({aten_unflatten_int}, unflatten);
  table.add({aten_squeeze_default, aten_squeeze_dim, aten_squeeze_dims, aten_squeeze__default, aten_squeeze__dim,
             aten_squeeze__dims, aten_squeeze_copy_default, aten_squeeze_copy_dim, aten_squeeze_copy_dims},
            squeeze);
  table.add({aten_unsqueeze_default, aten_unsqueeze__default, aten_unsqueeze_copy_default}, unsqueeze);
  table.add({aten_permute_default, aten_permute_copy_default}, permute);
  table.add({aten_transpose_int, aten_transpose__default, aten_transpose_copy_int, aten_swapaxes_default,
             aten_swapdims_default, aten_swapaxes__default, aten_swapdims__default},
            transpose);
  table.add({aten_t_default, aten_t__default, aten_t_copy_default}, matrix_transpose);
  table.add({aten_numpy_T_default}, reversed);
  table.add({aten_mT_default, aten_mH_default, aten_adjoint_default}, last_two_swapped);
  table.add({aten_movedim_int, aten_movedim_intlist}, movedim);
  table.add({aten_expand_default, aten_broadcast_to_default, aten_expand_copy_default}, expand);
  table.add({aten_expand_as_default}, expand_as);
  table.add({aten_slice_Tensor, aten_slice_copy_Tensor}, slice);
  table.add({aten_select_int, aten_select_copy_int}, select);
  table.add({aten_narrow_default}, narrow);
  table.add({aten_diagonal_default}, diagonal);
  table.add({aten_slice_scatter_default}, scattered<sliced>);
  table.add({aten_select_scatter_default}, scattered<selected>);
  table.add({aten_diagonal_scatter_default}, scattered<diagonal_shape>);
  table.add({aten_unfold_default}, unfold);
  table.add({aten_as_strided_default}, as_strided);
  table.add({aten_as_strided_scatter_default}, scattered<strided_shape>);
  table.add({aten_ravel_default}, ravel);
  table.add({aten_atleast_1d_default}, at_least<1>);
  table.add({aten_atleast_2d_default}, at_least<2>);
  table.add({aten_atleast_3d_default}, at_least<3>);
  table.add({aten_rot90_default}, rot90);
  table.add({aten_diag_default}, diag);
  table.add({aten_diagflat_default}, diagflat);
  table.add({aten_diag_embed_default}, diag_embed);
  table.add({aten_view_dtype}, reinterpreted);
  table.add({aten_affine_grid_generator_default}, affine_grid);
  table.add({aten_fliplr_default, aten_flipud_default}, unchanged);
  table.add({aten_roll_default, aten_flip_default, aten_tril_default, aten_triu_default, aten_tril__default,
             aten_triu__default, aten_contiguous_default, aten_clone_default, aten_alias_default, aten_detach_default,
             aten_detach__default, aten_lift_default, aten_lift_fresh_default, aten_lift_fresh_copy_default,
             aten_alias_copy_default, aten_detach_copy_default},
            unchanged);
  table.add({aten_to_dtype, aten_to_dtype_layout, aten_to_device, aten__to_copy_default}, converted);
  table.add({aten_to_other, aten_type_as_default}, converted_as);
}

}  // namespace aitune::infer
