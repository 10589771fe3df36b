// torch.linalg, and what torch itself had before it.

#include "compiler/import/fx/prelude_text.h"

namespace aitune::fx {

const std::string_view kLinearAlgebraPrelude = R"py(
def torch_linalg_inv(A):
    return aten.linalg_inv(A)

def torch_linalg_inv_ex(A, check_errors=False):
    return aten.linalg_inv_ex(A, check_errors=check_errors)

def torch_linalg_solve(A, B, left=True):
    return aten.linalg_solve(A, B, left=left)

def torch_linalg_solve_ex(A, B, left=True, check_errors=False):
    return aten.linalg_solve_ex(A, B, left=left, check_errors=check_errors)

def torch_linalg_det(A):
    return aten.linalg_det(A)

def torch_linalg_slogdet(A):
    return aten.linalg_slogdet(A)

def torch_linalg_cholesky(A, upper=False):
    return aten.linalg_cholesky(A, upper=upper)

def torch_linalg_cholesky_ex(A, upper=False, check_errors=False):
    return aten.linalg_cholesky_ex(A, upper=upper, check_errors=check_errors)

def torch_linalg_qr(A, mode='reduced'):
    return aten.linalg_qr(A, mode)

def torch_linalg_svd(A, full_matrices=True, driver=None):
    return aten.linalg_svd(A, full_matrices, driver=driver)

def torch_linalg_svdvals(A, driver=None):
    return aten.linalg_svdvals(A, driver=driver)

def torch_linalg_eigh(A, UPLO='L'):
    return aten.linalg_eigh(A, UPLO)

def torch_linalg_eigvalsh(A, UPLO='L'):
    return aten.linalg_eigvalsh(A, UPLO)

def torch_linalg_eig(A):
    return aten.linalg_eig(A)

def torch_linalg_eigvals(A):
    return aten.linalg_eigvals(A)

def torch_linalg_solve_triangular(A, B, upper, left=True, unitriangular=False):
    return aten.linalg_solve_triangular(A, B, upper=upper, left=left, unitriangular=unitriangular)

def torch_linalg_lu_factor(A, pivot=True):
    return aten.linalg_lu_factor(A, pivot=pivot)

def torch_linalg_lu_factor_ex(A, pivot=True, check_errors=False):
    return aten.linalg_lu_factor_ex(A, pivot=pivot, check_errors=check_errors)

def torch_linalg_lu(A, pivot=True):
    return aten.linalg_lu(A, pivot=pivot)

def torch_linalg_lu_solve(LU, pivots, B, left=True, adjoint=False):
    return aten.linalg_lu_solve(LU, pivots, B, left=left, adjoint=adjoint)

def torch_linalg_ldl_factor(A, hermitian=False):
    return aten.linalg_ldl_factor(A, hermitian=hermitian)

def torch_linalg_ldl_factor_ex(A, hermitian=False, check_errors=False):
    return aten.linalg_ldl_factor_ex(A, hermitian=hermitian, check_errors=check_errors)

def torch_linalg_ldl_solve(LD, pivots, B, hermitian=False):
    return aten.linalg_ldl_solve(LD, pivots, B, hermitian=hermitian)

def torch_linalg_pinv(A, rcond=None, atol=None, rtol=None, hermitian=False):
    if rcond is not None:
        return aten.linalg_pinv(A, rcond, hermitian)
    return aten.linalg_pinv(A, atol=atol, rtol=rtol, hermitian=hermitian)

def torch_linalg_matrix_rank(A, tol=None, atol=None, rtol=None, hermitian=False):
    if tol is not None:
        return aten.linalg_matrix_rank(A, tol, hermitian)
    return aten.linalg_matrix_rank(A, atol=atol, rtol=rtol, hermitian=hermitian)

def torch_linalg_cond(A, p=None):
    return aten.linalg_cond(A, p)

def torch_linalg_matrix_norm(A, ord='fro', dim=(-2, -1), keepdim=False, dtype=None):
    return aten.linalg_matrix_norm(A, ord, dim, keepdim, dtype=dtype)

def torch_linalg_matrix_power(A, n):
    return aten.linalg_matrix_power(A, n)

def torch_linalg_multi_dot(tensors):
    return aten.linalg_multi_dot(tensors)

def torch_linalg_matrix_exp(A):
    return aten.linalg_matrix_exp(A)

def torch_linalg_householder_product(A, tau):
    return aten.linalg_householder_product(A, tau)

def torch_linalg_tensorinv(A, ind=2):
    return aten.linalg_tensorinv(A, ind)

def torch_linalg_tensorsolve(A, B, dims=None):
    return aten.linalg_tensorsolve(A, B, dims)

def torch_linalg_vander(x, N=None):
    return aten.linalg_vander(x, N=N)

def torch_linalg_diagonal(A, offset=0, dim1=-2, dim2=-1):
    return aten.diagonal(A, offset, dim1, dim2)

def torch_linalg_lstsq(A, B, rcond=None, driver=None):
    return aten.linalg_lstsq(A, B, rcond, driver=driver)

def torch_functional_chain_matmul(*matrices):
    return aten.chain_matmul(matrices)

torch_chain_matmul = torch_functional_chain_matmul

def torch_triangular_solve(b, A, upper=True, transpose=False, unitriangular=False):
    return aten.triangular_solve(b, A, upper, transpose, unitriangular)

def torch_lu_solve(b, LU_data, LU_pivots):
    return aten.lu_solve(b, LU_data, LU_pivots)

def torch_cholesky_solve(B, L, upper=False):
    return aten.cholesky_solve(B, L, upper)

def torch_cholesky_inverse(L, upper=False):
    return aten.cholesky_inverse(L, upper)
)py";

}  // namespace aitune::fx
