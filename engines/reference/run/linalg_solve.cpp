// Systems of equations: LU, Cholesky, triangles, determinants and inverses.

#include <algorithm>
#include <cmath>

#include "engines/reference/run/elements.h"
#include "engines/reference/run/linalg.h"

namespace aitune::reference {
namespace {

constexpr std::string_view kSingular = "is singular";

bool flag_of(const Call& call, std::string_view name, bool otherwise) {
  return call.has(name) ? call.boolean(name) : otherwise;
}

void require_pivoting(const Call& call) {
  if (call.has("pivot") && !call.boolean("pivot")) call.fail("LU without pivoting is not implemented on the CPU");
}

std::vector<std::int64_t> from_one(std::vector<std::int64_t> pivots) {
  for (std::int64_t& p : pivots) ++p;
  return pivots;
}

/// What _linalg_solve_ex and the like return besides their first result; any may be missing.
template <typename T>
class LuAnswers {
 public:
  LuAnswers(const Call& call, std::size_t first, const Shape& batch, std::int64_t rows, std::int64_t cols)
      : packed_(call, first, with_sizes(batch, {rows, cols})),
        pivots_(call, first + 1, with_sizes(batch, {std::min(rows, cols)})) {}
  void put(std::int64_t k, const LuFactors<T>& lu) {
    packed_.put(k, lu.packed);
    pivots_.put(k, from_one(lu.pivots));
  }
  void commit() {
    packed_.commit();
    pivots_.commit();
  }

