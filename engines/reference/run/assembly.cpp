// Operators that put tensors together, take them apart, or repeat them.

#include <algorithm>
#include <cstring>

#include "engines/reference/run/elements.h"
#include "engines/reference/run/kernel.h"
#include "engines/reference/run/views.h"

namespace aitune::reference {
namespace {

void join(const Call& call, const std::vector<Tensor>& tensors, std::size_t d) {
  std::int64_t at = 0;
  for (const Tensor& t : tensors) {
    if (t.dim() == 1 && t.numel() == 0) continue;
    Tensor to = slice(call.out(), d, at, t.size(d));
    copy_elements(to, t);
    at += t.size(d);
  }
}

void cat(const Call& call) { join(call, call.tensors("tensors"), call.dim("dim", call.out().shape().size())); }

void stack(const Call& call) {
  const std::size_t d = call.dim("dim", call.out().shape().size());
  std::vector<Tensor> tensors = call.tensors("tensors");
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    Tensor to = select(call.out(), d, static_cast<std::int64_t>(i));
    copy_elements(to, tensors[i]);
  }
}

void hstack(const Call& call) {
  std::vector<Tensor> tensors = call.tensors("tensors");
  for (Tensor& t : tensors)
    if (t.dim() == 0) t = unsqueeze(t, 0);
  join(call, tensors, call.out().dim() == 1 ? 0 : 1);
}

void vstack(const Call& call) {
  std::vector<Tensor> tensors = call.tensors("tensors");
  for (Tensor& t : tensors)
    while (t.dim() < 2) t = unsqueeze(t, 0);
  join(call, tensors, 0);
}

/// split, chunk, ...: the outputs' own sizes say where to cut.
void split(const Call& call) {
  const Tensor& self = call.self();
  const std::size_t d = call.dim("dim", self.shape().size());
  std::int64_t at = 0;
  for (std::size_t i = 0; i < call.out_count(); ++i) {
    const std::int64_t n = call.out(i).size(d);
    call.require(at + n <= self.size(d), "the parts are longer than the whole");
    copy_elements(call.out(i), slice(self, d, at, n));
    at += n;
  }
}

/// Rows of one element of each vector, the last one changing first.
void cartesian_prod(const Call& call) {
  const std::vector<Tensor> tensors = call.tensors("tensors");
  if (tensors.size() == 1) return copy_elements(call.out(), tensors[0]);
  Shape grid;
  for (const Tensor& t : tensors) {
    call.require(t.dim() == 1, "cartesian_prod takes vectors");
    grid.push_back(t.size(0));
  }
  const auto columns = static_cast<std::int64_t>(tensors.size());
  call.require(call.out().numel() == element_count(grid) * columns, "the result has another shape");
  Shape steps = contiguous_strides(grid);
  for (std::int64_t& step : steps) step *= columns;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    Shape strides(grid.size(), 0);
    strides[i] = tensors[i].strides()[0];
    Tensor to = view(call.out(), grid, steps, call.out().numel() == 0 ? 0 : static_cast<std::int64_t>(i));
    copy_elements(to, view(tensors[i], grid, strides));
  }
}

/// The next choice of positions below n in lexicographic order; false after the last.
bool next_choice(std::vector<std::int64_t>& places, std::int64_t n, bool again) {
  for (std::size_t i = places.size(); i-- > 0;) {
    const std::int64_t last = again ? n - 1 : n - static_cast<std::int64_t>(places.size() - i);
    if (places[i] >= last) continue;
    ++places[i];
    for (std::size_t j = i + 1; j < places.size(); ++j) places[j] = places[j - 1] + (again ? 0 : 1);
    return true;
  }
  return false;
}

void combinations(const Call& call) {
  const Tensor& self = call.self();
  const std::int64_t r = call.integer("r"), n = self.numel();
  const bool again = call.boolean("with_replacement");
  call.require(self.dim() == 1 && r >= 0 && r <= 1 << 10, "combinations takes a vector, and r at least 0");
  if (call.out().numel() == 0) return;
  call.require(r > 0 && call.out().dtype() == self.dtype() && call.out().dim() == 2 && call.out().size(1) == r &&
                   (again ? n > 0 : n >= r),
               "the result has another shape");
  std::vector<std::int64_t> places(static_cast<std::size_t>(r), 0);
  for (std::size_t i = 0; i < places.size(); ++i) places[i] = again ? 0 : static_cast<std::int64_t>(i);
  const auto size = static_cast<std::int64_t>(dtype_size(self.dtype()));
  std::byte* to = call.out().data();
  for (std::int64_t row = 0; row < call.out().size(0); ++row) {
    for (const std::int64_t place : places) {
      std::copy_n(self.data() + place * self.strides()[0] * size, size, to);
      to += size;
    }
    call.require(next_choice(places, n, again) == (row + 1 < call.out().size(0)), "the result has another shape");
  }
}

