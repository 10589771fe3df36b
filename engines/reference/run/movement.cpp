// Movement that is rarely met: memory addressed by strides, diagonals, blocks, rotations, elements seen as another
// dtype.

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engines/reference/run/elementwise.h"
#include "engines/reference/run/views.h"

namespace aitune::reference {
namespace {

/// The row-major memory of `whole`, seen with the call's sizes and strides.
Tensor strided_part(const Call& call, const Tensor& whole) {
  const auto size = call.int_list("size"), stride = call.int_list("stride");
  const std::int64_t offset = call.given("storage_offset") ? call.integer("storage_offset") : 0;
  call.require(size.size() == stride.size(), "size and stride have different lengths");
  const std::int64_t count = whole.numel();
  std::int64_t last = offset;
  bool empty = false;
  for (std::size_t d = 0; d < size.size(); ++d) {
    call.require(size[d] >= 0 && stride[d] >= 0, "sizes and strides are not negative");
    if (size[d] == 0) empty = true;
    call.require(size[d] <= 1 || stride[d] == 0 || (size[d] - 1) <= count / stride[d],
                 "the view reaches beyond the tensor");
    if (size[d] > 1) last += (size[d] - 1) * stride[d];
    call.require(last >= 0 && last <= count * 64, "the view reaches beyond the tensor");
  }
  call.require(offset >= 0 && (empty || last < count), "the view reaches beyond the tensor");
  return view(whole, size, stride, empty ? 0 : offset);
}

void as_strided(const Call& call) { copy_elements(call.out(), strided_part(call, call.self().contiguous())); }

void as_strided_scatter(const Call& call) {
  copy_elements(call.out(), call.self());
  Tensor to = strided_part(call, call.out());
  copy_elements(to, call.tensor("src"));
}

/// The outputs' own sizes say where to cut; the dimension is the argument, or the one that the name stands for.
template <int Fixed>
void split(const Call& call) {
  const Tensor& self = call.self();
  const std::size_t rank = self.shape().size();
  const std::size_t d = Fixed < 0                 ? call.dim("dim", rank)
                        : Fixed == 1 && rank == 1 ? 0
                                                  : static_cast<std::size_t>(Fixed);
  call.require(d < rank, "the tensor has too few dimensions");
  std::int64_t at = 0;
  for (std::size_t i = 0; i < call.out_count(); ++i) {
    call.require(call.out(i).shape().size() == rank, "a part has another rank than the whole");
    const std::int64_t n = call.out(i).size(d);
    call.require(at + n <= self.size(d), "the parts are longer than the whole");
    copy_elements(call.out(i), slice(self, d, at, n));
    at += n;
  }
}

/// The pieces of tensor_split may overlap or be empty where indices go back.
void split_at(const Call& call, std::size_t d, const std::vector<std::int64_t>& indices) {
  const Tensor& self = call.self();
  call.require(d < self.shape().size(), "the tensor has too few dimensions");
  const std::int64_t n = self.size(d);
  std::int64_t begin = 0;
  for (std::size_t i = 0; i < call.out_count(); ++i) {
    std::int64_t end = i < indices.size() ? indices[i] : n;
    const auto bound = [n](std::int64_t v) { return std::clamp<std::int64_t>(v < 0 ? v + n : v, 0, n); };
    const std::int64_t from = bound(begin), length = std::max<std::int64_t>(bound(end) - from, 0);
    copy_elements(call.out(i), slice(self, d, from, length));
    begin = end;
  }
}
template <int Fixed>
void split_indices(const Call& call) {
  const std::size_t rank = call.self().shape().size();
  split_at(call,
           Fixed < 0                 ? call.dim("dim", rank)
           : Fixed == 1 && rank == 1 ? 0
                                     : static_cast<std::size_t>(Fixed),
           call.int_list("indices"));
}

/// A number of parts, or positions, as a tensor.
void split_by_tensor(const Call& call) {
  const Tensor& where = call.tensor("tensor_indices_or_sections");
  if (where.dim() == 0) return split<-1>(call);
  call.require(where.dim() == 1 && where.dtype() == DType::i64, "the positions are no vector of i64");
  const Contiguous<std::int64_t> indices(where);
  split_at(call, call.dim("dim", call.self().shape().size()), {indices.data(), indices.data() + where.numel()});
}

/// Row-major elements in another shape.
void reshaped(const Call& call) {
  const Tensor& self = call.self();
  call.require(self.numel() == call.out().numel(), "the shapes hold different numbers of elements");
  Tensor to = view(call.out(), self.shape(), contiguous_strides(self.shape()));
  copy_elements(to, self);
}

template <std::size_t d>
void flip_one(const Call& call) {
  const Tensor& self = call.self();
  call.require(self.shape().size() > d, "the tensor has too few dimensions");
  if (self.numel() == 0) return;
  Shape strides = self.strides();
  const std::int64_t start = strides[d] * (self.size(d) - 1);
  strides[d] = -strides[d];
  copy_elements(call.out(), view(self, self.shape(), strides, start));
}

void rot90(const Call& call) {
  const Tensor& self = call.self();
  const auto dims = call.int_list("dims");
  call.require(dims.size() == 2, "dims has two dimensions");
  const std::size_t a = call.dim(dims[0], self.shape().size()), b = call.dim(dims[1], self.shape().size());
  call.require(a != b && self.shape().size() >= 2, "dims has two dimensions");
  if (self.numel() == 0) return;
  const std::int64_t turns = ((call.integer("k") % 4) + 4) % 4;
  Shape shape = self.shape(), strides = self.strides();
  std::int64_t start = 0;
  const auto flip = [&](std::size_t d) {
    start += strides[d] * (shape[d] - 1);
    strides[d] = -strides[d];
  };
  if (turns == 2) flip(a);
  if (turns != 0) flip(turns == 3 ? a : b);
  if (turns % 2 == 1) {
    std::swap(shape[a], shape[b]);
    std::swap(strides[a], strides[b]);
  }
  copy_elements(call.out(), view(self, shape, strides, start));
}

void join(const Call& call, std::size_t d, Tensor (*shaped)(const Tensor&)) {
  std::int64_t at = 0;
  for (const Tensor& given : call.tensors("tensors")) {
    const Tensor t = shaped(given);
    call.require(t.shape().size() == call.out().shape().size() && at + t.size(d) <= call.out().size(d),
                 "the operands do not fit");
    Tensor to = slice(call.out(), d, at, t.size(d));
    copy_elements(to, t);
    at += t.size(d);
  }
}
Tensor at_least_3d(const Tensor& t) {
  Tensor r = t;
  if (r.dim() == 0) r = unsqueeze(r, 0);
  if (r.dim() == 1) r = unsqueeze(r, 0);
  return r.dim() == 2 ? unsqueeze(r, 2) : r;
}
void dstack(const Call& call) { join(call, 2, at_least_3d); }
void column_stack(const Call& call) {
  join(call, 1, [](const Tensor& t) {
    Tensor r = t;
    while (r.dim() < 2) r = unsqueeze(r, r.shape().size());
    return r;
  });
}

void block_diag(const Call& call) {
  call.require(call.out().dim() == 2, "the result is a matrix");
  copy_elements(call.out(), scalar(0));
  std::int64_t row = 0, column = 0;
  for (Tensor t : call.tensors("tensors")) {
    while (t.dim() < 2) t = unsqueeze(t, 0);
    call.require(row + t.size(0) <= call.out().size(0) && column + t.size(1) <= call.out().size(1),
                 "the operands do not fit");
    Tensor to = slice(slice(call.out(), 0, row, t.size(0)), 1, column, t.size(1));
    copy_elements(to, t);
    row += t.size(0);
    column += t.size(1);
  }
}

/// The diagonal of the two dimensions of `t`, `length` elements from `offset`; the others stay.
Tensor diagonal_view(const Call& call, const Tensor& t, std::size_t a, std::size_t b, std::int64_t offset,
                     std::int64_t length) {
  const std::int64_t row = offset < 0 ? -offset : 0, column = offset > 0 ? offset : 0;
  call.require(a != b && length >= 0 && (length == 0 || (row + length <= t.size(a) && column + length <= t.size(b))),
               "the diagonal is outside the tensor");
  Shape shape, strides;
  for (std::size_t d = 0; d < t.shape().size(); ++d)
    if (d != a && d != b) {
      shape.push_back(t.shape()[d]);
      strides.push_back(t.strides()[d]);
    }
  shape.push_back(length);
  strides.push_back(t.strides()[a] + t.strides()[b]);
  return view(t, shape, strides, length == 0 ? 0 : row * t.strides()[a] + column * t.strides()[b]);
}

void put_on_diagonal(const Call& call, std::size_t a, std::size_t b, std::int64_t offset) {
  copy_elements(call.out(), scalar(0));
  Tensor to = diagonal_view(call, call.out(), a, b, offset, call.self().shape().back());
  copy_elements(to, call.self());
}

void diag_embed(const Call& call) {
  const std::size_t rank = call.out().shape().size();
  call.require(!call.self().shape().empty() && rank >= 2, "the operand has no dimension");
  put_on_diagonal(call, call.dim("dim1", rank), call.dim("dim2", rank), call.integer("offset"));
}

void diag(const Call& call) {
  const std::int64_t offset = call.integer("diagonal");
  call.require(call.self().dim() == 1 || call.self().dim() == 2, "the operand is a vector or a matrix");
  call.require(call.out().dim() == 3 - call.self().dim(), "the result has another rank");
  if (call.self().dim() == 1) return put_on_diagonal(call, 0, 1, offset);
  copy_elements(call.out(), diagonal_view(call, call.self(), 0, 1, offset, call.out().size(0)));
}

/// All elements on a diagonal of zeros, which are bytes of 0 in every dtype.
void diagflat(const Call& call) {
  const Tensor self = call.self().contiguous();
  const std::int64_t n = self.numel(), offset = call.integer("offset");
  const std::int64_t row = offset < 0 ? -offset : 0, column = offset > 0 ? offset : 0;
  Tensor& out = call.out();
  call.require(std::abs(offset) < 1 << 30 && out.dim() == 2 && out.size(0) == n + row + column &&
                   out.size(1) == out.size(0) && out.dtype() == self.dtype(),
               "the result has another shape");
  if (out.byte_size() > 0) std::memset(out.data(), 0, out.byte_size());
  Tensor to = view(out, {n}, {out.size(1) + 1}, n == 0 ? 0 : row * out.size(1) + column);
  copy_elements(to, view(self, {n}, {1}));
}

/// The bytes of row-major elements, as they are.
void reinterpret(const Call& call) {
  const Tensor self = call.self().contiguous();
  call.require(self.byte_size() == call.out().byte_size(), "the shapes hold different numbers of bytes");
  if (self.byte_size() > 0) std::memcpy(call.out().data(), self.data(), self.byte_size());
}

/// For each position of the output image, where in the input image it lies: theta times (x, y, 1).
void affine_grid(const Call& call) {
  const auto size = call.int_list("size");
  const std::size_t dims = size.size() - 2;
  const Tensor& theta = call.tensor("theta");
  call.require((dims == 2 || dims == 3) && theta.dim() == 3 && theta.size(0) == size[0], "theta and size do not fit");
  const auto axes = static_cast<std::int64_t>(dims);
  call.require(theta.size(1) == axes && theta.size(2) == axes + 1, "theta has the wrong shape");
  const bool corners = call.boolean("align_corners");
  std::int64_t positions = 1;
  for (std::size_t d = 0; d < dims; ++d) positions *= size[2 + d];
  call.require(call.out().numel() == size[0] * positions * axes, "the result has another shape");
  const Contiguous<double> matrix(theta);
  Result<double> out(call.out());
  for (std::int64_t n = 0; n < size[0]; ++n)
    for (std::int64_t p = 0; p < positions; ++p) {
      double at[4] = {1, 1, 1, 1};  // x, y, z, then the 1
      std::int64_t rest = p;
      for (std::size_t d = dims; d-- > 0;) {
        const std::int64_t length = size[2 + d], i = rest % length;
        rest /= length;
        const double step =
            corners ? (length > 1 ? 2.0 / static_cast<double>(length - 1) : 0) : 2.0 / static_cast<double>(length);
        const double first = length == 1 ? 0 : corners ? -1 : -1 + 1 / static_cast<double>(length);
        at[dims - 1 - d] = first + step * static_cast<double>(i);
      }
      at[dims] = 1;
      for (std::int64_t r = 0; r < axes; ++r) {
        double sum = 0;
        for (std::int64_t c = 0; c <= axes; ++c) sum += matrix[(n * axes + r) * (axes + 1) + c] * at[c];
        out.data()[(n * positions + p) * axes + r] = sum;
      }
    }
  out.commit();
}

// --- tensors out of numbers ---

/// Rows, then columns, of the elements of a triangle.
template <bool Lower>
void triangle_indices(const Call& call) {
  const std::int64_t rows = call.integer("row"), columns = call.integer("col"), offset = call.integer("offset");
  const std::int64_t count = call.out().numel() / 2;
  call.require(rows <= 1 << 20 && columns <= 1 << 20, "the sizes are out of range");
  std::vector<std::int64_t> places(static_cast<std::size_t>(2 * count));
  std::int64_t at = 0;
  for (std::int64_t i = 0; i < rows && at < count; ++i) {
    const std::int64_t first = Lower ? 0 : std::clamp<std::int64_t>(i + offset, 0, columns);
    const std::int64_t last = Lower ? std::clamp<std::int64_t>(i + offset + 1, 0, columns) : columns;
    for (std::int64_t j = first; j < last && at < count; ++j, ++at) {
      places[static_cast<std::size_t>(at)] = i;
      places[static_cast<std::size_t>(count + at)] = j;
    }
  }
  call.require(at == count, "the result has another size");
  store<std::int64_t>(call.out().dtype(), call.out().data(), 1, 2 * count, places.data());
}

/// alpha - beta cos.
void cosine_window(const Call& call, double alpha, double beta) {
  const std::int64_t n = call.out().numel();
  const bool periodic = !call.has("periodic") || call.boolean("periodic");
  const auto length = static_cast<double>(periodic ? n : n - 1);
  std::vector<double> values;
  for (std::int64_t i = 0; i < n; ++i)
    values.push_back(n == 1 ? 1
                            : alpha - beta * std::cos(2 * 3.14159265358979323846 * static_cast<double>(i) / length));
  store<double>(call.out().dtype(), call.out().data(), 1, n, values.data());
}
void hann(const Call& call) { cosine_window(call, 0.5, 0.5); }
void hamming(const Call& call) {
  cosine_window(call, call.has("alpha") ? call.number("alpha") : 0.54, call.has("beta") ? call.number("beta") : 0.46);
}

void zeros(const Call& call) { copy_elements(call.out(), scalar(0)); }

}  // namespace

void add_movement_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_as_strided_default}, as_strided);
  table.add({aten_as_strided_scatter_default}, as_strided_scatter);
  table.add({aten_tensor_split_indices}, split_indices<-1>);
  table.add({aten_tensor_split_tensor_indices_or_sections}, split_by_tensor);
  table.add({aten_hsplit_array}, split_indices<1>);
  table.add({aten_vsplit_array}, split_indices<0>);
  table.add({aten_dsplit_array}, split_indices<2>);
  table.add({aten_hsplit_int}, split<1>);
  table.add({aten_vsplit_int}, split<0>);
  table.add({aten_dsplit_int}, split<2>);
  table.add({aten_ravel_default, aten_atleast_1d_default, aten_atleast_2d_default, aten_atleast_3d_default}, reshaped);
  table.add({aten_fliplr_default}, flip_one<1>);
  table.add({aten_flipud_default}, flip_one<0>);
  table.add({aten_rot90_default}, rot90);
  table.add({aten_dstack_default}, dstack);
  table.add({aten_column_stack_default}, column_stack);
  table.add({aten_block_diag_default}, block_diag);
  table.add({aten_diag_embed_default}, diag_embed);
  table.add({aten_diag_default}, diag);
  table.add({aten_diagflat_default}, diagflat);
  table.add({aten_view_dtype}, reinterpret);
  table.add({aten_affine_grid_generator_default}, affine_grid);
  table.add({aten_tril_indices_default}, triangle_indices<true>);
  table.add({aten_triu_indices_default}, triangle_indices<false>);
  table.add({aten_hann_window_default, aten_hann_window_periodic}, hann);
  table.add({aten_hamming_window_default, aten_hamming_window_periodic, aten_hamming_window_periodic_alpha,
             aten_hamming_window_periodic_alpha_beta},
            hamming);
  // An empty tensor holds anything; zeros make runs repeatable.
  table.add({aten_empty_strided_default, aten_new_empty_strided_default, aten_empty_permuted_default}, zeros);
}

}  // namespace aitune::reference
