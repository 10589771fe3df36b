// Operators that go along one dimension: softmax, running sums, sorting, differences.

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "engines/reference/run/elementwise.h"
#include "engines/reference/run/views.h"
#include "engines/reference/run/wide.h"

namespace aitune::reference {
namespace {

/// Calls f(line, start, stride) for each line of `in` along `d`; 0-dim tensors are one line of one element. `start` and
/// `stride` say where the line lies in a contiguous tensor that has `out_length` elements along `d`.
template <typename C, typename F>
void for_each_line(const Tensor& in, std::size_t d, std::int64_t out_length, F f) {
  require_real(in);
  const Contiguous<C> values(in);
  const Shape& shape = in.shape();
  const std::int64_t length = shape.empty() ? 1 : shape[d];
  std::int64_t outer = 1, inner = 1;
  for (std::size_t i = 0; i < d; ++i) outer *= shape[i];
  for (std::size_t i = d + 1; i < shape.size(); ++i) inner *= shape[i];
  std::vector<C> line(static_cast<std::size_t>(length));
  for (std::int64_t o = 0; o < outer; ++o)
    for (std::int64_t k = 0; k < inner; ++k) {
      const C* from = values.data() + o * length * inner + k;
      for (std::int64_t i = 0; i < length; ++i) line[static_cast<std::size_t>(i)] = from[i * inner];
      f(std::span<C>(line), o * out_length * inner + k, inner);
    }
}

std::int64_t length_along(const Tensor& t, std::size_t d) { return t.shape().empty() ? 1 : t.shape()[d]; }

/// Kernels that turn a line into one as long.
template <typename C, typename F>
void transform_lines(const Call& call, F f) {
  const Tensor& self = call.self();
  const std::size_t d = call.dim("dim", self.shape().size());
  Result<C> out(call.out());
  for_each_line<C>(self, d, length_along(self, d), [&](std::span<C> line, std::int64_t start, std::int64_t stride) {
    f(line);
    for (std::size_t i = 0; i < line.size(); ++i) out.data()[start + static_cast<std::int64_t>(i) * stride] = line[i];
  });
  out.commit();
}

template <bool Log, bool Safe>
void softmax(const Call& call) {
  visit_floating(call.out().dtype(), [&]<typename C>(C) {
    transform_lines<C>(call, [](std::span<C> line) {
      C greatest = -std::numeric_limits<C>::infinity();
      for (const C v : line) greatest = v > greatest || v != v ? v : greatest;
      if (Safe && greatest == -std::numeric_limits<C>::infinity()) {
        std::ranges::fill(line, C(0));
        return;
      }
      double sum = 0;
      for (C& v : line) {
        v -= greatest;
        const C e = std::exp(v);
        sum += static_cast<double>(e);
        if (!Log) v = e;
      }
      if (Log) {
        const C shift = static_cast<C>(std::log(sum));
        for (C& v : line) v -= shift;
      } else {
        const C scale = static_cast<C>(1 / sum);
        for (C& v : line) v *= scale;
      }
    });
  });
}

template <bool Product>
void complex_scan(const Call& call) {
  std::vector<Complex> values = complex_values(call.self());
  const Shape shape = call.self().shape().empty() ? Shape{1} : call.self().shape();
  const Around lines(shape, call.dim("dim", call.self().shape().size()));
  for (std::int64_t o = 0; o < lines.outer; ++o)
    for (std::int64_t i = 1; i < lines.length; ++i)
      for (std::int64_t k = 0; k < lines.inner; ++k) {
        Complex& value = values[static_cast<std::size_t>(lines.at(o, i, k))];
        const Complex before = values[static_cast<std::size_t>(lines.at(o, i - 1, k))];
        value = Product ? before * value : before + value;
      }
  store_complex(call.out(), values);
}

template <bool Product>
void scan(const Call& call) {
  if (is_complex(call.out().dtype())) return complex_scan<Product>(call);
  visit_compute(is_floating(call.out().dtype()) ? Compute::f64 : Compute::i64, [&]<typename C>(C) {
    transform_lines<C>(call, [](std::span<C> line) {
      for (std::size_t i = 1; i < line.size(); ++i)
        line[i] = Product ? wrap_mul(line[i - 1], line[i]) : wrap_add(line[i - 1], line[i]);
    });
  });
}

/// Positions in order; equal elements keep theirs, NaN counts as the greatest.
template <typename C>
std::vector<std::int64_t> ordered(std::span<const C> line, bool descending) {
  std::vector<std::int64_t> order(line.size());
  std::iota(order.begin(), order.end(), 0);
  const auto less = [](C a, C b) { return b != b ? a == a : a < b; };
  std::ranges::stable_sort(order, [&](std::int64_t i, std::int64_t j) {
    const C a = line[static_cast<std::size_t>(i)], b = line[static_cast<std::size_t>(j)];
    return descending ? less(b, a) : less(a, b);
  });
  return order;
}

/// The first `count` of each sorted line: values, positions, or positions alone (argsort).
void sort_lines(const Call& call, bool descending, std::int64_t count, bool only_indices) {
  const Tensor& self = call.self();
  const std::size_t d = call.dim("dim", self.shape().size());
  auto* indices = call.out(only_indices ? 0 : 1).as<std::int64_t>();
  visit_compute(compute_of(self.dtype()), [&]<typename C>(C) {
    Tensor unused(self.dtype(), only_indices ? call.out().shape() : Shape{0});
    Result<C> out(only_indices ? unused : call.out());
    for_each_line<C>(self, d, count, [&](std::span<C> line, std::int64_t start, std::int64_t stride) {
      const auto order = ordered<C>(line, descending);
      for (std::int64_t i = 0; i < count; ++i) {
        indices[start + i * stride] = order[static_cast<std::size_t>(i)];
        out.data()[start + i * stride] = line[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])];
      }
    });
    out.commit();
  });
}

