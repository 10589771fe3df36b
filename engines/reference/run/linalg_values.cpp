// Singular values and eigenvalues, and what is made of them: ranks, pseudo-inverses, norms, condition numbers.

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engines/reference/run/elements.h"
#include "engines/reference/run/linalg.h"
#include "engines/reference/run/views.h"

namespace aitune::reference {
namespace {

double epsilon_of(DType t) {
  return t == DType::f64 || t == DType::c128 ? std::numeric_limits<double>::epsilon()
                                             : double{std::numeric_limits<float>::epsilon()};
}

/// linalg_svd, _linalg_svd, svd (which gives V, not its adjoint), linalg_svdvals
void singular_values(const Call& call) {
  const Tensor& a = call.tensor(call.has("A") ? "A" : "self");
  const bool old = call.has("some"), values_alone = call.out_count() == 1;
  const bool full = old ? !call.boolean("some") : call.has("full_matrices") && call.boolean("full_matrices");
  const bool wanted = !values_alone && (!call.has("compute_uv") || call.boolean("compute_uv"));
  if (call.has("driver") && call.given("driver")) call.fail("a driver is for CUDA alone");
  const Shape batch = batch_of(call, a);
  visit_field({&a}, [&]<typename T>(T) {
    const MatricesOf<T> matrices(call, a);
    const std::int64_t m = matrices.rows(), n = matrices.cols(), k = std::min(m, n);
    Answer<double> values(call, values_alone ? 0 : 1, with_sizes(batch, {k}));
    std::optional<Answer<T>> u, v;
    if (!values_alone) {
      // Without vectors the old operator gives zeros of their shapes, the others nothing.
      const bool whole = full || (old && !wanted);
      const std::int64_t columns = whole ? m : k, rows = whole ? n : k;
      const bool shaped = wanted || old;
      u.emplace(call, 0, shaped ? with_sizes(batch, {m, columns}) : Shape{0});
      v.emplace(call, 2, !shaped ? Shape{0} : old ? with_sizes(batch, {n, rows}) : with_sizes(batch, {rows, n}));
    }
    for (std::int64_t i = 0; i < matrices.count(); ++i) {
      const SvdFactors<T> svd = factor_svd(matrices.at(i), !wanted ? Vectors::none
                                                           : full  ? Vectors::full
                                                                   : Vectors::thin);
      values.put(i, svd.values);
      if (!wanted) continue;
      u->put(i, svd.u);
      v->put(i, old ? svd.v : adjoint_of(svd.v));
    }
    values.commit();
    if (values_alone) return;
    u->commit();
    v->commit();
  });
}

/// The half that counts, as the lower one.
template <typename T>
Dense<T> lower_half(const Call& call, const Dense<T>& a) {
  if (!call.has("UPLO")) return a;
  const std::string& half = call.string("UPLO");
  call.require(half == "L" || half == "l" || half == "U" || half == "u", "UPLO is neither L nor U");
  return half == "L" || half == "l" ? a : adjoint_of(a);
}

/// linalg_eigh, _linalg_eigh, linalg_eigvalsh
void hermitian_eigenvalues(const Call& call) {
  const Tensor& a = call.tensor(call.has("A") ? "A" : "self");
  require_square(call, a);
  const bool values_alone = call.out_count() == 1;
  const bool wanted = !values_alone && (!call.has("compute_v") || call.boolean("compute_v"));
  const Shape batch = batch_of(call, a);
  visit_field({&a}, [&]<typename T>(T) {
    const MatricesOf<T> matrices(call, a);
    Answer<double> values(call, 0, with_sizes(batch, {matrices.rows()}));
    std::optional<Answer<T>> vectors;
    if (!values_alone) vectors.emplace(call, 1, wanted ? a.shape() : Shape{0});
    for (std::int64_t k = 0; k < matrices.count(); ++k) {
      const EighFactors<T> found = factor_eigh(lower_half(call, matrices.at(k)), wanted);
      values.put(k, found.values);
      if (wanted) vectors->put(k, found.vectors);
    }
    values.commit();
    if (vectors) vectors->commit();
  });
}

/// linalg_eig, linalg_eigvals
void eigenvalues(const Call& call) {
  const Tensor& a = call.self();
  require_square(call, a);
  const bool wanted = call.out_count() == 2;
  visit_field({&a}, [&]<typename T>(T) {
    const MatricesOf<T> matrices(call, a);
    Answer<Complex> values(call, 0, with_sizes(batch_of(call, a), {matrices.rows()}));
    std::optional<Answer<Complex>> vectors;
    if (wanted) vectors.emplace(call, 1, a.shape());
    for (std::int64_t k = 0; k < matrices.count(); ++k) {
      const EigFactors found = factor_eig(matrices.at(k), wanted);
      values.put(k, found.values);
      if (wanted) vectors->put(k, found.vectors);
    }
    values.commit();
    if (vectors) vectors->commit();
  });
}

/// From where on singular values count: atol + nothing, or rtol times the greatest, whichever is more.
class Tolerances {
 public:
  Tolerances(const Call& call, const Tensor& a) : call_(call) {
    const Shape& shape = a.shape();
    const std::int64_t longer = std::max(shape[shape.size() - 2], shape.back());
    usual_ = epsilon_of(a.dtype()) * static_cast<double>(longer);
    batch_ = {shape.begin(), shape.end() - 2};
    for (const std::string_view name : {"tol", "atol", "rtol", "rcond"})
      if (const Tensor* t = tensor(name)) batch_ = broadcast_batches(call, batch_, t->shape());
    if (call.has("tol")) {
      read("tol", absolute_);
      relative_ = {0.0};
    } else if (call.has("rcond")) {
      absolute_ = {0.0};
      read("rcond", relative_);
    } else {
      absolute_ = {0.0};
      if (call.given("atol")) read("atol", absolute_);
      if (call.given("rtol")) {
        read("rtol", relative_);
      } else {
        for (const double t : absolute_) relative_.push_back(call.given("atol") && t > 0 ? 0 : usual_);
      }
    }
  }
  /// The batch of the matrices, to which tensors of tolerances broadcast.
  const Shape& batch() const { return batch_; }
  double at(std::int64_t k, double greatest) const {
    return std::max(pick(absolute_, k), pick(relative_, k) * greatest);
  }

