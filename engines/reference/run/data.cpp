// Operators whose results have a size that data decide: they find it out, and give their outputs that shape.

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engines/reference/run/elements.h"
#include "engines/reference/run/kernel.h"
#include "engines/reference/run/views.h"

namespace aitune::reference {
namespace {

/// Row-major positions of what is not zero (NaN is not).
std::vector<std::int64_t> nonzero_positions(const Tensor& t) {
  std::vector<std::int64_t> positions;
  const auto collect = [&](const auto& elements, std::int64_t parts) {
    for (std::int64_t i = 0; i < t.numel(); ++i) {
      bool set = false;
      for (std::int64_t p = 0; p < parts; ++p) set |= elements[i * parts + p] != 0;
      if (set) positions.push_back(i);
    }
  };
  if (dtype_size(t.dtype()) == 1) {  // masks: no copy in another type
    const Tensor whole = t.contiguous();
    collect(whole.as<std::uint8_t>(), 1);
    return positions;
  }
  if (is_complex(t.dtype())) {
    const Tensor whole = t.contiguous();
    if (t.dtype() == DType::c64)
      collect(whole.as<float>(), 2);
    else
      collect(whole.as<double>(), 2);
    return positions;
  }
  visit_compute(compute_of(t.dtype()), [&]<typename C>(C) { collect(Contiguous<C>(t), 1); });
  return positions;
}

/// Writes the indices of position `at` in a tensor of this shape.
void write_indices(std::int64_t at, const Shape& shape, std::int64_t* to) {
  for (std::size_t d = shape.size(); d-- > 0;) {
    to[d] = at % shape[d];
    at /= shape[d];
  }
}

void nonzero(const Call& call) {
  const Shape& shape = call.self().shape();
  const auto rank = static_cast<std::int64_t>(shape.size());
  const auto positions = nonzero_positions(call.self());
  auto* out = call.sized_out(0, {static_cast<std::int64_t>(positions.size()), rank}).as<std::int64_t>();
  for (std::size_t i = 0; i < positions.size(); ++i) write_indices(positions[i], shape, out + i * shape.size());
}

/// The same, a tensor for each dimension.
void nonzero_columns(const Call& call) {
  const Tensor& self = call.tensor(call.has("self") ? "self" : "condition");
  const Shape shape = self.dim() == 0 ? Shape{1} : self.shape();
  const auto positions = nonzero_positions(self);
  call.require(call.out_count() == shape.size(), "there must be a result for each dimension");
  for (std::size_t d = 0; d < shape.size(); ++d) call.sized_out(d, {static_cast<std::int64_t>(positions.size())});
  std::vector<std::int64_t> indices(shape.size());
  for (std::size_t i = 0; i < positions.size(); ++i) {
    write_indices(positions[i], shape, indices.data());
    for (std::size_t d = 0; d < shape.size(); ++d) call.out(d).as<std::int64_t>()[i] = indices[d];
  }
}

void nonzero_static(const Call& call) {
  const Shape& shape = call.self().shape();
  const auto positions = nonzero_positions(call.self());
  call.require(call.out().dim() == 2 && call.out().size(1) == call.self().dim(), "the result has another shape");
  auto* out = call.out().as<std::int64_t>();
  std::fill_n(out, call.out().numel(), call.integer("fill_value"));
  const auto rows = static_cast<std::size_t>(call.out().size(0));
  for (std::size_t i = 0; i < std::min(rows, positions.size()); ++i)
    write_indices(positions[i], shape, out + i * shape.size());
}

void copy_element(const Tensor& from, std::int64_t at, const Tensor& to, std::int64_t to_at) {
  const auto size = static_cast<std::int64_t>(dtype_size(from.dtype()));
  std::copy_n(from.data() + at * size, size, to.data() + to_at * size);
}

void masked_select(const Call& call) {
  Tensor self = call.self(), mask = call.tensor("mask");
  Shape shape(std::max(self.shape().size(), mask.shape().size()));
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const auto size = [&](const Tensor& t) {
      const std::size_t missing = shape.size() - t.shape().size();
      return i < missing ? 1 : t.shape()[i - missing];
    };
    shape[i] = size(self) == 1 ? size(mask) : size(self);
    call.require(size(mask) == shape[i] || size(mask) == 1, "the mask does not broadcast to the tensor");
  }
  self = view(self, shape, broadcast_strides(self, shape)).contiguous();
  mask = view(mask, shape, broadcast_strides(mask, shape));
  const auto positions = nonzero_positions(mask);
  const Tensor& out = call.sized_out(0, {static_cast<std::int64_t>(positions.size())});
  for (std::size_t i = 0; i < positions.size(); ++i)
    copy_element(self, positions[i], out, static_cast<std::int64_t>(i));
}

/// Groups of equal rows of an [n, width] matrix, in the order of their first rows, after sorting if that is asked for.
struct Groups {
  std::vector<std::int64_t> first, inverse, counts;
};

template <typename C>
Groups group_rows(const C* rows, std::int64_t n, std::int64_t width, bool sorted) {
  // NaN comes last, and equals nothing.
  const auto before = [](C a, C b) { return a < b || (b != b && a == a); };
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  if (sorted)
    std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
      return std::lexicographical_compare(rows + a * width, rows + (a + 1) * width, rows + b * width,
                                          rows + (b + 1) * width, before);
    });
  Groups groups;
  groups.inverse.resize(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    const C* row = rows + order[i] * width;
    if (i == 0 || !std::equal(row, row + width, rows + order[i - 1] * width)) {
      groups.first.push_back(order[i]);
      groups.counts.push_back(0);
    }
    ++groups.counts.back();
    groups.inverse[static_cast<std::size_t>(order[i])] = static_cast<std::int64_t>(groups.first.size()) - 1;
  }
  return groups;
}

