// Order statistics, membership, and norms that are made of others.

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "engines/reference/run/complex.h"
#include "engines/reference/run/elementwise.h"
#include "engines/reference/run/views.h"

namespace aitune::reference {
namespace {

/// NaN counts as the greatest.
template <typename C>
bool less(C a, C b) {
  return b != b ? a == a : a < b;
}

/// Lines of a tensor along one dimension, copied out one after another.
template <typename C>
class Lines {
 public:
  Lines(const Tensor& t, std::size_t d) : values_(t) {
    const Shape& shape = t.shape();
    length_ = shape.empty() ? 1 : shape[d];
    for (std::size_t i = 0; i < d; ++i) outer_ *= shape[i];
    for (std::size_t i = d + 1; i < shape.size(); ++i) inner_ *= shape[i];
  }
  std::int64_t length() const { return length_; }
  /// f(line, index of the line among all, in row-major order)
  template <typename F>
  void for_each(F f) const {
    std::vector<C> line(static_cast<std::size_t>(length_));
    for (std::int64_t o = 0; o < outer_; ++o)
      for (std::int64_t k = 0; k < inner_; ++k) {
        for (std::int64_t i = 0; i < length_; ++i)
          line[static_cast<std::size_t>(i)] = values_[(o * length_ + i) * inner_ + k];
        f(line, o * inner_ + k);
      }
  }

