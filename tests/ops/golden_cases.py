"""Further cases: complex numbers, Fourier transforms, order statistics, rare products, movement and indexing."""
import math

import torch

from golden_lib import *


# --- elementwise ---
@cases("heaviside nextafter")
def pairs_of_one_dtype(name):
    for dtype in [f32, f64, bf16]:
        yield C(R(3, 4, dtype=dtype), R(4, dtype=dtype))
    yield C(strange(), strange().flip(0))
    yield C(torch.tensor([0.0, -0.0, 1.0, -1.0]), torch.tensor([1.0, -1.0, 1.0, 2.0]))


@cases("nextafter")
def nextafter_zero(name):
    yield C(torch.tensor([0.0, 1.0, -1.0], dtype=bf16), torch.tensor([-1.0, 2.0, 1.0], dtype=bf16))


@cases("heaviside")
def heaviside(name):
    yield C(R(3, 4, dtype=i64), R(dtype=i64))


ONE_NUMBER = """digamma special_i0e special_i1 special_i1e special_erfcx special_ndtri special_log_ndtr special_bessel_j0 special_bessel_j1
special_bessel_y0 special_bessel_y1 special_modified_bessel_i0 special_modified_bessel_i1 special_modified_bessel_k0 special_modified_bessel_k1
special_scaled_modified_bessel_k0 special_scaled_modified_bessel_k1 special_spherical_bessel_j0 special_airy_ai"""


@cases(ONE_NUMBER)
def special_of_one(name):
    imprecise = name.startswith(("special_bessel_", "special_airy"))  # by up to 3e-6 in PyTorch, says mpmath
    for dtype in [f32] if imprecise else [f32, f64]:
        yield C(R(3, 5, dtype=dtype))
        yield C(U(4, 5, low=0, high=1).to(dtype))
        if not imprecise:
            yield C(U(3, 5, low=-30, high=30).to(dtype).t())
    yield C(torch.tensor([0.0, -0.0, 1.0, -1.0, float("nan"), 25.0, 200.0]))
    yield C(I(5, 2, 3, low=-2))
    yield C(torch.zeros(0, 3))
    yield C(torch.tensor(0.75))
    for dtype in [bf16, f16]:
        yield C(U(7, low=0, high=1).to(dtype))


@cases("polygamma")
def polygamma(name):
    for n in [0, 1, 2, 5]:
        yield C(n, U(3, 4, low=0.1, high=9))
        yield C(n, U(5, low=0.1, high=2).double())
    yield C(2, I(5, 4, low=1))


@cases("polygamma_")
def polygamma_in_place(name):
    yield C(U(3, 4, low=0.1, high=9), 1)


@cases("mvlgamma")
def mvlgamma(name):
    for p in [1, 2, 5]:
        yield C(U(3, 4, low=3, high=9), p)
    yield C(U(4, low=3, high=9).double(), 3)
    yield C(I(9, 4, low=4), 3)


@cases("igamma igammac")
def incomplete_gamma(name):
    for dtype in [f32, f64]:
        yield C(U(4, 5, low=0.01, high=20).to(dtype), U(4, 5, low=0.01, high=20).to(dtype))
        yield C(U(4, 1, low=0.01, high=2).to(dtype), U(5, low=0, high=2).to(dtype))
    a, x = torch.meshgrid(*2 * [torch.tensor([0.0, 1.0, -1.0, 3.0, float("inf"), float("nan")])], indexing="ij")
    yield C(a, x)
    yield C(U(6, low=200, high=300), U(6, low=200, high=300))


@cases("special_zeta")
def hurwitz_zeta(name):
    for dtype in [f32, f64]:
        yield C(U(4, 5, low=1.1, high=20).to(dtype), U(5, low=0.1, high=20).to(dtype))
    yield C(torch.tensor([1.0, 0.5, 2.0, 2.0, 2.5, 3.0]), torch.tensor([2.0, 2.0, 0.0, -2.0, -1.5, -1.5]))
    yield C(I(9, 4, low=2), I(9, 4, low=1))


@cases("special_zeta.other_scalar")
def zeta_number(name):
    yield C(U(4, low=1.1, high=20), 2.5)


@cases("special_zeta.self_scalar")
def zeta_of_number(name):
    yield C(3, U(4, low=1.1, high=20))


KINDS = ["t", "u", "v", "w"]
POLYNOMIALS = [f"special_{shifted}chebyshev_polynomial_{k}" for shifted in ("", "shifted_") for k in KINDS] + [
    "special_" + n for n in ("hermite_polynomial_h", "hermite_polynomial_he", "laguerre_polynomial_l", "legendre_polynomial_p")]


