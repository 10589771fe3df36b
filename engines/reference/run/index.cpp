// Operators that read or write at positions given by a tensor. Every position is checked against the dimension.

#include <algorithm>
#include <cstring>

#include "engines/reference/run/complex.h"
#include "engines/reference/run/elementwise.h"
#include "engines/reference/run/views.h"

namespace aitune::reference {
namespace {

/// self[index] along one dimension, by whole slices.
void index_select(const Call& call) {
  const Tensor& self = call.self();
  const Contiguous<std::int64_t> index(call.tensor("index"));
  const std::size_t d = call.dim("dim", self.shape().size());
  if (self.dim() == 0) {
    checked_index(call, index[0], 1, false);
    return copy_elements(call.out(), self);
  }
  for (std::int64_t i = 0; i < call.tensor("index").numel(); ++i) {
    Tensor to = select(call.out(), d, i);
    copy_elements(to, select(self, d, checked_index(call, index[i], self.size(d), false)));
  }
}

void embedding(const Call& call) {
  const Tensor table = call.tensor("weight").contiguous();
  const Contiguous<std::int64_t> index(call.tensor("indices"));
  const std::int64_t rows = table.size(0);
  const auto bytes = table.size(1) * static_cast<std::int64_t>(dtype_size(table.dtype()));
  for (std::int64_t i = 0; i < call.tensor("indices").numel(); ++i)
    if (bytes > 0)
      std::memcpy(call.out().data() + i * bytes, table.data() + checked_index(call, index[i], rows, false) * bytes,
                  static_cast<std::size_t>(bytes));
}

/// Strides of `t` as a tensor of at least one dimension.
Tensor at_least_1d(const Tensor& t) { return t.dim() == 0 ? unsqueeze(t, 0) : t; }

/// Calls f(positions in index, offset into t where dimension d is replaced by the index value) for each index element.
template <typename F>
void for_each_indexed(const Call& call, const Tensor& t, const Tensor& index, std::size_t d, F f) {
  call.require(t.dim() == index.dim(), "index and tensor have different ranks");
  const Contiguous<std::int64_t> values(index);
  const Shape& shape = index.shape();
  Walk walk{shape, {}};
  Shape strides = t.strides();
  strides[d] = 0;
  walk.add(strides);
  walk.shape.push_back(1);
  walk.strides[0].push_back(0);
  std::int64_t i = 0;
  for_each_row(walk, [&](std::span<const std::int64_t> offsets) {
    f(i, offsets[0] + checked_index(call, values[i], t.size(d), true) * t.strides()[d]);
    ++i;
  });
}

void copy_item(const Tensor& to, std::int64_t to_offset, const Tensor& from, std::int64_t from_offset) {
  const std::size_t size = dtype_size(to.dtype());
  std::memcpy(to.data() + to_offset * static_cast<std::int64_t>(size),
              from.data() + from_offset * static_cast<std::int64_t>(size), size);
}

void gather(const Call& call) {
  const Tensor self = at_least_1d(call.self()), index = at_least_1d(call.tensor("index"));
  for_each_indexed(call, self, index, call.dim("dim", self.shape().size()),
                   [&](std::int64_t i, std::int64_t offset) { copy_item(call.out(), i, self, offset); });
}

void take_along_dim(const Call& call) {
  Tensor self = call.self(), index = call.tensor("indices");
  if (!call.given("dim")) {
    self = self.contiguous();
    self = view(self, {self.numel()}, {1});
    index = index.contiguous();
    index = view(index, {index.numel()}, {1});
  }
  const std::size_t d = call.given("dim") ? call.dim("dim", self.shape().size()) : 0;
  Shape self_shape = call.out().shape(), index_shape = call.out().shape();
  self_shape[d] = self.size(d);
  self = view(self, self_shape, broadcast_strides(self, self_shape));
  index = view(index, index_shape, broadcast_strides(index, index_shape));
  for_each_indexed(call, self, index, d,
                   [&](std::int64_t i, std::int64_t offset) { copy_item(call.out(), i, self, offset); });
}

/// out = self, then out[index] = src; src may be larger than index, so it is walked with its own strides.
void scatter(const Call& call) {
  copy_elements(call.out(), call.self());
  const Tensor out = at_least_1d(call.out()), index = at_least_1d(call.tensor("index"));
  const std::size_t d = call.dim("dim", out.shape().size());
  Tensor src;
  if (call.has("src")) {
    src = at_least_1d(call.tensor("src"));
    src = view(src, index.shape(), src.strides()).contiguous();
  } else {
    src = Tensor(out.dtype(), index.shape());
    copy_elements(src, operand(call, "value"));
  }
  for_each_indexed(call, out, index, d, [&](std::int64_t i, std::int64_t offset) { copy_item(out, offset, src, i); });
}

/// out = self with src added at the index; sums are rounded once.
void add_at(const Call& call, const Tensor& index, const Tensor& src, std::size_t d, double alpha) {
  const Tensor& self = call.self();
  const Tensor place =
      at_least_1d(Tensor(self.dtype(), self.shape(), contiguous_strides(self.shape()), nullptr, nullptr));
  if (is_complex(self.dtype())) {
    std::vector<Complex> sums = complex_values(self);
    const std::vector<Complex> added = complex_values(src);
    for_each_indexed(call, place, index, d, [&](std::int64_t i, std::int64_t offset) {
      sums[static_cast<std::size_t>(offset)] += alpha * added[static_cast<std::size_t>(i)];
    });
    return store_complex(call.out(), sums);
  }
  visit_compute(is_floating(self.dtype()) ? Compute::f64 : Compute::i64, [&]<typename C>(C) {
    const Contiguous<C> values(self), added(src);
    std::vector<C> sums(values.data(), values.data() + self.numel());
    for_each_indexed(call, place, index, d, [&](std::int64_t i, std::int64_t offset) {
      C& sum = sums[static_cast<std::size_t>(offset)];
      sum = wrap_add(sum, wrap_mul(static_cast<C>(alpha), added[i]));
    });
    store<C>(call.out().dtype(), call.out().data(), 1, call.out().numel(), sums.data());
  });
}

void scatter_add(const Call& call) {
  const Tensor index = at_least_1d(call.tensor("index"));
  const Tensor src = at_least_1d(call.tensor("src"));
  add_at(call, index, view(src, index.shape(), src.strides()), call.dim("dim", call.self().shape().size()), 1);
}

/// A vector of positions along `d` as an index for every element of `shape`.
Tensor spread_index(const Tensor& index, const Shape& shape, std::size_t d) {
  Shape strides(shape.size(), 0);
  strides[d] = index.dim() == 0 ? 0 : index.strides()[0];
  return view(index, shape, strides);
}

void index_add(const Call& call) {
  const Tensor source = at_least_1d(call.tensor("source"));
  const std::size_t d = call.dim("dim", call.self().shape().size());
  call.require(call.tensor("index").numel() == source.size(d), "index and source have different lengths");
  add_at(call, spread_index(call.tensor("index"), source.shape(), d), source, d, call.number("alpha"));
}

void index_fill(const Call& call) {
  copy_elements(call.out(), call.self());
  const Tensor out = at_least_1d(call.out()), value = operand(call, "value");
  const std::size_t d = call.dim("dim", out.shape().size());
  const Contiguous<std::int64_t> index(call.tensor("index"));
  for (std::int64_t i = 0; i < call.tensor("index").numel(); ++i) {
    Tensor to = select(out, d, checked_index(call, index[i], out.size(d)));
    copy_elements(to, value);
  }
}

/// One more dimension, with a one where the class is.
void one_hot(const Call& call) {
  const Contiguous<std::int64_t> classes(call.self());
  const std::int64_t count = call.out().shape().back();
  auto* out = call.out().as<std::int64_t>();
  std::fill_n(out, call.out().numel(), 0);
  for (std::int64_t i = 0; i < call.self().numel(); ++i)
    out[i * count + checked_index(call, classes[i], count, false)] = 1;
}

/// Advanced indexing as one loop nest. Dimensions of the result: those of the broadcast indices, in the place NumPy
/// gives them, and those not indexed. For each result element, the offset into self.
class Indexed {
 public:
  Indexed(const Call& call, const Tensor& self) : Indexed(call, self, call["indices"].list()) {}
  Indexed(const Call& call, const Tensor& self, const OpArgList& indices) : call_(call) {
    call.require(indices.size() <= self.shape().size(), "more indices than dimensions");
    std::size_t first = 0, last = 0;
    std::vector<Tensor> given;
    Shape rest, rest_strides;
    std::size_t before = 0;
    for (std::size_t d = 0; d < self.shape().size(); ++d) {
      const Tensor* index = d < indices.size() ? indices[d].tensor_or_null() : nullptr;
      if (index == nullptr) {
        if (given.empty()) ++before;
        rest.push_back(self.shape()[d]);
        rest_strides.push_back(self.strides()[d]);
        continue;
      }
      if (index->dtype() == DType::b8 || index->dtype() == DType::u8) call.unsupported("indexing with a mask");
      if (given.empty()) first = d;
      last = d;
      given.push_back(*index);
      sizes_.push_back(self.shape()[d]);
      index_steps_.push_back(self.strides()[d]);
    }
    const bool adjacent = !given.empty() && last - first + 1 == given.size();
    const auto at = static_cast<std::ptrdiff_t>(adjacent ? before : 0);
    Shape index_shape = broadcast_shape(given);
    shape_ = rest;
    shape_.insert(shape_.begin() + at, index_shape.begin(), index_shape.end());
    Shape strides = rest_strides;
    strides.insert(strides.begin() + at, index_shape.size(), 0);
    walk_ = {shape_, {strides}};
    for (const Tensor& index : given) {
      values_.emplace_back(index);
      const Tensor packed(DType::i64, index.shape(), contiguous_strides(index.shape()), nullptr, nullptr);
      Shape own = broadcast_strides(packed, index_shape);
      Shape all(rest.size(), 0);
      all.insert(all.begin() + at, own.begin(), own.end());
      walk_.add(all);
    }
    walk_.shape.push_back(1);
    for (Shape& s : walk_.strides) s.push_back(0);
  }

