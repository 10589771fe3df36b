// Reductions of parts of a tensor: of segments along a dimension, and of what a smaller shape has only once.

#include <cmath>
#include <limits>

#include "engines/reference/run/elementwise.h"
#include "engines/reference/run/wide.h"

namespace aitune::reference {
namespace {

template <typename C>
C start_of(std::string_view how) {
  if (how == "max") return -std::numeric_limits<C>::infinity();
  if (how == "min") return std::numeric_limits<C>::infinity();
  return how == "prod" ? C(1) : C(0);
}

/// Every step is rounded to the data's dtype, as PyTorch's are.
template <typename C>
C combine_segment(std::string_view how, C so_far, C value) {
  if (how == "prod") return so_far * value;
  if (how != "max" && how != "min") return so_far + value;
  if (value != value || so_far != so_far) return value != value ? value : so_far;
  return how == "max" ? std::max(so_far, value) : std::min(so_far, value);
}

void segment_reduce(const Call& call) {
  const Tensor& data = call.tensor("data");
  const std::string& how = call.string("reduce");
  call.require(how == "sum" || how == "mean" || how == "max" || how == "min" || how == "prod", "an unknown reduction");
  call.require(is_floating(data.dtype()), "the data are not floating point");
  const bool by_offsets = call.given("offsets");
  call.require(!call.given("indices") && (by_offsets || call.given("lengths")),
               "segments are given by lengths or by offsets");
  const Tensor& given = call.tensor(by_offsets ? "offsets" : "lengths");
  const std::size_t d = call.dim("axis", data.shape().size());
  call.require(data.dim() > 0 && given.shape().size() == d + 1, "the axis is not the last dimension of the segments");
  for (std::size_t i = 0; i < d; ++i)
    call.require(given.size(i) == data.size(i), "data and segments have different shapes");
  const Around around(data.shape(), d);
  const std::int64_t entries = given.size(d), segments = by_offsets ? entries - 1 : entries;
  call.require(segments >= 0 && call.out().numel() == around.outer * segments * around.inner,
               "the result has another shape");
  const Contiguous<std::int64_t> numbers(given);
  const bool checks_sum = !by_offsets && !call.boolean("unsafe");
  visit_floating(data.dtype(), [&]<typename C>(C) {
    const Contiguous<C> x(data);
    Result<C> out(call.out());
    const C first = call.given("initial") ? static_cast<C>(call.number("initial")) : start_of<C>(how);
    for (std::int64_t o = 0; o < around.outer; ++o) {
      std::int64_t begin = 0;
      for (std::int64_t s = 0; s < segments; ++s) {
        const std::int64_t number = numbers[o * entries + s];
        if (by_offsets) begin = number;
        const std::int64_t end_number = by_offsets ? numbers[o * entries + s + 1] : number;
        call.require(begin >= 0 && end_number >= 0 && end_number <= around.length, "a segment is outside of the data");
        const std::int64_t end = by_offsets ? end_number : begin + end_number;
        call.require(begin <= around.length && end <= around.length, "a segment is outside of the data");
        for (std::int64_t k = 0; k < around.inner; ++k) {
          C value = held(data.dtype(), first);
          for (std::int64_t i = begin; i < end; ++i)
            value = held(data.dtype(), combine_segment<C>(how, value, x[around.at(o, i, k)]));
          const std::int64_t count = end - begin;
          if (how == "mean" && count <= 0 && !call.given("initial"))
            value = std::numeric_limits<C>::quiet_NaN();
          else if (how == "mean" && count > 0)
            value /= static_cast<C>(count);
          out.data()[(o * segments + s) * around.inner + k] = value;
        }
        begin = end;
      }
      call.require(!checks_sum || begin == around.length, "the lengths do not add up to the data's");
    }
    out.commit();
  });
}

/// Every element is added where the smaller shape has it.
template <typename C>
void add_to_size(const Call& call, const Tensor& self, const Shape& strides) {
  Walk walk{self.shape(), {contiguous_strides(self.shape()), strides}};
  walk.shape.push_back(1);
  for (Shape& s : walk.strides) s.push_back(0);
  const auto run = [&](const auto& values, auto sums) {
    for_each_row(walk, [&](std::span<const std::int64_t> offsets) {
      auto& sum = sums[static_cast<std::size_t>(offsets[1])];
      sum = wrap_add(sum, values[static_cast<std::size_t>(offsets[0])]);
    });
    if constexpr (std::is_same_v<C, std::int64_t>)
      store<C>(call.out().dtype(), call.out().data(), 1, call.out().numel(), sums.data());
    else
      store_wide(call.out(), sums);
  };
  const std::vector<C> sums(static_cast<std::size_t>(call.out().numel()));
  if constexpr (std::is_same_v<C, std::int64_t>) {
    const Contiguous<C> values(self);
    run(std::vector<C>(values.data(), values.data() + self.numel()), sums);
  } else {
    run(wide_values<C>(self), sums);
  }
}

void sum_to_size(const Call& call) {
  const Tensor& self = call.self();
  const Shape& shape = call.out().shape();
  call.require(shape.size() <= self.shape().size(), "the size has more dimensions than the tensor");
  const std::size_t leading = self.shape().size() - shape.size();
  Shape strides(leading, 0);
  const Shape own = contiguous_strides(shape);
  for (std::size_t i = 0; i < shape.size(); ++i) {
    call.require(shape[i] == 1 || shape[i] == self.size(leading + i), "the size does not broadcast to the tensor's");
    strides.push_back(shape[i] == 1 ? 0 : own[i]);
  }
  if (is_complex(self.dtype())) return add_to_size<Complex>(call, self, strides);
  if (is_floating(self.dtype())) return add_to_size<double>(call, self, strides);
  add_to_size<std::int64_t>(call, self, strides);
}

}  // namespace

void add_segment_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_segment_reduce_default}, segment_reduce);
  table.add({aten_sum_to_size_default}, sum_to_size);
}

}  // namespace aitune::reference
