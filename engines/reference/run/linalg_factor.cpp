// Triangular and orthogonal factors by Eigen, in double precision.

#include "engines/reference/run/linalg_eigen.h"

#include <Eigen/Cholesky>
#include <Eigen/LU>
#include <Eigen/QR>
#include <algorithm>
#include <cmath>
#include <numeric>

/// LAPACK compares complex pivots by the sum of both parts.
template <>
struct Eigen::internal::scalar_score_coeff_op<std::complex<double>> {
  using result_type = double;
  double operator()(const std::complex<double>& x) const { return std::abs(x.real()) + std::abs(x.imag()); }
};

namespace aitune::reference {

template <typename T>
Dense<T> multiply(const Dense<T>& a, const Dense<T>& b) {
  Dense<T> result(a.rows, b.cols);
  if (!result.empty() && a.cols > 0) seen(result).noalias() = seen(a) * seen(b);
  return result;
}

template <typename T>
LuFactors<T> factor_lu(const Dense<T>& a) {
  const std::int64_t n = std::max(a.rows, a.cols), k = std::min(a.rows, a.cols);
  LuFactors<T> result{a, {}, 0};
  if (k == 0) return result;
  EigenMatrix<T> padded =
      EigenMatrix<T>::Zero(n, n);  // Eigen takes square ones; rows and columns of zeros change nothing
  padded.topLeftCorner(a.rows, a.cols) = seen(a);
  const Eigen::PartialPivLU<Eigen::Ref<EigenMatrix<T>>> lu(padded);
  seen(result.packed) = padded.topLeftCorner(a.rows, a.cols);
  // Where each row goes, as swaps of the k-th with one that follows.
  std::vector<std::int64_t> place(static_cast<std::size_t>(n)), row(static_cast<std::size_t>(n));
  std::iota(place.begin(), place.end(), 0);
  row = place;
  const auto& order = lu.permutationP().indices();  // row i goes to order[i]
  std::vector<std::int64_t> source(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) source[static_cast<std::size_t>(order[i])] = i;
  for (std::int64_t i = 0; i < k; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const std::int64_t wanted = source[at], from = place[static_cast<std::size_t>(wanted)];
    result.pivots.push_back(from);
    std::swap(row[at], row[static_cast<std::size_t>(from)]);
    place[static_cast<std::size_t>(row[static_cast<std::size_t>(from)])] = from;
    place[static_cast<std::size_t>(wanted)] = i;
    if (result.info == 0 && result.packed(i, i) == T(0)) result.info = i + 1;
  }
  return result;
}

template <typename T>
std::int64_t factor_cholesky(Dense<T>& a) {
  auto whole = seen(a);
  const std::int64_t failed = Eigen::internal::llt_inplace<T, Eigen::Lower>::blocked(whole);
  for (std::int64_t j = 1; j < a.cols; ++j)
    for (std::int64_t i = 0; i < j; ++i) a(i, j) = 0;
  const std::int64_t known = failed < 0 ? a.rows : failed;
  for (std::int64_t i = 0; i < known; ++i)
    if (std::isnan(std::abs(a(i, i)))) return i + 1;
  return failed + 1;
}

template <typename T>
void solve_triangle(const Dense<T>& a, Dense<T>& b, bool upper, bool unit) {
  if (b.empty()) return;
  Dense<T> with_ones;
  if (unit) {
    with_ones = a;
    for (std::int64_t i = 0; i < a.rows; ++i) with_ones(i, i) = 1;
  }
  const auto matrix = seen(unit ? with_ones : a);
  auto x = seen(b);
  if (upper)
    matrix.template triangularView<Eigen::Upper>().solveInPlace(x);
  else
    matrix.template triangularView<Eigen::Lower>().solveInPlace(x);
}

template <typename T>
QrFactors<T> factor_qr(const Dense<T>& a) {
  if (a.empty()) return {a, std::vector<T>(static_cast<std::size_t>(std::min(a.rows, a.cols)))};
  const Eigen::HouseholderQR<EigenMatrix<T>> qr(seen(a));
  QrFactors<T> result{kept<T>(qr.matrixQR()), {}};
  for (const T& t : qr.hCoeffs()) result.tau.push_back(conjugated(t));
  return result;
}

template <typename T>
void apply_reflectors(const Dense<T>& v, const std::vector<T>& tau, Dense<T>& c, bool adjoint) {
  const auto n = static_cast<std::int64_t>(tau.size());
  if (c.empty() || n == 0) return;
  auto x = seen(c);
  const auto reflectors = seen(v).leftCols(n);
  Eigen::Matrix<T, 1, Eigen::Dynamic> row;
  for (std::int64_t step = 0; step < n; ++step) {
    const std::int64_t k = adjoint ? step : n - 1 - step;
    const T factor = adjoint ? conjugated(tau[static_cast<std::size_t>(k)]) : tau[static_cast<std::size_t>(k)];
    const auto below = reflectors.col(k).tail(c.rows - k - 1);
    auto rest = x.bottomRows(c.rows - k - 1);
    row = x.row(k);
    row.noalias() += below.adjoint() * rest;
    x.row(k) -= factor * row;
    rest.noalias() -= (factor * below) * row;
  }
}

template <typename T>
void solve_factored(const LuFactors<T>& lu, Dense<T>& b, bool adjoint) {
  const auto swap_rows = [&](std::size_t k) {
    const auto i = static_cast<std::int64_t>(k), other = lu.pivots[k];
    for (std::int64_t j = 0; j < b.cols && other != i; ++j) std::swap(b(i, j), b(other, j));
  };
  if (!adjoint) {
    for (std::size_t k = 0; k < lu.pivots.size(); ++k) swap_rows(k);
    solve_triangle(lu.packed, b, false, true);
    solve_triangle(lu.packed, b, true, false);
    return;
  }
  const Dense<T> turned = adjoint_of(lu.packed);
  solve_triangle(turned, b, false, false);
  solve_triangle(turned, b, true, true);
  for (std::size_t k = lu.pivots.size(); k-- > 0;) swap_rows(k);
}

#define AITUNE_FACTORISATIONS(T)                                                           \
  template Dense<T> multiply(const Dense<T>&, const Dense<T>&);                            \
  template LuFactors<T> factor_lu(const Dense<T>&);                                        \
  template std::int64_t factor_cholesky(Dense<T>&);                                        \
  template void solve_triangle(const Dense<T>&, Dense<T>&, bool, bool);                    \
  template QrFactors<T> factor_qr(const Dense<T>&);                                        \
  template void apply_reflectors(const Dense<T>&, const std::vector<T>&, Dense<T>&, bool); \
  template void solve_factored(const LuFactors<T>&, Dense<T>&, bool);
AITUNE_FACTORISATIONS(double)
AITUNE_FACTORISATIONS(Complex)
#undef AITUNE_FACTORISATIONS

}  // namespace aitune::reference