Groups groups_of(const Tensor& rows, std::int64_t n, std::int64_t width, bool sorted) {
  Groups groups;
  visit_compute(compute_of(rows.dtype()),
                [&]<typename C>(C) { groups = group_rows(Contiguous<C>(rows).data(), n, width, sorted); });
  return groups;
}

void write_numbers(const Call& call, std::size_t output, bool asked, const std::vector<std::int64_t>& values,
                   Shape shape) {
  if (output >= call.out_count()) return;
  const Tensor& out = call.sized_out(output, asked ? std::move(shape) : Shape{0});
  if (asked) std::copy(values.begin(), values.end(), out.as<std::int64_t>());
}

template <bool sorted>
void unique(const Call& call) {
  const Tensor self = call.self().contiguous();
  const Groups groups = groups_of(self, self.numel(), 1, sorted);
  const auto count = static_cast<std::int64_t>(groups.first.size());
  const Tensor& out = call.sized_out(0, {count});
  for (std::int64_t i = 0; i < count; ++i) copy_element(self, groups.first[static_cast<std::size_t>(i)], out, i);
  write_numbers(call, 1, call.boolean("return_inverse"), groups.inverse, self.shape());
  write_numbers(call, 2, call.has("return_counts") && call.boolean("return_counts"), groups.counts, {count});
}

template <bool sorted>
void unique_dim(const Call& call) {
  if (!call.given("dim")) return unique<sorted>(call);
  const Tensor& self = call.self();
  const std::size_t d = call.dim("dim", self.shape().size());
  std::vector<std::size_t> order = {d};
  for (std::size_t i = 0; i < self.shape().size(); ++i)
    if (i != d) order.push_back(i);
  const Tensor rows = permute(self, order).contiguous();
  const std::int64_t n = self.size(d), width = n == 0 ? 0 : self.numel() / n;
  const Groups groups = groups_of(rows, n, width, sorted);
  Shape shape = self.shape();
  const auto count = shape[d] = static_cast<std::int64_t>(groups.first.size());
  const Tensor& out = call.sized_out(0, shape);
  for (std::int64_t i = 0; i < count; ++i) {
    Tensor to = select(out, d, i);
    copy_elements(to, select(self, d, groups.first[static_cast<std::size_t>(i)]));
  }
  write_numbers(call, 1, true, groups.inverse, {n});
  write_numbers(call, 2, true, groups.counts, {count});
}

