// Operators that put tensors together, take them apart, or repeat them.

#include <algorithm>

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

}  // namespace

void add_assembly_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_cat_default, aten_concat_default}, cat);
  table.add({aten_stack_default}, stack);
  table.add({aten_hstack_default}, hstack);
  table.add({aten_vstack_default}, vstack);
  table.add(
      {aten_split_Tensor, aten_split_sizes, aten_split_with_sizes_default, aten_unsafe_split_Tensor,
       aten_unsafe_split_with_sizes_default, aten_chunk_default, aten_unsafe_chunk_default, aten_tensor_split_sections},
      split);
  table.add({aten_unbind_int}, unbind);
  table.add({aten_broadcast_tensors_default}, broadcast_tensors);
  table.add({aten_meshgrid_default, aten_meshgrid_indexing}, meshgrid);
  table.add({aten_repeat_default, aten_tile_default}, repeat);
  table.add({aten_repeat_interleave_self_int}, repeat_interleave);
}

}  // namespace aitune::reference
