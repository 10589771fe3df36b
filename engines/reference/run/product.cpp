// Products that are rarely met: plain sums in double, or in int64.

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "engines/reference/run/complex.h"
#include "engines/reference/run/elementwise.h"
#include "engines/reference/run/views.h"

namespace aitune::reference {
namespace {

/// Sums and products accumulate in double, or in int64 for integers.
template <typename F>
void visit_accumulator(DType t, F f) {
  if (is_floating(t))
    f(double{});
  else
    f(std::int64_t{});
}

/// The dimensions in `first`, then the others or the other way round; each group as one.
struct Sides {
  Tensor arranged;
  std::int64_t kept = 1, summed = 1;
};
Sides sides(const Tensor& t, const std::vector<std::size_t>& summed) {
  std::vector<std::size_t> order;
  Sides result;
  for (std::size_t d = 0; d < t.shape().size(); ++d)
    if (std::ranges::find(summed, d) == summed.end()) {
      order.push_back(d);
      result.kept *= t.shape()[d];
    }
  for (const std::size_t d : summed) {
    order.push_back(d);
    result.summed *= t.shape().at(d);
  }
  result.arranged = permute(t, order).contiguous();
  return result;
}

void contract_complex(const Call& call, const Sides& a, const Sides& b) {
  const std::vector<Complex> x = complex_values(a.arranged), y = complex_values(b.arranged);
  std::vector<Complex> out(static_cast<std::size_t>(a.kept * b.kept));
  for (std::int64_t i = 0; i < a.kept; ++i)
    for (std::int64_t j = 0; j < b.kept; ++j)
      out[static_cast<std::size_t>(i * b.kept + j)] = std::inner_product(
          x.begin() + i * a.summed, x.begin() + (i + 1) * a.summed, y.begin() + j * b.summed, Complex(0));
  store_complex(call.out(), out);
}

/// out[i, j] = sum of a[i, k] * b[j, k]
void contract(const Call& call, const Sides& a, const Sides& b) {
  call.require(a.summed == b.summed && call.out().numel() == a.kept * b.kept, "the operands do not fit");
  if (is_complex(call.out().dtype())) return contract_complex(call, a, b);
  require_real(a.arranged);
  visit_accumulator(call.out().dtype(), [&]<typename C>(C) {
    const Contiguous<C> x(a.arranged), y(b.arranged);
    Result<C> out(call.out());
    for (std::int64_t i = 0; i < a.kept; ++i)
      for (std::int64_t j = 0; j < b.kept; ++j) {
        C sum = 0;
        for (std::int64_t k = 0; k < a.summed; ++k)
          sum = wrap_add(sum, wrap_mul(x[i * a.summed + k], y[j * b.summed + k]));
        out.data()[i * b.kept + j] = sum;
      }
    out.commit();
  });
}

void tensordot(const Call& call) {
  const Tensor &a = call.self(), &b = call.tensor("other");
  std::vector<std::size_t> left, right;
  for (const std::int64_t d : call.int_list("dims_self")) left.push_back(call.dim(d, a.shape().size()));
  for (const std::int64_t d : call.int_list("dims_other")) right.push_back(call.dim(d, b.shape().size()));
  call.require(left.size() == right.size(), "the lists of dimensions have different lengths");
  // A size of 1 stands for any.
  Shape a_shape = a.shape(), b_shape = b.shape();
  for (std::size_t i = 0; i < left.size(); ++i) {
    std::int64_t &x = a_shape.at(left[i]), &y = b_shape.at(right[i]);
    if (x == 1) x = y;
    if (y == 1) y = x;
  }
  contract(call, sides(view(a, a_shape, broadcast_strides(a, a_shape)), left),
           sides(view(b, b_shape, broadcast_strides(b, b_shape)), right));
}

void inner(const Call& call) {
  const Tensor &a = call.self(), &b = call.tensor("other");
  if (a.dim() == 0 || b.dim() == 0) {
    visit_compute(compute_of(call.out().dtype()),
                  [&]<typename C>(C) { map<C, 2>(call.out(), {&a, &b}, [](C x, C y) { return wrap_mul(x, y); }); });
    return;
  }
  contract(call, sides(a, {a.shape().size() - 1}), sides(b, {b.shape().size() - 1}));
}

void vecdot(const Call& call) {
  const Tensor &a = call.tensor("x"), &b = call.tensor("y");
  const std::size_t d = call.dim("dim", std::max(a.shape().size(), b.shape().size()));
  Shape shape = call.out().shape();
  const auto length = [&](const Tensor& t) {
    const std::size_t missing = shape.size() + 1 - t.shape().size();
    return d < missing ? 1 : t.shape()[d - missing];
  };
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(d), std::max(length(a), length(b)));
  const Sides x = sides(view(a, shape, broadcast_strides(a, shape)), {d}),
              y = sides(view(b, shape, broadcast_strides(b, shape)), {d});
  require_real(a);
  visit_accumulator(call.out().dtype(), [&]<typename C>(C) {
    const Contiguous<C> left(x.arranged), right(y.arranged);
    Result<C> out(call.out());
    for (std::int64_t i = 0; i < x.kept; ++i) {
      C sum = 0;
      for (std::int64_t k = 0; k < x.summed; ++k)
        sum = wrap_add(sum, wrap_mul(left[i * x.summed + k], right[i * x.summed + k]));
      out.data()[i] = sum;
    }
    out.commit();
  });
}

/// Every element of self times all of other: sizes multiply.
void kron(const Call& call) {
  const Tensor &a = call.self(), &b = call.tensor("other");
  const std::size_t rank = call.out().shape().size();
  Shape out_shape, a_shape, b_shape, a_strides, b_strides;
  for (std::size_t d = 0; d < rank; ++d) {
    const auto add = [&](const Tensor& t, Shape& shape, Shape& strides) {
      const std::size_t missing = rank - t.shape().size();
      const std::int64_t size = d < missing ? 1 : t.shape()[d - missing];
      shape.push_back(size);
      strides.push_back(d < missing ? 0 : t.strides()[d - missing]);
      return size;
    };
    out_shape.push_back(add(a, a_shape, a_strides));
    b_shape.push_back(1);
    b_strides.push_back(0);
    out_shape.push_back(add(b, b_shape, b_strides));
    a_shape.push_back(1);
    a_strides.push_back(0);
  }
  const Tensor left = view(a, a_shape, a_strides), right = view(b, b_shape, b_strides);
  call.require(element_count(out_shape) == call.out().numel(), "the operands do not fit");
  Tensor out = view(call.out(), out_shape, contiguous_strides(out_shape));
  visit_compute(compute_of(out.dtype()),
                [&]<typename C>(C) { map<C, 2>(out, {&left, &right}, [](C x, C y) { return wrap_mul(x, y); }); });
}

/// out[.., o] = sum of input1[.., i] * weight[o, i, j] * input2[.., j], plus the bias
void bilinear(const Call& call) {
  const Tensor &a = call.tensor("input1"), &b = call.tensor("input2"), &w = call.tensor("weight");
  const Tensor* bias = call.tensor_or_null("bias");
  call.require(w.dim() == 3, "the weight has three dimensions");
  const std::int64_t n = w.size(0), left = w.size(1), right = w.size(2);
  const std::int64_t rows = n == 0 ? 0 : call.out().numel() / n;
  call.require(a.numel() == rows * left && b.numel() == rows * right && (!bias || bias->numel() == n),
               "the operands do not fit");
  const Contiguous<double> x(a), y(b), weights(w), add(bias);
  Result<double> out(call.out());
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t o = 0; o < n; ++o) {
      double sum = bias != nullptr ? add[o] : 0;
      for (std::int64_t i = 0; i < left; ++i)
        for (std::int64_t j = 0; j < right; ++j)
          sum += x[r * left + i] * weights[(o * left + i) * right + j] * y[r * right + j];
      out.data()[r * n + o] = sum;
    }
  out.commit();
}

