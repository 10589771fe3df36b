// Distances between points, searches in sorted sequences, running extrema, and writes that choose or combine.

#include <algorithm>
#include <cmath>
#include <limits>

#include "engines/reference/run/elementwise.h"
#include "engines/reference/run/views.h"
#include "engines/reference/run/wide.h"

namespace aitune::reference {
namespace {

/// (sum of |a - b|^p)^(1/p), with its limits.
template <typename C>
double distance(const C* a, const C* b, std::int64_t n, double p) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const double d = std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (p == 0)
      sum += d != 0;
    else if (std::isinf(p))
      sum = std::isnan(d) ? d : std::max(sum, d);
    else
      sum += p == 1 ? d : p == 2 ? d * d : std::pow(d, p);
  }
  if (p == 0 || p == 1 || std::isinf(p)) return sum;
  return p == 2 ? std::sqrt(sum) : std::pow(sum, 1 / p);
}

void cdist(const Call& call) {
  const Tensor &a = call.tensor("x1"), &b = call.tensor("x2");
  const double p = call.number("p");
  const Shape& shape = call.out().shape();
  const std::int64_t rows = shape[shape.size() - 2], columns = shape.back(), width = a.shape().back();
  const auto spread = [&](const Tensor& t) {
    Shape whole(shape.begin(), shape.end() - 2);
    whole.insert(whole.end(), t.shape().end() - 2, t.shape().end());
    return view(t, whole, broadcast_strides(t, whole)).contiguous();
  };
  const Tensor all_a = spread(a), all_b = spread(b);
  visit_floating(call.out().dtype(), [&]<typename C>(C) {
    const Contiguous<C> x(all_a), y(all_b);
    Result<C> out(call.out());
    const std::int64_t batches = rows * columns == 0 ? 0 : call.out().numel() / (rows * columns);
    for (std::int64_t n = 0; n < batches; ++n)
      for (std::int64_t i = 0; i < rows; ++i)
        for (std::int64_t j = 0; j < columns; ++j)
          out.data()[(n * rows + i) * columns + j] = static_cast<C>(
              distance(x.data() + (n * rows + i) * width, y.data() + (n * columns + j) * width, width, p));
    out.commit();
  });
}

void pdist(const Call& call) {
  const Tensor& self = call.self();
  const double p = call.number("p");
  visit_floating(call.out().dtype(), [&]<typename C>(C) {
    const Contiguous<C> x(self);
    Result<C> out(call.out());
    std::int64_t at = 0;
    for (std::int64_t i = 0; i < self.size(0); ++i)
      for (std::int64_t j = i + 1; j < self.size(0); ++j)
        out.data()[at++] =
            static_cast<C>(distance(x.data() + i * self.size(1), x.data() + j * self.size(1), self.size(1), p));
    out.commit();
  });
}

void pairwise_distance(const Call& call) {
  const Tensor &a = call.tensor("x1"), &b = call.tensor("x2");
  Shape shape = call.out().shape();
  const std::int64_t width =
      std::max(a.shape().empty() ? 1 : a.shape().back(), b.shape().empty() ? 1 : b.shape().back());
  if (call.boolean("keepdim")) shape.pop_back();
  shape.push_back(width);
  const auto spread = [&](const Tensor& t) { return view(t, shape, broadcast_strides(t, shape)).contiguous(); };
  const Tensor all_a = spread(a), all_b = spread(b);
  const double p = call.number("p"), eps = call.number("eps");
  visit_floating(call.out().dtype(), [&]<typename C>(C) {
    const Contiguous<C> x(all_a), y(all_b);
    Result<C> out(call.out());
    std::vector<C> apart(static_cast<std::size_t>(width)), zero(static_cast<std::size_t>(width));
    for (std::int64_t i = 0; i < call.out().numel(); ++i) {
      for (std::int64_t k = 0; k < width; ++k)
        apart[static_cast<std::size_t>(k)] =
            static_cast<C>(static_cast<double>(x[i * width + k] - y[i * width + k]) + eps);
      out.data()[i] = static_cast<C>(distance(apart.data(), zero.data(), width, p));
    }
    out.commit();
  });
}