/// For each result along the dimension, the element that it repeats.
std::vector<std::int64_t> repeated(const Call& call, std::int64_t n) {
  const Tensor& tensor = call.tensor("repeats");
  const Contiguous<std::int64_t> repeats(tensor);
  const bool one = tensor.numel() == 1;
  call.require(one || tensor.numel() == n, "there must be one count of repetitions, or one for each element");
  std::int64_t total = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t count = repeats[one ? 0 : i];
    call.require(count >= 0, "a count of repetitions is negative");
    call.require(!__builtin_add_overflow(total, count, &total), "there are too many repetitions");
  }
  call.require(!call.given("output_size") || call.integer("output_size") == total,
               "output_size is not the number of repetitions");
  // Nothing larger than the output is made, if the output is there.
  call.require(call.allocates() || total <= call.out().numel(), "there is no room for so many repetitions");
  std::vector<std::int64_t> positions;
  positions.reserve(static_cast<std::size_t>(total));
  for (std::int64_t i = 0; i < n; ++i)
    positions.insert(positions.end(), static_cast<std::size_t>(repeats[one ? 0 : i]), i);
  return positions;
}

void repeat_interleave_positions(const Call& call) {
  const auto positions = repeated(call, call.tensor("repeats").numel());
  const Tensor& out = call.sized_out(0, {static_cast<std::int64_t>(positions.size())});
  store<std::int64_t>(out.dtype(), out.data(), 1, out.numel(), positions.data());
}

void repeat_interleave_by_tensor(const Call& call) {
  Tensor self = call.self();
  if (!call.given("dim") || self.dim() == 0) {
    self = self.contiguous();
    self = view(self, {self.numel()}, {1});
  }
  const std::size_t d = call.given("dim") ? call.dim("dim", self.shape().size()) : 0;
  const auto positions = repeated(call, self.size(d));
  Shape shape = self.shape();
  shape[d] = static_cast<std::int64_t>(positions.size());
  const Tensor& out = call.sized_out(0, shape);
  for (std::size_t i = 0; i < positions.size(); ++i) {
    Tensor to = select(out, d, static_cast<std::int64_t>(i));
    copy_elements(to, select(self, d, positions[i]));
  }
}

void bincount(const Call& call) {
  const Tensor& self = call.self();
  const Contiguous<std::int64_t> values(self);
  std::int64_t size = std::max<std::int64_t>(call.integer("minlength"), 0);
  for (std::int64_t i = 0; i < self.numel(); ++i) {
    call.require(values[i] >= 0 && values[i] < INT64_MAX, "a value to count is negative or too large");
    size = std::max(size, values[i] + 1);
  }
  Tensor& out = call.sized_out(0, {size});
  const Tensor* weights = call.tensor_or_null("weights");
  call.require(weights == nullptr || weights->numel() == self.numel(), "there must be one weight for each value");
  visit_compute(weights != nullptr ? Compute::f64 : Compute::i64, [&]<typename C>(C) {
    const Contiguous<C> added(weights);
    std::vector<C> sums(static_cast<std::size_t>(size), C{});
    for (std::int64_t i = 0; i < self.numel(); ++i)
      sums[static_cast<std::size_t>(values[i])] += added ? added[i] : C{1};
    store<C>(out.dtype(), out.data(), 1, size, sums.data());
  });
}

/// A number that becomes a size: the first extent of a tensor without elements.
void item(const Call& call) {
  call.require(call.self().numel() == 1, "only a tensor with one element is a number");
  const std::int64_t value = Contiguous<std::int64_t>(call.self())[0];
  call.require(value >= 0, "a number of the program is " + std::to_string(value) + ", and sizes are not negative");
  call.sized_out(0, {value, 0});
}

}  // namespace

void add_data_kernels(KernelTable& table) {
  using enum OpId;
  table.add_sized({aten_nonzero_default, aten_argwhere_default}, nonzero);
  table.add_sized({aten_nonzero_numpy_default, aten_where_default}, nonzero_columns);
  table.add({aten_nonzero_static_default}, nonzero_static);
  table.add_sized({aten_masked_select_default}, masked_select);
  table.add_sized({aten__unique_default, aten__unique2_default}, unique<true>);
  table.add_sized({aten_unique_dim_default}, unique_dim<true>);
  table.add_sized({aten_unique_consecutive_default, aten_unique_dim_consecutive_default}, unique_dim<false>);
  table.add_sized({aten_repeat_interleave_Tensor}, repeat_interleave_positions);
  table.add_sized({aten_repeat_interleave_self_Tensor}, repeat_interleave_by_tensor);
  table.add_sized({aten_bincount_default}, bincount);
  table.add_sized({aten_item_default, aten__local_scalar_dense_default}, item);
}

}  // namespace aitune::reference