 private:
  Answer<T> packed_;
  Answer<std::int64_t> pivots_;
};

/// linalg_inv, inverse, linalg_inv_ex
void invert(const Call& call) {
  const Tensor& a = call.tensor(call.has("A") ? "A" : "self");
  require_square(call, a);
  const bool reports = call.has("check_errors"), checks = !reports || call.boolean("check_errors");
  const Shape batch = batch_of(call, a);
  visit_field({&a}, [&]<typename T>(T) {
    const MatricesOf<T> matrices(call, a);
    Answer<T> out(call, 0, a.shape());
    std::vector<std::int64_t> infos;
    for (std::int64_t k = 0; k < matrices.count(); ++k) {
      const LuFactors<T> lu = factor_lu(matrices.at(k));
      if (checks && lu.info != 0) fail_at(call, k, matrices.count(), kSingular);
      Dense<T> inverse = identity_matrix<T>(matrices.rows(), matrices.rows());
      solve_factored(lu, inverse);
      out.put(k, inverse);
      infos.push_back(lu.info);
    }
    out.commit();
    if (!reports) return;
    Answer<std::int64_t> info(call, 1, batch);
    info.put(0, infos);
    info.commit();
  });
}

/// The right side as matrices: B itself, or vectors with one more dimension.
struct RightSide {
  Tensor tensor;
  bool vector = false;
};
RightSide right_side(const Call& call, const Tensor& a, const Tensor& b) {
  call.require(b.dim() >= 1, "the right side has no dimension");
  const Shape& rows = a.shape();
  const bool vector =
      b.dim() == 1 || (a.dim() - 1 == b.dim() && std::equal(b.shape().begin(), b.shape().end(), rows.begin()));
  if (!vector) return {b, false};
  Shape shape = b.shape(), strides = b.strides();
  shape.push_back(1);
  strides.push_back(0);
  return {Tensor(b.dtype(), std::move(shape), std::move(strides), b.owner(), b.data()), true};
}

/// x of a x = b, or of x a = b where not `left`; of op(a) where `adjoint`.
template <typename T>
Dense<T> solve_beside(const LuFactors<T>& lu, Dense<T> b, bool left, bool adjoint) {
  if (left) {
    solve_factored(lu, b, adjoint);
    return b;
  }
  Dense<T> turned = adjoint_of(b);
  solve_factored(lu, turned, !adjoint);
  return adjoint_of(turned);
}

/// linalg_solve, linalg_solve_ex, _linalg_solve_ex
void solve_system(const Call& call) {
  const Tensor &a = call.tensor("A"), &given = call.tensor("B");
  require_square(call, a);
  const RightSide right = right_side(call, a, given);
  const Tensor& b = right.tensor;
  const bool left = call.boolean("left"), reports = call.has("check_errors");
  const bool checks = !reports || call.boolean("check_errors"), has_factors = call.out_count() == 4;
  call.require(b.size(b.shape().size() - (left ? 2 : 1)) == a.shape().back(),
               "matrix and right side have different sizes");
  const Shape own = batch_of(call, a), batch = broadcast_batches(call, own, batch_of(call, b));
  Shape shape = with_sizes(batch, {b.size(b.shape().size() - 2), b.shape().back()});
  if (right.vector) shape.pop_back();
  visit_field({&a, &b}, [&]<typename T>(T) {
    const MatricesOf<T> matrices(call, a, batch), sides(call, b, batch);
    Answer<T> out(call, 0, shape);
    std::vector<LuFactors<T>> kept;  // where the matrices are not repeated for right sides
    for (std::int64_t k = 0; k < matrices.count(); ++k) {
      const LuFactors<T> lu = factor_lu(matrices.at(k));
      if (checks && lu.info != 0) fail_at(call, k, matrices.count(), kSingular);
      out.put(k, solve_beside(lu, sides.at(k), left, false));
      if (reports && own == batch) kept.push_back(lu);
    }
    out.commit();
    if (!reports) return;
    const MatricesOf<T> plain(call, a);
    std::vector<std::int64_t> infos;
    std::optional<LuAnswers<T>> factors;
    if (has_factors) factors.emplace(call, 1, own, plain.rows(), plain.cols());
    for (std::int64_t k = 0; k < plain.count(); ++k) {
      const LuFactors<T> lu = own == batch ? kept[static_cast<std::size_t>(k)] : factor_lu(plain.at(k));
      if (factors) factors->put(k, lu);
      infos.push_back(lu.info);
    }
    if (factors) factors->commit();
    Answer<std::int64_t> info(call, call.out_count() - 1, own);
    info.put(0, infos);
    info.commit();
  });
}

/// The product of the diagonal of U, with the sign of the swaps.
template <typename T>
T determinant_of(const LuFactors<T>& lu) {
  T result = 1;
  for (std::size_t k = 0; k < lu.pivots.size(); ++k) {
    const auto i = static_cast<std::int64_t>(k);
    result *= lu.pivots[k] == i ? lu.packed(i, i) : -lu.packed(i, i);
  }
  return result;
}

/// PyTorch factors the transpose of a real matrix (of a row-major one, but what is row-major here need not be there):
/// the determinant is the same.
template <typename T>
LuFactors<T> factor_for_determinant(const Dense<T>& a) {
  if constexpr (std::is_same_v<T, double>) return factor_lu(adjoint_of(a));
  return factor_lu(a);
}

/// linalg_det, det, _linalg_det
void determinant(const Call& call) {
  const Tensor& a = call.tensor(call.has("A") ? "A" : "self");
  require_square(call, a);
  const Shape batch = batch_of(call, a);
  visit_field({&a}, [&]<typename T>(T) {
    const MatricesOf<T> matrices(call, a);
    Answer<T> out(call, 0, batch);
    std::optional<LuAnswers<T>> factors;
    if (call.out_count() == 3) factors.emplace(call, 1, batch, matrices.rows(), matrices.cols());
    for (std::int64_t k = 0; k < matrices.count(); ++k) {
      const LuFactors<T> lu = factor_for_determinant(matrices.at(k));
      out.put(k, determinant_of(lu));
      if (factors) factors->put(k, lu);
    }
    out.commit();
    if (factors) factors->commit();
  });
}

template <typename T>
T sign_of(T x) {
  if constexpr (std::is_same_v<T, double>)
    return x > 0 ? 1 : x < 0 ? -1 : 0;
  else
    return x == T(0) ? T(0) : x / std::abs(x);
}

template <typename T>
struct SignAndLogarithm {
  T sign = 1;
  double logarithm = 0;
};
template <typename T>
SignAndLogarithm<T> log_determinant(const LuFactors<T>& lu) {
  SignAndLogarithm<T> result;
  for (std::size_t k = 0; k < lu.pivots.size(); ++k) {
    const auto i = static_cast<std::int64_t>(k);
    const T factor = lu.pivots[k] == i ? lu.packed(i, i) : -lu.packed(i, i);
    result.sign *= sign_of(factor);
    result.logarithm += std::log(std::abs(factor));
  }
  return result;
}

/// linalg_slogdet, slogdet, _linalg_slogdet
void sign_and_log_determinant(const Call& call) {
  const Tensor& a = call.tensor(call.has("A") ? "A" : "self");
  require_square(call, a);
  const Shape batch = batch_of(call, a);
  visit_field({&a}, [&]<typename T>(T) {
    const MatricesOf<T> matrices(call, a);
    Answer<T> sign(call, 0, batch);
    Answer<double> logarithm(call, 1, batch);
    std::optional<LuAnswers<T>> factors;
    if (call.out_count() == 4) factors.emplace(call, 2, batch, matrices.rows(), matrices.cols());
    for (std::int64_t k = 0; k < matrices.count(); ++k) {
      const LuFactors<T> lu = factor_for_determinant(matrices.at(k));
      const SignAndLogarithm<T> both = log_determinant(lu);
      sign.put(k, both.sign);
      logarithm.put(k, both.logarithm);
      if (factors) factors->put(k, lu);
    }
    sign.commit();
    logarithm.commit();
    if (factors) factors->commit();
  });
}

void logdet(const Call& call) {
  require_square(call, call.self());
  visit_field({&call.self()}, [&]<typename T>(T) {
    const MatricesOf<T> matrices(call, call.self());
    Answer<T> out(call, 0, batch_of(call, call.self()));
    for (std::int64_t k = 0; k < matrices.count(); ++k) {
      const SignAndLogarithm<T> both = log_determinant(factor_lu(matrices.at(k)));
      if constexpr (std::is_same_v<T, double>)
        out.put(k, both.sign == -1 ? std::nan("") : both.logarithm);
      else
        out.put(k, both.logarithm + std::log(both.sign));
    }
    out.commit();
  });
}

/// linalg_cholesky, linalg_cholesky_ex
void cholesky(const Call& call) {
  const Tensor& a = call.self();
  require_square(call, a);
  const bool upper = call.boolean("upper"), reports = call.has("check_errors");
  const bool checks = !reports || call.boolean("check_errors");
  visit_field({&a}, [&]<typename T>(T) {
    const MatricesOf<T> matrices(call, a);
    Answer<T> out(call, 0, a.shape());
    std::vector<std::int64_t> infos;
    for (std::int64_t k = 0; k < matrices.count(); ++k) {
      Dense<T> factor = upper ? adjoint_of(matrices.at(k)) : matrices.at(k);
      infos.push_back(factor_cholesky(factor));
      if (checks && infos.back() != 0)
        fail_at(call, k, matrices.count(),
                "is not positive-definite: its leading minor of order " + std::to_string(infos.back()) + " is not");
      out.put(k, upper ? adjoint_of(factor) : factor);
    }
    out.commit();
    if (!reports) return;
    Answer<std::int64_t> info(call, 1, batch_of(call, a));
    info.put(0, infos);
    info.commit();
  });
}

/// b := (l l^H)^-1 b, or (u^H u)^-1 b
template <typename T>
void solve_by_cholesky(const Dense<T>& factor, Dense<T>& b, bool upper) {
  const Dense<T> turned = adjoint_of(factor);
  solve_triangle(upper ? turned : factor, b, false, false);
  solve_triangle(upper ? factor : turned, b, true, false);
}

void cholesky_solve(const Call& call) {
  const Tensor &b = call.self(), &a = call.tensor(call.has("A") ? "A" : "input2");
  require_square(call, a);
  const Shape batch = broadcast_batches(call, batch_of(call, a), batch_of(call, b));
  call.require(b.size(b.shape().size() - 2) == a.shape().back(), "matrix and right side have different sizes");
  const bool upper = call.boolean("upper");
  visit_field({&a, &b}, [&]<typename T>(T) {
    const MatricesOf<T> factors(call, a, batch), sides(call, b, batch);
    Answer<T> out(call, 0, with_sizes(batch, {sides.rows(), sides.cols()}));
    for (std::int64_t k = 0; k < factors.count(); ++k) {
      Dense<T> x = sides.at(k);
      solve_by_cholesky(factors.at(k), x, upper);
      out.put(k, x);
    }
    out.commit();
  });
}

void cholesky_inverse(const Call& call) {
  require_square(call, call.self());
  const bool upper = call.boolean("upper");
  visit_field({&call.self()}, [&]<typename T>(T) {
    const MatricesOf<T> factors(call, call.self());
    Answer<T> out(call, 0, call.self().shape());
    for (std::int64_t k = 0; k < factors.count(); ++k) {
      Dense<T> x = identity_matrix<T>(factors.rows(), factors.rows());
      solve_by_cholesky(factors.at(k), x, upper);
      out.put(k, x);
    }
    out.commit();
  });
}

void solve_triangular(const Call& call) {
  const Tensor &a = call.self(), &b = call.tensor("B");
  require_square(call, a);
  const Shape batch = broadcast_batches(call, batch_of(call, a), batch_of(call, b));
  const bool left = call.boolean("left"), upper = call.boolean("upper"), unit = call.boolean("unitriangular");
  call.require(b.size(b.shape().size() - (left ? 2 : 1)) == a.shape().back(),
               "matrix and right side have different sizes");
  visit_field({&a, &b}, [&]<typename T>(T) {
    const MatricesOf<T> matrices(call, a, batch), sides(call, b, batch);
    Answer<T> out(call, 0, with_sizes(batch, {sides.rows(), sides.cols()}));
    for (std::int64_t k = 0; k < matrices.count(); ++k) {
      Dense<T> x = left ? sides.at(k) : adjoint_of(sides.at(k));
      solve_triangle(left ? matrices.at(k) : adjoint_of(matrices.at(k)), x, upper == left, unit);
      out.put(k, left ? x : adjoint_of(x));
    }
    out.commit();
  });
}

/// triangular_solve(b, a): the old form, which gives `a` back, broadcast.
void triangular_solve(const Call& call) {
  const Tensor &b = call.self(), &a = call.tensor("A");
  require_square(call, a);
  const Shape batch = broadcast_batches(call, batch_of(call, a), batch_of(call, b));
  call.require(b.size(b.shape().size() - 2) == a.shape().back(), "matrix and right side have different sizes");
  const bool upper = call.boolean("upper"), transposed = call.boolean("transpose");
  const bool unit = call.boolean("unitriangular");
  visit_field({&a, &b}, [&]<typename T>(T) {
    const MatricesOf<T> matrices(call, a, batch), sides(call, b, batch);
    Answer<T> solution(call, 0, with_sizes(batch, {sides.rows(), sides.cols()}));
    Answer<T> copy(call, 1, with_sizes(batch, {matrices.rows(), matrices.cols()}));
    for (std::int64_t k = 0; k < matrices.count(); ++k) {
      Dense<T> matrix = matrices.at(k), x = sides.at(k);
      copy.put(k, matrix);
      if (transposed) {
        matrix = adjoint_of(matrix);
        for (T& v : matrix.values) v = conjugated(v);
      }
      solve_triangle(matrix, x, upper != transposed, unit);
      solution.put(k, x);
    }
    solution.commit();
    copy.commit();
  });
}

/// linalg_lu_factor, linalg_lu_factor_ex, _lu_with_info
void lu_factor(const Call& call) {
  const Tensor& a = call.tensor(call.has("A") ? "A" : "self");
  require_pivoting(call);
  const bool reports = call.out_count() == 3;
  // _lu_with_info returns what it finds whatever check_errors says.
  const bool checks = !reports || (call.op() == OpId::aten_linalg_lu_factor_ex_default && call.boolean("check_errors"));
  const Shape batch = batch_of(call, a);
  visit_field({&a}, [&]<typename T>(T) {
    const MatricesOf<T> matrices(call, a);
    LuAnswers<T> factors(call, 0, batch, matrices.rows(), matrices.cols());
    std::vector<std::int64_t> infos;
    for (std::int64_t k = 0; k < matrices.count(); ++k) {
      const LuFactors<T> lu = factor_lu(matrices.at(k));
      if (checks && lu.info != 0) fail_at(call, k, matrices.count(), "has a zero on the diagonal of U");
      factors.put(k, lu);
      infos.push_back(lu.info);
    }
    factors.commit();
    if (!reports) return;
    Answer<std::int64_t> info(call, 2, batch);
    info.put(0, infos);
    info.commit();
  });
}

template <typename T>
Dense<T> lower_part(const Dense<T>& packed) {
  const std::int64_t k = std::min(packed.rows, packed.cols);
  Dense<T> result = identity_matrix<T>(packed.rows, k);
  for (std::int64_t j = 0; j < k; ++j)
    for (std::int64_t i = j + 1; i < packed.rows; ++i) result(i, j) = packed(i, j);
  return result;
}

template <typename T>
Dense<T> upper_part(const Dense<T>& packed) {
  Dense<T> result(std::min(packed.rows, packed.cols), packed.cols);
  for (std::int64_t j = 0; j < result.cols; ++j)
    for (std::int64_t i = 0; i <= std::min(j, result.rows - 1); ++i) result(i, j) = packed(i, j);
  return result;
}

/// P of a = P L U.
template <typename T>
Dense<T> permutation_of(const std::vector<std::int64_t>& pivots, std::int64_t n) {
  std::vector<std::int64_t> row(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) row[static_cast<std::size_t>(i)] = i;
  for (std::size_t k = 0; k < pivots.size(); ++k) std::swap(row.at(k), row.at(static_cast<std::size_t>(pivots[k])));
  Dense<T> result(n, n);
  for (std::int64_t i = 0; i < n; ++i) result(row[static_cast<std::size_t>(i)], i) = 1;
  return result;
}

/// Pivots that are counted from 1, each checked, counted from 0.
std::vector<std::int64_t> checked_pivots(const Call& call, std::vector<std::int64_t> pivots, std::int64_t n) {
  call.require(static_cast<std::int64_t>(pivots.size()) <= n, "there are more pivots than rows");
  for (std::int64_t& p : pivots) {
    call.require(p >= 1 && p <= n, "a pivot is out of range");
    --p;
  }
  return pivots;
}

void lu(const Call& call) {
  const Tensor& a = call.tensor("A");
  require_pivoting(call);
  const Shape batch = batch_of(call, a);
  visit_field({&a}, [&]<typename T>(T) {
    const MatricesOf<T> matrices(call, a);
    const std::int64_t m = matrices.rows(), n = matrices.cols(), k = std::min(m, n);
    Answer<T> p(call, 0, with_sizes(batch, {m, m})), l(call, 1, with_sizes(batch, {m, k}));
    Answer<T> u(call, 2, with_sizes(batch, {k, n}));
    for (std::int64_t i = 0; i < matrices.count(); ++i) {
      const LuFactors<T> factors = factor_lu(matrices.at(i));
      p.put(i, permutation_of<T>(factors.pivots, m));
      l.put(i, lower_part(factors.packed));
      u.put(i, upper_part(factors.packed));
    }
    p.commit();
    l.commit();
    u.commit();
  });
}

void lu_unpack(const Call& call) {
  const Tensor &a = call.tensor("LU_data"), &pivots = call.tensor("LU_pivots");
  const Shape batch = batch_of(call, a);
  const bool data = call.boolean("unpack_data"), order = call.boolean("unpack_pivots");
  call.require(!order || pivots.dtype() == DType::i32, "the pivots are not i32");
  visit_field({&a}, [&]<typename T>(T) {
    const MatricesOf<T> matrices(call, a);
    const std::int64_t m = matrices.rows(), n = matrices.cols(), k = std::min(m, n);
    const auto sizes = [&](bool wanted, std::int64_t rows, std::int64_t cols) {
      return wanted ? with_sizes(batch, {rows, cols}) : Shape{0};
    };
    Answer<T> p(call, 0, sizes(order, m, m)), l(call, 1, sizes(data, m, k)), u(call, 2, sizes(data, k, n));
    std::optional<VectorsOf<std::int64_t>> swaps;
    if (order) swaps.emplace(call, pivots, batch);
    for (std::int64_t i = 0; i < matrices.count(); ++i) {
      if (order) p.put(i, permutation_of<T>(checked_pivots(call, swaps->at(i), m), m));
      if (!data) continue;
      l.put(i, lower_part(matrices.at(i)));
      u.put(i, upper_part(matrices.at(i)));
    }
    p.commit();
    l.commit();
    u.commit();
  });
}

/// linalg_lu_solve(LU, pivots, B), lu_solve(B, LU, pivots)
void lu_solve(const Call& call) {
  const bool old = call.has("LU_data");
  const Tensor &a = call.tensor(old ? "LU_data" : "LU"), &b = call.tensor(old ? "self" : "B");
  const Tensor& pivots = call.tensor(old ? "LU_pivots" : "pivots");
  require_square(call, a);
  const bool left = flag_of(call, "left", true), adjoint = flag_of(call, "adjoint", false);
  const Shape batch = broadcast_batches(call, batch_of(call, a), batch_of(call, b));
  call.require(pivots.dtype() == DType::i32, "the pivots are not i32");
  call.require(b.size(b.shape().size() - (left ? 2 : 1)) == a.shape().back(),
               "matrix and right side have different sizes");
  visit_field({&a, &b}, [&]<typename T>(T) {
    const MatricesOf<T> matrices(call, a, batch), sides(call, b, batch);
    const VectorsOf<std::int64_t> swaps(call, pivots, batch);
    Answer<T> out(call, 0, with_sizes(batch, {sides.rows(), sides.cols()}));
    for (std::int64_t k = 0; k < matrices.count(); ++k) {
      const LuFactors<T> factors{matrices.at(k), checked_pivots(call, swaps.at(k), matrices.rows()), 0};
      out.put(k, solve_beside(factors, sides.at(k), left, adjoint));
    }
    out.commit();
  });
}

}  // namespace

void add_linear_system_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_linalg_inv_default, aten_linalg_inv_ex_default, aten_inverse_default}, invert);
  table.add({aten_linalg_solve_default, aten_linalg_solve_ex_default, aten__linalg_solve_ex_default}, solve_system);
  table.add({aten_linalg_det_default, aten__linalg_det_default, aten_det_default}, determinant);
  table.add({aten_linalg_slogdet_default, aten__linalg_slogdet_default, aten_slogdet_default},
            sign_and_log_determinant);
  table.add({aten_logdet_default}, logdet);
  table.add({aten_linalg_cholesky_default, aten_linalg_cholesky_ex_default}, cholesky);
  table.add({aten_cholesky_solve_default, aten__cholesky_solve_helper_default}, cholesky_solve);
  table.add({aten_cholesky_inverse_default}, cholesky_inverse);
  table.add({aten_linalg_solve_triangular_default}, solve_triangular);
  table.add({aten_triangular_solve_default}, triangular_solve);
  table.add({aten_linalg_lu_factor_default, aten_linalg_lu_factor_ex_default, aten__lu_with_info_default}, lu_factor);
  table.add({aten_linalg_lu_default}, lu);
  table.add({aten_lu_unpack_default}, lu_unpack);
  table.add({aten_linalg_lu_solve_default, aten_lu_solve_default}, lu_solve);
}

}  // namespace aitune::reference
