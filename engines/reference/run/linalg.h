#pragma once
// Dense matrices and what is known of factoring them, in double precision: LAPACK's conventions, Eigen's algorithms.
//
// T is double or Complex everywhere. linalg_eigen.h has Eigen, for the two sources that call it.

#include <cstdint>
#include <string_view>
#include <vector>

#include "engines/reference/run/complex.h"
#include "engines/reference/run/kernel.h"

namespace aitune::reference {

/// A matrix in column-major order.
template <typename T>
struct Dense {
  std::int64_t rows = 0, cols = 0;
  std::vector<T> values;

  Dense() = default;
  Dense(std::int64_t m, std::int64_t n) : rows(m), cols(n), values(static_cast<std::size_t>(m * n)) {}
  T& operator()(std::int64_t i, std::int64_t j) { return values[static_cast<std::size_t>(j * rows + i)]; }
  const T& operator()(std::int64_t i, std::int64_t j) const { return values[static_cast<std::size_t>(j * rows + i)]; }
  bool empty() const { return values.empty(); }
};

inline double conjugated(double x) { return x; }
inline Complex conjugated(Complex x) { return std::conj(x); }

template <typename T>
Dense<T> identity_matrix(std::int64_t m, std::int64_t n) {
  Dense<T> result(m, n);
  for (std::int64_t i = 0; i < std::min(m, n); ++i) result(i, i) = 1;
  return result;
}
template <typename T>
Dense<T> adjoint_of(const Dense<T>& a) {
  Dense<T> result(a.cols, a.rows);
  for (std::int64_t j = 0; j < a.cols; ++j)
    for (std::int64_t i = 0; i < a.rows; ++i) result(j, i) = conjugated(a(i, j));
  return result;
}
template <typename T>
Dense<T> part_of(const Dense<T>& a, std::int64_t rows, std::int64_t cols) {
  Dense<T> result(rows, cols);
  for (std::int64_t j = 0; j < cols; ++j)
    for (std::int64_t i = 0; i < rows; ++i) result(i, j) = a(i, j);
  return result;
}

template <typename T>
Dense<T> multiply(const Dense<T>& a, const Dense<T>& b);

/// Rows swapped one after the other: row k with row pivots[k] (from 0), then U above and L below the diagonal.
template <typename T>
struct LuFactors {
  Dense<T> packed;
  std::vector<std::int64_t> pivots;
  std::int64_t info = 0;  ///< from 1, the first zero on the diagonal of U; or 0
};
template <typename T>
LuFactors<T> factor_lu(const Dense<T>& a);

/// Makes the lower half of a Hermitian matrix its Cholesky factor, with zeros above. Gives the order of the leading
/// minor that is not positive, or 0.
template <typename T>
std::int64_t factor_cholesky(Dense<T>& a);

/// b := a^-1 b, reading one triangle of `a` alone, and taking its diagonal for ones if `unit`.
template <typename T>
void solve_triangle(const Dense<T>& a, Dense<T>& b, bool upper, bool unit);

/// R above and the reflectors I - tau v v^H below the diagonal, as of geqrf.
template <typename T>
struct QrFactors {
  Dense<T> packed;
  std::vector<T> tau;
};
template <typename T>
QrFactors<T> factor_qr(const Dense<T>& a);
/// c := Q c, or Q^H c, for the product Q of the first tau.size() reflectors in the columns of v.
template <typename T>
void apply_reflectors(const Dense<T>& v, const std::vector<T>& tau, Dense<T>& c, bool adjoint);

enum class Vectors : std::uint8_t { none, thin, full };
/// a = u diag(values) v^H, values descending.
template <typename T>
struct SvdFactors {
  Dense<T> u, v;
  std::vector<double> values;
};
/// Throws InvalidArgument for what is not finite.
template <typename T>
SvdFactors<T> factor_svd(const Dense<T>& a, Vectors vectors);

/// Of a Hermitian matrix whose lower half counts; values ascending. Throws InvalidArgument for what is not finite.
template <typename T>
struct EighFactors {
  Dense<T> vectors;
  std::vector<double> values;
};
template <typename T>
EighFactors<T> factor_eigh(const Dense<T>& a, bool with_vectors);

/// Of any square matrix. Throws InvalidArgument for what is not finite.
struct EigFactors {
  Dense<Complex> vectors;
  std::vector<Complex> values;
};
template <typename T>
EigFactors factor_eig(const Dense<T>& a, bool with_vectors);

/// x of a x = b, or of a^H x = b.
template <typename T>
void solve_factored(const LuFactors<T>& lu, Dense<T>& b, bool adjoint = false);

// --- matrices of tensors (linalg.cpp) ---

/// The elements in row-major order.
template <typename T>
std::vector<T> elements_of(const Tensor& t);

/// Calls f with a Complex if one of the tensors is complex, with a double otherwise.
template <typename F>
void visit_field(std::initializer_list<const Tensor*> tensors, F&& f) {
  for (const Tensor* t : tensors)
    if (is_complex(t->dtype())) return f(Complex{});
  f(double{});
}

/// All dimensions but the last `inner`; fails if there are fewer.
Shape batch_of(const Call& call, const Tensor& t, std::size_t inner = 2);
Shape broadcast_batches(const Call& call, const Shape& a, const Shape& b);
Shape with_sizes(Shape batch, std::initializer_list<std::int64_t> sizes);
/// Fails unless the last two dimensions are equal.
void require_square(const Call& call, const Tensor& t);

/// The matrices in a tensor's last two dimensions, for each index of `batch`, to which the others broadcast.
template <typename T>
class MatricesOf {
 public:
  MatricesOf(const Call& call, const Tensor& t, const Shape& batch);
  MatricesOf(const Call& call, const Tensor& t) : MatricesOf(call, t, batch_of(call, t)) {}
  std::int64_t count() const { return count_; }
  std::int64_t rows() const { return rows_; }
  std::int64_t cols() const { return cols_; }
  Dense<T> at(std::int64_t k) const;

 private:
  std::int64_t count_ = 0, rows_ = 0, cols_ = 0;
  std::vector<T> values_;
};

/// The same for vectors in the last dimension.
template <typename T>
class VectorsOf {
 public:
  VectorsOf(const Call& call, const Tensor& t, const Shape& batch);
  std::vector<T> at(std::int64_t k) const { return {values_.begin() + k * size_, values_.begin() + (k + 1) * size_}; }

 private:
  std::int64_t size_ = 0;
  std::vector<T> values_;
};

/// Collects an output of this shape (which it must have) matrix by matrix. T may be std::int64_t, too.
template <typename T>
class Answer {
 public:
  Answer(const Call& call, std::size_t i, const Shape& shape);
  void put(std::int64_t k, const Dense<T>& matrix);
  void put(std::int64_t k, const std::vector<T>& values) {
    std::copy(values.begin(), values.end(), values_.begin() + k * static_cast<std::int64_t>(values.size()));
  }
  void put(std::int64_t k, T value) { values_[static_cast<std::size_t>(k)] = value; }
  void commit();

 private:
  Tensor& out_;
  std::vector<T> values_;
};

/// Fails with "the matrix ... is singular" and the like, naming the element of the batch where there are several.
[[noreturn]] void fail_at(const Call& call, std::int64_t k, std::int64_t count, std::string_view problem);

}  // namespace aitune::reference
