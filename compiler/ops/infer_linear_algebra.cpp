// Factorisations of matrices, and what is made of them.

#include <algorithm>
#include <cmath>

#include "compiler/ops/infer.h"

namespace aitune::infer {
namespace {

/// The matrices in the last two dimensions of an operand.
struct Matrices {
  DType dtype = DType::f32;
  SymShape batch;
  SymInt rows, cols;
  SymInt least() const { return min(rows, cols); }
  TensorType like(SymShape inner) const { return typed(dtype, std::move(inner)); }
  TensorType typed(DType t, SymShape inner) const {
    SymShape shape = batch;
    shape.insert(shape.end(), inner.begin(), inner.end());
    return {t, shape};
  }
};

void require_f32_or_f64(const Call& call, DType t) {
  call.require(is_complex(t) || t == DType::f32 || t == DType::f64, "the operand is neither f32, f64, c64 nor c128");
}

Matrices matrices_of(const Call& call, std::string_view name) {
  const TensorType& t = call.tensor(name);
  call.require(t.shape.size() >= 2, "an operand has less than two dimensions");
  require_f32_or_f64(call, t.dtype);
  return {t.dtype, {t.shape.begin(), t.shape.end() - 2}, t.shape[t.shape.size() - 2], t.shape.back()};
}

Matrices matrices_of(const Call& call) {
  return matrices_of(call, call.has("A") ? "A" : call.has("self") ? "self" : "input");
}

Matrices square_of(const Call& call, Matrices a) {
  if (differ(a.rows, a.cols)) call.fail("the matrices are not square: " + a.rows.str() + " by " + a.cols.str());
  a.rows = a.cols = unify(call, a.rows, a.cols);
  return a;
}
Matrices square_of(const Call& call) { return square_of(call, matrices_of(call)); }

void require_one_dtype(const Call& call, DType a, DType b) {
  call.require(a == b, "the operands have different dtypes");
}

TensorType nothing(DType t) { return {t, {0}}; }

/// The matrices, then (where the operator has more results) a number for each.
Types inverse_matrices(const Call& call) {
  const Matrices a = square_of(call);
  Types types = {a.like({a.rows, a.cols})};
  if (call.op().result_count == 2) types.push_back(a.typed(DType::i32, {}));
  return types;
}

void push_lu(Types& types, const Matrices& a) {
  types.push_back(a.like({a.rows, a.cols}));
  types.push_back(a.typed(DType::i32, {a.least()}));
}

/// Whether B holds a vector for each matrix of A, as PyTorch sees it.
bool is_vector_side(const SymShape& a, const SymShape& b) {
  return b.size() == 1 || (a.size() - 1 == b.size() && std::equal(b.begin(), b.end(), a.begin()));
}

Types solved_system(const Call& call) {
  const Matrices a = square_of(call);
  const TensorType& b = call.tensor("B");
  require_one_dtype(call, a.dtype, b.dtype);
  call.require(!b.shape.empty(), "the right side has no dimension");
  const bool vector = is_vector_side(call.shape("A"), b.shape);
  SymShape side = b.shape;
  if (vector) side.push_back(1);
  call.require(side.size() >= 2, "the right side has too few dimensions");
  const bool left = call.boolean("left");
  SymInt& size = side[side.size() - (left ? 2 : 1)];
  size = unify(call, size, a.rows);
  TensorType out{a.dtype, broadcast(call, a.batch, {side.begin(), side.end() - 2})};
  out.shape.push_back(side[side.size() - 2]);
  if (!vector) out.shape.push_back(side.back());
  Types types = {out};
  if (call.op().result_count == 4) push_lu(types, a);
  if (call.op().result_count > 1) types.push_back(a.typed(DType::i32, {}));
  return types;
}

/// det, slogdet, logdet: a number (and its logarithm) for each matrix; then the factors.
Types determinants(const Call& call) {
  const Matrices a = square_of(call);
  const std::size_t count = call.op().result_count;
  Types types = {a.typed(a.dtype, {})};
  if (count == 2 || count == 4) types.push_back(a.typed(real_of(a.dtype), {}));
  if (count > 2) push_lu(types, a);
  return types;
}

/// x of a x = b for matrices a and b that broadcast to each other, or of x a = b.
TensorType solution_of(const Call& call, const Matrices& a, const Matrices& b, bool left) {
  require_one_dtype(call, a.dtype, b.dtype);
  unify(call, left ? b.rows : b.cols, a.rows);
  TensorType out{a.dtype, broadcast(call, a.batch, b.batch)};
  out.shape.insert(out.shape.end(), {b.rows, b.cols});
  return out;
}

Types solved_by_cholesky(const Call& call) {
  const Matrices a = square_of(call, matrices_of(call, call.has("A") ? "A" : "input2"));
  return {solution_of(call, a, matrices_of(call, "self"), true)};
}

Types solved_triangular(const Call& call) {
  const Matrices a = square_of(call, matrices_of(call, "self"));
  return {solution_of(call, a, matrices_of(call, "B"), call.boolean("left"))};
}

Types solved_triangular_old(const Call& call) {
  const Matrices a = square_of(call, matrices_of(call, "A"));
  const TensorType solution = solution_of(call, a, matrices_of(call, "self"), true);
  TensorType copy{a.dtype, {solution.shape.begin(), solution.shape.end() - 2}};
  copy.shape.insert(copy.shape.end(), {a.rows, a.cols});
  return {solution, copy};
}

Types solved_by_lu(const Call& call) {
  const bool old = call.has("LU_data");
  const Matrices a = square_of(call, matrices_of(call, old ? "LU_data" : "LU"));
  const TensorType& pivots = call.tensor(old ? "LU_pivots" : "pivots");
  call.require(pivots.dtype == DType::i32 && !pivots.shape.empty(), "the pivots are no i32 vectors");
  unify(call, pivots.shape.back(), a.rows);
  return {solution_of(call, a, matrices_of(call, old ? "self" : "B"), old || call.boolean("left"))};
}

Types solved_by_ldl(const Call& call) {
  const Matrices a = square_of(call, matrices_of(call, "LD"));
  const TensorType& pivots = call.tensor("pivots");
  call.require(is_integral(pivots.dtype) && !pivots.shape.empty(), "the pivots are no integer vectors");
  unify(call, pivots.shape.back(), a.rows);
  return {solution_of(call, a, matrices_of(call, "B"), true)};
}

void require_pivoting(const Call& call) {
  if (call.has("pivot")) call.require(call.boolean("pivot"), "LU without pivoting is not implemented on the CPU");
}

Types lu_factors(const Call& call) {
  require_pivoting(call);
  const Matrices a = matrices_of(call);
  Types types;
  push_lu(types, a);
  if (call.op().result_count == 3) types.push_back(a.typed(DType::i32, {}));
  return types;
}

Types lu_matrices(const Call& call) {
  require_pivoting(call);
  const Matrices a = matrices_of(call);
  return {a.like({a.rows, a.rows}), a.like({a.rows, a.least()}), a.like({a.least(), a.cols})};
}

Types lu_unpacked(const Call& call) {
  const Matrices a = matrices_of(call, "LU_data");
  Types types(3, nothing(a.dtype));
  if (call.boolean("unpack_pivots")) {
    call.require(call.tensor("LU_pivots").dtype == DType::i32, "the pivots are not i32");
    types[0] = a.like({a.rows, a.rows});
  }
  if (call.boolean("unpack_data")) {
    types[1] = a.like({a.rows, a.least()});
    types[2] = a.like({a.least(), a.cols});
  }
  return types;
}

Types qr_factors(const Call& call) {
  const Matrices a = matrices_of(call);
  const std::string& mode = std::get<std::string>(call["mode"]);
  call.require(mode == "reduced" || mode == "complete" || mode == "r", "the mode is neither reduced, complete nor r");
  const SymInt inner = mode == "complete" ? a.rows : a.least();
  return {mode == "r" ? nothing(a.dtype) : a.like({a.rows, inner}), a.like({inner, a.cols})};
}

Types householder_factors(const Call& call) {
  const Matrices a = matrices_of(call);
  return {a.like({a.rows, a.cols}), a.like({a.least()})};
}

Types householder_columns(const Call& call) {
  const Matrices v = matrices_of(call);
  const TensorType& tau = call.tensor(call.has("tau") ? "tau" : "input2");
  require_one_dtype(call, v.dtype, tau.dtype);
  call.require(tau.shape.size() == v.batch.size() + 1, "tau has another rank than the reflectors");
  call.require_at_least(v.rows, v.cols, "the matrices have more columns than rows");
  call.require_at_least(v.cols, tau.shape.back(), "tau has more elements than there are columns");
  return {v.like({v.rows, v.cols})};
}

Types reflected(const Call& call) {
  const Matrices v = matrices_of(call), c = matrices_of(call, "input3");
  const TensorType& tau = call.tensor("input2");
  require_one_dtype(call, v.dtype, tau.dtype);
  require_one_dtype(call, v.dtype, c.dtype);
  call.require(tau.shape.size() == v.batch.size() + 1 && c.batch.size() == v.batch.size(),
               "the operands have different ranks");
  unify(call, v.rows, call.boolean("left") ? c.rows : c.cols);
  return {call.tensor("input3")};
}

/// U, S and Vh (svd: V); or S alone.
Types singular_values(const Call& call) {
  const Matrices a = matrices_of(call);
  const TensorType values = a.typed(real_of(a.dtype), {a.least()});
  if (call.op().result_count == 1) return {values};
  const bool old = call.has("some"), wanted = !call.has("compute_uv") || call.boolean("compute_uv");
  if (!wanted && !old) return {nothing(a.dtype), values, nothing(a.dtype)};
  const bool full = old ? !wanted || !call.boolean("some") : call.boolean("full_matrices");
  const SymInt columns = full ? a.rows : a.least(), rows = full ? a.cols : a.least();
  return {a.like({a.rows, columns}), values, old ? a.like({a.cols, rows}) : a.like({rows, a.cols})};
}

Types hermitian_eigenvalues(const Call& call) {
  const Matrices a = square_of(call);
  Types types = {a.typed(real_of(a.dtype), {a.rows})};
  if (call.op().result_count == 1) return types;
  const bool wanted = !call.has("compute_v") || call.boolean("compute_v");
  types.push_back(wanted ? a.like({a.rows, a.cols}) : nothing(a.dtype));
  return types;
}

Types eigenvalues(const Call& call) {
  const Matrices a = square_of(call);
  Types types = {a.typed(complex_of(a.dtype), {a.rows})};
  if (call.op().result_count == 2) types.push_back(a.typed(complex_of(a.dtype), {a.rows, a.cols}));
  return types;
}

/// The batch, to which tensors of tolerances are broadcast.
Matrices with_tolerances(const Call& call) {
  Matrices a = matrices_of(call);
  if (call.boolean("hermitian")) a = square_of(call, a);
  for (const std::string_view name : {"tol", "atol", "rtol", "rcond"})
    if (call.given(name) && call[name].is_value()) {
      call.require(!is_complex(call.tensor(name).dtype), "a tolerance is complex");
      a.batch = broadcast(call, a.batch, call.shape(name));
    }
  return a;
}

Types pseudo_inverse(const Call& call) {
  const Matrices own = matrices_of(call);
  const bool empty = std::ranges::any_of(call.shape("self"), [](const SymInt& size) { return size.is(0); });
  // PyTorch does not look at the tolerances where there is nothing to invert.
  const Matrices a = call.has("hermitian") && !empty ? with_tolerances(call) : own;
  return {a.like({a.cols, a.rows})};
}

Types matrix_ranks(const Call& call) { return {with_tolerances(call).typed(DType::i64, {})}; }

Types condition_numbers(const Call& call) {
  const Matrices a = matrices_of(call);
  const Arg& p = call["p"];
  const auto* number = std::get_if<double>(&p);
  const auto* whole = std::get_if<SymInt>(&p);
  const bool spectral = p.is_none() || (number != nullptr && std::abs(*number) == 2) ||
                        (whole != nullptr && (whole->is(2) || whole->is(-2)));
  if (!spectral) square_of(call, a);
  return {a.typed(real_of(a.dtype), {})};
}

/// A norm over these dimensions, left out or kept with size 1.
Types norm_along(const Call& call, std::vector<std::size_t> dims, DType dtype) {
  const SymShape& shape = call.shape("self");
  call.require(is_floating(dtype) || is_complex(dtype), "the operand is neither real nor complex");
  SymShape out;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (std::ranges::find(dims, d) == dims.end())
      out.push_back(shape[d]);
    else if (call.boolean("keepdim"))
      out.push_back(1);
  }
  return {{real_of(dtype), out}};
}

Types matrix_norm(const Call& call) {
  const TensorType& self = call.tensor("self");
  call.require(self.shape.size() >= 2, "the operand has less than two dimensions");
  std::vector<std::size_t> dims;
  if (call.has("dim"))
    for (const std::int64_t d : call.int_list("dim")) dims.push_back(call.dim(d, self.shape.size()));
  else
    dims = {self.shape.size() - 2, self.shape.size() - 1};
  call.require(dims.size() == 2 && dims[0] != dims[1], "a matrix norm takes two different dimensions");
  const DType dtype = call.has("dtype") ? call.dtype_or("dtype", self.dtype) : self.dtype;
  call.require(promote(dtype, self.dtype) == dtype, "the dtype is narrower than that of the operand");
  return norm_along(call, std::move(dims), dtype);
}

Types frobenius_norm(const Call& call) {
  const TensorType& self = call.tensor("self");
  return norm_along(call, call.dims("dim", self.shape.size()), self.dtype);
}

Types matrix_power(const Call& call) {
  const TensorType& self = call.tensor("self");
  call.require(self.shape.size() >= 2, "the operand has less than two dimensions");
  unify(call, self.shape[self.shape.size() - 2], self.shape.back());
  call.require(call.integer("n") >= 0 || is_complex(self.dtype) || self.dtype == DType::f32 || self.dtype == DType::f64,
               "a negative power needs f32, f64, c64 or c128");
  return {self};
}

Types matrix_exponential(const Call& call) {
  const TensorType& self = call.tensor("self");
  call.require(self.shape.size() >= 2, "the operand has less than two dimensions");
  call.require(is_floating(self.dtype) || is_complex(self.dtype), "the operand is neither real nor complex");
  unify(call, self.shape[self.shape.size() - 2], self.shape.back());
  return {self};
}

Types chained(const Call& call) {
  const bool ends = call.has("tensors");
  std::vector<TensorType> factors = call.tensors(ends ? "tensors" : "matrices");
  call.require(factors.size() >= (ends ? 2U : 1U), "there are too few factors");
  TensorType out{factors[0].dtype, {}};
  for (std::size_t i = 0; i < factors.size(); ++i) {
    const bool first = i == 0, last = i + 1 == factors.size();
    SymShape& shape = factors[i].shape;
    const bool vector = ends && (first || last) && shape.size() == 1;
    call.require(vector || shape.size() == 2, "a factor is no matrix");
    require_one_dtype(call, factors[i].dtype, out.dtype);
    if (vector) shape.insert(first ? shape.begin() : shape.end(), 1);
    if (!first) unify(call, factors[i - 1].shape[1], shape[0]);
    if (first && !vector) out.shape.push_back(shape[0]);
    if (last && !vector) out.shape.push_back(shape[1]);
  }
  return {out};
}

SymInt product_of(const SymShape& shape, std::size_t from, std::size_t to) {
  SymInt product = 1;
  for (std::size_t i = from; i < to; ++i) product *= shape[i];
  return product;
}

Types tensor_inverse(const Call& call) {
  const TensorType& self = call.tensor("self");
  require_f32_or_f64(call, self.dtype);
  const std::int64_t given = call.integer("ind");
  call.require(given > 0 && given <= static_cast<std::int64_t>(self.shape.size()),
               "ind is not between 1 and the number of dimensions");
  const auto ind = static_cast<std::size_t>(given);
  unify(call, product_of(self.shape, 0, ind), product_of(self.shape, ind, self.shape.size()));
  SymShape shape(self.shape.begin() + given, self.shape.end());
  shape.insert(shape.end(), self.shape.begin(), self.shape.begin() + given);
  return {{self.dtype, shape}};
}

Types tensor_solution(const Call& call) {
  const TensorType &self = call.tensor("self"), &other = call.tensor("other");
  require_f32_or_f64(call, self.dtype);
  require_one_dtype(call, self.dtype, other.dtype);
  std::vector<std::size_t> last;
  if (call.given("dims"))
    for (const std::int64_t d : call.int_list("dims")) last.push_back(call.dim(d, self.shape.size()));
  SymShape turned;
  for (std::size_t d = 0; d < self.shape.size(); ++d)
    if (std::ranges::find(last, d) == last.end()) turned.push_back(self.shape[d]);
  for (const std::size_t d : last) turned.push_back(self.shape[d]);
  call.require(turned.size() == self.shape.size(), "a dimension appears twice");
  call.require(other.shape.size() <= turned.size(), "the right side has more dimensions than the map");
  const SymInt outer = product_of(turned, 0, other.shape.size());
  unify(call, outer, product_of(turned, other.shape.size(), turned.size()));
  unify(call, outer, product_of(other.shape, 0, other.shape.size()));
  return {{self.dtype, {turned.begin() + static_cast<std::ptrdiff_t>(other.shape.size()), turned.end()}}};
}

/// torch.vander, which takes any number of powers of a vector.
Types powers_of_vector(const Call& call) {
  const TensorType& x = call.tensor("x");
  call.require(x.shape.size() == 1, "the operand is no vector");
  const SymInt n = call.given("N") ? call.sym("N") : x.shape[0];
  call.require_at_least(n, 0, "N is negative");
  return {{promote(x.dtype, DType::i64), {x.shape[0], n}}};
}

/// cov, corrcoef: of variables in rows. A single one gives a number.
Types covariance(const Call& call) {
  const TensorType& self = call.tensor("self");
  call.require(self.shape.size() <= 2, "the operand has more than two dimensions");
  for (const char* name : {"fweights", "aweights"}) {
    if (!call.given(name)) continue;
    call.require(call.shape(name).size() == 1, "weights have one dimension");
    unify(call, call.shape(name)[0], self.shape.empty() ? SymInt(1) : self.shape.back());
  }
  const SymInt count = self.shape.size() < 2 ? SymInt(1) : self.shape[0];
  Promotion type;
  type.add(self);
  if (call.given("aweights")) type.add(call.tensor("aweights"));
  return {{floating(type.result()), count.is(1) ? SymShape() : SymShape{count, count}}};
}

Types vander(const Call& call) {
  TensorType x = call.tensor("x");
  call.require(x.dtype != DType::b8, "the operand is bool");
  if (x.shape.empty()) x.shape = {1};
  const SymInt n = call.given("N") ? call.sym("N") : x.shape.back();
  call.require_at_least(n, 2, "N is not greater than 1");
  x.shape.push_back(n);
  return {{is_integral(x.dtype) ? DType::i64 : x.dtype, x.shape}};
}

Types ldl_factors(const Call& call) {
  const Matrices a = square_of(call);
  Types types = {a.like({a.rows, a.cols}), a.typed(DType::i32, {a.rows})};
  if (call.op().result_count == 3) types.push_back(a.typed(DType::i32, {}));
  return types;
}

Types least_squares(const Call& call) {
  const Matrices a = matrices_of(call);
  const TensorType& b = call.tensor("b");
  require_one_dtype(call, a.dtype, b.dtype);
  const bool vector = b.shape.size() + 1 == a.batch.size() + 2;
  call.require(!b.shape.empty() && (vector || b.shape.size() == a.batch.size() + 2),
               "the right side has another rank than the matrices");
  SymShape side = b.shape;
  if (vector) side.push_back(1);
  unify(call, side[side.size() - 2], a.rows);
  Matrices out = a;
  out.batch = broadcast(call, a.batch, {side.begin(), side.end() - 2});
  const std::string driver = call.given("driver") ? std::get<std::string>(call["driver"]) : "gelsy";
  call.require(driver == "gels" || driver == "gelsy" || driver == "gelsd" || driver == "gelss", "an unknown driver");
  const DType real = real_of(a.dtype);
  Types types = {vector ? out.like({a.cols}) : out.like({a.cols, side.back()}), nothing(real), nothing(DType::i64),
                 nothing(real)};
  if (driver != "gelsy") {
    // More rows than columns have residuals, and nothing else has: whether it is so must be known.
    const auto more = (a.rows - a.cols).as_constant();
    call.require(more.has_value(), "which of rows and columns are more must be known when the model is compiled");
    if (*more > 0) types[1] = out.typed(real, {side.back()});
  }
  if (driver != "gels") types[2] = out.typed(DType::i64, {});
  if (driver == "gelsd" || driver == "gelss") types[3] = out.typed(real, {a.least()});
  return types;
}

}  // namespace

