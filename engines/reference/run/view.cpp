// Operators that rearrange one tensor. Each is a view of the input copied to the output.

#include <algorithm>

#include "engines/reference/run/complex.h"
#include "engines/reference/run/elements.h"
#include "engines/reference/run/kernel.h"
#include "engines/reference/run/views.h"

namespace aitune::reference {
namespace {

/// The same elements in row-major order: view, reshape, flatten, squeeze, unsqueeze, ...
void reshape(const Call& call) {
  const Tensor& self = call.self();
  call.require(self.numel() == call.out().numel(), "the shapes hold different numbers of elements");
  Tensor to = view(call.out(), self.shape(), contiguous_strides(self.shape()));
  copy_elements(to, self);
}

/// The same elements in place, broadcast or converted: expand, clone, to, ...
void copy(const Call& call) { copy_elements(call.out(), call.self()); }

void permute_dims(const Call& call) {
  copy_elements(call.out(), permute(call.self(), call.dims("dims", call.self().shape().size())));
}

/// The last two dimensions change places; a 0-dim tensor stays.
void transpose_matrices(const Call& call) {
  const Tensor& self = call.self();
  Shape shape = self.shape(), strides = self.strides();
  if (shape.size() >= 2) {
    std::swap(shape[shape.size() - 1], shape[shape.size() - 2]);
    std::swap(strides[strides.size() - 1], strides[strides.size() - 2]);
  }
  copy_elements(call.out(), view(self, shape, strides));
}

/// The same, with the conjugates of complex numbers.
void adjoint(const Call& call) {
  transpose_matrices(call);
  if (!is_complex(call.self().dtype())) return;
  Tensor turned(call.out().dtype(), call.out().shape());
  copy_elements(turned, call.out());
  const Tensor parts = as_real(turned);
  visit_floating(parts.dtype(), [&]<typename T>(T) {
    T* const numbers = const_cast<T*>(parts.as<T>());  // of our own tensor
    for (std::int64_t i = 1; i < parts.numel(); i += 2) numbers[i] = -numbers[i];
  });
  copy_elements(call.out(), turned);
}

void transpose(const Call& call) {
  const Tensor& t = call.self();
  const bool axes = call.has("axis0");
  const std::size_t rank = t.shape().size();
  const std::size_t a = call.dim(axes ? "axis0" : "dim0", rank), b = call.dim(axes ? "axis1" : "dim1", rank);
  if (rank == 0) return copy(call);
  Shape shape = t.shape(), strides = t.strides();
  std::swap(shape[a], shape[b]);
  std::swap(strides[a], strides[b]);
  copy_elements(call.out(), view(t, shape, strides));
}

void reverse_dims(const Call& call) {
  Shape shape = call.self().shape(), strides = call.self().strides();
  std::ranges::reverse(shape);
  std::ranges::reverse(strides);
  copy_elements(call.out(), view(call.self(), shape, strides));
}

void movedim(const Call& call) {
  const std::size_t rank = call.self().shape().size();
  if (rank == 0) return copy(call);
  const auto source = call.dims("source", rank), destination = call.dims("destination", rank);
  std::vector<std::size_t> order, rest;
  for (std::size_t d = 0; d < rank; ++d)
    if (std::ranges::find(source, d) == source.end()) rest.push_back(d);
  auto next = rest.begin();
  for (std::size_t d = 0; d < rank; ++d) {
    const auto it = std::ranges::find(destination, d);
    order.push_back(it != destination.end() ? source[static_cast<std::size_t>(it - destination.begin())] : *next++);
  }
  copy_elements(call.out(), permute(call.self(), order));
}

/// Start of a slice, wrapped and clamped.
std::int64_t slice_start(const Call& call, std::int64_t size) {
  if (!call.given("start")) return 0;
  const std::int64_t start = call.integer("start");
  return std::clamp<std::int64_t>(start < 0 ? start + size : start, 0, size);
}

Tensor sliced(const Call& call, const Tensor& t, std::int64_t length) {
  const std::size_t d = call.dim("dim", t.shape().size());
  return slice(t, d, slice_start(call, t.shape()[d]), length, call.integer("step"));
}

void slice_op(const Call& call) {
  const Tensor& self = call.self();
  copy_elements(call.out(), sliced(call, self, call.out().size(call.dim("dim", self.shape().size()))));
}

std::int64_t wrapped_index(const Call& call, std::string_view name, std::int64_t size) {
  const std::int64_t i = call.integer(name);
  call.require(i >= -size && i < size, "the index is out of range");
  return i < 0 ? i + size : i;
}

void select_op(const Call& call) {
  const Tensor& self = call.self();
  const std::size_t d = call.dim("dim", self.shape().size());
  copy_elements(call.out(), select(self, d, wrapped_index(call, "index", self.size(d))));
}

void narrow(const Call& call) {
  const Tensor& self = call.self();
  const std::size_t d = call.dim("dim", self.shape().size());
  std::int64_t start = call.integer("start");
  const std::int64_t length = call.integer("length");
  if (start < 0) start += self.size(d);
  call.require(start >= 0 && length >= 0 && start + length <= self.size(d), "start and length are out of range");
  copy_elements(call.out(), slice(self, d, start, length));
}

/// The diagonal of `self` that the arguments of the call name, `length` elements long.
Tensor diagonal_of(const Call& call, const Tensor& self, std::int64_t length) {
  const std::size_t a = call.dim("dim1", self.shape().size()), b = call.dim("dim2", self.shape().size());
  const std::int64_t offset = call.integer("offset");
  Shape shape, strides;
  for (std::size_t d = 0; d < self.shape().size(); ++d)
    if (d != a && d != b) {
      shape.push_back(self.shape()[d]);
      strides.push_back(self.strides()[d]);
    }
  shape.push_back(length);
  strides.push_back(self.strides()[a] + self.strides()[b]);
  const std::int64_t start = shape.back() == 0 ? 0
                             : offset < 0      ? -offset * self.strides()[a]
                                               : offset * self.strides()[b];
  return view(self, shape, strides, start);
}

void diagonal(const Call& call) {
  copy_elements(call.out(), diagonal_of(call, call.self(), call.out().shape().back()));
}

void unfold(const Call& call) {
  const Tensor& self = call.self();
  const std::int64_t size = call.integer("size"), step = call.integer("step");
  Shape shape = self.shape(), strides = self.strides();
  if (!shape.empty()) {
    const std::size_t d = call.dim("dimension", shape.size());
    call.require(size >= 0 && size <= shape[d] && step > 0, "size or step is out of range");
    shape[d] = (shape[d] - size) / step + 1;
    shape.push_back(size);
    strides.push_back(strides[d]);
    strides[d] *= step;
  } else {
    shape.push_back(size);
    strides.push_back(1);
  }
  copy_elements(call.out(), view(self, shape, strides));
}

void flip(const Call& call) {
  const Tensor& from = call.self();
  Shape strides = from.strides();
  std::int64_t start = 0;
  if (from.numel() == 0) return;
  if (!call["dims"].list().empty() && !strides.empty())
    for (const std::size_t d : call.dims("dims", from.shape().size())) {
      start += strides[d] * (from.shape()[d] - 1);
      strides[d] = -strides[d];
    }
  copy_elements(call.out(), view(from, from.shape(), strides, start));
}

/// Two copies for each rolled dimension: what stays ahead, and what comes round.
void roll(const Call& call) {
  const auto shifts = call.int_list("shifts"), dims = call.int_list("dims");
  Tensor t = call.self().contiguous();
  Tensor out = call.out();
  if (t.numel() == 0) return;
  if (dims.empty()) {
    t = view(t, {t.numel()}, {1});
    out = view(out, t.shape(), {1});
  }
  call.require(dims.empty() || dims.size() == shifts.size(), "shifts and dims have different lengths");
  for (std::size_t i = 0; i < shifts.size(); ++i) {
    const std::size_t d = dims.empty() ? 0 : call.dim(dims[i], t.shape().size());
    if (t.shape().empty()) break;
    const std::int64_t n = t.shape()[d], by = ((shifts[i] % n) + n) % n;
    Tensor next(t.dtype(), t.shape());
    Tensor head = slice(next, d, 0, by), tail = slice(next, d, by, n - by);
    copy_elements(head, slice(t, d, n - by, by));
    copy_elements(tail, slice(t, d, 0, n - by));
    t = next;
  }
  copy_elements(out, t);
}

template <bool Lower>
void triangle(const Call& call) {
  const Tensor whole = call.self().contiguous();
  const std::size_t rank = whole.shape().size();
  call.require(rank >= 2, "the input needs two dimensions");
  const std::int64_t rows = whole.size(rank - 2), columns = whole.size(rank - 1), offset = call.integer("diagonal");
  if (whole.numel() == 0) return;
  Tensor out = call.out();
  std::fill_n(out.data(), static_cast<std::size_t>(out.numel()) * dtype_size(out.dtype()), std::byte{0});
  const std::int64_t matrices = whole.numel() / (rows * columns);
  const Tensor from = view(whole, {matrices, rows, columns}, {rows * columns, columns, 1});
  const Tensor to = view(out, from.shape(), from.strides());
  for (std::int64_t i = 0; i < rows; ++i) {
    const std::int64_t first = Lower ? 0 : std::clamp<std::int64_t>(i + offset, 0, columns);
    const std::int64_t last = Lower ? std::clamp<std::int64_t>(i + offset + 1, 0, columns) : columns;
    Tensor part = slice(select(to, 1, i), 1, first, last - first);
    copy_elements(part, slice(select(from, 1, i), 1, first, last - first));
  }
}

void slice_scatter(const Call& call) {
  copy(call);
  const Tensor& src = call.tensor("src");
  Tensor to = sliced(call, call.out(), src.size(call.dim("dim", src.shape().size())));
  copy_elements(to, src);
}

void select_scatter(const Call& call) {
  copy(call);
  const std::size_t d = call.dim("dim", call.self().shape().size());
  Tensor to = select(call.out(), d, wrapped_index(call, "index", call.self().size(d)));
  copy_elements(to, call.tensor("src"));
}

void diagonal_scatter(const Call& call) {
  copy(call);
  const Tensor& src = call.tensor("src");
  Tensor to = diagonal_of(call, call.out(), src.shape().back());
  copy_elements(to, src);
}

}  // namespace

void add_view_kernels(KernelTable& table) {
  using enum OpId;
  table.add(
      {aten_view_default,          aten__unsafe_view_default, aten_reshape_default,    aten__reshape_alias_default,
       aten_view_copy_default,     aten_view_as_default,      aten_reshape_as_default, aten_flatten_using_ints,
       aten_unflatten_int,         aten_squeeze_default,      aten_squeeze_dim,        aten_squeeze_dims,
       aten_squeeze__default,      aten_squeeze__dim,         aten_squeeze__dims,      aten_squeeze_copy_default,
       aten_squeeze_copy_dim,      aten_squeeze_copy_dims,    aten_unsqueeze_default,  aten_unsqueeze__default,
       aten_unsqueeze_copy_default},
      reshape);
  table.add({aten_expand_default,      aten_expand_as_default,   aten_broadcast_to_default,
             aten_expand_copy_default, aten_contiguous_default,  aten_clone_default,
             aten_alias_default,       aten_detach_default,      aten_detach__default,
             aten_lift_default,        aten_lift_fresh_default,  aten_lift_fresh_copy_default,
             aten_alias_copy_default,  aten_detach_copy_default, aten_to_dtype,
             aten_to_dtype_layout,     aten_to_device,           aten_to_other,
             aten_type_as_default,     aten__to_copy_default,    aten_positive_default},
            copy);
  table.add({aten_permute_default, aten_permute_copy_default}, permute_dims);
  table.add({aten_transpose_int, aten_transpose__default, aten_transpose_copy_int, aten_swapaxes_default,
             aten_swapdims_default, aten_swapaxes__default, aten_swapdims__default},
            transpose);
  table.add({aten_t_default, aten_t__default, aten_t_copy_default, aten_numpy_T_default}, reverse_dims);
  table.add({aten_mT_default}, transpose_matrices);
  table.add({aten_mH_default, aten_adjoint_default}, adjoint);
  table.add({aten_movedim_int, aten_movedim_intlist}, movedim);
  table.add({aten_slice_Tensor, aten_slice_copy_Tensor}, slice_op);
  table.add({aten_select_int, aten_select_copy_int}, select_op);
  table.add({aten_narrow_default}, narrow);
  table.add({aten_diagonal_default}, diagonal);
  table.add({aten_unfold_default}, unfold);
  table.add({aten_flip_default}, flip);
  table.add({aten_roll_default}, roll);
  table.add({aten_tril_default, aten_tril__default}, triangle<true>);
  table.add({aten_triu_default, aten_triu__default}, triangle<false>);
  table.add({aten_slice_scatter_default}, slice_scatter);
  table.add({aten_select_scatter_default}, select_scatter);
  table.add({aten_diagonal_scatter_default}, diagonal_scatter);
}

}  // namespace aitune::reference
