"""Cases of factorisations and of what is made of them. Signs and phases of vectors are open: those cases have one answer."""
import math

import torch

from golden_lib import *

FIELDS = [f32, f64, c64, c128]


def regular(*shape, dtype=f32):
    """Well-conditioned square matrices."""
    return R(*shape, dtype=dtype, scale=1.0) + 4 * torch.eye(shape[-1], dtype=dtype)


def definite(*shape, dtype=f32):
    a = R(*shape, dtype=dtype, scale=1.0)
    return a @ a.mH / shape[-1] + torch.eye(shape[-1], dtype=dtype)


def symmetric(*shape, dtype=f32):
    a = R(*shape, dtype=dtype)
    return a + a.mT


def upper(*shape, dtype=f32):
    return regular(*shape, dtype=dtype).triu()


def of_rank(m, n, k):
    """Integers, so that the rank is exact."""
    return (I(4, m, k, low=-3) @ I(4, k, n, low=-3)).to(f32)


def squares(make=regular):
    """Square matrices in every dtype, batched, transposed, of size 1 and 0."""
    for dtype in FIELDS:
        yield make(4, 4, dtype=dtype)
    yield make(2, 3, 5, 5)
    yield make(3, 4, 4).mT
    yield make(7, 7)[::2, ::2]
    yield make(1, 1)
    yield make(40, 40, dtype=f64)
    for shape in [(0, 0), (2, 0, 0), (0, 3, 3)]:
        yield torch.zeros(shape)


def rectangles():
    for dtype in FIELDS:
        yield R(5, 3, dtype=dtype)
    yield R(2, 3, 5)
    yield R(2, 2, 4, 3).mT
    for shape in [(0, 3), (3, 0), (2, 0, 0), (0, 3, 2)]:
        yield torch.zeros(shape)


@cases("linalg_inv linalg_inv_ex inverse linalg_det _linalg_det det linalg_slogdet _linalg_slogdet slogdet logdet")
def square(name):
    for a in squares():  # the factors that come with determinants are those of the transpose, where that is column-major
        yield C(a.contiguous() if name.startswith("_") else a)


@cases("linalg_det det linalg_slogdet _linalg_slogdet slogdet logdet")
def singular(name):
    yield C(torch.tensor([[1.0, 2.0], [2.0, 4.0]]))
    yield C(-torch.eye(3))
    yield C(torch.zeros(2, 2))


@cases("linalg_inv_ex")
def inverse_checked(name):
    yield C(regular(2, 3, 3), check_errors=True)


@cases("linalg_solve linalg_solve_ex _linalg_solve_ex")
def solve(name):
    for dtype in FIELDS:
        yield C(regular(4, 4, dtype=dtype), R(4, 2, dtype=dtype))
        yield C(regular(4, 4, dtype=dtype), R(2, 4, dtype=dtype), left=False)
    yield C(regular(2, 3, 4, 4), R(3, 4, 2))
    yield C(regular(4, 4), R(3, 4, 2))
    yield C(regular(3, 4, 4), R(4))
    yield C(regular(3, 4, 4), R(3, 4))
    yield C(regular(4, 4), R(4))
    yield C(regular(4, 4).t(), R(2, 4).t())
    yield C(regular(3, 3), R(0, 3, 2))
    yield C(torch.zeros(2, 0, 0), torch.zeros(2, 0, 3))
    yield C(torch.zeros(2, 0, 0), torch.zeros(2, 0))
    yield C(torch.zeros(0, 3, 3), torch.zeros(3, 2))


@cases("linalg_cholesky linalg_cholesky_ex")
def cholesky(name):
    for a in squares(definite):
        yield C(a)
    yield C(definite(2, 4, 4), upper=True)
    yield C(definite(4, 4, dtype=c64), upper=True)


def lower_factor(*shape, dtype=f32):
    return torch.linalg.cholesky(definite(*shape, dtype=dtype))


@cases("cholesky_solve")
def cholesky_solve(name):
    for dtype in FIELDS:
        yield C(R(4, 2, dtype=dtype), lower_factor(4, 4, dtype=dtype))
    yield C(R(4, 2), lower_factor(3, 4, 4).mT, True)
    yield C(R(3, 4, 2), lower_factor(4, 4))
    yield C(R(4, 2, dtype=c64), lower_factor(4, 4, dtype=c64).mH, True)
    yield C(torch.zeros(0, 2), torch.zeros(0, 0))