/// Where no dimension is given it is the first that has three elements.
std::size_t cross_dim(const Call& call, const Shape& shape) {
  if (call.given("dim")) return call.dim("dim", shape.size());
  const auto found = std::ranges::find(shape, 3);
  call.require(found != shape.end(), "no dimension has three elements");
  return static_cast<std::size_t>(found - shape.begin());
}

void cross(const Call& call) {
  const Shape& shape = call.out().shape();
  const std::size_t d = cross_dim(call, shape);
  call.require(shape[d] == 3, "the dimension has not three elements");
  const auto spread = [&](std::string_view name) {
    const Tensor& t = call.tensor(name);
    return view(t, shape, broadcast_strides(t, shape)).contiguous();
  };
  const Tensor left = spread("self"), right = spread("other");
  visit_compute(compute_of(call.out().dtype()), [&]<typename C>(C) {
    const Contiguous<C> a(left), b(right);
    Result<C> out(call.out());
    std::int64_t inner = 1;
    for (std::size_t i = d + 1; i < shape.size(); ++i) inner *= shape[i];
    const std::int64_t outer = call.out().numel() / (3 * inner);
    for (std::int64_t o = 0; o < outer; ++o)
      for (std::int64_t k = 0; k < inner; ++k) {
        const auto at = [&](std::int64_t i) { return (o * 3 + i % 3) * inner + k; };
        for (std::int64_t i = 0; i < 3; ++i)
          out.data()[at(i)] = wrap_sub(wrap_mul(a[at(i + 1)], b[at(i + 2)]), wrap_mul(a[at(i + 2)], b[at(i + 1)]));
      }
    out.commit();
  });
}

/// searchsorted's sequence, in the order that its sorter gives, if there is one.
Tensor sorted_rows(const Call& call) {
  const Tensor& rows = call.tensor("sorted_sequence");
  const Tensor* sorter = call.tensor_or_null("sorter");
  if (sorter == nullptr) return rows;
  call.require(sorter->dtype() == DType::i64 && sorter->shape() == rows.shape(),
               "the sorter is no i64 of the sequence's shape");
  const Contiguous<std::int64_t> order(*sorter);
  const Tensor from = rows.contiguous();
  Tensor sorted(rows.dtype(), rows.shape());
  const auto size = static_cast<std::int64_t>(dtype_size(rows.dtype()));
  const std::int64_t n = rows.shape().empty() ? 1 : rows.shape().back();
  for (std::int64_t i = 0; i < rows.numel(); ++i) {
    const std::int64_t at = i / n * n + checked_index(call, order[i], n, false);
    std::copy_n(from.data() + at * size, size, sorted.data() + i * size);
  }
  return sorted;
}

/// Number of elements of the sorted row before `value`, or up to it. As in PyTorch's own loop, what compares with
/// nothing lies behind all, and rows that are not sorted give the same answers.
template <typename C>
std::int64_t place(const C* row, std::int64_t n, C value, bool right) {
  std::int64_t begin = 0, end = n;
  while (begin < end) {
    const std::int64_t middle = begin + (end - begin) / 2;
    const bool reached = right ? row[middle] > value : row[middle] >= value;
    if (reached)
      end = middle;
    else
      begin = middle + 1;
  }
  return begin;
}

