// Bags of embeddings, and reads and writes at positions of a flattened tensor.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "engines/reference/run/elementwise.h"

namespace aitune::reference {
namespace {

struct Bags {
  std::vector<std::int64_t> begin, end;
};

/// One bag a row where the indices are a matrix; else from each offset to the next.
Bags bags_of(const Call& call, std::int64_t count) {
  const Tensor& offsets = call.tensor("offsets");
  const Contiguous<std::int64_t> starts(offsets);
  const bool closed = call.has("include_last_offset") && call.boolean("include_last_offset");
  const std::int64_t bags = offsets.numel() - (closed ? 1 : 0);
  Bags result;
  for (std::int64_t i = 0; i < bags; ++i) {
    const std::int64_t begin = starts[i], end = i + 1 < offsets.numel() ? starts[i + 1] : count;
    call.require(begin >= 0 && begin <= end && end <= count, "offsets must grow from 0 to the number of indices");
    result.begin.push_back(begin);
    result.end.push_back(end);
  }
  return result;
}

/// Sum, mean or greatest of each bag's rows; then, as PyTorch does, which bag each index is in, how many each has, and
/// where the greatest came from. The latter three are left empty, or zero, in sums.
void embedding_bag(const Call& call) {
  const Tensor &weight = call.tensor("weight"), &indices = call.tensor("indices");
  call.require(weight.dim() == 2, "the weight is a matrix");
  const std::int64_t rows = weight.size(0), width = weight.size(1), mode = call.integer("mode");
  call.require(mode >= 0 && mode <= 2, "the mode is 0 (sum), 1 (mean) or 2 (max)");
  const Bags bags = bags_of(call, indices.numel());
  const auto count = static_cast<std::int64_t>(bags.begin.size());
  const Contiguous<double> table(weight);
  const Contiguous<std::int64_t> index(indices);
  const Tensor* scaling = call.has("per_sample_weights") ? call.tensor_or_null("per_sample_weights") : nullptr;
  const Contiguous<double> scale(scaling);
  call.require(scaling == nullptr || scaling->numel() == indices.numel(), "per_sample_weights has another length");
  std::int64_t padding = call.has("padding_idx") && call.given("padding_idx") ? call.integer("padding_idx") : -1;
  // embedding_bag counts from the end, _embedding_bag takes -1 as none.
  if (call.op() == OpId::aten_embedding_bag_padding_idx && call.given("padding_idx") && padding < 0) padding += rows;
  call.require(call.out().numel() == count * width, "the result has another size");
  Result<double> out(call.out());
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(count)), where(static_cast<std::size_t>(count * width), 0);
  std::vector<std::int64_t> bag_of(static_cast<std::size_t>(indices.numel()), 0);
  for (std::int64_t b = 0; b < count; ++b) {
    double* to = out.data() + b * width;
    std::fill_n(to, width, 0.0);
    std::int64_t& size = sizes[static_cast<std::size_t>(b)];
    for (std::int64_t i = bags.begin[static_cast<std::size_t>(b)]; i < bags.end[static_cast<std::size_t>(b)]; ++i) {
      const std::int64_t row = index[i];
      call.require(row >= 0 && row < rows, "an index is out of range");
      bag_of[static_cast<std::size_t>(i)] = b;
      if (row == padding) continue;
      for (std::int64_t k = 0; k < width; ++k) {
        const double v = table[row * width + k] * (scaling != nullptr ? scale[i] : 1);
        if (mode != 2) {
          to[k] += v;
        } else if (size == 0 || v > to[k]) {
          to[k] = v;
          where[static_cast<std::size_t>(b * width + k)] = row;
        }
      }
      ++size;
    }
    if (mode == 1 && size > 0)
      for (std::int64_t k = 0; k < width; ++k) to[k] /= static_cast<double>(size);
  }
  out.commit();
  const auto put = [&](std::size_t i, const std::vector<std::int64_t>& values) {
    Tensor& to = call.out(i);
    copy_elements(to, scalar(to.dtype(), 0));
    const auto n = std::min<std::int64_t>(to.numel(), static_cast<std::int64_t>(values.size()));
    if (mode != 0) store<std::int64_t>(to.dtype(), to.data(), 1, n, values.data());
  };
  put(1, bag_of);
  put(2, sizes);
  put(3, mode == 2 ? where : sizes);
}

void take(const Call& call) {
  const Tensor self = call.self().contiguous(), &index = call.tensor("index");
  const Contiguous<std::int64_t> places(index);
  const auto size = static_cast<std::int64_t>(dtype_size(self.dtype()));
  call.require(call.out().numel() == index.numel(), "the result has another size");
  for (std::int64_t i = 0; i < index.numel(); ++i)
    std::memcpy(call.out().data() + i * size, self.data() + checked_index(call, places[i], self.numel()) * size,
                static_cast<std::size_t>(size));
}

void put(const Call& call) {
  copy_elements(call.out(), call.self());
  const Tensor &index = call.tensor("index"), &source = call.tensor("source");
  call.require(source.numel() == index.numel(), "index and source have different sizes");
  const Contiguous<std::int64_t> places(index);
  const bool adds = call.boolean("accumulate");
  visit_compute(is_floating(call.out().dtype()) ? Compute::f64 : Compute::i64, [&]<typename C>(C) {
    const Contiguous<C> start(call.out()), added(source);
    std::vector<C> values(start.data(), start.data() + call.out().numel());
    for (std::int64_t i = 0; i < index.numel(); ++i) {
      C& to = values[static_cast<std::size_t>(checked_index(call, places[i], call.out().numel()))];
      to = adds ? wrap_add(to, added[i]) : added[i];
    }
    store<C>(call.out().dtype(), call.out().data(), 1, call.out().numel(), values.data());
  });
}

}  // namespace

void add_embedding_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_embedding_bag_default, aten_embedding_bag_padding_idx, aten__embedding_bag_default,
             aten__embedding_bag_forward_only_default},
            embedding_bag);
  table.add({aten_take_default}, take);
  table.add({aten_put_default}, put);
}

}  // namespace aitune::reference