void add_linear_algebra_rules(RuleTable& table) {
  using enum OpId;
  table.add({aten_linalg_inv_default, aten_linalg_inv_ex_default, aten_inverse_default, aten_linalg_cholesky_default,
             aten_linalg_cholesky_ex_default, aten_cholesky_inverse_default},
            inverse_matrices);
  table.add({aten_linalg_solve_default, aten_linalg_solve_ex_default, aten__linalg_solve_ex_default}, solved_system);
  table.add({aten_linalg_det_default, aten__linalg_det_default, aten_det_default, aten_linalg_slogdet_default,
             aten__linalg_slogdet_default, aten_slogdet_default, aten_logdet_default},
            determinants);
  table.add({aten_cholesky_solve_default, aten__cholesky_solve_helper_default}, solved_by_cholesky);
  table.add({aten_linalg_solve_triangular_default}, solved_triangular);
  table.add({aten_triangular_solve_default}, solved_triangular_old);
  table.add({aten_linalg_lu_factor_default, aten_linalg_lu_factor_ex_default, aten__lu_with_info_default}, lu_factors);
  table.add({aten_linalg_lu_default}, lu_matrices);
  table.add({aten_lu_unpack_default}, lu_unpacked);
  table.add({aten_linalg_lu_solve_default, aten_lu_solve_default}, solved_by_lu);
  table.add({aten_linalg_ldl_factor_default, aten_linalg_ldl_factor_ex_default}, ldl_factors);
  table.add({aten_linalg_ldl_solve_default}, solved_by_ldl);
  table.add({aten_linalg_qr_default}, qr_factors);
  table.add({aten_geqrf_default}, householder_factors);
  table.add({aten_linalg_householder_product_default, aten_orgqr_default}, householder_columns);
  table.add({aten_ormqr_default}, reflected);
  table.add({aten_linalg_svd_default, aten__linalg_svd_default, aten_svd_default, aten_linalg_svdvals_default},
            singular_values);
  table.add({aten_linalg_eigh_default, aten__linalg_eigh_default, aten_linalg_eigvalsh_default}, hermitian_eigenvalues);
  table.add({aten_linalg_eig_default, aten_linalg_eigvals_default}, eigenvalues);
  table.add({aten_linalg_pinv_default, aten_linalg_pinv_atol_rtol_float, aten_linalg_pinv_atol_rtol_tensor,
             aten_linalg_pinv_rcond_tensor, aten_pinverse_default},
            pseudo_inverse);
  table.add({aten_linalg_matrix_rank_default, aten_linalg_matrix_rank_tol_tensor,
             aten_linalg_matrix_rank_atol_rtol_float, aten_linalg_matrix_rank_atol_rtol_tensor},
            matrix_ranks);
  table.add({aten_linalg_cond_default, aten_linalg_cond_p_str}, condition_numbers);
  table.add({aten_linalg_matrix_norm_default, aten_linalg_matrix_norm_str_ord, aten_nuclear_norm_default,
             aten_nuclear_norm_dim},
            matrix_norm);
  table.add({aten_frobenius_norm_dim}, frobenius_norm);
  table.add({aten_linalg_matrix_power_default, aten_matrix_power_default}, matrix_power);
  table.add({aten_linalg_matrix_exp_default, aten_matrix_exp_default}, matrix_exponential);
  table.add({aten_linalg_multi_dot_default, aten_chain_matmul_default}, chained);
  table.add({aten_linalg_tensorinv_default}, tensor_inverse);
  table.add({aten_linalg_tensorsolve_default}, tensor_solution);
  table.add({aten_linalg_vander_default}, vander);
  table.add({aten_vander_default}, powers_of_vector);
  table.add({aten_cov_default, aten_corrcoef_default}, covariance);
  table.add({aten_linalg_lstsq_default}, least_squares);
}

}  // namespace aitune::infer