@cases("_cholesky_solve_helper")
def cholesky_solve_helper(name):
    yield C(R(4, 2), lower_factor(4, 4), False)
    yield C(R(3, 4, 2, dtype=c128), lower_factor(3, 4, 4, dtype=c128).mH, True)


@cases("cholesky_inverse")
def cholesky_inverse(name):
    for dtype in FIELDS:
        yield C(lower_factor(4, 4, dtype=dtype))
    yield C(lower_factor(2, 3, 3).mT, True)
    yield C(torch.zeros(0, 0))


@cases("linalg_solve_triangular")
def solve_triangular(name):
    for dtype in FIELDS:
        yield C(upper(4, 4, dtype=dtype), R(4, 2, dtype=dtype), upper=True)
        yield C(upper(4, 4, dtype=dtype), R(2, 4, dtype=dtype), upper=True, left=False)
    yield C(upper(3, 4, 4).mT, R(4, 2), upper=False)
    yield C(regular(4, 4), R(3, 2, 4), upper=False, left=False)
    yield C(R(3, 3), R(3, 2), upper=True, unitriangular=True)
    yield C(R(3, 3), R(2, 3), upper=False, left=False, unitriangular=True)
    yield C(torch.zeros(2, 0, 0), torch.zeros(0, 3), upper=True)


@cases("triangular_solve")
def triangular_solve(name):
    for dtype in FIELDS:
        yield C(R(4, 2, dtype=dtype), upper(4, 4, dtype=dtype))
        yield C(R(4, 2, dtype=dtype), upper(4, 4, dtype=dtype), True, True)
    yield C(R(4, 2), upper(3, 4, 4).mT, False, False, True)
    yield C(R(3, 4, 2), regular(4, 4), False, True)


@cases("linalg_lu_factor linalg_lu_factor_ex _lu_with_info linalg_lu")
def lu(name):
    for a in squares():
        yield C(a)
    for a in rectangles():
        yield C(a)
    yield C(R(70, 50, dtype=f64))
    yield C(R(50, 70, dtype=f64))


@cases("linalg_lu_factor_ex _lu_with_info linalg_lu")
def lu_of_singular(name):
    yield C(torch.zeros(3, 3))
    yield C(torch.tensor([[1.0, 2.0], [2.0, 4.0]]))


@cases("lu_unpack")
def lu_unpack(name):
    for dtype in FIELDS:
        yield C(*torch.linalg.lu_factor(R(4, 4, dtype=dtype)))
    for shape in [(2, 5, 3), (2, 3, 5), (0, 3, 3), (2, 0, 0)]:
        yield C(*torch.linalg.lu_factor(R(*shape)))
    factors = torch.linalg.lu_factor(R(2, 5, 3))
    yield C(*factors, True, False)
    yield C(*factors, False, True)
    yield C(*factors, False, False)


@cases("linalg_lu_solve")
def linalg_lu_solve(name):
    for dtype in FIELDS:
        factors = torch.linalg.lu_factor(R(4, 4, dtype=dtype))
        yield C(*factors, R(4, 2, dtype=dtype))
        yield C(*factors, R(2, 4, dtype=dtype), left=False)
        yield C(*factors, R(4, 2, dtype=dtype), adjoint=True)
        yield C(*factors, R(2, 4, dtype=dtype), left=False, adjoint=True)
    yield C(*torch.linalg.lu_factor(R(3, 4, 4)), R(4, 2))
    yield C(*torch.linalg.lu_factor(R(4, 4)), R(3, 4, 2))


@cases("lu_solve")
def lu_solve(name):
    yield C(R(4, 2), *torch.linalg.lu_factor(R(4, 4)))
    yield C(R(3, 4, 2, dtype=c64), *torch.linalg.lu_factor(R(3, 4, 4, dtype=c64)))


@cases("linalg_ldl_factor linalg_ldl_factor_ex")
def ldl_factor(name):
    for dtype in FIELDS:
        yield C(symmetric(5, 5, dtype=dtype))
        yield C(symmetric(6, 6, dtype=dtype))
    for dtype in [c64, c128]:
        a = R(5, 5, dtype=dtype)
        yield C(a + a.mH, hermitian=True)
    yield C(symmetric(2, 3, 8, 8, dtype=f64))
    yield C(torch.tensor([[0.0, 2.0, 1.0], [2.0, 0.0, 3.0], [1.0, 3.0, 0.0]]))
    yield C(torch.zeros(0, 0))


