// Symmetric indefinite matrices: Bunch and Kaufman's factors with LAPACK's pivots (sytf2, hetf2, sytrs, hetrs; lower).

#include <algorithm>
#include <cmath>

#include "engines/reference/run/linalg.h"

namespace aitune::reference {
namespace {

double size_of(double x) { return std::abs(x); }
double size_of(Complex x) { return std::abs(x.real()) + std::abs(x.imag()); }

template <typename T>
T real_part_of(T x) {
  return std::real(x);
}

/// L below the diagonal; D on it, with one more element below where a block has two rows.
template <typename T>
class LdlFactors {
 public:
  LdlFactors(Dense<T> a, bool hermitian) : a_(std::move(a)), hermitian_(hermitian) {
    for (std::int64_t j = 1; j < a_.cols; ++j)
      for (std::int64_t i = 0; i < j; ++i) a_(i, j) = 0;
    if (hermitian_)
      for (std::int64_t i = 0; i < a_.rows; ++i) a_(i, i) = real_part_of(a_(i, i));
    for (std::int64_t k = 0; k < a_.rows;) k += step(k);
  }
  LdlFactors(Dense<T> packed, std::vector<std::int64_t> pivots, bool hermitian)
      : a_(std::move(packed)), hermitian_(hermitian), pivots_(std::move(pivots)) {}

  const Dense<T>& packed() const { return a_; }
  /// From 1; two equal negative ones for a block of two rows.
  const std::vector<std::int64_t>& pivots() const { return pivots_; }
  std::int64_t info() const { return info_; }

  void solve(Dense<T>& b) const {
    const std::int64_t n = a_.rows;
    for (std::int64_t k = 0; k < n;) {
      const std::int64_t p = pivots_[static_cast<std::size_t>(k)];
      const std::int64_t width = p > 0 ? 1 : 2;
      swap_rows(b, k + width - 1, std::abs(p) - 1);
      for (std::int64_t j = k; j < k + width; ++j)
        for (std::int64_t c = 0; c < b.cols; ++c)
          for (std::int64_t i = k + width; i < n; ++i) b(i, c) -= a_(i, j) * b(j, c);
      for (std::int64_t c = 0; c < b.cols; ++c) {
        if (width == 1) {
          b(k, c) /= a_(k, k);
        } else {
          const T below = a_(k + 1, k), above = other(below);
          const T first = a_(k, k) / above, second = a_(k + 1, k + 1) / below, scale = first * second - T(1);
          const T x = b(k, c) / above, y = b(k + 1, c) / below;
          b(k, c) = (second * x - y) / scale;
          b(k + 1, c) = (first * y - x) / scale;
        }
      }
      k += width;
    }
    for (std::int64_t k = n - 1; k >= 0;) {
      const std::int64_t p = pivots_[static_cast<std::size_t>(k)];
      const std::int64_t width = p > 0 ? 1 : 2;
      for (std::int64_t j = k - width + 1; j <= k; ++j)
        for (std::int64_t c = 0; c < b.cols; ++c)
          for (std::int64_t i = k + 1; i < n; ++i) b(j, c) -= other(a_(i, j)) * b(i, c);
      swap_rows(b, k, std::abs(p) - 1);
      k -= width;
    }
  }

 private:
  T other(T x) const { return hermitian_ ? conjugated(x) : x; }

  static void swap_rows(Dense<T>& b, std::int64_t i, std::int64_t j) {
    for (std::int64_t c = 0; c < b.cols && i != j; ++c) std::swap(b(i, c), b(j, c));
  }

  /// The greatest element of column k below the diagonal.
  std::int64_t greatest_below(std::int64_t k) const {
    std::int64_t best = k + 1;
    for (std::int64_t i = k + 2; i < a_.rows; ++i)
      if (size_of(a_(i, k)) > size_of(a_(best, k))) best = i;
    return best;
  }

  /// The greatest element of row `i` beside the diagonal, columns from k on.
  double greatest_in_row(std::int64_t i, std::int64_t k) const {
    double greatest = 0;
    for (std::int64_t j = k; j < i; ++j) greatest = std::max(greatest, size_of(a_(i, j)));
    for (std::int64_t j = i + 1; j < a_.rows; ++j) greatest = std::max(greatest, size_of(a_(j, i)));
    return greatest;
  }

  /// Eliminates one or two columns; gives how many.
  std::int64_t step(std::int64_t k) {
    const double alpha = (1 + std::sqrt(17.0)) / 8;
    const std::int64_t n = a_.rows;
    const double own = size_of(a_(k, k));
    const std::int64_t row = k + 1 < n ? greatest_below(k) : k;
    const double greatest = k + 1 < n ? size_of(a_(row, k)) : 0;
    std::int64_t pivot = k, width = 1;
    if (std::max(own, greatest) == 0 || std::isnan(own)) {
      if (info_ == 0) info_ = k + 1;
      pivots_.push_back(k + 1);
      return 1;
    }
    if (own < alpha * greatest) {
      const double across = greatest_in_row(row, k);
      if (own < alpha * greatest * (greatest / across)) {
        pivot = row;
        if (size_of(a_(row, row)) < alpha * across) width = 2;
      }
    }
    const std::int64_t place = k + width - 1;
    if (pivot != place) exchange(k, place, pivot);
    if (width == 1)
      eliminate_one(k);
    else
      eliminate_two(k);
    const std::int64_t shown = width == 1 ? pivot + 1 : -(pivot + 1);
    pivots_.insert(pivots_.end(), static_cast<std::size_t>(width), shown);
    return width;
  }

