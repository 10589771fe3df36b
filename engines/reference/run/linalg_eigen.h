#pragma once
// Eigen's view of our matrices; for linalg_factor.cpp and linalg_spectrum.cpp alone, since Eigen is large.

#define EIGEN_MPL2_ONLY
#define EIGEN_DONT_PARALLELIZE
#include <Eigen/Core>

#include "engines/reference/run/linalg.h"

namespace aitune::reference {

template <typename T>
using EigenMatrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;

template <typename T>
Eigen::Map<const EigenMatrix<T>> seen(const Dense<T>& a) {
  return {a.values.data(), a.rows, a.cols};
}
template <typename T>
Eigen::Map<EigenMatrix<T>> seen(Dense<T>& a) {
  return {a.values.data(), a.rows, a.cols};
}

template <typename T>
Dense<T> kept(const EigenMatrix<T>& a) {
  Dense<T> result(a.rows(), a.cols());
  seen(result) = a;
  return result;
}

}  // namespace aitune::reference