@cases("linalg_ldl_solve")
def ldl_solve(name):
    for dtype in FIELDS:
        yield C(*torch.linalg.ldl_factor(symmetric(5, 5, dtype=dtype)), R(5, 2, dtype=dtype))
    a = R(6, 6, dtype=c128)
    yield C(*torch.linalg.ldl_factor(a + a.mH, hermitian=True), R(6, 2, dtype=c128), hermitian=True)
    yield C(*torch.linalg.ldl_factor(symmetric(3, 7, 7, dtype=f64)), R(3, 7, 2, dtype=f64))


@cases("linalg_qr")
def qr(name):
    for a in rectangles():
        for mode in ("reduced", "complete", "r"):
            yield C(a, mode)
    yield C(R(40, 60, dtype=f64))
    yield C(torch.eye(3))


@cases("geqrf")
def geqrf(name):
    for a in rectangles():
        yield C(a)


@cases("linalg_householder_product orgqr")
def householder_product(name):
    for dtype in FIELDS:
        yield C(*torch.geqrf(R(5, 3, dtype=dtype)))
    yield C(*torch.geqrf(R(2, 4, 4)))
    packed, tau = torch.geqrf(R(2, 5, 3))
    yield C(packed, tau[:, :2])
    yield C(torch.zeros(3, 0), torch.zeros(0))


@cases("ormqr")
def ormqr(name):
    for dtype in FIELDS:
        packed, tau = torch.geqrf(R(5, 3, dtype=dtype))
        for transpose in (False, True):
            yield C(packed, tau, R(5, 4, dtype=dtype), True, transpose)
            yield C(packed, tau, R(4, 5, dtype=dtype), False, transpose)
    yield C(*torch.geqrf(R(2, 5, 3)), R(2, 5, 4))


def spectrum():
    """Diagonal matrices, whose vectors have no open sign as both sides compute them."""
    for dtype in FIELDS:
        yield torch.diag(torch.tensor([3.0, 2.0, 0.5])).to(dtype)
    yield torch.diag_embed(torch.tensor([[4.0, 3.0], [2.0, 1.0]]))
    for shape in [(0, 0), (2, 0, 0), (0, 3, 3)]:
        yield torch.zeros(shape)


@cases("linalg_svd svd _linalg_svd")
def svd(name):
    for a in spectrum():
        yield C(a)
        yield C(a, name == "svd")
    for shape in [(0, 3), (3, 0)]:
        yield C(torch.zeros(shape))


@cases("_linalg_svd svd")
def svd_values_alone(name):
    for a in rectangles():
        yield C(a, True, False)
        yield C(a, False, False)


@cases("linalg_svdvals")
def svdvals(name):
    for a in rectangles():
        yield C(a)
    yield C(R(30, 40, dtype=f64))
    yield C(of_rank(6, 5, 2))


@cases("linalg_eigh _linalg_eigh")
def eigh(name):
    for a in spectrum():
        yield C(a)
        yield C(a, "U")


@cases("_linalg_eigh")
def eigh_values_alone(name):
    for a in squares(symmetric):
        yield C(a, "L", False)


@cases("linalg_eigvalsh")
def eigvalsh(name):
    for a in squares(R):
        yield C(a)
        yield C(a, "U")


@cases("linalg_eig linalg_eigvals")
def eig(name):
    for a in spectrum():
        yield C(a)
    yield C(torch.diag(torch.tensor([3.0, 1.0, 2.0])))


@cases("linalg_eigvals")
def eigvals(name):
    for dtype in FIELDS:
        yield C(upper(4, 4, dtype=dtype))
    yield C(torch.tensor([[0.0, 1.0], [-1.0, 0.0]]))
    yield C(torch.tensor([[0.0, -2.0], [1.0, 0.5]]))


@cases("linalg_pinv.atol_rtol_float linalg_matrix_rank.atol_rtol_float")
def pinv(name):
    for a in rectangles():
        yield C(a)
    yield C(of_rank(5, 4, 2))
    yield C(R(4, 4), atol=1.5)
    yield C(R(2, 4, 4), rtol=0.3)
    yield C(R(2, 4, 4), atol=0.5, rtol=0.3)
    yield C(symmetric(3, 4, 4), hermitian=True)
    yield C(definite(4, 4, dtype=c64), hermitian=True)