  const Shape& shape() const { return shape_; }

  template <typename F>
  void for_each(F f) const {
    std::int64_t i = 0;
    for_each_row(walk_, [&](std::span<const std::int64_t> offsets) {
      std::int64_t offset = offsets[0];
      for (std::size_t k = 0; k < values_.size(); ++k)
        offset += checked_index(call_, values_[k][offsets[k + 1]], sizes_[k]) * index_steps_[k];
      f(i++, offset);
    });
  }

 private:
  static Shape broadcast_shape(const std::vector<Tensor>& tensors) {
    Shape shape;
    for (const Tensor& t : tensors) {
      if (t.shape().size() > shape.size()) shape.insert(shape.begin(), t.shape().size() - shape.size(), 1);
      for (std::size_t i = 0; i < t.shape().size(); ++i) {
        std::int64_t& s = shape[shape.size() - t.shape().size() + i];
        if (s == 1) s = t.shape()[i];
      }
    }
    return shape;
  }

  const Call& call_;
  Shape shape_;
  Walk walk_;
  std::vector<Contiguous<std::int64_t>> values_;
  std::vector<std::int64_t> sizes_, index_steps_;
};

/// The one index, if it is a mask; nullptr otherwise.
const Tensor* mask_of(const OpArgList& indices, std::size_t* at) {
  for (std::size_t i = 0; i < indices.size(); ++i)
    if (const Tensor* index = indices[i].tensor_or_null();
        index != nullptr && (index->dtype() == DType::b8 || index->dtype() == DType::u8)) {
      *at = i;
      return index;
    }
  return nullptr;
}

/// x[mask]: one dimension, of the kept positions, for those of the mask. Only where the result may take its own shape.
void index_by_mask(const Call& call, const Tensor& mask, std::size_t at) {
  if (!call.allocates()) call.unsupported("indexing with a mask");
  const Tensor& self = call.self();
  const std::size_t masked = mask.shape().size();
  call.require(at + masked <= self.shape().size() && std::equal(mask.shape().begin(), mask.shape().end(),
                                                                self.shape().begin() + static_cast<std::ptrdiff_t>(at)),
               "the mask has another shape than the tensor");
  Walk walk{mask.shape(),
            {Shape(self.strides().begin() + static_cast<std::ptrdiff_t>(at),
                   self.strides().begin() + static_cast<std::ptrdiff_t>(at + masked))}};
  walk.shape.push_back(1);
  walk.strides[0].push_back(0);
  const Contiguous<std::int64_t> keep(mask);
  std::vector<std::int64_t> kept;  // offsets into self
  std::int64_t position = 0;
  for_each_row(walk, [&](std::span<const std::int64_t> offsets) {
    if (keep[position++] != 0) kept.push_back(offsets[0]);
  });
  Shape shape = self.shape(), strides = self.strides();
  for (Shape* s : {&shape, &strides}) {
    const auto first = s->begin() + static_cast<std::ptrdiff_t>(at);
    s->erase(first, first + static_cast<std::ptrdiff_t>(masked));
  }
  Shape result = shape;
  result.insert(result.begin() + static_cast<std::ptrdiff_t>(at), static_cast<std::int64_t>(kept.size()));
  const Tensor& out = call.sized_out(0, result);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    Tensor to = select(out, at, static_cast<std::int64_t>(i));
    copy_elements(to, view(self, shape, strides, kept[i]));
  }
}

void index(const Call& call) {
  std::size_t at = 0;
  if (const Tensor* mask = mask_of(call["indices"].list(), &at)) return index_by_mask(call, *mask, at);
  const Tensor& self = call.self();
  Indexed(call, self).for_each([&](std::int64_t i, std::int64_t offset) { copy_item(call.out(), i, self, offset); });
}

/// Values for the kept positions, in their order, each written where its position is.
void spread_values(const Call& call, const Tensor& mask, Tensor& spread) {
  const Tensor& values = call.tensor("values");
  call.require(
      mask.dim() <= spread.dim() && std::equal(mask.shape().begin(), mask.shape().end(), spread.shape().begin()),
      "the mask has another shape than the tensor");
  Shape rest(spread.shape().begin() + mask.dim(), spread.shape().end());
  rest.insert(rest.begin(), mask.numel());
  Tensor rows = view(spread, rest, contiguous_strides(rest));
  const Contiguous<std::int64_t> keep(mask);
  std::int64_t next = 0;
  for (std::int64_t i = 0; i < mask.numel(); ++i) {
    if (keep[i] == 0) continue;
    call.require(next < values.size(0), "the mask keeps more positions than there are values");
    Tensor to = select(rows, 0, i);
    copy_elements(to, select(values, 0, next++));
  }
  call.require(next == values.size(0), "there are more values than positions that the mask keeps");
}

/// The values broadcast over every position, and those of the mask are taken.
void put_masked(const Call& call, const Tensor& mask, std::size_t at) {
  Tensor& out = call.out();
  const Tensor& values = call.tensor("values");
  const std::size_t rest = out.shape().size() - at - mask.shape().size();
  Shape mask_shape = mask.shape(), mask_strides = mask.strides();
  mask_shape.insert(mask_shape.end(), rest, 1);
  mask_strides.insert(mask_strides.end(), rest, 0);
  Shape value_shape = values.shape(), value_strides = values.strides();
  Tensor spread(out.dtype(), out.shape());
  if (value_shape.size() > rest && value_shape[0] != 1) {
    call.require(at == 0 && value_shape.size() == rest + 1, "the values do not fit the mask");
    spread_values(call, mask, spread);
  } else {
    if (value_shape.size() > rest) {
      value_shape.erase(value_shape.begin());
      value_strides.erase(value_strides.begin());
    }
    copy_elements(spread, view(values, value_shape, value_strides));
  }
  Tensor keep(DType::i64, out.shape());
  copy_elements(keep, view(mask, mask_shape, mask_strides));
  const auto* kept = keep.as<std::int64_t>();
  if (!call.boolean("accumulate")) {
    for (std::int64_t i = 0; i < out.numel(); ++i)
      if (kept[i] != 0) copy_item(out, i, spread, i);
    return;
  }
  visit_compute(compute_of(out.dtype()), [&]<typename C>(C) {
    const Contiguous<C> added(spread), start(call.self());
    std::vector<C> sums(start.data(), start.data() + out.numel());
    for (std::int64_t i = 0; i < out.numel(); ++i)
      if (kept[i] != 0) sums[static_cast<std::size_t>(i)] = wrap_add(sums[static_cast<std::size_t>(i)], added[i]);
    store<C>(out.dtype(), out.data(), 1, out.numel(), sums.data());
  });
}

void index_put(const Call& call) {
  copy_elements(call.out(), call.self());
  std::size_t at = 0;
  if (const Tensor* mask = mask_of(call["indices"].list(), &at)) return put_masked(call, *mask, at);
  const Indexed indexed(call, call.out());
  const Tensor& values = call.tensor("values");
  Tensor spread(call.out().dtype(), indexed.shape());
  copy_elements(spread, values);
  if (!call.boolean("accumulate"))
    return indexed.for_each([&](std::int64_t i, std::int64_t offset) { copy_item(call.out(), offset, spread, i); });
  visit_compute(is_floating(call.out().dtype()) ? Compute::f64 : Compute::i64, [&]<typename C>(C) {
    const Contiguous<C> added(spread), start(call.out());
    std::vector<C> sums(start.data(), start.data() + call.out().numel());
    indexed.for_each([&](std::int64_t i, std::int64_t offset) {
      C& sum = sums[static_cast<std::size_t>(offset)];
      sum = wrap_add(sum, added[i]);
    });
    store<C>(call.out().dtype(), call.out().data(), 1, call.out().numel(), sums.data());
  });
}

/// The call's indices, those beyond the tensor brought to its ends.
OpArgList clamped_indices(const Call& call) {
  const Tensor& self = call.self();
  OpArgList indices = call["indices"].list();
  call.require(indices.size() <= self.shape().size(), "more indices than dimensions");
  for (std::size_t d = 0; d < indices.size(); ++d) {
    const Tensor* index = indices[d].tensor_or_null();
    if (index == nullptr) continue;
    call.require(index->dtype() == DType::i64 || index->dtype() == DType::i32, "indices must be i64 or i32");
    Tensor within(DType::i64, index->shape());
    const std::int64_t n = self.size(d);
    map<std::int64_t, 1>(within, {index}, [n](std::int64_t i) { return std::min(std::max(i, -n), n - 1); });
    indices[d] = within;
  }
  return indices;
}

/// Where the mask is set, as 0 and 1 in this shape.
std::vector<std::int64_t> mask_values(const Call& call, const Shape& shape) {
  const Tensor& mask = call.tensor("mask");
  const Contiguous<std::int64_t> set(view(mask, shape, broadcast_strides(mask, shape)));
  return {set.data(), set.data() + element_count(shape)};
}

/// self[indices] where the mask is set; else the number.
void masked_index(const Call& call) {
  Tensor& out = call.out();
  copy_elements(out, operand(call, "fill"));
  const std::vector<std::int64_t> set = mask_values(call, out.shape());
  Tensor self = call.self();
  if (self.numel() == 0) return;
  const OpArgList within = clamped_indices(call);
  const Indexed indexed(call, self, within);
  Tensor taken(self.dtype(), indexed.shape());
  indexed.for_each([&](std::int64_t i, std::int64_t offset) { copy_item(taken, i, self, offset); });
  const Tensor spread = view(taken, out.shape(), broadcast_strides(taken, out.shape())).contiguous();
  for (std::int64_t i = 0; i < out.numel(); ++i)
    if (set[static_cast<std::size_t>(i)] != 0) copy_item(out, i, spread, i);
}

/// self with the values whose mask is set added at the indices.
void masked_index_put(const Call& call) {
  copy_elements(call.out(), call.self());
  if (call.self().numel() == 0) return;
  const OpArgList within = clamped_indices(call);
  const Indexed indexed(call, call.out(), within);
  const std::vector<std::int64_t> set = mask_values(call, indexed.shape());
  Tensor spread(call.out().dtype(), indexed.shape());
  copy_elements(spread, call.tensor("values"));
  if (is_complex(call.out().dtype())) {
    const std::vector<Complex> added = complex_values(spread);
    std::vector<Complex> sums = complex_values(call.out());
    indexed.for_each([&](std::int64_t i, std::int64_t offset) {
      if (set[static_cast<std::size_t>(i)] != 0)
        sums[static_cast<std::size_t>(offset)] += added[static_cast<std::size_t>(i)];
    });
    return store_complex(call.out(), sums);
  }
  visit_compute(is_floating(call.out().dtype()) ? Compute::f64 : Compute::i64, [&]<typename C>(C) {
    const Contiguous<C> added(spread), start(call.out());
    std::vector<C> sums(start.data(), start.data() + call.out().numel());
    indexed.for_each([&](std::int64_t i, std::int64_t offset) {
      C& sum = sums[static_cast<std::size_t>(offset)];
      if (set[static_cast<std::size_t>(i)] != 0) sum = wrap_add(sum, added[i]);
    });
    store<C>(call.out().dtype(), call.out().data(), 1, call.out().numel(), sums.data());
  });
}

}  // namespace

void add_index_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_index_Tensor}, index);
  table.add({aten_index_put_default, aten_index_put__default}, index_put);
  table.add({aten_index_select_default}, index_select);
  table.add({aten_gather_default}, gather);
  table.add({aten__unsafe_masked_index_default}, masked_index);
  table.add({aten__unsafe_masked_index_put_accumulate_default}, masked_index_put);
  table.add({aten_take_along_dim_default}, take_along_dim);
  table.add({aten_embedding_default}, embedding);
  table.add({aten_one_hot_default}, one_hot);
  table.add({aten_scatter_src, aten_scatter_value, aten_scatter__src, aten_scatter__value}, scatter);
  table.add({aten_scatter_add_default, aten_scatter_add__default}, scatter_add);
  table.add({aten_index_add_default, aten_index_add__default}, index_add);
  table.add({aten_index_fill_int_Scalar, aten_index_fill__int_Scalar, aten_index_fill_int_Tensor}, index_fill);
}

}  // namespace aitune::reference