@cases(" ".join(POLYNOMIALS))
def polynomial(name):
    for dtype in [f32, f64]:
        yield C(U(6, 5, low=-0.9, high=0.9).to(dtype), torch.tensor([-1, 0, 1, 2, 5], dtype=dtype))
        yield C(U(3, 2, low=0.1, high=0.9).to(dtype), torch.tensor([9, 12], dtype=dtype))
        yield C(U(3, 2, low=1, high=2).to(dtype), torch.tensor([4, 6], dtype=dtype))
    yield C(torch.tensor([0.0, 1.0, -1.0, float("nan")])[:, None], torch.tensor([0.0, 3.0, 4.0]))
    yield C(I(3, 4), I(4, 4))


@cases(" ".join(p + ".x_scalar" for p in POLYNOMIALS))
def polynomial_at_number(name):
    yield C(0.3, torch.tensor([0.0, 1.0, 6.0]))


@cases(" ".join(p + ".n_scalar" for p in POLYNOMIALS))
def polynomial_of_degree(name):
    yield C(U(3, 4), 3)


@cases("frexp.Tensor")
def frexp(name):
    for dtype in FLOATS:
        yield C(R(3, 4, dtype=dtype, scale=30))
    yield C(torch.tensor([0.0, -0.0, 1.0, -8.0, 1e-40]))
    yield C(R(4, 3).t())
    yield C(torch.zeros(0))


@cases("ldexp.Tensor")
def ldexp(name):
    yield C(R(3, 4), I(5, 4, low=-4))
    yield C(R(3, 4, dtype=i64), I(5, 4))
    yield C(strange(), R(12))


@cases("gcd lcm")
def divisors(name):
    yield C(I(30, 3, 4, low=-30), I(20, 4, low=-20))
    yield C(I(30, 5, dtype=u8), I(20, 5, dtype=u8))
    yield C(torch.tensor([0, 0, 4]), torch.tensor([0, 3, 0]))
    yield C(I(30, 5, dtype=i32), I(20, 5))


@cases("_grouped_mm")
def grouped_mm(name):
    for dtype in FLOATS:
        weight = R(3, 8, 16, dtype=dtype)
        for ends in [[2, 2, 6], [0, 3, 6], [6, 6, 6]]:
            yield C(R(6, 8, dtype=dtype), weight, torch.tensor(ends, dtype=i32))
            yield C(R(6, 8, dtype=dtype), R(3, 16, 8, dtype=dtype).mT, torch.tensor(ends, dtype=i32))


@cases("float_power.Tensor_Tensor")
def float_power(name):
    yield C(U(3, 4), R(4))
    yield C(I(5, 3, 4), I(4, 4, dtype=i32))


@cases("float_power_.Scalar")
def float_power_in_place(name):
    yield C(R(3, 4, dtype=f64), 2)


@cases("float_power.Scalar")
def float_power_scalar(name):
    yield C(2, R(3, 4))
    yield C(2.5, I(4, 4))


@cases("xlogy.Scalar_Other special_xlog1py.other_scalar")
def xlogy_other(name):
    yield C(R(3, 4), 2.5)
    yield C(I(4, 5), 2)


@cases("xlogy.Scalar_Self special_xlog1py.self_scalar")
def xlogy_self(name):
    yield C(2.5, U(3, 4))
    yield C(0, strange())


@cases("special_xlog1py")
def xlog1py(name):
    yield C(R(3, 4), U(4))
    yield C(strange(), strange().flip(0))


@cases("copysign.Scalar")
def copysign_scalar(name):
    yield C(R(3, 4), -2)
    yield C(R(3, 4, dtype=i64), 2.5)
    yield C(strange(), -0.0)


@cases("isposinf isneginf")
def infinities(name):
    yield C(strange())
    yield C(strange(bf16))
    yield C(R(3, dtype=i64))


@cases("special_entr special_ndtr i0")
def special(name):
    yield C(strange() if name != "i0" else strange().clamp(-60, 60))
    yield C(R(3, 4, dtype=f64))
    yield C(R(3, 4, dtype=i64))
    yield C(U(40, low=-9, high=30) if name == "i0" else U(40, low=-1, high=5))


@cases("rrelu")
def rrelu(name):
    yield C(R(3, 4))
    yield C(strange(), 0.1, 0.2, False)