/// bucketize(self, boundaries) and searchsorted(sorted_sequence, self): one sorted row, or one for each row of self.
void search(const Call& call) {
  const bool buckets = call.has("boundaries");
  const Tensor rows = buckets ? call.tensor("boundaries") : sorted_rows(call);
  Tensor self = operand(call, "self");
  if (std::holds_alternative<double>(call["self"]))  // a number takes the row's dtype
    *self.as<double>() = held(is_floating(rows.dtype()) ? rows.dtype() : DType::f32, *self.as<double>());
  const bool right =
      call.boolean("right") || (call.has("side") && call.given("side") && call.string("side") == "right");
  const std::int64_t n = rows.shape().empty() ? 1 : rows.shape().back();
  const bool shared = rows.dim() <= 1;
  const std::int64_t each = self.shape().empty() ? 1 : self.shape().back();
  call.require(shared || self.numel() == 0 || self.numel() / each * n <= rows.numel(), "there are too few sorted rows");
  const Compute type = compute_of(rows.dtype()) == Compute::i64 && compute_of(self.dtype()) == Compute::i64
                           ? Compute::i64
                           : Compute::f64;
  visit_compute(type, [&]<typename C>(C) {
    const Contiguous<C> sorted(rows), values(self);
    std::vector<std::int64_t> found(static_cast<std::size_t>(self.numel()));
    for (std::int64_t i = 0; i < self.numel(); ++i)
      found[static_cast<std::size_t>(i)] = place(sorted.data() + (shared ? 0 : i / each * n), n, values[i], right);
    store<std::int64_t>(call.out().dtype(), call.out().data(), 1, call.out().numel(), found.data());
  });
}

/// Calls f(start, step, length) for every line of the first output along `dim`.
template <typename F>
void for_each_line(const Call& call, F f) {
  const Shape& shape = call.self().shape();
  if (call.self().numel() == 0) return;
  if (shape.empty()) return f(std::int64_t{0}, std::int64_t{1}, std::int64_t{1});
  const std::size_t d = call.dim("dim", shape.size());
  std::int64_t inner = 1;
  for (std::size_t i = d + 1; i < shape.size(); ++i) inner *= shape[i];
  for (std::int64_t o = 0; o < call.self().numel() / (inner * shape[d]); ++o)
    for (std::int64_t k = 0; k < inner; ++k) f(o * shape[d] * inner + k, inner, shape[d]);
}

/// log of the running sum of exponentials, each step relative to the greater of both.
void logcumsumexp(const Call& call) {
  visit_floating(call.out().dtype(), [&]<typename C>(C) {
    const Contiguous<C> x(call.self());
    Result<C> out(call.out());
    for_each_line(call, [&](std::int64_t start, std::int64_t step, std::int64_t length) {
      double sum = -std::numeric_limits<double>::infinity();
      for (std::int64_t i = 0; i < length; ++i) {
        const double v = static_cast<double>(x[start + i * step]);
        const double high = std::max(sum, v), low = std::min(sum, v);
        if (std::isnan(v) || std::isnan(sum))
          sum = std::numeric_limits<double>::quiet_NaN();
        else if (high != low || std::isfinite(high))
          sum = high + std::log1p(std::exp(low - high));
        else
          sum = high;
        out.data()[start + i * step] = static_cast<C>(sum);
      }
    });
    out.commit();
  });
}

/// Running extremum and where it stands: the last of equals, and NaN once there was one.
template <bool maximum>
void running_extremum(const Call& call) {
  auto* positions = call.out(1).as<std::int64_t>();
  visit_compute(compute_of(call.self().dtype()), [&]<typename C>(C) {
    const Contiguous<C> x(call.self());
    Result<C> out(call.out());
    for_each_line(call, [&](std::int64_t start, std::int64_t step, std::int64_t length) {
      std::int64_t best = 0;
      for (std::int64_t i = 0; i < length; ++i) {
        const C v = x[start + i * step], b = x[start + best * step];
        if (v != v || (b == b && (maximum ? v >= b : v <= b))) best = i;
        out.data()[start + i * step] = x[start + best * step];
        positions[start + i * step] = best;
      }
    });
    out.commit();
  });
}