/// beta * self + alpha * the outer product
void addr(const Call& call) {
  const Tensor a = unsqueeze(call.tensor("vec1"), 1), &b = call.tensor("vec2"), &self = call.self();
  visit_compute(compute_of(call.out().dtype()), [&]<typename C>(C) {
    const C beta = static_cast<C>(call.number("beta")), alpha = static_cast<C>(call.number("alpha"));
    map<C, 3>(call.out(), {&self, &a, &b}, [=](C s, C x, C y) {
      const C product = wrap_mul(alpha, wrap_mul(x, y));
      return beta == C(0) ? product : wrap_add(wrap_mul(beta, s), product);
    });
  });
}

/// Of variables in rows: the sum of the products of their deviations from the mean, over the degrees of freedom.
std::vector<Complex> covariances(const Call& call, std::int64_t variables, std::int64_t count) {
  const std::vector<Complex> x = complex_values(call.self());
  std::vector<double> weights(static_cast<std::size_t>(count), 1), reliability = weights;
  for (const char* name : {"fweights", "aweights"}) {
    if (!call.given(name)) continue;
    const Contiguous<double> given(call.tensor(name));
    call.require(call.tensor(name).numel() == count, "there are not as many weights as observations");
    for (std::size_t i = 0; i < weights.size(); ++i) {
      weights[i] *= given[static_cast<std::int64_t>(i)];
      if (std::string_view(name) == "aweights") reliability[i] = given[static_cast<std::int64_t>(i)];
    }
  }
  double total = 0, repeated = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    total += weights[i];
    repeated += weights[i] * reliability[i];
  }
  const double correction = call.has("correction") ? static_cast<double>(call.integer("correction")) : 1;
  const double lost = call.given("aweights") ? correction * repeated / total : correction;
  const double freedom = std::max(total - lost, 0.0);
  const auto at = [&](std::int64_t v, std::int64_t i) { return x[static_cast<std::size_t>(v * count + i)]; };
  std::vector<Complex> means(static_cast<std::size_t>(variables)), result;
  for (std::int64_t v = 0; v < variables; ++v) {
    for (std::int64_t i = 0; i < count; ++i)
      means[static_cast<std::size_t>(v)] += at(v, i) * weights[static_cast<std::size_t>(i)];
    means[static_cast<std::size_t>(v)] /= total;
  }
  for (std::int64_t a = 0; a < variables; ++a)
    for (std::int64_t b = 0; b < variables; ++b) {
      Complex sum = 0;
      for (std::int64_t i = 0; i < count; ++i)
        sum += weights[static_cast<std::size_t>(i)] * (at(a, i) - means[static_cast<std::size_t>(a)]) *
               std::conj(at(b, i) - means[static_cast<std::size_t>(b)]);
      result.push_back(sum / freedom);
    }
  return result;
}