@cases("bitwise_left_shift.Scalar_Tensor bitwise_right_shift.Scalar_Tensor")
def shift_number(name):
    yield C(37, I(6, 3, 4))
    yield C(3, I(6, 4, dtype=i32))


# --- complex numbers ---
@cases("view_as_real real imag conj _conj conj_physical angle resolve_conj resolve_neg abs neg sgn square exp reciprocal "
       "sqrt clone permute_copy")
def complex_unary(name):
    if name == "permute_copy":
        yield C(R(2, 3, dtype=c64), [1, 0])
        return
    yield C(R(3, 4, dtype=c64))
    yield C(R(4, 3, dtype=c128).t())
    yield C(R(dtype=c64))


@cases("real conj conj_physical _conj angle")
def real_as_complex(name):
    yield C(R(3, 4))
    yield C(strange())
    yield C(R(3, dtype=i64))


@cases("view_as_complex")
def view_as_complex(name):
    yield C(R(3, 4, 2))
    yield C(R(5, 2, dtype=f64))


@cases("complex polar")
def complex_parts(name):
    yield C(R(3, 4), R(4))
    yield C(R(3, dtype=f64), R(3, dtype=f64))


@cases("add.Tensor sub.Tensor mul.Tensor div.Tensor")
def complex_arithmetic(name):
    yield C(R(3, 4, dtype=c64), R(4, dtype=c64))
    yield C(R(3, 4, dtype=c64), R(3, 1))
    yield C(R(3, dtype=c128), R(3, dtype=c64))


@cases("mul.Scalar add.Scalar")
def complex_scalar(name):
    yield C(R(3, 4, dtype=c64), 1.5)


@cases("where.self")
def complex_where(name):
    yield C(R(4, dtype=b8), R(3, 4, dtype=c64), R(4, dtype=c64))


# --- Fourier transforms ---
@cases("_fft_c2c")
def fft_c2c(name):
    for n in [8, 6, 7, 1]:
        yield C(R(2, n, dtype=c64), [1], 0, True)
    yield C(R(4, 6, dtype=c128), [0, 1], 2, False)
    yield C(R(3, 4, 5, dtype=c64), [0, 2], 1, True)


@cases("_fft_r2c")
def fft_r2c(name):
    yield C(R(2, 8), [1], 0, True)
    yield C(R(3, 7), [-1], 2, False)
    yield C(R(4, 6, dtype=f64), [0, 1], 1, True)


@cases("_fft_c2r")
def fft_c2r(name):
    yield C(R(2, 5, dtype=c64), [1], 2, 8)
    yield C(R(2, 5, dtype=c64), [1], 0, 9)
    yield C(R(4, 4, dtype=c128), [0, 1], 1, 6)


@cases("fft_fft fft_ifft fft_rfft fft_irfft fft_hfft fft_ihfft")
def fft_one(name):
    real = name in ("fft_rfft", "fft_ihfft")
    make = lambda *s, dtype=c64: R(*s, dtype={c64: f32, c128: f64}[dtype] if real else dtype)
    yield C(make(3, 8))
    yield C(make(6, 3), 5, 0, "ortho")
    yield C(make(9, dtype=c128), 12, -1, "forward")
    if not real:
        yield C(R(3, 6), 6)


@cases("fft_fft2 fft_ifft2 fft_rfft2 fft_irfft2 fft_fftn fft_ifftn fft_rfftn fft_irfftn")
def fft_several(name):
    make = lambda *s: R(*s, dtype=f32 if "rfft" in name and "irfft" not in name else c64)
    yield C(make(2, 4, 6))
    yield C(make(4, 5), [6, 3], [0, 1], "ortho")


@cases("fft_fftshift fft_ifftshift")
def fft_shift(name):
    yield C(R(5, 4))
    yield C(R(5, 4), [0])


@cases("fft_fftfreq fft_rfftfreq")
def fft_freq(name):
    yield C(6)
    yield C(7, 0.5)
    yield C(5, dtype=f64)


@cases("stft")
def stft(name):
    yield C(R(40), 8, 4, 8, torch.hann_window(8), False, True, True)
    yield C(R(2, 33), 16, return_complex=True)
    yield C(R(40, dtype=f64), 8, 3, 6, None, True, False, True)


@cases("stft.center")
def stft_center(name):
    yield C(R(2, 40), 8, 4, 8, torch.hann_window(8), return_complex=True)
    yield C(R(40), 8, 4, center=True, pad_mode="constant", return_complex=True)


