"""Elementwise operators of two operands and more: arithmetic, comparisons, bits, choices."""
import re

import torch

from golden_lib import *


ARITHMETIC = "add sub mul div maximum minimum fmax fmin atan2 hypot xlogy logaddexp logaddexp2 floor_divide isclose"
TENSOR_ONLY = ("subtract.Tensor multiply.Tensor divide.Tensor true_divide.Tensor rsub.Tensor less.Tensor greater.Tensor "
               "not_equal.Tensor max.other min.other logical_xor copysign.Tensor")
COMPARE = "eq ne lt le gt ge"


def no_zero(t):
    return torch.where(t == 0, torch.ones_like(t), t)


@cases("add.Tensor sub.Tensor mul.Tensor div.Tensor eq.Tensor ne.Tensor lt.Tensor le.Tensor gt.Tensor ge.Tensor "
       "remainder.Tensor fmod.Tensor pow.Tensor_Tensor maximum minimum fmax fmin atan2 hypot xlogy.Tensor logaddexp "
       "logaddexp2 floor_divide isclose logical_and logical_or " + TENSOR_ONLY)
def binary(name):
    divides = re.match("div|rem|fmod|floor|true", name)
    safe = no_zero if divides else lambda t: t
    yield C(R(2, 3, 4), R(2, 3, 4))
    yield C(R(3, 4).t(), safe(R(3)))
    yield C(R(2, 1, 4), R(3, 1))
    yield C(R(), R(2, 2))
    yield C(R(0, 3), R(1, 3))
    yield C(strange(), strange().flip(0))
    yield C(strange()[:, None], strange(f32)[None, :])
    for dtype in [f64, bf16, f16, i64, i32, i8, u8, b8]:
        yield C(R(2, 5, dtype=dtype), safe(R(5, dtype=dtype)))
    for a, b in [(f32, i64), (i32, i64), (u8, i8), (bf16, f32), (bf16, f16), (b8, f32), (i64, f64), (b8, i32)]:
        yield C(R(2, 5, dtype=a), safe(R(5, dtype=b)))
    for a, b in [(f32, f64), (i32, i64), (i32, f32), (bf16, f32), (i64, f64), (b8, i64)]:
        yield C(R(2, 3, dtype=a), safe(R(dtype=b)))


@cases("add.Scalar sub.Scalar mul.Scalar div.Scalar eq.Scalar ne.Scalar lt.Scalar le.Scalar gt.Scalar ge.Scalar "
       "remainder.Scalar fmod.Scalar floor_divide.Scalar rsub.Scalar")
def binary_scalar(name):
    for dtype in [f32, f64, bf16, i64, u8, b8]:
        for value in [2, 0.5, -1.5, 3]:
            yield C(R(2, 4, dtype=dtype), value)
    yield C(R(), 2)
    yield C(strange(), 1)
    yield C(R(4, dtype=b8), True)


@cases("eq.Tensor lt.Tensor ge.Tensor")
def compare_rounded_tensor(name):
    yield C(torch.tensor([-0.75, 0.2, 0.3], dtype=bf16), torch.tensor(-0.7497282))
    yield C(torch.tensor(-0.7497282), torch.tensor([-0.75, 0.2, 0.3], dtype=bf16))


@cases("eq.Scalar le.Scalar gt.Scalar")
def compare_rounded(name):
    yield C(torch.tensor([0.1, 0.2, 0.3], dtype=bf16), 0.1)
    yield C(torch.tensor([0.1, 0.2, 0.3]), 0.1)


@cases("add.Tensor sub.Tensor rsub.Tensor subtract.Tensor")
def alpha(name):
    yield C(R(3, 4), R(4), alpha=0.5)
    yield C(R(3, 4, dtype=i64), R(4, dtype=i64), alpha=3)


@cases("add.Scalar sub.Scalar rsub.Scalar")
def alpha_scalar(name):
    yield C(R(3, 4), 2, 3)


@cases("add_.Tensor sub_.Tensor mul_.Tensor div_.Tensor pow_.Tensor")
def in_place(name):
    yield C(R(3, 4).abs(), R(4))
    yield C(U(3, 4), R(dtype=f64))
    yield C(U(3, 4, dtype=bf16), R(3, 1))