  /// Rows and columns `place` and `pivot` of what remains, the lower half alone.
  void exchange(std::int64_t k, std::int64_t place, std::int64_t pivot) {
    for (std::int64_t i = pivot + 1; i < a_.rows; ++i) std::swap(a_(i, place), a_(i, pivot));
    for (std::int64_t i = place + 1; i < pivot; ++i) {
      const T kept = a_(i, place);
      a_(i, place) = other(a_(pivot, i));
      a_(pivot, i) = other(kept);
    }
    a_(pivot, place) = other(a_(pivot, place));
    std::swap(a_(place, place), a_(pivot, pivot));
    if (place != k) std::swap(a_(place, k), a_(pivot, k));
  }

  void eliminate_one(std::int64_t k) {
    const T inverse = T(1) / a_(k, k);
    for (std::int64_t j = k + 1; j < a_.rows; ++j) {
      const T factor = inverse * other(a_(j, k));
      for (std::int64_t i = j; i < a_.rows; ++i) a_(i, j) -= a_(i, k) * factor;
      if (hermitian_) a_(j, j) = real_part_of(a_(j, j));
    }
    for (std::int64_t i = k + 1; i < a_.rows; ++i) a_(i, k) *= inverse;
  }

  void eliminate_two(std::int64_t k) {
    const T below = a_(k + 1, k), above = other(below);
    const T first = a_(k + 1, k + 1) / below, second = a_(k, k) / above;
    const T scale = T(1) / (first * second - T(1));
    // Rows of a, times the inverse of the block: [a b; conj(b)... ] with both of its sides kept until the end.
    for (std::int64_t j = k + 2; j < a_.rows; ++j) {
      const T left = scale * (first * a_(j, k) - a_(j, k + 1)) / above;
      const T right = scale * (second * a_(j, k + 1) - a_(j, k)) / below;
      for (std::int64_t i = j; i < a_.rows; ++i) a_(i, j) -= a_(i, k) * other(left) + a_(i, k + 1) * other(right);
      a_(j, k) = left;
      a_(j, k + 1) = right;
      if (hermitian_) a_(j, j) = real_part_of(a_(j, j));
    }
  }

  Dense<T> a_;
  bool hermitian_;
  std::vector<std::int64_t> pivots_;
  std::int64_t info_ = 0;
};

/// linalg_ldl_factor, linalg_ldl_factor_ex
void ldl_factor(const Call& call) {
  const Tensor& a = call.self();
  require_square(call, a);
  const Shape batch = batch_of(call, a);
  const bool reports = call.has("check_errors"), checks = !reports || call.boolean("check_errors");
  visit_field({&a}, [&]<typename T>(T) {
    const MatricesOf<T> matrices(call, a);
    Answer<T> packed(call, 0, a.shape());
    Answer<std::int64_t> pivots(call, 1, with_sizes(batch, {matrices.rows()}));
    std::vector<std::int64_t> infos;
    for (std::int64_t k = 0; k < matrices.count(); ++k) {
      const LdlFactors<T> factors(matrices.at(k), call.boolean("hermitian"));
      if (checks && factors.info() != 0) fail_at(call, k, matrices.count(), "has a zero on the diagonal of D");
      packed.put(k, factors.packed());
      pivots.put(k, factors.pivots());
      infos.push_back(factors.info());
    }
    packed.commit();
    pivots.commit();
    if (!reports) return;
    Answer<std::int64_t> info(call, 2, batch);
    info.put(0, infos);
    info.commit();
  });
}

/// Whether every pivot is a row from its own on, and negative ones come in equal pairs.
void require_ldl_pivots(const Call& call, const std::vector<std::int64_t>& pivots) {
  const auto n = static_cast<std::int64_t>(pivots.size());
  for (std::int64_t k = 0; k < n; ++k) {
    const std::int64_t p = pivots[static_cast<std::size_t>(k)];
    call.require(p != 0 && p >= -n && p <= n, "a pivot is out of range");
    if (p > 0) continue;
    call.require(k + 1 < n && pivots[static_cast<std::size_t>(k) + 1] == p, "a negative pivot stands alone");
    ++k;
  }
}

void ldl_solve(const Call& call) {
  const Tensor &a = call.tensor("LD"), &pivots = call.tensor("pivots"), &b = call.tensor("B");
  require_square(call, a);
  const Shape batch = broadcast_batches(call, batch_of(call, a), batch_of(call, b));
  call.require(b.size(b.shape().size() - 2) == a.shape().back(), "matrix and right side have different sizes");
  call.require(!pivots.shape().empty() && pivots.shape().back() == a.shape().back() && !is_complex(pivots.dtype()),
               "there are not as many pivots as rows");
  visit_field({&a, &b}, [&]<typename T>(T) {
    const MatricesOf<T> matrices(call, a, batch), sides(call, b, batch);
    const VectorsOf<std::int64_t> swaps(call, pivots, batch);
    Answer<T> out(call, 0, with_sizes(batch, {sides.rows(), sides.cols()}));
    for (std::int64_t k = 0; k < matrices.count(); ++k) {
      require_ldl_pivots(call, swaps.at(k));
      Dense<T> x = sides.at(k);
      LdlFactors<T>(matrices.at(k), swaps.at(k), call.boolean("hermitian")).solve(x);
      out.put(k, x);
    }
    out.commit();
  });
}

}  // namespace

void add_ldl_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_linalg_ldl_factor_default, aten_linalg_ldl_factor_ex_default}, ldl_factor);
  table.add({aten_linalg_ldl_solve_default}, ldl_solve);
}

}  // namespace aitune::reference
