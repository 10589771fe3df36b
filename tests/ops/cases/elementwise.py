"""Elementwise operators of one operand, and rarer ones."""
import torch

from golden_lib import *


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


UNARY = """abs neg positive relu relu6 sigmoid tanh exp exp2 expm1 log log2 log10 log1p sqrt rsqrt reciprocal sin cos tan
asin acos atan sinh cosh asinh acosh atanh erf erfc erfinv floor ceil round trunc frac sign sgn signbit square lgamma sinc
deg2rad rad2deg silu mish hardswish hardsigmoid selu log_sigmoid isnan isinf isfinite logical_not bitwise_not nan_to_num
logit gelu hardtanh elu celu leaky_relu softplus hardshrink softshrink"""


@cases(UNARY)
def unary(name):
    for t in layouts():
        yield C(t)
    for dtype in FLOATS:  # PyTorch's vectorised gelu gives NaN for infinity
        yield C(strange(dtype) if name != "gelu" else strange(dtype).clamp(-50, 50))
    for dtype in [bf16, f16, f64]:
        yield C(R(17, dtype=dtype))
    for dtype in INTS + [b8]:
        yield C(R(2, 6, dtype=dtype))
    yield C(U(40, low=-0.99, high=0.99))


@cases("relu_ relu6_ sigmoid_ tanh_ exp_ sqrt_ rsqrt_ reciprocal_ neg_ abs_ sin_ cos_ erf_ floor_ round_ silu_ mish_ gelu_ "
       "expm1_ log_ log1p_ ceil_ trunc_ sign_ square_ hardswish_ hardsigmoid_ hardtanh_ elu_ selu_ celu_ leaky_relu_ logit_ logical_not_ bitwise_not_ nan_to_num_")
def unary_in_place(name):
    for dtype in [f32, bf16, i64, b8]:
        yield C(R(3, 4, dtype=dtype))


@cases("round.decimals")
def round_decimals(name):
    yield C(R(9), decimals=2)
    yield C(R(9, scale=300), decimals=-1)


@cases("logit logit_")
def logit(name):
    yield C(U(9, low=0, high=1), 0.2)


@cases("nan_to_num nan_to_num_")
def nan_to_num(name):
    yield C(strange(), 5.0, 6.0, -7.0)


@cases("gelu gelu_")
def gelu(name):
    yield C(R(4, 5), approximate="tanh")
    yield C(R(4, 5, dtype=bf16), approximate="tanh")


@cases("hardtanh hardtanh_")
def hardtanh(name):
    yield C(R(9), -0.5, 2.5)
    yield C(R(9, dtype=i64), -2, 3)


@cases("elu elu_")
def elu(name):
    yield C(R(9), 0.7, 1.3, 0.5)


@cases("celu celu_")
def celu(name):
    yield C(R(9), 0.7)


@cases("leaky_relu leaky_relu_")
def leaky_relu(name):
    yield C(R(9), 0.2)


@cases("softplus")
def softplus(name):
    yield C(R(9, scale=9), 2, 10)


@cases("threshold threshold_")
def threshold(name):
    yield C(R(3, 4), 0.5, -2)
    yield C(R(9, dtype=i64), 2, 20)
    yield C(strange(), 0.5, 9.0)


@cases("hardshrink softshrink")
def shrink(name):
    yield C(R(9), 1.5)


@cases("clamp clamp_ clip clip_")
def clamp(name):
    for t in layouts():
        yield C(t, -0.5, 1.5)
    yield C(strange(), -1, None)
    yield C(strange(bf16), None, 2.0)
    yield C(R(9), 2.0, -1.0)
    yield C(R(9, dtype=i32), -2, 3)
    yield C(R(9, dtype=i64), 0.5, 2.5)


@cases("clamp_min clamp_min_ clamp_max clamp_max_")
def clamp_one(name):
    yield C(R(3, 4), 0.3)
    yield C(strange(), 0.3)
    yield C(R(9, dtype=i64), 1)
    yield C(R(9, dtype=f16), 1)


@cases("clamp.Tensor")
def clamp_tensor(name):
    yield C(R(3, 4), R(4), R(3, 1))
    yield C(strange(), None, R(12))
    yield C(R(3, 4), R(dtype=f64), None)


@cases("clamp_min.Tensor clamp_max.Tensor")
def clamp_one_tensor(name):
    yield C(R(3, 4), R(4))
    yield C(R(3, 4, dtype=i32), R(4, dtype=i64))


@cases("glu")
def glu(name):
    yield C(R(4, 6))
    yield C(R(4, 6), 0)
    yield C(R(4, 6, dtype=bf16), 1)


@cases("prelu")
def prelu(name):
    yield C(R(2, 3, 4), R(3))
    yield C(R(2, 3), R(1))
    yield C(R(5), R(1))


@cases("_prelu_kernel")
def prelu_kernel(name):
    yield C(R(2, 3, 4), R(1, 3, 1))


@cases("dropout dropout_ feature_dropout alpha_dropout native_dropout")
def dropout(name):
    yield C(R(3, 4), 0.5, False)
    yield C(R(3, 4, dtype=bf16).t(), 0.0, False)