/// Each tensor filled up with zeros and cut into as many chunks, and the chunks joined.
void chunk_cat(const Call& call) {
  const std::vector<Tensor> tensors = call.tensors("tensors");
  const std::int64_t chunks = call.integer("num_chunks");
  Tensor& out = call.out();
  call.require(!tensors.empty() && out.dim() >= 2 && chunks > 0, "there are no tensors, or no chunks");
  const std::size_t d = out.shape().size() - 2;
  call.require(out.size(d) == chunks, "the result has another shape");
  if (out.byte_size() > 0) std::memset(out.data(), 0, out.byte_size());
  std::int64_t at = 0;
  for (const Tensor& t : tensors) {
    call.require(
        t.shape().size() > d && t.dtype() == out.dtype() &&
            std::equal(out.shape().begin(), out.shape().begin() + static_cast<std::ptrdiff_t>(d), t.shape().begin()),
        "the tensors have different dtypes or shapes");
    const std::int64_t each = (t.size(d) + chunks - 1) / chunks;
    Shape inner(t.shape().begin() + static_cast<std::ptrdiff_t>(d) + 1, t.shape().end());
    const std::int64_t width = each * element_count(inner);
    call.require(at + width <= out.size(d + 1), "the result has another shape");
    for (std::int64_t c = 0; c * each < t.size(d); ++c) {
      const std::int64_t length = std::min(each, t.size(d) - c * each);
      const Tensor piece = slice(t, d, c * each, length);
      Shape strides = out.strides();
      strides[d] = width / each;
      strides.pop_back();
      const Shape packed = contiguous_strides(inner);
      strides.insert(strides.end(), packed.begin(), packed.end());
      Tensor to = view(out, piece.shape(), strides, c * out.strides()[d] + at);
      copy_elements(to, piece);
    }
    at += width;
  }
  call.require(at == out.size(d + 1), "the result has another shape");
}

void unbind(const Call& call) {
  const std::size_t d = call.dim("dim", call.self().shape().size());
  for (std::size_t i = 0; i < call.out_count(); ++i)
    copy_elements(call.out(i), select(call.self(), d, static_cast<std::int64_t>(i)));
}

void broadcast_tensors(const Call& call) {
  const auto tensors = call.tensors("tensors");
  for (std::size_t i = 0; i < tensors.size(); ++i) copy_elements(call.out(i), tensors[i]);
}

void meshgrid(const Call& call) {
  const auto tensors = call.tensors("tensors");
  const bool swapped = call.has("indexing") && call.string("indexing") == "xy";
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::size_t d = swapped && i < 2 && tensors.size() >= 2 ? 1 - i : i;
    Shape shape(tensors.size(), 1), strides(tensors.size(), 0);
    shape[d] = tensors[i].numel();
    strides[d] = tensors[i].dim() == 0 ? 0 : tensors[i].strides()[0];
    copy_elements(call.out(i), view(tensors[i], shape, strides));
  }
}

/// The output seen as [repeats0, size0, repeats1, size1, ...].
void repeat(const Call& call) {
  const Tensor& self = call.self();
  const std::size_t rank = call.out().shape().size(), missing = rank - self.shape().size();
  Shape out_shape, shape, strides;
  for (std::size_t d = 0; d < rank; ++d) {
    const std::int64_t size = d < missing ? 1 : self.shape()[d - missing];
    out_shape.push_back(size == 0 ? 0 : call.out().shape()[d] / size);
    out_shape.push_back(size);
    shape.push_back(1);
    shape.push_back(size);
    strides.push_back(0);
    strides.push_back(d < missing ? 0 : self.strides()[d - missing]);
  }
  Tensor to = view(call.out(), out_shape, contiguous_strides(out_shape));
  copy_elements(to, view(self, shape, strides));
}

void repeat_interleave(const Call& call) {
  Tensor t = call.self();
  std::size_t d = 0;
  if (call.given("dim") && t.dim() > 0) {
    d = call.dim("dim", t.shape().size());
  } else {
    t = t.contiguous();
    t = view(t, {t.numel()}, {1});
  }
  Shape shape = t.shape();
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(d) + 1, call.integer("repeats"));
  Tensor to = view(call.out(), shape, contiguous_strides(shape));
  copy_elements(to, unsqueeze(t, d + 1));
}

void pad_sequence(const Call& call) {
  const auto sequences = call.tensors("sequences");
  const std::size_t batch_dim = call.boolean("batch_first") ? 0 : 1;
  const bool left = call.string("padding_side") == "left";
  call.require(call.out().dim() >= 2 && call.out().shape()[batch_dim] == static_cast<std::int64_t>(sequences.size()),
               "the result has another shape");
  copy_elements(call.out(), scalar(DType::f64, call.number("padding_value")));
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    const Tensor row = select(call.out(), batch_dim, static_cast<std::int64_t>(i));
    call.require(sequences[i].dim() == row.dim() && sequences[i].shape()[0] <= row.shape()[0],
                 "a sequence is longer than the result");
    const std::int64_t length = sequences[i].shape()[0];
    Tensor to = slice(row, 0, left ? row.shape()[0] - length : 0, length);
    copy_elements(to, sequences[i]);
  }
}

}  // namespace

void add_assembly_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_cat_default, aten_concat_default}, cat);
  table.add({aten_stack_default}, stack);
  table.add({aten_pad_sequence_default}, pad_sequence);
  table.add({aten_hstack_default}, hstack);
  table.add({aten_vstack_default}, vstack);
  table.add(
      {aten_split_Tensor, aten_split_sizes, aten_split_with_sizes_default, aten_unsafe_split_Tensor,
       aten_unsafe_split_with_sizes_default, aten_chunk_default, aten_unsafe_chunk_default, aten_tensor_split_sections},
      split);
  table.add({aten_unbind_int}, unbind);
  table.add({aten_cartesian_prod_default}, cartesian_prod);
  table.add({aten_combinations_default}, combinations);
  table.add({aten__chunk_cat_default}, chunk_cat);
  table.add({aten_broadcast_tensors_default}, broadcast_tensors);
  table.add({aten_meshgrid_default, aten_meshgrid_indexing}, meshgrid);
  table.add({aten_repeat_default, aten_tile_default}, repeat);
  table.add({aten_repeat_interleave_self_int}, repeat_interleave);
}

}  // namespace aitune::reference