@cases("add_.Scalar sub_.Scalar mul_.Scalar div_.Scalar pow_.Scalar")
def in_place_scalar(name):
    yield C(U(3, 4), 2)
    yield C(U(3, 4, dtype=bf16), 0.5)


@cases("floor_divide_.Tensor float_power_.Tensor ldexp_")
def in_place_other_names(name):
    real = f64 if name.startswith("float_power") else f32
    yield C(U(3, 4, dtype=real), no_zero(R(4)))
    if name != "ldexp_":  # whose power of two is rounded to the type of the exponent
        yield C(U(3, 4, dtype=f64), R(3, 1).abs() + 1)


@cases("remainder_.Tensor")
def remainder_in_place(name):
    yield C(R(3, 4), no_zero(R(4)))


@cases("remainder_.Scalar")
def remainder_scalar_in_place(name):
    yield C(R(3, 4), 1.5)


@cases("bitwise_xor_.Tensor")
def bitwise_in_place(name):
    yield C(R(3, 4, dtype=i64), R(4, dtype=i64))
    yield C(R(3, 4, dtype=b8), R(4, dtype=b8))


@cases("lerp_.Scalar")
def lerp_in_place(name):
    yield C(R(3, 4), R(4), 0.25)


@cases("clamp_.Tensor")
def clamp_tensor_in_place(name):
    yield C(R(3, 4), R(4) - 1, R(4) + 1)


@cases("logical_and_ logical_or_ logical_xor_")
def logical_in_place(name):
    yield C(R(3, 4, dtype=b8), R(4, dtype=b8))
    yield C(R(3, 4), R(4, dtype=i64))


@cases("div.Tensor_mode div_.Tensor_mode")
def div_mode(name):
    for mode in ["floor", "trunc", None]:
        yield C(R(3, 4), R(4), rounding_mode=mode)
        yield C(strange(), strange().flip(0), rounding_mode=mode)
        if mode:
            yield C(R(3, 4, dtype=i64), no_zero(R(4, dtype=i64)), rounding_mode=mode)


@cases("div.Scalar_mode div_.Scalar_mode")
def div_scalar_mode(name):
    for mode in ["floor", "trunc"]:
        yield C(R(3, 4), 0.7, rounding_mode=mode)
        yield C(R(3, 4, dtype=i64), -3, rounding_mode=mode)


@cases("remainder.Scalar_Tensor")
def remainder_scalar(name):
    yield C(7, no_zero(R(3, 4, dtype=i64)))
    yield C(-2.5, R(3, 4))


@cases("pow.Tensor_Scalar float_power.Tensor_Scalar")
def pow_scalar(name):
    for value in [2, 3, 0.5, -1, -2.0, 0, 3.3]:
        yield C(U(3, 4), value)
    yield C(strange(), 2)
    yield C(R(3, 4, dtype=i64), 3)
    yield C(R(3, 4, dtype=i32), 0.5)
    yield C(R(3, 4, dtype=bf16), 2)


@cases("pow.Scalar")
def scalar_pow(name):
    yield C(2, R(3, 4))
    yield C(2, I(5, 3, 4))
    yield C(2.5, I(5, 3, 4))


@cases("pow.Tensor_Tensor")
def pow_tensors(name):
    yield C(U(3, 4), R(4))
    yield C(I(5, 3, 4), I(5, 4))


@cases("atan2 hypot copysign.Tensor")
def double_binary(name):
    yield C(R(3, 4, dtype=f64), R(4, dtype=f64))


@cases("isclose")
def isclose(name):
    a = R(9)
    yield C(a, a + 1e-6)
    yield C(a, a + 1e-3, 1e-2, 1e-2)
    yield C(strange(), strange(), equal_nan=True)


BITWISE = "bitwise_and bitwise_or bitwise_xor __and__ __or__ __xor__"


@cases(" ".join(n + ".Tensor" for n in BITWISE.split()) + " bitwise_and_.Tensor bitwise_or_.Tensor __iand__.Tensor __ior__.Tensor")
def bitwise(name):
    for dtype in [i64, i32, u8, b8]:
        yield C(R(3, 4, dtype=dtype), R(4, dtype=dtype))
    yield C(R(3, 4, dtype=i64), R(4, dtype=b8))
    yield C(R(4, 3, dtype=b8).t(), R(dtype=b8))