void trace(const Call& call) {
  const Tensor& self = call.self();
  if (is_complex(self.dtype())) {
    const std::vector<Complex> x = complex_values(self);
    Complex sum = 0;
    for (std::int64_t i = 0; i < std::min(self.size(0), self.size(1)); ++i)
      sum += x[static_cast<std::size_t>(i * self.size(1) + i)];
    return store_complex(call.out(), {sum});
  }
  visit_compute(is_floating(call.out().dtype()) ? Compute::f64 : Compute::i64, [&]<typename C>(C) {
    const Contiguous<C> x(self);
    C sum = 0;
    for (std::int64_t i = 0; i < std::min(self.size(0), self.size(1)); ++i)
      sum = wrap_add(sum, x[i * self.size(1) + i]);
    store<C>(call.out().dtype(), call.out().data(), 1, 1, &sum);
  });
}

/// The elements of `source`, in order, where the mask is set.
void masked_scatter(const Call& call) {
  const Shape& shape = call.out().shape();
  const Tensor &self = call.self(), &mask = call.tensor("mask");
  copy_elements(call.out(), view(self, shape, broadcast_strides(self, shape)));
  const Contiguous<std::int64_t> set(view(mask, shape, broadcast_strides(mask, shape)).contiguous());
  const Tensor source = call.tensor("source").contiguous();
  const auto size = static_cast<std::int64_t>(dtype_size(source.dtype()));
  std::int64_t next = 0;
  for (std::int64_t i = 0; i < call.out().numel(); ++i) {
    if (set[i] == 0) continue;
    call.require(next < source.numel(), "the source has fewer elements than the mask has places");
    std::copy_n(source.data() + next++ * size, size, call.out().data() + i * size);
  }
}

/// What scatter_reduce makes of the values that meet in one place; C is double or int64.
template <typename C>
struct Combined {
  C value = 0;
  std::int64_t count = 0;

  void add(C v, std::string_view how) {
    if (count++ == 0) {
      value = v;
      return;
    }
    if (how == "sum" || how == "mean")
      value = wrap_add(value, v);
    else if (how == "prod")
      value = wrap_mul(value, v);
    else if (v != v || value != value)
      value = v != v ? v : value;
    else
      value = how == "amax" ? std::max(value, v) : std::min(value, v);
  }
  C result(std::string_view how) const {
    if (how != "mean") return value;
    if constexpr (std::is_integral_v<C>) {
      const C quotient = value / count;
      return value % count != 0 && value < 0 ? quotient - 1 : quotient;
    } else {
      return value / static_cast<C>(count);
    }
  }
};

/// self, with the elements of `src` combined into the places that `index` names along `d`.
void combine(const Call& call, const Tensor& index, const Tensor& src, std::size_t d, std::string_view how,
             bool include_self) {
  Tensor self = call.self();
  if (self.dim() == 0) self = unsqueeze(self, 0);
  call.require(self.dim() == index.dim() && d < self.shape().size(), "index and tensor have different ranks");
  const Contiguous<std::int64_t> places(index);
  visit_compute(is_floating(self.dtype()) ? Compute::f64 : Compute::i64, [&]<typename C>(C) {
    const Contiguous<C> added(src), own(self);
    std::vector<Combined<C>> cells(static_cast<std::size_t>(self.numel()));
    std::vector<bool> met(cells.size());
    if (include_self)
      for (std::size_t i = 0; i < cells.size(); ++i) cells[i].add(own[static_cast<std::int64_t>(i)], how);
    const Shape strides = contiguous_strides(self.shape());
    std::vector<std::int64_t> at(index.shape().size(), 0);
    for (std::int64_t i = 0; i < index.numel(); ++i) {
      std::int64_t rest = i, offset = 0;
      for (std::size_t k = at.size(); k-- > 0;) {
        at[k] = rest % index.size(k);
        rest /= index.size(k);
      }
      at[d] = places[i] < 0 ? places[i] + self.size(d) : places[i];
      for (std::size_t k = 0; k < at.size(); ++k) {
        call.require(at[k] >= 0 && at[k] < self.size(k), "an index is out of range");
        offset += at[k] * strides[k];
      }
      cells[static_cast<std::size_t>(offset)].add(added[i], how);
      met[static_cast<std::size_t>(offset)] = true;
    }
    std::vector<C> results;
    for (std::size_t i = 0; i < cells.size(); ++i)
      results.push_back(met[i] ? cells[i].result(how) : own[static_cast<std::int64_t>(i)]);
    store<C>(call.out().dtype(), call.out().data(), 1, call.out().numel(), results.data());
  });
}