@cases("linalg_pinv.atol_rtol_tensor linalg_matrix_rank.atol_rtol_tensor")
def pinv_tensors(name):
    yield C(R(4, 5, 3))
    yield C(R(4, 5, 3), atol=torch.tensor(0.7))
    yield C(R(4, 5, 3), rtol=U(4, high=0.5))
    yield C(R(4, 3, 3), atol=U(5, 4), rtol=U(4, high=0.5))
    yield C(R(4, 3, 3, dtype=c128), atol=U(4, dtype=f64))
    yield C(symmetric(4, 3, 3), atol=U(4), hermitian=True)


@cases("linalg_pinv linalg_matrix_rank pinverse")
def pinv_old(name):
    for a in rectangles():
        yield C(a, 0.1)
    yield C(R(2, 4, 4), 0.6)


@cases("linalg_pinv linalg_matrix_rank")
def pinv_hermitian(name):
    yield C(symmetric(2, 4, 4), 0.4, True)


@cases("linalg_pinv.rcond_tensor linalg_matrix_rank.tol_tensor")
def pinv_tensor(name):
    yield C(R(4, 5, 3), U(4, high=0.6))
    yield C(R(4, 3, 3), U(5, 4, high=0.6))
    yield C(symmetric(3, 3), torch.tensor(0.2), True)


@cases("linalg_cond")
def cond(name):
    for a in squares():
        yield C(a)
    for p in (None, 1, -1, 2, -2, INF, -INF):
        yield C(regular(2, 4, 4), p)
    yield C(R(3, 5))
    yield C(R(5, 3, dtype=c64), -2)
    for p in (1, INF):
        yield C(torch.tensor([[1.0, 2.0], [2.0, 4.0]]), p)


@cases("linalg_cond.p_str")
def cond_named(name):
    for p in ("fro", "nuc"):
        yield C(regular(2, 4, 4), p)
        yield C(regular(4, 4, dtype=c64), p)
        yield C(torch.ones(2, 2), p)


@cases("linalg_matrix_norm")
def matrix_norm(name):
    for order in (1, -1, 2, -2, INF, -INF):
        for dtype in FIELDS:
            yield C(R(2, 4, 3, dtype=dtype), order)
        yield C(R(2, 3, 4, 5), order, [3, 1], True)
        yield C(R(2, 3, 4), order, [0, -1])
        yield C(R(4, 3), order, dtype=f64)
    for order in (1, -1, INF, -INF):
        yield C(R(4, 3, dtype=bf16), order)
        yield C(R(4, 3, dtype=f16), order)
    for shape in [(0, 3), (3, 0), (0, 2, 2)]:
        for order in (1, 2, INF):
            yield C(torch.zeros(shape), order)
    yield C(torch.tensor([[1.0, math.nan], [2.0, 3.0]]), 1)
    yield C(torch.tensor([[1.0, math.nan], [2.0, 3.0]]), -INF)


@cases("linalg_matrix_norm.str_ord")
def matrix_norm_named(name):
    for order in ("fro", "nuc"):
        for dtype in FIELDS:
            yield C(R(2, 4, 3, dtype=dtype), order)
        yield C(R(2, 3, 4, 5), order, [3, 1], True)
        yield C(torch.zeros(0, 3), order)
        yield C(R(4, 3), order, dtype=f64)
    yield C(R(4, 3, dtype=bf16))
    yield C(torch.tensor([[1.0, math.nan], [2.0, INF]]))


@cases("nuclear_norm")
def nuclear_norm(name):
    for dtype in FIELDS:
        yield C(R(3, 4, dtype=dtype))
    yield C(R(2, 3, 4), True)
    yield C(torch.zeros(0, 3))


@cases("nuclear_norm.dim")
def nuclear_norm_dim(name):
    yield C(R(2, 3, 4), [0, 2])
    yield C(R(2, 3, 4, dtype=c64), [2, 0], True)


@cases("frobenius_norm.dim")
def frobenius_norm(name):
    for dtype in [f32, f64, bf16, f16, c64, c128]:
        yield C(R(2, 3, 4, dtype=dtype), [0, 2])
    yield C(R(2, 3, 4), [1], True)
    yield C(R(3, 4), [])
    yield C(torch.zeros(0, 3), [0])