# --- reductions and orders ---
@cases("kthvalue")
def kthvalue(name):
    yield C(distinct(3, 7), 2)
    yield C(distinct(4, 5), 3, 0, True)
    yield C(distinct(6, dtype=i64), 6)
    yield C(R(), 1)


def with_nan(*shape):
    values = R(*shape)
    values.view(-1)[1] = math.nan
    return values


@cases("quantile nanquantile")
def quantile(name):
    q = torch.tensor([0.0, 0.3, 0.5, 1.0])
    yield C(R(3, 7), q)
    yield C(R(3, 7), q, 1, True)
    yield C(with_nan(3, 7), q, 0)
    for how in ("lower", "higher", "midpoint", "nearest"):
        yield C(R(6, 3), q, 0, interpolation=how)
    yield C(R(9, dtype=f64), torch.tensor(0.2, dtype=f64))


@cases("quantile.scalar nanquantile.scalar")
def quantile_scalar(name):
    yield C(R(3, 7), 0.3, 1)
    yield C(R(3, 7), 0.75, keepdim=True)
    yield C(with_nan(3, 7), 0.5, -1)


@cases("histc")
def histc(name):
    yield C(R(40))
    yield C(R(5, 8), 6, -1.0, 1.5)
    yield C(R(30, dtype=f64), 4)


@cases("median nanmedian")
def median(name):
    yield C(distinct(3, 5))
    yield C(distinct(6, dtype=i64))
    yield C(R(3, 3, dtype=bf16))
    yield C(torch.tensor([1.0, math.nan, 3.0, 2.0]))


@cases("median.dim nanmedian.dim")
def median_dim(name):
    yield C(distinct(3, 6), 1)
    yield C(distinct(5, 4), 0, True)
    yield C(torch.tensor([[1.0, math.nan, 3.0], [2.0, 5.0, 4.0]]), -1)
    yield C(R(), 0)


@cases("mode")
def mode(name):
    yield C(I(3, 4, 7).float(), 1)
    yield C(I(3, 5, 4), 0, True)


@cases("msort")
def msort(name):
    yield C(R(5, 3))
    yield C(R(4, dtype=i64))


@cases("argsort.stable")
def argsort_stable(name):
    yield C(I(3, 4, 6), stable=True, dim=1)
    yield C(R(5), stable=True, descending=True)


@cases("_safe_softmax")
def safe_softmax_of_nothing(name):
    yield C(torch.tensor([[math.nan, -math.inf, -math.inf], [-math.inf, -math.inf, -math.inf], [1.0, math.nan, 2.0]]), -1)


@cases("nanmean")
def nanmean(name):
    yield C(torch.tensor([[1.0, math.nan, 3.0], [2.0, 5.0, 4.0]]))
    yield C(torch.tensor([[1.0, math.nan, 3.0], [math.nan, math.nan, math.nan]]), [1], True)


@cases("norm.ScalarOpt_dtype")
def norm_dtype(name):
    yield C(R(3, 4), 2, dtype=f64)
    yield C(R(3, 4), 1.5, dtype=f32)


@cases("norm.ScalarOpt_dim_dtype")
def norm_dim_dtype(name):
    yield C(R(3, 4), 1, [1], True, dtype=f64)


@cases("linalg_norm")
def linalg_norm(name):
    yield C(R(3, 4))
    yield C(R(2, 3, 4), None, [1], True)
    yield C(R(2, 3, 4), 1, [1, 2])
    yield C(R(2, 3, 4), -math.inf, [0, 2], True)
    yield C(R(5), 3)
    yield C(R(3, 4), math.inf)


@cases("linalg_norm.ord_str")
def linalg_norm_str(name):
    yield C(R(3, 4), "fro")
    yield C(R(2, 3, 4), "fro", [1, 2], True)


@cases("dist")
def dist(name):
    yield C(R(3, 4), R(4))
    yield C(R(3, 4), R(3, 4), 1)
    yield C(R(3, 4), R(3, 4), math.inf)


@cases("renorm")
def renorm(name):
    yield C(R(4, 5), 2, 0, 2.0)
    yield C(R(4, 5), 1, 1, 3.0)


@cases("isin.Tensor_Tensor")
def isin(name):
    yield C(I(6, 3, 4), I(6, 3))
    yield C(I(6, 3, 4), I(6, 3), invert=True)
    yield C(strange(), strange()[:7])


@cases("isin.Tensor_Scalar")
def isin_scalar(name):
    yield C(I(6, 3, 4), 2)