 private:
  const Tensor* tensor(std::string_view name) const {
    return call_.has(name) ? std::get_if<Tensor>(&call_[name]) : nullptr;
  }
  void read(std::string_view name, std::vector<double>& to) const {
    const Tensor* t = tensor(name);
    if (t == nullptr)
      to = {call_.number(name)};
    else
      to = elements_of<double>(view(*t, batch_, broadcast_strides(*t, batch_)));
  }
  static double pick(const std::vector<double>& values, std::int64_t k) {
    return values.size() == 1 ? values[0] : values.at(static_cast<std::size_t>(k));
  }

  const Call& call_;
  double usual_ = 0;
  Shape batch_;
  std::vector<double> absolute_, relative_;
};

/// Singular values of any matrix, or the magnitudes of a Hermitian one's eigenvalues; and the factors.
template <typename T>
SvdFactors<T> factors_of(const Dense<T>& a, bool hermitian, bool with_vectors) {
  if (!hermitian) return factor_svd(a, with_vectors ? Vectors::thin : Vectors::none);
  EighFactors<T> eigh = factor_eigh(a, with_vectors);
  SvdFactors<T> result;
  if (with_vectors) {
    result.u = eigh.vectors;
    for (std::int64_t j = 0; j < a.cols; ++j)  // the sign goes into one of both
      for (std::int64_t i = 0; i < a.rows && eigh.values[static_cast<std::size_t>(j)] < 0; ++i)
        eigh.vectors(i, j) = -eigh.vectors(i, j);
    result.v = std::move(eigh.vectors);
  }
  for (const double v : eigh.values) result.values.push_back(std::abs(v));
  return result;
}

double greatest_of(const std::vector<double>& values) { return values.empty() ? 0 : *std::ranges::max_element(values); }

/// linalg_pinv in all overloads, pinverse
void pseudo_inverse(const Call& call) {
  const Tensor& a = call.self();
  const bool hermitian = call.has("hermitian") && call.boolean("hermitian");
  const Shape own = batch_of(call, a);
  if (hermitian) require_square(call, a);
  if (a.numel() == 0) {  // PyTorch does not look at the tolerances where there is nothing to invert
    Answer<Complex>(call, 0, with_sizes(own, {a.shape().back(), a.shape()[own.size()]})).commit();
    return;
  }
  const Tolerances tolerances(call, a);
  const Shape& batch = tolerances.batch();
  visit_field({&a}, [&]<typename T>(T) {
    const MatricesOf<T> matrices(call, a, batch);
    Answer<T> out(call, 0, with_sizes(batch, {matrices.cols(), matrices.rows()}));
    for (std::int64_t k = 0; k < matrices.count(); ++k) {
      SvdFactors<T> svd = factors_of(matrices.at(k), hermitian, true);
      const double least = tolerances.at(k, greatest_of(svd.values));
      for (std::int64_t j = 0; j < svd.v.cols; ++j) {
        const double value = svd.values[static_cast<std::size_t>(j)], factor = value > least ? 1 / value : 0;
        for (std::int64_t i = 0; i < svd.v.rows; ++i) svd.v(i, j) *= factor;
      }
      out.put(k, multiply(svd.v, adjoint_of(svd.u)));
    }
    out.commit();
  });
}

/// linalg_matrix_rank in all overloads
void matrix_rank(const Call& call) {
  const Tensor& a = call.self();
  batch_of(call, a);
  const bool hermitian = call.boolean("hermitian");
  if (hermitian) require_square(call, a);
  const Tolerances tolerances(call, a);
  Answer<std::int64_t> out(call, 0, tolerances.batch());
  visit_field({&a}, [&]<typename T>(T) {
    const MatricesOf<T> matrices(call, a, tolerances.batch());
    for (std::int64_t k = 0; k < matrices.count(); ++k) {
      const std::vector<double> values = factors_of(matrices.at(k), hermitian, false).values;
      const double least = tolerances.at(k, greatest_of(values));
      out.put(k, static_cast<std::int64_t>(std::ranges::count_if(values, [&](double v) { return v > least; })));
    }
  });
  out.commit();
}

enum class NormOf : std::uint8_t { columns, rows, frobenius, nuclear, spectral };
/// A matrix norm: the greatest of sums (or the smallest) for the first two and the last.
struct MatrixNorm {
  NormOf kind = NormOf::frobenius;
  bool smallest = false;
};

MatrixNorm norm_named(const Call& call, const std::string& name) {
  if (name == "fro") return {NormOf::frobenius, false};
  if (name == "nuc") return {NormOf::nuclear, false};
  call.fail("there is no matrix norm called " + name.substr(0, 20));
}

MatrixNorm norm_of_order(const Call& call, double order) {
  const bool smallest = order < 0;
  if (std::abs(order) == 1) return {NormOf::columns, smallest};
  if (std::abs(order) == 2) return {NormOf::spectral, smallest};
  if (std::isinf(order)) return {NormOf::rows, smallest};
  call.fail("a matrix norm has the order 1, 2 or infinity, or the negative of these");
}

/// NaN counts as greatest and as smallest.
double extreme_of(const Call& call, const std::vector<double>& values, bool smallest) {
  call.require(!values.empty() || !smallest, "an empty matrix has no smallest value");
  double result = smallest ? std::numeric_limits<double>::infinity() : 0;
  for (const double v : values) {
    if (std::isnan(v)) return v;
    result = smallest ? std::min(result, v) : std::max(result, v);
  }
  return result;
}

template <typename T>
double matrix_norm_of(const Call& call, const Dense<T>& a, MatrixNorm norm) {
  if (norm.kind == NormOf::frobenius) {
    double sum = 0;
    for (const T& v : a.values) sum += std::norm(v);
    return std::sqrt(sum);
  }
  if (norm.kind == NormOf::nuclear || norm.kind == NormOf::spectral) {
    const std::vector<double> values = factor_svd(a, Vectors::none).values;
    return norm.kind == NormOf::nuclear ? std::accumulate(values.begin(), values.end(), 0.0)
                                        : extreme_of(call, values, norm.smallest);
  }
  std::vector<double> sums(static_cast<std::size_t>(norm.kind == NormOf::columns ? a.cols : a.rows));
  for (std::int64_t j = 0; j < a.cols; ++j)
    for (std::int64_t i = 0; i < a.rows; ++i)
      sums[static_cast<std::size_t>(norm.kind == NormOf::columns ? j : i)] += std::abs(a(i, j));
  return extreme_of(call, sums, norm.smallest);
}

/// The norm of the matrices in two dimensions of self, with those left out, or kept with size 1.
void norm_along(const Call& call, std::size_t rows, std::size_t cols, MatrixNorm norm, bool keep) {
  const Tensor& self = call.self();
  call.require(rows != cols, "the two dimensions of a matrix norm are one");
  std::vector<std::size_t> order;
  Shape shape;
  for (std::size_t d = 0; d < self.shape().size(); ++d) {
    const bool inner = d == rows || d == cols;
    if (!inner) order.push_back(d);
    if (!inner || keep) shape.push_back(inner ? 1 : self.shape()[d]);
  }
  order.insert(order.end(), {rows, cols});
  const Tensor turned = permute(self, order);
  Answer<double> out(call, 0, shape);
  visit_field({&self}, [&]<typename T>(T) {
    const MatricesOf<T> matrices(call, turned);
    for (std::int64_t k = 0; k < matrices.count(); ++k) out.put(k, matrix_norm_of(call, matrices.at(k), norm));
  });
  out.commit();
}

/// linalg_matrix_norm, linalg_matrix_norm.str_ord
void matrix_norm(const Call& call) {
  const auto* name = std::get_if<std::string>(&call["ord"]);
  const MatrixNorm norm = name != nullptr ? norm_named(call, *name) : norm_of_order(call, call.number("ord"));
  const auto dims = call.int_list("dim");
  const std::size_t rank = call.self().shape().size();
  call.require(dims.size() == 2 && rank >= 2, "a matrix norm takes two dimensions");
  norm_along(call, call.dim(dims[0], rank), call.dim(dims[1], rank), norm, call.boolean("keepdim"));
}

void nuclear_norm(const Call& call) {
  const std::size_t rank = call.self().shape().size();
  call.require(rank >= 2, "a matrix norm takes two dimensions");
  std::size_t rows = rank - 2, cols = rank - 1;
  if (call.has("dim")) {
    const auto dims = call.int_list("dim");
    call.require(dims.size() == 2, "a matrix norm takes two dimensions");
    rows = call.dim(dims[0], rank), cols = call.dim(dims[1], rank);
  }
  norm_along(call, rows, cols, {NormOf::nuclear, false}, call.boolean("keepdim"));
}

/// frobenius_norm.dim: of one or two dimensions, or of all where there is none.
void frobenius_norm(const Call& call) {
  const Tensor& self = call.self();
  const std::size_t rank = self.shape().size();
  const std::vector<std::size_t> dims = call.dims("dim", rank);
  std::vector<std::size_t> order;
  Shape shape;
  std::int64_t each = 1;
  for (std::size_t d = 0; d < rank; ++d) {
    const bool inner = std::ranges::find(dims, d) != dims.end();
    if (inner) each *= self.shape()[d];
    if (!inner) order.push_back(d);
    if (!inner || call.boolean("keepdim")) shape.push_back(inner ? 1 : self.shape()[d]);
  }
  for (std::size_t d = 0; d < rank; ++d)
    if (std::ranges::find(order, d) == order.end()) order.push_back(d);
  Answer<double> out(call, 0, shape);
  const std::vector<Complex> values = elements_of<Complex>(permute(self, order));
  for (std::int64_t k = 0; k < call.out().numel(); ++k) {
    double sum = 0;
    for (std::int64_t i = 0; i < each; ++i) sum += std::norm(values.at(static_cast<std::size_t>(k * each + i)));
    out.put(k, std::sqrt(sum));
  }
  out.commit();
}

/// linalg_cond, linalg_cond.p_str: the norm of a matrix times that of its inverse.
void condition_number(const Call& call) {
  const Tensor& a = call.self();
  const auto* name = std::get_if<std::string>(&call["p"]);
  const MatrixNorm norm = name != nullptr   ? norm_named(call, *name)
                          : call.given("p") ? norm_of_order(call, call.number("p"))
                                            : MatrixNorm{NormOf::spectral, false};
  const Shape batch = batch_of(call, a);
  if (norm.kind != NormOf::spectral) require_square(call, a);
  Answer<double> out(call, 0, batch);
  visit_field({&a}, [&]<typename T>(T) {
    const MatricesOf<T> matrices(call, a);
    for (std::int64_t k = 0; k < matrices.count(); ++k) {
      const Dense<T> matrix = matrices.at(k);
      if (matrix.empty()) continue;
      if (norm.kind == NormOf::spectral) {
        const std::vector<double> values = factor_svd(matrix, Vectors::none).values;
        out.put(k, norm.smallest ? values.back() / values.front() : values.front() / values.back());
        continue;
      }
      const LuFactors<T> lu = factor_lu(matrix);
      Dense<T> inverse = identity_matrix<T>(matrix.rows, matrix.rows);
      solve_factored(lu, inverse);
      out.put(k, lu.info != 0 ? std::numeric_limits<double>::infinity()
                              : matrix_norm_of(call, matrix, norm) * matrix_norm_of(call, inverse, norm));
    }
  });
  out.commit();
}

/// Least squares: of least norm where several are as good, as PyTorch's drivers other than gels give it.
void least_squares(const Call& call) {
  const Tensor &a = call.self(), &b = call.tensor("b");
  const std::string driver = call.given("driver") ? call.string("driver") : "gelsy";
  call.require(driver == "gels" || driver == "gelsy" || driver == "gelsd" || driver == "gelss", "an unknown driver");
  const bool vector = a.dim() - 1 == b.dim();
  call.require(a.dim() >= 2 && (vector || a.dim() == b.dim()), "the right side has another rank than the matrices");
  const Tensor side = vector ? unsqueeze(b, b.shape().size()) : b;
  const Shape batch = broadcast_batches(call, batch_of(call, a), batch_of(call, side));
  const std::int64_t m = a.size(a.shape().size() - 2), n = a.shape().back(), columns = side.shape().back();
  call.require(side.size(side.shape().size() - 2) == m, "matrix and right side have different sizes");
  const bool with_rank = driver != "gels", with_values = driver == "gelsd" || driver == "gelss";
  const bool with_residuals = m > n && driver != "gelsy";
  const double cutoff =
      call.given("rcond") ? call.number("rcond") : epsilon_of(a.dtype()) * static_cast<double>(std::max(m, n));
  visit_field({&a, &b}, [&]<typename T>(T) {
    const MatricesOf<T> matrices(call, a, batch), sides(call, side, batch);
    Answer<T> solution(call, 0, vector ? with_sizes(batch, {n}) : with_sizes(batch, {n, columns}));
    Answer<double> residuals(call, 1, with_residuals ? with_sizes(batch, {columns}) : Shape{0});
    Answer<std::int64_t> ranks(call, 2, with_rank ? batch : Shape{0});
    Answer<double> values(call, 3, with_values ? with_sizes(batch, {std::min(m, n)}) : Shape{0});
    for (std::int64_t k = 0; k < matrices.count(); ++k) {
      const Dense<T> matrix = matrices.at(k), wanted = sides.at(k);
      const SvdFactors<T> svd = factor_svd(matrix, Vectors::thin);
      const double least = (driver == "gels" ? 0 : cutoff) * greatest_of(svd.values);
      std::int64_t rank = 0;
      Dense<T> x = multiply(adjoint_of(svd.u), wanted);
      for (std::int64_t i = 0; i < x.rows; ++i) {
        const double value = svd.values[static_cast<std::size_t>(i)];
        if (value > least) ++rank;
        for (std::int64_t j = 0; j < columns; ++j) x(i, j) = value > least ? x(i, j) / value : T(0);
      }
      x = multiply(svd.v, x);
      solution.put(k, x);
      if (with_rank) ranks.put(k, rank);
      if (with_values) values.put(k, svd.values);
      if (!with_residuals) continue;
      if (rank < n)
        call.unsupported("residuals where the rank is not full: PyTorch gives none, and their size would depend on it");
      const Dense<T> reached = multiply(matrix, x);
      std::vector<double> sums(static_cast<std::size_t>(columns));
      for (std::int64_t j = 0; j < columns; ++j)
        for (std::int64_t i = 0; i < m; ++i)
          sums[static_cast<std::size_t>(j)] += std::norm(reached(i, j) - wanted(i, j));
      residuals.put(k, sums);
    }
    solution.commit();
    residuals.commit();
    ranks.commit();
    values.commit();
  });
}

}  // namespace

void add_spectrum_kernels(KernelTable& table) {
  using enum OpId;
  table.add({aten_linalg_svd_default, aten__linalg_svd_default, aten_svd_default, aten_linalg_svdvals_default},
            singular_values);
  table.add({aten_linalg_eigh_default, aten__linalg_eigh_default, aten_linalg_eigvalsh_default}, hermitian_eigenvalues);
  table.add({aten_linalg_eig_default, aten_linalg_eigvals_default}, eigenvalues);
  table.add({aten_linalg_pinv_default, aten_linalg_pinv_atol_rtol_float, aten_linalg_pinv_atol_rtol_tensor,
             aten_linalg_pinv_rcond_tensor, aten_pinverse_default},
            pseudo_inverse);
  table.add({aten_linalg_matrix_rank_default, aten_linalg_matrix_rank_tol_tensor,
             aten_linalg_matrix_rank_atol_rtol_float, aten_linalg_matrix_rank_atol_rtol_tensor},
            matrix_rank);
  table.add({aten_linalg_matrix_norm_default, aten_linalg_matrix_norm_str_ord}, matrix_norm);
  table.add({aten_nuclear_norm_default, aten_nuclear_norm_dim}, nuclear_norm);
  table.add({aten_frobenius_norm_dim}, frobenius_norm);
  table.add({aten_linalg_cond_default, aten_linalg_cond_p_str}, condition_number);
  table.add({aten_linalg_lstsq_default}, least_squares);
}

}  // namespace aitune::reference