@cases("linalg_matrix_power matrix_power")
def matrix_power(name):
    for n in (0, 1, 2, 3, 5, 10, -1, -3):
        for a in (regular(3, 3), regular(2, 3, 3, dtype=f64), regular(3, 3, dtype=c64)):
            yield C(a / 4, n)
    yield C(R(2, 3, 3, dtype=i64), 4)
    yield C(R(3, 3, dtype=i32), 30)
    yield C(R(3, 3, dtype=u8), 3)
    yield C(R(3, 3, dtype=bf16), 2)
    yield C(R(3, 3).t(), 2)
    yield C(torch.zeros(2, 0, 0), 3)
    yield C(torch.zeros(0, 3, 3), -2)


@cases("linalg_multi_dot chain_matmul")
def chain(name):
    for dtype in [f32, f64, bf16, c64, i64]:
        yield C([R(4, 3, dtype=dtype), R(3, 5, dtype=dtype)])
    yield C([R(4, 3), R(3, 5), R(5, 2)])
    yield C([R(2, 9), R(9, 3), R(3, 8), R(8, 4)])
    yield C([R(3, 4).t(), R(5, 3).t()])
    yield C([R(4, 0), R(0, 5)])
    yield C([R(0, 3), R(3, 5), R(5, 2)])


@cases("linalg_multi_dot")
def chain_with_vectors(name):
    yield C([R(3), R(3, 4), R(4)])
    yield C([R(3), R(3, 4)])
    yield C([R(4, 3), R(3)])
    yield C([R(3), R(3)])
    yield C([R(3), R(3, 5), R(5, 4), R(4)])


@cases("chain_matmul")
def chain_of_one(name):
    yield C([R(3, 2)])


@cases("linalg_matrix_exp matrix_exp")
def matrix_exp(name):
    for dtype in FIELDS:
        for scale in (0.01, 1.0, 3.0):
            yield C(R(3, 3, dtype=dtype, scale=scale))
    yield C(R(2, 2, 4, 4))
    yield C(torch.zeros(2, 2))  # of 16 bits PyTorch answers what it finds in memory
    yield C(torch.tensor([[math.nan, 1.0], [0.0, 1.0]]))
    yield C(torch.zeros(2, 0, 0))
    yield C(R(1, 1))


@cases("linalg_tensorinv")
def tensorinv(name):
    for dtype in FIELDS:
        yield C(regular(6, 6, dtype=dtype).reshape(2, 3, 6), 2)
    yield C(regular(6, 6).reshape(6, 3, 2), 1)
    yield C(regular(12, 12).reshape(4, 3, 6, 2))
    yield C(regular(6, 6).reshape(6, 3, 2).permute(0, 2, 1), 1)


@cases("linalg_tensorsolve")
def tensorsolve(name):
    for dtype in FIELDS:
        yield C(regular(6, 6, dtype=dtype).reshape(2, 3, 6), R(2, 3, dtype=dtype))
    yield C(regular(12, 12).reshape(4, 3, 6, 2), R(4, 3))
    yield C(regular(6, 6).reshape(6, 3, 2).permute(1, 2, 0), R(6), [0, 1])


@cases("linalg_vander")
def vander(name):
    for dtype in [f32, f64, c64, c128]:
        yield C(R(4, dtype=dtype))
    for dtype in INTS:
        yield C(R(4, dtype=dtype))
    yield C(R(2, 3), N=5)
    yield C(R(2, 3, dtype=i64), N=2)
    yield C(torch.tensor(2.0), N=3)
    yield C(torch.zeros(0), N=3)


@cases("linalg_diagonal")
def diagonal(name):
    for a in (R(3, 4), R(2, 3, 3), R(2, 3, 4, dtype=i64)):
        yield C(a)
        yield C(a, offset=1)
        yield C(a, offset=-1)
    yield C(R(2, 3, 4), dim1=0, dim2=2)


@cases("linalg_lstsq")
def lstsq(name):
    for driver in (None, "gels", "gelsy", "gelsd", "gelss"):
        for dtype in FIELDS:
            yield C(R(5, 3, dtype=dtype), R(5, 2, dtype=dtype), driver=driver)
        yield C(R(3, 5), R(3, 2), driver=driver)
        yield C(R(2, 5, 3), R(2, 5), driver=driver)
        yield C(R(5, 3), R(5), driver=driver)
        yield C(R(4, 4), R(4, 2), driver=driver)
    yield C(of_rank(5, 4, 2), R(5, 2))
    yield C(R(2, 0, 5, 3), R(2, 0, 5, 2))