@cases("bucketize.Scalar")
def bucketize_scalar(name):
    yield C(1.5, torch.tensor([0.0, 1.0, 2.0]))
    yield C(2, torch.tensor([0, 2, 2, 3]), right=True, out_int32=True)


@cases("searchsorted.Scalar")
def searchsorted_scalar(name):
    yield C(torch.tensor([0.0, 1.0, 2.0]), 1.0)
    yield C(torch.tensor([0, 2, 2, 3]), 2, side="right")


# --- products and cells ---
@cases("inner")
def inner(name):
    yield C(R(3, 4), R(5, 4))
    yield C(R(2, 3, 4), R(4))
    yield C(R(), R(3))


@cases("kron")
def kron(name):
    yield C(R(2, 3), R(3, 2))
    yield C(R(2), R(2, 3))
    yield C(R(2, 3, dtype=i64), R(2, dtype=i64))


@cases("tensordot")
def tensordot(name):
    yield C(R(3, 4, 5), R(4, 3, 2), [1, 0], [0, 1])
    yield C(R(3, 4), R(4, 2), [1], [0])
    yield C(R(2), R(3), [], [])


@cases("bilinear")
def bilinear(name):
    yield C(R(3, 4), R(3, 5), R(2, 4, 5), R(2))
    yield C(R(4), R(5), R(2, 4, 5))


@cases("linalg_vecdot")
def vecdot(name):
    yield C(R(3, 4), R(4))
    yield C(R(3, 4), R(3, 4), dim=0)


@cases("addr")
def addr(name):
    yield C(R(3, 4), R(3), R(4))
    yield C(R(4), R(3), R(4), beta=0.5, alpha=2)
    yield C(R(3, 4, dtype=i64), R(3, dtype=i64), R(4, dtype=i64))


@cases("addbmm_")
def addbmm_in_place(name):
    yield C(R(3, 5), R(2, 3, 4), R(2, 4, 5), beta=0.5, alpha=2)


@cases("lstm_cell")
def lstm_cell(name):
    yield C(R(3, 4), [R(3, 5), R(3, 5)], R(20, 4), R(20, 5), R(20), R(20))
    yield C(R(2, 4), [R(2, 3), R(2, 3)], R(12, 4), R(12, 3))


@cases("gru_cell")
def gru_cell(name):
    yield C(R(3, 4), R(3, 5), R(15, 4), R(15, 5), R(15), R(15))


@cases("rnn_tanh_cell rnn_relu_cell")
def rnn_cell(name):
    yield C(R(3, 4), R(3, 5), R(5, 4), R(5, 5), R(5), R(5))


# --- indexing ---
@cases("scatter.reduce")
def scatter_reduce(name):
    for how in ["add", "multiply"]:
        yield C(R(5, 6), 0, I(5, 3, 6), R(3, 6), reduce=how)


@cases("scatter.value_reduce")
def scatter_value_reduce(name):
    for how in ["add", "multiply"]:
        yield C(R(5, 6), 1, I(6, 5, 3), 2.5, reduce=how)


@cases("index_fill.int_Tensor")
def index_fill_tensor(name):
    yield C(R(5, 6), 1, torch.tensor([0, -1]), torch.tensor(2.5))


@cases("index_reduce")
def index_reduce(name):
    for how in ["prod", "mean", "amax", "amin"]:
        for own in [True, False]:
            yield C(R(5, 3), 0, torch.tensor([0, 2, 2]), R(3, 3), how, include_self=own)


@cases("put")
def put(name):
    yield C(R(3, 4), torch.tensor([0, -1, 5]), R(3))
    yield C(R(3, 4), torch.tensor([[0, 0], [5, 1]]), R(2, 2), True)


@cases("take")
def take(name):
    yield C(R(3, 4), torch.tensor([[0, -1], [5, 2]]))
    yield C(R(4, 3, dtype=bf16).t(), torch.tensor(3))


@cases("embedding_bag")
def embedding_bag(name):
    i, at = torch.tensor([1, 2, 4, 5, 4, 3]), torch.tensor([0, 2, 2])
    yield C(R(7, 4), i, at)
    yield C(R(7, 4), i, at, False, 1)
    yield C(R(7, 4), i, at, False, 2)
    yield C(R(7, 4), i, at, False, 0, False, R(6))
    yield C(R(7, 4), i, torch.tensor([0, 2, 6]), False, 1, False, None, True)


@cases("embedding_bag.padding_idx")
def embedding_bag_padding(name):
    i, at = torch.tensor([1, 2, 4, 5, 4, 3]), torch.tensor([0, 2, 4])
    yield C(R(7, 4), i, at, False, 1, False, None, False, 4)


