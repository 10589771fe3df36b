// Singular values and eigenvalues by Eigen, in double precision.

#include "engines/reference/run/linalg_eigen.h"

#include <Eigen/Eigenvalues>
#include <Eigen/SVD>
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace aitune::reference {
namespace {

template <typename T>
void require_finite(const Dense<T>& a) {
  for (const T& v : a.values)
    if (!std::isfinite(std::abs(v)))
      throw InvalidArgument("a matrix contains NaN or infinity", {}, "Give it finite numbers");
}

void require_converged(bool converged) {
  if (!converged) throw InvalidArgument("the algorithm did not converge for a matrix");
}

/// The eigenvectors of an upper triangular matrix, by substitution.
Dense<Complex> vectors_of_triangle(const EigenMatrix<Complex>& t) {
  Dense<Complex> result(t.rows(), t.rows());
  const double least = std::max(t.norm() * std::numeric_limits<double>::epsilon(), std::numeric_limits<double>::min());
  for (std::int64_t k = 0; k < result.cols; ++k) {
    result(k, k) = 1;
    for (std::int64_t i = k - 1; i >= 0; --i) {
      Complex sum = t(i, k);
      for (std::int64_t j = i + 1; j < k; ++j) sum += t(i, j) * result(j, k);
      const Complex apart = t(k, k) - t(i, i);
      result(i, k) = sum / (std::abs(apart) < least ? Complex(least) : apart);
    }
  }
  return result;
}

std::vector<double> as_vector(const Eigen::VectorXd& v) { return {v.begin(), v.end()}; }

}  // namespace

template <typename T>
SvdFactors<T> factor_svd(const Dense<T>& a, Vectors vectors) {
  SvdFactors<T> result;
  const std::int64_t k = std::min(a.rows, a.cols);
  if (k == 0) {
    const bool full = vectors == Vectors::full;
    result.u = identity_matrix<T>(a.rows, full ? a.rows : k);
    result.v = identity_matrix<T>(a.cols, full ? a.cols : k);
    return result;
  }
  require_finite(a);
  const unsigned options = vectors == Vectors::none   ? 0U
                           : vectors == Vectors::thin ? Eigen::ComputeThinU | Eigen::ComputeThinV
                                                      : Eigen::ComputeFullU | Eigen::ComputeFullV;
  const auto take = [&](const auto& svd) {
    require_converged(svd.info() == Eigen::Success);
    result.values = as_vector(svd.singularValues());
    if (vectors == Vectors::none) return;
    result.u = kept<T>(svd.matrixU());
    result.v = kept<T>(svd.matrixV());
  };
  if constexpr (std::is_same_v<T, double>)
    take(Eigen::BDCSVD<EigenMatrix<double>>(seen(a), options));
  else  // slower where there are many columns, and a tenth of the code
    take(Eigen::JacobiSVD<EigenMatrix<Complex>>(seen(a), options));
  return result;
}

template <typename T>
EighFactors<T> factor_eigh(const Dense<T>& a, bool with_vectors) {
  EighFactors<T> result{a, {}};
  if (a.rows == 0) return result;
  for (std::int64_t j = 0; j < a.cols; ++j)
    for (std::int64_t i = 0; i < j; ++i) result.vectors(i, j) = 0;
  require_finite(result.vectors);
  const Eigen::SelfAdjointEigenSolver<EigenMatrix<T>> solver(
      seen(result.vectors), with_vectors ? Eigen::ComputeEigenvectors : Eigen::EigenvaluesOnly);
  require_converged(solver.info() == Eigen::Success);
  result.values = as_vector(solver.eigenvalues());
  if (with_vectors) result.vectors = kept<T>(solver.eigenvectors());
  return result;
}

template <typename T>
EigFactors factor_eig(const Dense<T>& a, bool with_vectors) {
  EigFactors result;
  if (a.rows == 0) return result;
  require_finite(a);
  if constexpr (std::is_same_v<T, double>) {
    const Eigen::EigenSolver<EigenMatrix<double>> solver(seen(a), with_vectors);
    require_converged(solver.info() == Eigen::Success);
    for (const Complex& v : solver.eigenvalues()) result.values.push_back(v);
    if (with_vectors) result.vectors = kept<Complex>(solver.eigenvectors());
  } else {  // Eigen's solver would sort by magnitude; LAPACK leaves the order of the triangle
    const Eigen::ComplexSchur<EigenMatrix<Complex>> schur(seen(a), with_vectors);
    require_converged(schur.info() == Eigen::Success);
    for (const Complex& v : schur.matrixT().diagonal()) result.values.push_back(v);
    if (with_vectors) result.vectors = multiply(kept<Complex>(schur.matrixU()), vectors_of_triangle(schur.matrixT()));
  }
  // Length 1, and the largest component of what is not real is positive, as LAPACK has them.
  for (std::int64_t j = 0; j < result.vectors.cols; ++j) {
    auto column = seen(result.vectors).col(j);
    column /= column.norm();
    if (column.imag().isZero(0)) continue;
    std::int64_t largest = 0;
    column.cwiseAbs2().maxCoeff(&largest);
    column *= std::conj(column[largest]) / std::abs(column[largest]);
    column[largest] = column[largest].real();
  }
  return result;
}

#define AITUNE_SPECTRA(T)                                      \
  template SvdFactors<T> factor_svd(const Dense<T>&, Vectors); \
  template EighFactors<T> factor_eigh(const Dense<T>&, bool);  \
  template EigFactors factor_eig(const Dense<T>&, bool);
AITUNE_SPECTRA(double)
AITUNE_SPECTRA(Complex)
#undef AITUNE_SPECTRA

}  // namespace aitune::reference