std::int64_t full_length(const Call& call) {
  return length_along(call.self(), call.dim("dim", call.self().shape().size()));
}

void sort(const Call& call) { sort_lines(call, call.boolean("descending"), full_length(call), false); }
void argsort(const Call& call) { sort_lines(call, call.boolean("descending"), full_length(call), true); }
void topk(const Call& call) {
  const std::int64_t k = call.integer("k");
  call.require(k >= 0 && k <= full_length(call), "k is outside the dimension");
  sort_lines(call, call.boolean("largest"), k, false);
}

Tensor joined(const Tensor& a, const Tensor& b, std::size_t d) {
  Shape shape = a.shape();
  shape[d] += b.shape()[d];
  Tensor result(a.dtype(), shape);
  Tensor first = slice(result, d, 0, a.shape()[d]), second = slice(result, d, a.shape()[d], b.shape()[d]);
  copy_elements(first, a);
  copy_elements(second, b);
  return result;
}

void diff(const Call& call) {
  Tensor t = call.self();
  const std::size_t d = call.dim("dim", t.shape().size());
  if (call.integer("n") == 0) return copy_elements(call.out(), t);
  if (call.given("prepend")) t = joined(call.tensor("prepend"), t, d);
  if (call.given("append")) t = joined(t, call.tensor("append"), d);
  const std::int64_t n = std::min(call.integer("n"), t.shape()[d]);
  for (std::int64_t i = 0; i < n; ++i) {
    const Tensor low = slice(t, d, 0, t.shape()[d] - 1), high = slice(t, d, 1, t.shape()[d] - 1);
    Tensor next(t.dtype(), low.shape());
    if (is_complex(t.dtype())) {
      std::vector<Complex> values = complex_values(high);
      std::ranges::transform(values, complex_values(low), values.begin(), std::minus());
      store_complex(next, values);
    } else {
      visit_compute(compute_of(t.dtype()),
                    [&]<typename C>(C) { map<C, 2>(next, {&high, &low}, [](C a, C b) { return wrap_sub(a, b); }); });
    }
    t = next;
  }
  copy_elements(call.out(), t);
}

void cosine_similarity(const Call& call) {
  const double eps = call.number("eps");
  const Tensor &a = call.tensor("x1"), &b = call.tensor("x2");
  Shape shape;
  const std::size_t rank = std::max(a.shape().size(), b.shape().size());
  for (std::size_t i = 0; i < rank; ++i) {
    const auto size = [&](const Tensor& t) {
      const std::size_t missing = rank - t.shape().size();
      return i < missing ? 1 : t.shape()[i - missing];
    };
    shape.push_back(size(a) == 1 ? size(b) : size(a));
  }
  const std::size_t d = call.dim("dim", rank);
  if (shape.empty()) shape.push_back(1);  // a number counts as a line of one
  const Contiguous<double> x(view(a, shape, broadcast_strides(a, shape))),
      y(view(b, shape, broadcast_strides(b, shape)));
  Result<double> out(call.out());
  std::int64_t outer = 1, inner = 1;
  for (std::size_t i = 0; i < d; ++i) outer *= shape[i];
  for (std::size_t i = d + 1; i < shape.size(); ++i) inner *= shape[i];
  for (std::int64_t o = 0; o < outer; ++o)
    for (std::int64_t k = 0; k < inner; ++k) {
      double dot = 0, xx = 0, yy = 0;
      for (std::int64_t i = 0; i < shape[d]; ++i) {
        const std::int64_t at = (o * shape[d] + i) * inner + k;
        dot += x[at] * y[at];
        xx += x[at] * x[at];
        yy += y[at] * y[at];
      }
      out.data()[o * inner + k] = dot / (std::max(std::sqrt(xx), eps) * std::max(std::sqrt(yy), eps));
    }
  out.commit();
}

}  // namespace

void add_scan_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_softmax_int, aten__softmax_default}, softmax<false, false>);
  table.add({aten__safe_softmax_default}, softmax<false, true>);
  table.add({aten_log_softmax_int, aten__log_softmax_default}, softmax<true, false>);
  table.add({aten_cumsum_default, aten_cumsum__default}, scan<false>);
  table.add({aten_cumprod_default}, scan<true>);
  table.add({aten_sort_default, aten_sort_stable}, sort);
  table.add({aten_argsort_default, aten_argsort_stable}, argsort);
  table.add({aten_topk_default}, topk);
  table.add({aten_diff_default}, diff);
  table.add({aten_cosine_similarity_default}, cosine_similarity);
}

}  // namespace aitune::reference