/// cov; corrcoef, which divides by the standard deviations.
void covariance(const Call& call) {
  const Shape& shape = call.self().shape();
  call.require(shape.size() <= 2, "the operand has more than two dimensions");
  const std::int64_t variables = shape.size() < 2 ? 1 : shape[0], count = shape.empty() ? 1 : shape.back();
  call.require(call.out().numel() == variables * variables, "the result has another shape");
  std::vector<Complex> c = covariances(call, variables, count);
  if (call.op() == OpId::aten_cov_default) return store_complex(call.out(), c);
  std::vector<double> deviations;
  for (std::int64_t v = 0; v < variables; ++v)
    deviations.push_back(std::sqrt(c[static_cast<std::size_t>(v * variables + v)].real()));
  const auto clipped = [](double x) { return std::isnan(x) ? x : std::clamp(x, -1.0, 1.0); };
  for (std::size_t i = 0; i < c.size(); ++i) {
    const auto n = static_cast<std::size_t>(variables);
    const Complex share = c[i] / deviations[i / n] / deviations[i % n];
    c[i] = {clipped(share.real()), clipped(share.imag())};
  }
  store_complex(call.out(), c);
}

}  // namespace

void add_product_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_tensordot_default}, tensordot);
  table.add({aten_inner_default}, inner);
  table.add({aten_linalg_vecdot_default}, vecdot);
  table.add({aten_kron_default}, kron);
  table.add({aten_bilinear_default}, bilinear);
  table.add({aten_addr_default}, addr);
  table.add({aten_cov_default, aten_corrcoef_default}, covariance);
}

}  // namespace aitune::reference
