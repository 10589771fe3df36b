// Powers, chains and exponentials of matrices, products of Householder reflectors, and tensors taken for matrices.

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engines/reference/run/elements.h"
#include "engines/reference/run/elementwise.h"
#include "engines/reference/run/linalg.h"
#include "engines/reference/run/views.h"

namespace aitune::reference {
namespace {

/// Integers wrap.
template <typename T>
Dense<T> product_of(const Dense<T>& a, const Dense<T>& b) {
  if constexpr (std::is_same_v<T, std::int64_t>) {
    Dense<T> result(a.rows, b.cols);
    for (std::int64_t j = 0; j < b.cols; ++j)
      for (std::int64_t l = 0; l < a.cols; ++l)
        for (std::int64_t i = 0; i < a.rows; ++i) result(i, j) = wrap_add(result(i, j), wrap_mul(a(i, l), b(l, j)));
    return result;
  } else {
    return multiply(a, b);
  }
}

/// The same with std::int64_t where all is whole.
template <typename F>
void visit_numbers(const Tensor& t, F&& f) {
  if (!is_complex(t.dtype()) && compute_of(t.dtype()) == Compute::i64) return f(std::int64_t{});
  visit_field({&t}, f);
}

/// linalg_matrix_power, matrix_power
void matrix_power(const Call& call) {
  const Tensor& a = call.self();
  require_square(call, a);
  const std::int64_t n = call.integer("n");
  call.require(n >= 0 || is_floating(a.dtype()) || is_complex(a.dtype()),
               "integers have no negative power of a matrix");
  visit_numbers(a, [&]<typename T>(T) {
    const MatricesOf<T> matrices(call, a);
    Answer<T> out(call, 0, a.shape());
    for (std::int64_t k = 0; k < matrices.count(); ++k) {
      Dense<T> base = matrices.at(k);
      if constexpr (!std::is_same_v<T, std::int64_t>) {
        if (n < 0) {
          const LuFactors<T> lu = factor_lu(base);
          if (lu.info != 0) fail_at(call, k, matrices.count(), "is singular");
          base = identity_matrix<T>(base.rows, base.rows);
          solve_factored(lu, base);
        }
      }
      std::uint64_t rest = n < 0 ? std::uint64_t{0} - static_cast<std::uint64_t>(n) : static_cast<std::uint64_t>(n);
      Dense<T> result = identity_matrix<T>(base.rows, base.rows);
      for (bool first = true; rest > 0; rest >>= 1) {
        if (rest & 1) {
          result = first ? base : product_of(result, base);
          first = false;
        }
        if (rest > 1) base = product_of(base, base);
      }
      out.put(k, result);
    }
    out.commit();
  });
}

/// linalg_multi_dot (vectors may stand at the ends), chain_matmul
void chain(const Call& call) {
  const bool ends = call.has("tensors");
  const std::vector<Tensor> factors = call.tensors(ends ? "tensors" : "matrices");
  call.require(factors.size() >= (ends ? 2U : 1U), "there are too few factors");
  Shape shape;
  std::vector<Tensor> matrices;
  for (std::size_t i = 0; i < factors.size(); ++i) {
    const bool first = i == 0, last = i + 1 == factors.size();
    const bool vector = ends && (first || last) && factors[i].dim() == 1;
    call.require(vector || factors[i].dim() == 2, "a factor is no matrix");
    matrices.push_back(vector ? unsqueeze(factors[i], first ? 0 : 1) : factors[i]);
    call.require(first || matrices[i - 1].size(1) == matrices[i].size(0), "neighbouring factors have different sizes");
    if (first && !vector) shape.push_back(matrices[i].size(0));
    if (last && !vector) shape.push_back(matrices[i].size(1));
  }
  const auto run = [&]<typename T>(T) {
    // From the left, or from the right where that end is narrower.
    const bool backwards = matrices.back().size(1) < matrices.front().size(0);
    if (backwards) std::ranges::reverse(matrices);
    Dense<T> result = MatricesOf<T>(call, matrices[0]).at(0);
    for (std::size_t i = 1; i < matrices.size(); ++i) {
      const Dense<T> next = MatricesOf<T>(call, matrices[i]).at(0);
      result = backwards ? product_of(next, result) : product_of(result, next);
    }
    Answer<T> out(call, 0, shape);
    out.put(0, result);
    out.commit();
  };
  visit_numbers(call.out(), run);
}

/// Scaled until the series is short, and squared as often.
template <typename T>
Dense<T> exponential_of(Dense<T> a) {
  constexpr int kTerms = 20;  // 0.5^20 / 20! is far below what a double tells apart
  double norm = 0;
  for (std::int64_t j = 0; j < a.cols; ++j) {
    double sum = 0;
    for (std::int64_t i = 0; i < a.rows; ++i) sum += std::abs(a(i, j));
    norm = std::isnan(sum) ? sum : std::max(norm, sum);
    if (!std::isfinite(norm)) {
      std::ranges::fill(a.values, T(std::numeric_limits<double>::quiet_NaN()));
      return a;
    }
  }
  int squarings = 0;
  std::frexp(norm, &squarings);
  squarings = std::max(squarings + 1, 0);
  for (T& v : a.values) v *= std::ldexp(1.0, -squarings);
  Dense<T> result = identity_matrix<T>(a.rows, a.rows);
  for (int k = kTerms; k > 0; --k) {  // 1 + a/1 (1 + a/2 (1 + ...))
    result = multiply(a, result);
    for (T& v : result.values) v /= k;
    for (std::int64_t i = 0; i < a.rows; ++i) result(i, i) += 1;
  }
  for (int k = 0; k < squarings; ++k) result = multiply(result, result);
  return result;
}

void matrix_exponential(const Call& call) {
  const Tensor& a = call.self();
  require_square(call, a);
  visit_field({&a}, [&]<typename T>(T) {
    const MatricesOf<T> matrices(call, a);
    Answer<T> out(call, 0, a.shape());
    for (std::int64_t k = 0; k < matrices.count(); ++k) out.put(k, exponential_of(matrices.at(k)));
    out.commit();
  });
}

void qr(const Call& call) {
  const Tensor& a = call.tensor("A");
  const std::string& mode = call.string("mode");
  call.require(mode == "reduced" || mode == "complete" || mode == "r", "the mode is neither reduced, complete nor r");
  const bool complete = mode == "complete", wanted = mode != "r";
  const Shape batch = batch_of(call, a);
  visit_field({&a}, [&]<typename T>(T) {
    const MatricesOf<T> matrices(call, a);
    const std::int64_t m = matrices.rows(), n = matrices.cols(), k = complete ? m : std::min(m, n);
    Answer<T> q(call, 0, wanted ? with_sizes(batch, {m, k}) : Shape{0}), r(call, 1, with_sizes(batch, {k, n}));
    for (std::int64_t i = 0; i < matrices.count(); ++i) {
      const QrFactors<T> factors = factor_qr(matrices.at(i));
      Dense<T> upper(k, n);
      for (std::int64_t col = 0; col < n; ++col)
        for (std::int64_t row = 0; row <= std::min(col, k - 1); ++row) upper(row, col) = factors.packed(row, col);
      r.put(i, upper);
      if (!wanted) continue;
      Dense<T> columns = identity_matrix<T>(m, k);
      apply_reflectors(factors.packed, factors.tau, columns, false);
      q.put(i, columns);
    }
    q.commit();
    r.commit();
  });
}

void geqrf(const Call& call) {
  const Tensor& a = call.self();
  const Shape batch = batch_of(call, a);
  visit_field({&a}, [&]<typename T>(T) {
    const MatricesOf<T> matrices(call, a);
    Answer<T> packed(call, 0, a.shape()), tau(call, 1, with_sizes(batch, {std::min(matrices.rows(), matrices.cols())}));
    for (std::int64_t k = 0; k < matrices.count(); ++k) {
      const QrFactors<T> factors = factor_qr(matrices.at(k));
      packed.put(k, factors.packed);
      tau.put(k, factors.tau);
    }
    packed.commit();
    tau.commit();
  });
}

/// linalg_householder_product(input, tau), orgqr(self, input2): the first columns of Q.
void householder_product(const Call& call) {
  const Tensor &v = call.self(), &tau = call.tensor(call.has("tau") ? "tau" : "input2");
  const Shape batch = batch_of(call, v);
  const std::int64_t m = v.size(v.shape().size() - 2), n = v.shape().back();
  call.require(m >= n, "the matrices have more columns than rows");
  call.require(tau.dim() + 1 == v.dim() && tau.shape().back() <= n,
               "tau has another rank, or more elements than columns");
  visit_field({&v, &tau}, [&]<typename T>(T) {
    const MatricesOf<T> matrices(call, v);
    const VectorsOf<T> factors(call, tau, batch);
    Answer<T> out(call, 0, v.shape());
    for (std::int64_t k = 0; k < matrices.count(); ++k) {
      Dense<T> columns = identity_matrix<T>(m, n);
      apply_reflectors(matrices.at(k), factors.at(k), columns, false);
      out.put(k, columns);
    }
    out.commit();
  });
}

/// ormqr(v, tau, c): Q c, Q^H c, c Q or c Q^H.
void ormqr(const Call& call) {
  const Tensor &v = call.self(), &tau = call.tensor("input2"), &c = call.tensor("input3");
  const bool left = call.boolean("left"), adjoint = call.boolean("transpose");
  const Shape batch = batch_of(call, v);
  call.require(c.dim() == v.dim() && tau.dim() + 1 == v.dim(), "the operands have different ranks");
  const std::int64_t m = c.size(c.shape().size() - (left ? 2 : 1));
  call.require(v.size(v.shape().size() - 2) == m, "reflectors and matrices have different sizes");
  call.require(tau.shape().back() <= std::min(m, v.shape().back()), "tau has more elements than there are reflectors");
  visit_field({&v, &c}, [&]<typename T>(T) {
    const MatricesOf<T> reflectors(call, v), matrices(call, c, batch);
    const VectorsOf<T> factors(call, tau, batch);
    Answer<T> out(call, 0, c.shape());
    for (std::int64_t k = 0; k < matrices.count(); ++k) {
      Dense<T> x = left ? matrices.at(k) : adjoint_of(matrices.at(k));
      apply_reflectors(reflectors.at(k), factors.at(k), x, adjoint == left);
      out.put(k, left ? x : adjoint_of(x));
    }
    out.commit();
  });
}

/// A contiguous tensor as one matrix.
Tensor as_matrix(const Tensor& t, std::int64_t rows, std::int64_t cols) {
  const Tensor whole = t.contiguous();
  return view(whole, {rows, cols}, {cols, 1});
}

std::int64_t count_of_dims(const Shape& shape, std::size_t from, std::size_t to) {
  return element_count(std::span(shape).subspan(from, to - from));
}

/// The inverse of the map that the last dimensions give to the first `ind`.
void tensorinv(const Call& call) {
  const Tensor& a = call.self();
  const std::int64_t given = call.integer("ind");
  call.require(given > 0 && given <= a.dim(), "ind is not between 1 and the number of dimensions");
  const auto ind = static_cast<std::size_t>(given);
  const std::int64_t n = count_of_dims(a.shape(), 0, ind), columns = count_of_dims(a.shape(), ind, a.shape().size());
  call.require(n == columns, "the first dimensions have another number of elements than the last");
  Shape shape(a.shape().begin() + given, a.shape().end());
  shape.insert(shape.end(), a.shape().begin(), a.shape().begin() + given);
  visit_field({&a}, [&]<typename T>(T) {
    const LuFactors<T> lu = factor_lu(MatricesOf<T>(call, as_matrix(a, n, n)).at(0));
    call.require(lu.info == 0, "the matrix is singular");
    Dense<T> inverse = identity_matrix<T>(n, n);
    solve_factored(lu, inverse);
    Answer<T> out(call, 0, shape);
    out.put(0, inverse);
    out.commit();
  });
}

/// x of tensordot(a, x) = b, where `dims` of a go last first.
void tensorsolve(const Call& call) {
  const Tensor &self = call.self(), &b = call.tensor("other");
  const std::size_t rank = self.shape().size();
  std::vector<std::size_t> order, last;
  if (call.given("dims"))
    for (const std::int64_t d : call.int_list("dims")) last.push_back(call.dim(d, rank));
  for (std::size_t d = 0; d < rank; ++d)
    if (std::ranges::find(last, d) == last.end()) order.push_back(d);
  order.insert(order.end(), last.begin(), last.end());
  call.require(order.size() == rank && b.shape().size() <= rank, "dims repeat, or the right side has more dimensions");
  const Tensor a = permute(self, order);
  const std::size_t outer = b.shape().size();
  const std::int64_t n = count_of_dims(a.shape(), outer, rank);
  call.require(n == count_of_dims(a.shape(), 0, outer) && n == b.numel(), "the map is not between as many elements");
  visit_field({&a, &b}, [&]<typename T>(T) {
    const LuFactors<T> lu = factor_lu(MatricesOf<T>(call, as_matrix(a, n, n)).at(0));
    call.require(lu.info == 0, "the matrix is singular");
    Dense<T> x = MatricesOf<T>(call, as_matrix(b, n, 1)).at(0);
    solve_factored(lu, x);
    Answer<T> out(call, 0, Shape(a.shape().begin() + static_cast<std::ptrdiff_t>(outer), a.shape().end()));
    out.put(0, x);
    out.commit();
  });
}

/// Powers 0, 1, ... of each element along a new last dimension.
void vander(const Call& call) {
  const Tensor& given = call.tensor("x");
  const Tensor x = given.dim() == 0 ? unsqueeze(given, 0) : given;
  const std::int64_t n = call.given("N") ? call.integer("N") : x.shape().back();
  const bool increasing = !call.has("increasing") || call.boolean("increasing");
  call.require(n > 1 || call.has("increasing"), "N is not greater than 1");
  call.require(n >= 0, "N is negative");
  visit_numbers(x, [&]<typename T>(T) {
    const std::vector<T> values = elements_of<T>(x);
    Answer<T> out(call, 0, with_sizes(x.shape(), {n}));
    for (std::size_t i = 0; i < values.size(); ++i) {
      T power = 1;
      for (std::int64_t k = 0; k < n; ++k) {
        out.put(static_cast<std::int64_t>(i) * n + (increasing ? k : n - 1 - k), power);
        if constexpr (std::is_same_v<T, std::int64_t>)
          power = wrap_mul(power, values[i]);
        else
          power *= values[i];
      }
    }
    out.commit();
  });
}

}  // namespace

void add_matrix_product_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_linalg_matrix_power_default, aten_matrix_power_default}, matrix_power);
  table.add({aten_linalg_multi_dot_default, aten_chain_matmul_default}, chain);
  table.add({aten_linalg_matrix_exp_default, aten_matrix_exp_default}, matrix_exponential);
  table.add({aten_linalg_qr_default}, qr);
  table.add({aten_geqrf_default}, geqrf);
  table.add({aten_linalg_householder_product_default, aten_orgqr_default}, householder_product);
  table.add({aten_ormqr_default}, ormqr);
  table.add({aten_linalg_tensorinv_default}, tensorinv);
  table.add({aten_linalg_tensorsolve_default}, tensorsolve);
  table.add({aten_linalg_vander_default, aten_vander_default}, vander);
}

}  // namespace aitune::reference