 private:
  Contiguous<C> values_;
  std::int64_t length_ = 1, outer_ = 1, inner_ = 1;
};

/// The k-th smallest of each line and where it stands; `choose` gives k of a line.
template <typename F>
void choose_from_lines(const Call& call, const Tensor& self, std::size_t d, F choose) {
  std::int64_t* positions = call.out_count() > 1 ? call.out(1).as<std::int64_t>() : nullptr;
  call.require(positions == nullptr || (call.out(1).dtype() == DType::i64 && call.out(1).numel() == call.out().numel()),
               "the positions have another type");
  visit_compute(compute_of(self.dtype()), [&]<typename C>(C) {
    const Lines<C> lines(self, d);
    call.require(lines.length() > 0 || call.out().numel() == 0, "the dimension has no elements");
    call.require(lines.length() == 0 || call.out().numel() == self.numel() / lines.length(),
                 "the result has another size");
    Result<C> out(call.out());
    lines.for_each([&](const std::vector<C>& line, std::int64_t at) {
      std::vector<std::int64_t> order(line.size());
      std::iota(order.begin(), order.end(), 0);
      std::ranges::stable_sort(order, [&](std::int64_t a, std::int64_t b) {
        return less(line[static_cast<std::size_t>(a)], line[static_cast<std::size_t>(b)]);
      });
      const std::int64_t found = order[static_cast<std::size_t>(choose(line, order))];
      out.data()[at] = line[static_cast<std::size_t>(found)];
      if (positions != nullptr) positions[at] = found;
    });
    out.commit();
  });
}

void kthvalue(const Call& call) {
  const std::int64_t k = call.integer("k");
  const std::size_t d = call.dim("dim", call.self().shape().size());
  const std::int64_t length = call.self().shape().empty() ? 1 : call.self().size(d);
  call.require(k >= 1 && k <= length, "k is outside the dimension");
  choose_from_lines(call, call.self(), d, [k](const auto&, const auto&) { return k - 1; });
}

/// The lower of the two in the middle; NaN, unless it is to be ignored, is the median of what has one.
void median(const Call& call) {
  const bool ignores_nan = call.op() == OpId::aten_nanmedian_default || call.op() == OpId::aten_nanmedian_dim;
  Tensor self = call.self();
  std::size_t d = 0;
  if (call.has("dim")) {
    d = call.dim("dim", self.shape().size());
  } else {
    self = self.contiguous();
    self = view(self, {self.numel()}, {1});
    if (self.numel() == 0) {  // NaN of a float
      const double nothing = std::numeric_limits<double>::quiet_NaN();
      const std::int64_t least = std::numeric_limits<std::int64_t>::min();
      if (is_floating(self.dtype())) return store<double>(call.out().dtype(), call.out().data(), 1, 1, &nothing);
      return store<std::int64_t>(call.out().dtype(), call.out().data(), 1, 1, &least);
    }
  }
  choose_from_lines(call, self, d, [&](const auto& line, const auto& order) {
    const auto nans = std::ranges::count_if(line, [](auto v) { return v != v; });
    const auto count = static_cast<std::int64_t>(order.size());
    if (!ignores_nan && nans > 0) return count - nans;  // the first of them
    return (std::max<std::int64_t>(count - nans, 1) - 1) / 2;
  });
}

/// The smallest of the most frequent values, where it stands last.
void mode(const Call& call) {
  choose_from_lines(call, call.self(), call.dim("dim", call.self().shape().size()),
                    [](const auto& line, const auto& order) {
                      std::int64_t best = 0, most = 0;
                      for (std::size_t begin = 0; begin < order.size();) {
                        const auto value = line[static_cast<std::size_t>(order[begin])];
                        std::size_t end = begin + 1;
                        while (end < order.size() && line[static_cast<std::size_t>(order[end])] == value) ++end;
                        if (static_cast<std::int64_t>(end - begin) > most) {
                          most = static_cast<std::int64_t>(end - begin);
                          best = static_cast<std::int64_t>(end) - 1;
                        }
                        begin = end;
                      }
                      return best;
                    });
}

void msort(const Call& call) {
  const Tensor& self = call.self();
  if (self.dim() == 0) return copy_elements(call.out(), self);
  visit_compute(compute_of(self.dtype()), [&]<typename C>(C) {
    const Lines<C> lines(self, 0);
    const std::int64_t inner = lines.length() == 0 ? 0 : self.numel() / lines.length();
    Result<C> out(call.out());
    if (inner > 0)
      lines.for_each([&](std::vector<C> line, std::int64_t at) {
        std::ranges::stable_sort(line, less<C>);
        for (std::int64_t i = 0; i < lines.length(); ++i)
          out.data()[i * inner + at] = line[static_cast<std::size_t>(i)];
      });
    out.commit();
  });
}

void isin(const Call& call) {
  const Tensor elements = operand(call, call.has("elements") ? "elements" : "element");
  const Tensor tested = operand(call, call.has("test_elements") ? "test_elements" : "test_element");
  const bool inverted = call.boolean("invert");
  const bool whole = !is_floating(elements.dtype()) && !is_floating(tested.dtype());
  visit_compute(whole ? Compute::i64 : Compute::f64, [&]<typename C>(C) {
    const Contiguous<C> among(tested);
    std::set<C> known;
    for (std::int64_t i = 0; i < tested.numel(); ++i)
      if (among[i] == among[i]) known.insert(among[i]);
    map<C, 1>(call.out(), {&elements},
              [&](C v) { return C(known.contains(v) && v == v) != C(inverted) ? C(1) : C(0); });
  });
}

double norm_of(const std::vector<double>& values, double p) {
  double sum = p == -std::numeric_limits<double>::infinity() ? std::numeric_limits<double>::infinity() : 0;
  for (const double signed_value : values) {
    const double v = std::abs(signed_value);
    if (p == 0)
      sum += v != 0 ? 1 : 0;
    else if (std::isinf(p))
      sum = v != v || sum != sum ? std::numeric_limits<double>::quiet_NaN()
            : p > 0              ? std::max(sum, v)
                                 : std::min(sum, v);
    else
      sum += p == 1 ? v : p == 2 ? v * v : std::pow(v, p);
  }
  if (p == 0 || p == 1 || std::isinf(p)) return sum;
  return p == 2 ? std::sqrt(sum) : std::pow(sum, 1 / p);
}

std::vector<double> all_of(const Tensor& t) {
  const Contiguous<double> values(t);
  return {values.data(), values.data() + t.numel()};
}

void dist(const Call& call) {
  const Tensor &a = call.self(), &b = call.tensor("other");
  Shape shape;
  const std::size_t rank = std::max(a.shape().size(), b.shape().size());
  for (std::size_t i = 0; i < rank; ++i) {
    const auto size = [&](const Tensor& t) {
      const std::size_t missing = rank - t.shape().size();
      return i < missing ? 1 : t.shape()[i - missing];
    };
    shape.push_back(size(a) == 1 ? size(b) : size(a));
  }
  const auto x = complex_values(a, shape), y = complex_values(b, shape);
  std::vector<double> differences;
  for (std::size_t i = 0; i < x.size(); ++i) differences.push_back(std::abs(x[i] - y[i]));
  const double result = norm_of(differences, call.number("p"));
  store<double>(call.out().dtype(), call.out().data(), 1, 1, &result);
}

/// Slices along `dim` whose norm is greater than maxnorm are scaled down to it.
void renorm(const Call& call) {
  copy_elements(call.out(), call.self());
  const std::size_t d = call.dim("dim", call.self().shape().size());
  call.require(call.self().dim() > 1, "the operand has less than two dimensions");
  const double p = call.number("p"), most = call.number("maxnorm");
  for (std::int64_t i = 0; i < call.self().size(d); ++i) {
    const Tensor from = select(call.self(), d, i);
    Tensor to = select(call.out(), d, i);
    const double norm = norm_of(all_of(from), p);
    if (!(norm > most)) continue;
    const double scale = most / (norm + 1e-7);
    map<double, 1>(to, {&from}, [scale](double v) { return v * scale; });
  }
}

/// torch.linalg.norm without singular values.
void linalg_norm(const Call& call) {
  const Tensor self = magnitudes(call.self());
  const std::size_t rank = self.shape().size();
  const bool has_order = call.given("ord"), has_dims = call.given("dim");
  std::vector<std::size_t> dims = call.dims("dim", rank);
  if (!has_dims && has_order) call.require(rank <= 2, "a norm of this order takes a vector or a matrix");
  const bool matrix = has_order && dims.size() == 2;
  const bool text = has_order && std::holds_alternative<std::string>(call["ord"]);
  if (text && call.string("ord") != "fro") call.unsupported("norms of singular values");
  const double p = !has_order || text ? 2 : call.number("ord");
  const bool by_lines = matrix && !text;
  if (by_lines && std::abs(p) != 1 && !std::isinf(p)) call.unsupported("norms of singular values");
  // Lines along all of `dims` are vectors; a matrix norm of order 1 is the greatest sum of a column, of inf that of a
  // row.
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < rank; ++i)
    if (std::ranges::find(dims, i) == dims.end()) order.push_back(i);
  const std::size_t outer_dims = order.size();
  if (by_lines && std::abs(p) == 1) std::swap(dims[0], dims[1]);
  order.insert(order.end(), dims.begin(), dims.end());
  const Tensor arranged = permute(self, order).contiguous();
  std::int64_t outer = 1, inner = 1;
  for (std::size_t i = 0; i < rank; ++i) (i < outer_dims ? outer : inner) *= arranged.shape()[i];
  const Contiguous<double> values(arranged);
  std::vector<double> results;
  for (std::int64_t o = 0; o < outer; ++o) {
    if (!by_lines) {
      results.push_back(norm_of({values.data() + o * inner, values.data() + (o + 1) * inner}, p));
      continue;
    }
    const std::int64_t lines = arranged.shape()[outer_dims], width = arranged.shape().back();
    std::vector<double> sums;
    for (std::int64_t line = 0; line < lines; ++line) {
      const double* begin = values.data() + o * inner + line * width;
      sums.push_back(norm_of({begin, begin + width}, 1));
    }
    results.push_back(
        norm_of(sums, p > 0 ? std::numeric_limits<double>::infinity() : -std::numeric_limits<double>::infinity()));
  }
  call.require(call.out().numel() == outer, "the result has another size");
  store<double>(call.out().dtype(), call.out().data(), 1, outer, results.data());
}

void nanmean(const Call& call) {
  const Tensor& self = call.self();
  const auto dims = call.dims("dim", self.shape().size());
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < self.shape().size(); ++i)
    if (std::ranges::find(dims, i) == dims.end()) order.push_back(i);
  if (!self.shape().empty()) order.insert(order.end(), dims.begin(), dims.end());
  const Tensor arranged = permute(self, order).contiguous();
  const Contiguous<double> values(arranged);
  const std::int64_t outer = call.out().numel(), inner = outer == 0 ? 0 : self.numel() / outer;
  std::vector<double> results;
  for (std::int64_t o = 0; o < outer; ++o) {
    double sum = 0, count = 0;
    for (std::int64_t i = 0; i < inner; ++i) {
      const double v = values[o * inner + i];
      if (v != v) continue;
      sum += v;
      count += 1;
    }
    results.push_back(sum / count);
  }
  store<double>(call.out().dtype(), call.out().data(), 1, outer, results.data());
}

}  // namespace

void add_order_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_kthvalue_default}, kthvalue);
  table.add({aten_median_default, aten_median_dim, aten_nanmedian_default, aten_nanmedian_dim}, median);
  table.add({aten_mode_default}, mode);
  table.add({aten_msort_default}, msort);
  table.add({aten_isin_Tensor_Tensor, aten_isin_Tensor_Scalar, aten_isin_Scalar_Tensor}, isin);
  table.add({aten_dist_default}, dist);
  table.add({aten_renorm_default}, renorm);
  table.add({aten_linalg_norm_default, aten_linalg_norm_ord_str}, linalg_norm);
  table.add({aten_nanmean_default}, nanmean);
}

}  // namespace aitune::reference