@cases("_embedding_bag _embedding_bag_forward_only")
def embedding_bag_inner(name):
    i, at = torch.tensor([1, 2, 4, 5, 4, 3]), torch.tensor([0, 2, 2])
    for mode in [1, 2]:
        yield C(R(7, 4), i, at, False, mode)


# --- movement ---
@cases("as_strided")
def as_strided(name):
    yield C(R(4, 6), [3, 2], [6, 2])
    yield C(R(24), [4, 5], [2, 1], 3)
    yield C(R(9), [3, 3], [1, 1])
    yield C(R(9), [], [], 4)


@cases("as_strided_scatter")
def as_strided_scatter(name):
    yield C(R(4, 6), R(3, 2), [3, 2], [6, 2])
    yield C(R(9), R(2, 2), [2, 2], [4, 1], 1)


@cases("tensor_split.indices")
def tensor_split_indices(name):
    yield C(R(7, 3), [2, 5])
    yield C(R(4, 6), [1, -1], 1)
    yield C(R(7, 3), [3, 3])


@cases("hsplit.int")
def hsplit(name):
    yield C(R(4, 6), 3)
    yield C(R(6), 2)


@cases("hsplit.array")
def hsplit_array(name):
    yield C(R(4, 6), [1, 4])


@cases("vsplit.int")
def vsplit(name):
    yield C(R(4, 6), 2)


@cases("vsplit.array")
def vsplit_array(name):
    yield C(R(4, 6), [1])


@cases("dsplit.int")
def dsplit(name):
    yield C(R(2, 3, 4), 2)


@cases("dsplit.array")
def dsplit_array(name):
    yield C(R(2, 3, 4), [1, 2])


@cases("ravel atleast_1d atleast_2d atleast_3d")
def shapes(name):
    for shape in [(), (3,), (2, 3), (2, 3, 4)]:
        yield C(R(*shape))
    yield C(R(3, 2).t())


@cases("fliplr flipud")
def flips(name):
    yield C(R(3, 4))
    yield C(R(2, 3, 4))


@cases("rot90")
def rot90(name):
    for k in range(-1, 4):
        yield C(R(3, 4), k)
    yield C(R(2, 3, 4), 1, [2, 0])


@cases("dstack column_stack")
def stacks(name):
    yield C([R(3), R(3)])
    if name == "dstack":
        yield C([R(2, 3), R(2, 3)])
    yield C([R(2, 3, 4), R(2, 3, 4)])


@cases("block_diag")
def block_diag(name):
    yield C([R(2, 3), R(3), R()])


@cases("diag")
def diag(name):
    yield C(R(3))
    yield C(R(3), -2)
    yield C(R(3, 4), 1)
    yield C(R(4, 3), -1)


@cases("diag_embed")
def diag_embed(name):
    yield C(R(2, 3))
    yield C(R(2, 3), 1, 0, 2)
    yield C(R(3), -1)


@cases("view.dtype")
def view_dtype(name):
    yield C(R(3, 4), i32)
    yield C(R(3, 4), i16)
    yield C(R(3, 4, dtype=i16), f32)


@cases("affine_grid_generator")
def affine_grid(name):
    yield C(R(2, 2, 3), [2, 3, 4, 5], False)
    yield C(R(2, 2, 3), [2, 3, 4, 1], True)
    yield C(R(1, 3, 4), [1, 2, 3, 4, 2], True)


# --- creation ---
@cases("empty_strided")
def empty_strided(name):
    yield C([2, 3], [3, 1])
    yield C([2, 3], [1, 2], dtype=i64)


@cases("new_empty_strided")
def new_empty_strided(name):
    yield C(R(2, dtype=bf16), [2, 3], [3, 1])


@cases("empty_permuted")
def empty_permuted(name):
    yield C([2, 3, 4], [0, 2, 1])


@cases("logspace")
def logspace(name):
    yield C(0, 2, 5)
    yield C(-1.0, 1.5, 4, 2.0, dtype=f64)


@cases("tril_indices triu_indices")
def triangle_indices(name):
    yield C(3, 4)
    yield C(4, 3, -1)
    yield C(3, 3, 1, dtype=i32)


@cases("hann_window hamming_window")
def windows(name):
    yield C(6)
    yield C(1)


@cases("hann_window.periodic hamming_window.periodic")
def windows_periodic(name):
    yield C(6, False)
    yield C(5, True, dtype=f64)