Tensor one_dim_at_least(const Tensor& t) { return t.dim() == 0 ? unsqueeze(t, 0) : t; }

void scatter_reduce(const Call& call) {
  std::string_view how = call.string("reduce");
  if (how == "add") how = "sum";
  if (how == "multiply") how = "prod";
  call.require(how == "sum" || how == "prod" || how == "mean" || how == "amax" || how == "amin",
               "an unknown reduction");
  const Tensor index = one_dim_at_least(call.tensor("index"));
  const std::size_t d = call.dim("dim", call.self().shape().size());
  Tensor src;
  if (call.has("src")) {
    src = one_dim_at_least(call.tensor("src"));
    call.require(src.dim() == index.dim(), "index and source have different ranks");
    for (std::size_t k = 0; k < index.shape().size(); ++k)
      call.require(index.size(k) <= src.size(k), "the index reaches beyond the source");
    src = view(src, index.shape(), src.strides());
  } else {
    src = Tensor(call.self().dtype(), index.shape());
    copy_elements(src, operand(call, "value"));
  }
  combine(call, index, src, d, how, !call.has("include_self") || call.boolean("include_self"));
}

/// The same with one index for each position along the dimension.
void index_reduce(const Call& call) {
  const std::string& how = call.string("reduce");
  call.require(how == "prod" || how == "mean" || how == "amax" || how == "amin", "an unknown reduction");
  const Tensor source = one_dim_at_least(call.tensor("source")), &index = call.tensor("index");
  const std::size_t d = call.dim("dim", call.self().shape().size());
  call.require(d < source.shape().size() && index.numel() == source.size(d), "index and source have different lengths");
  Shape strides(source.shape().size(), 0);
  strides[d] = index.dim() == 0 ? 0 : index.strides()[0];
  combine(call, view(index, source.shape(), strides), source, d, how, call.boolean("include_self"));
}

void index_copy(const Call& call) {
  copy_elements(call.out(), call.self());
  const Tensor& source = call.tensor("source");
  const Contiguous<std::int64_t> index(call.tensor("index"));
  if (call.out().dim() == 0) return copy_elements(call.out(), source.dim() == 0 ? source : select(source, 0, 0));
  const std::size_t d = call.dim("dim", call.out().shape().size());
  for (std::int64_t i = 0; i < call.tensor("index").numel(); ++i) {
    call.require(index[i] >= 0 && index[i] < call.out().size(d), "an index is out of range");
    Tensor to = select(call.out(), d, index[i]);
    copy_elements(to, source.dim() == 0 ? source : select(source, d, i));
  }
}

}  // namespace

void add_distance_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_pairwise_distance_default}, pairwise_distance);
  table.add({aten_cdist_default, aten__cdist_forward_default}, cdist);
  table.add({aten__pdist_forward_default, aten_pdist_default}, pdist);
  table.add({aten_linalg_cross_default, aten_cross_default}, cross);
  table.add({aten_bucketize_Tensor, aten_bucketize_Scalar, aten_searchsorted_Tensor, aten_searchsorted_Scalar}, search);
  table.add({aten_logcumsumexp_default}, logcumsumexp);
  table.add({aten_cummax_default}, running_extremum<true>);
  table.add({aten_cummin_default}, running_extremum<false>);
  table.add({aten_trace_default}, trace);
  table.add({aten_masked_scatter_default}, masked_scatter);
  table.add({aten_scatter_reduce_two, aten_scatter_reduce, aten_scatter_value_reduce}, scatter_reduce);
  table.add({aten_index_reduce_default}, index_reduce);
  table.add({aten_index_copy_default}, index_copy);
}

}  // namespace aitune::reference