@cases(" ".join(n + ".Scalar" for n in BITWISE.split()))
def bitwise_scalar(name):
    yield C(R(3, 4, dtype=i64), 5)
    yield C(R(3, 4, dtype=b8), True)
    yield C(R(3, 4, dtype=b8), 3)


@cases("bitwise_left_shift.Tensor bitwise_right_shift.Tensor")
def shift(name):
    yield C(R(3, 4, dtype=i64), I(5, 4))
    yield C(R(3, 4, dtype=i32), I(5, 4, dtype=i32))
    yield C(R(3, 4, dtype=u8), I(9, 4, dtype=u8))


@cases("bitwise_left_shift.Tensor_Scalar bitwise_right_shift.Tensor_Scalar __lshift__.Scalar __rshift__.Scalar")
def shift_scalar(name):
    yield C(R(3, 4, dtype=i64), 2)
    yield C(R(3, 4, dtype=i8), 3)


@cases("where.self")
def where(name):
    for dtype in [f32, i64, bf16, b8]:
        yield C(R(3, 4, dtype=b8), R(3, 4, dtype=dtype), R(4, dtype=dtype))
    yield C(R(3, 1, dtype=b8), R(4), R(dtype=f64))
    yield C(R(dtype=b8), R(0, 4), R(4, dtype=i64))
    yield C(R(12, dtype=b8), strange(), R(12))


@cases("where.ScalarSelf")
def where_scalar_self(name):
    yield C(R(3, 4, dtype=b8), 1.5, R(3, 4))
    yield C(R(3, 4, dtype=b8), 1.5, R(4, dtype=i64))


@cases("where.ScalarOther")
def where_scalar_other(name):
    yield C(R(3, 4, dtype=b8), R(3, 4), 1)
    yield C(R(3, 4, dtype=b8), R(4, dtype=bf16), -INF)


@cases("where.Scalar")
def where_scalar(name):
    yield C(R(3, 4, dtype=b8), 1.5, 2)
    yield C(R(3, 4, dtype=b8), 1, 2)
    yield C(R(3, 4, dtype=b8), True, False)


@cases("masked_fill.Scalar masked_fill_.Scalar")
def masked_fill(name):
    yield C(R(3, 4), R(4, dtype=b8), -INF)
    yield C(R(3, 4, dtype=i64), R(3, 1, dtype=b8), 7)
    yield C(R(3, 4, dtype=bf16), R(3, 4, dtype=b8), 0)


@cases("masked_fill.Tensor masked_fill_.Tensor")
def masked_fill_tensor(name):
    yield C(R(3, 4), R(4, dtype=b8), R())


@cases("lerp.Scalar")
def lerp(name):
    yield C(R(3, 4), R(4), 0.3)
    yield C(R(3, 4, dtype=f64), R(4, dtype=f64), 0.8)


@cases("lerp.Tensor")
def lerp_tensor(name):
    yield C(R(3, 4), R(4), U(3, 1))


@cases("addcmul addcmul_ addcdiv addcdiv_")
def addc(name):
    yield C(R(3, 4), R(4), U(3, 1))
    yield C(R(3, 4), R(4), U(3, 1), value=0.5)
    yield C(R(3, 4, dtype=bf16), R(4, dtype=bf16), U(3, 1, dtype=bf16))


@cases("addcmul")
def addcmul_ints(name):
    yield C(R(3, 4, dtype=i64), R(4, dtype=i64), R(4, dtype=i64), value=2)


@cases("copy copy_")
def copy(name):
    yield C(R(3, 4), R(4, dtype=i64))
    yield C(R(3, 4, dtype=i64), R(3, 4))
    yield C(R(4, 3).t(), R(3, 4, dtype=bf16))


@cases("fill.Scalar fill_.Scalar")
def fill(name):
    yield C(R(3, 4), 2)
    yield C(R(3, 4, dtype=b8), True)


@cases("fill.Tensor fill_.Tensor")
def fill_tensor(name):
    yield C(R(3, 4), R(dtype=f64))


@cases("zero zero_")
def zero(name):
    yield C(R(3, 4))
    yield C(R(4, dtype=i64))
