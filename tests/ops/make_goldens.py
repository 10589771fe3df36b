#!/usr/bin/env python3
"""Runs every operator of base/ops.def in PyTorch and writes calls and results to goldens/.

goldens/calls.json lists the calls: operator, arguments (a tensor is {"t": number}), and the numbers of the results;
and the tensors: dtype, shape, strides and first byte in goldens/tensors.bin. Run it in an environment with torch.
Without arguments all operators are written; `make_goldens.py add.Tensor` prints the calls of one and writes nothing.
"""
import itertools
import json
import math
import re
import sys
import zlib

import torch
import torchvision  # noqa: F401: its operators

from golden_lib import *
import golden_cases  # noqa: F401: further cases
import linalg_cases  # noqa: F401: further cases
import rare_cases  # noqa: F401


# --- one operand ---
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


# --- two operands ---
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


# --- reductions and scans ---
@cases("sum mean prod amax amin max min argmax argmin any all var std logsumexp linalg_vector_norm nansum count_nonzero "
       "var.correction std.correction var_mean.correction std_mean.correction aminmax")
def reduce_all(name):
    needs_dim = name in ("logsumexp",)
    for dtype in [f32, f64, bf16, i64, i32, u8, b8]:
        t = distinct(3, 4, dtype=dtype) if dtype not in (b8, bf16) else R(3, 4, dtype=dtype)
        yield C(t, [0, 1]) if needs_dim else C(t)
    if not needs_dim:
        yield C(R(4, 3).t())
        yield C(R())
        yield C(R(0))
        yield C(strange())


@cases("sum.dim_IntList mean.dim amax amin logsumexp linalg_vector_norm nansum var.correction std.correction "
       "var_mean.correction std_mean.correction var.dim std.dim any.dims all.dims count_nonzero.dim_IntList")
def reduce_dims(name):
    has_keep = not name.startswith("count")
    where = (lambda d: (2, d)) if name == "linalg_vector_norm" else lambda d: (d,)
    for dtype in [f32, f64, bf16, i64, b8]:
        for dims in [[1], [0, 2], [-1], [0, 1, 2]]:
            yield C(R(2, 3, 4, dtype=dtype), *where(dims))
            if has_keep:
                yield C(R(2, 3, 4, dtype=dtype), *where(dims), keepdim=True)
    yield C(R(4, 3, 2).permute(2, 0, 1), *where([1]))
    yield C(R(2, 0, 3), *where([2]))
    yield C(R(2, 1100), *where([1]))
    yield C(torch.stack([strange(), strange().flip(0)]), *where([0]))
    yield C(torch.stack([strange(), strange().flip(0)]), *where([1]))


@cases("sum.dim_IntList mean.dim any.dims all.dims nansum")
def reduce_none(name):
    yield C(R(2, 3), None)
    yield C(R(2, 3), [])
    yield C(R(2, 0, 3), [1])


@cases("sum sum.dim_IntList mean mean.dim prod prod.dim_int cumsum cumprod softmax.int log_softmax.int nansum")
def reduce_dtype(name):
    dim = [] if name in ("sum", "mean", "prod", "nansum") else [[1]] if name.endswith(("IntList", "mean.dim")) else [1]
    for source, target in [(f32, f64), (bf16, f32), (i64, f32), (f32, bf16), (b8, i32)]:
        yield C(R(2, 3, dtype=source), *dim, dtype=target)


@cases("prod.dim_int argmax argmin any.dim all.dim max.dim min.dim count_nonzero")
def reduce_dim(name):
    for dtype in [f32, f64, i64, i32]:
        for d in [0, 1, -1]:
            yield C(distinct(2, 3, 4, dtype=dtype), d)
            if name != "count_nonzero":
                yield C(distinct(2, 3, 4, dtype=dtype), d, True)
    yield C(R(2, 3, dtype=b8), 1)
    yield C(R(), 0)
    yield C(torch.tensor([[1, math.nan, 3], [4, 5, math.nan]]), 1)
    yield C(torch.tensor([[1, 2, 2], [4, 4, 4.0]]), 1)


@cases("aminmax")
def aminmax(name):
    yield C(R(3, 4), dim=1)
    yield C(R(3, 4), dim=0, keepdim=True)


@cases("var std var_mean std_mean")
def unbiased(name):
    yield C(R(3, 4), False)


@cases("var.correction std.correction var_mean.correction std_mean.correction")
def corrections(name):
    yield C(R(3, 4), [1], correction=0)
    yield C(R(3, 4), [1], correction=2, keepdim=True)
    yield C(R(3, 1), [1])
    yield C(R(3, 4) + 1000, None, correction=1)


@cases("var.dim std.dim var_mean.dim std_mean.dim")
def var_dim(name):
    yield C(R(3, 4), [0], False, True)


@cases("linalg_vector_norm")
def vector_norm(name):
    for p in [0, 1, 2, 3, INF, -INF, 0.5]:
        yield C(R(3, 4), p, [1])
    yield C(R(3, 4, dtype=bf16), 2, [1], True, dtype=f32)


@cases("norm.Scalar")
def norm(name):
    yield C(R(3, 4))
    yield C(R(3, 4), 1)


@cases("norm.ScalarOpt_dim")
def norm_dim(name):
    yield C(R(3, 4), 2, [1])
    yield C(R(3, 4), None, [0], True)


@cases("cumsum cumsum_ cumprod")
def scan(name):
    for dtype in [f32, f64, bf16, i64, i32, b8]:
        yield C(R(3, 4, dtype=dtype), 1)
    yield C(R(4, 3).t(), 0)
    yield C(R(), 0)
    yield C(R(0, 3), 0)


@cases("diff")
def diff(name):
    yield C(R(3, 5))
    yield C(R(3, 5), 2, 0)
    yield C(R(3, 5, dtype=i64), 1, -1, R(3, 1, dtype=i64), R(3, 2, dtype=i64))
    yield C(I(9, 2, 6), 1, -1, I(9, 2, 1))
    yield C(R(2, 1))
    yield C(R(2, 3), 5)


@cases("softmax.int log_softmax.int")
def softmax(name):
    for dtype in FLOATS:
        yield C(R(3, 5, dtype=dtype), -1)
    yield C(R(2, 3, 4), 1)
    yield C(R(4, 3).t(), 1)
    yield C(R(), 0)
    yield C(R(0, 3), 1)
    yield C(torch.tensor([[0.0, -INF, 1.0], [200.0, 100.0, -300.0]]), 1)
    yield C(torch.tensor([[-INF, -INF], [0, INF], [0, math.nan]]), 1)


@cases("_softmax _log_softmax")
def core_softmax(name):
    yield C(R(3, 5), 1, False)
    yield C(R(3, 5, 2, dtype=bf16), 1, False)
    yield C(R(3, 5, dtype=f64), 0, False)


@cases("_safe_softmax")
def safe_softmax(name):
    yield C(R(3, 5), 1)
    yield C(torch.tensor([[-INF, -INF], [0, 1]]), 1)


@cases("sort argsort")
def sort(name):
    yield C(distinct(3, 4))
    yield C(distinct(3, 4), 0, True)
    yield C(distinct(3, 4, dtype=i64))
    yield C(torch.tensor([3, math.nan, -INF, 1, INF]))
    yield C(R())


@cases("sort.stable")
def sort_stable(name):
    yield C(R(3, 9, dtype=i64), stable=True)
    yield C(R(3, 9, dtype=i64), stable=True, dim=1, descending=True)


@cases("topk")
def topk(name):
    yield C(distinct(3, 7), 3)
    yield C(distinct(7, 3), 2, 0, False)
    yield C(distinct(3, 7, dtype=i64), 7)


@cases("cosine_similarity")
def cosine(name):
    yield C(R(3, 4), R(3, 4))
    yield C(R(3, 4), R(1, 4), 0)
    yield C(torch.zeros(2, 3), R(2, 3), -1, 1e-6)


# --- normalisation ---
@cases("layer_norm")
def layer_norm(name):
    yield C(R(2, 3, 8), [8], R(8), R(8))
    yield C(R(2, 3, 4), [3, 4], R(3, 4), None, 1e-3)
    yield C(R(2, 3, 8), [8])
    yield C(R(8, 2).t(), [8], R(8), R(8))
    yield C(R(2, 8) + 100, [8])
    for dtype in [bf16, f16, f64]:
        yield C(R(2, 8, dtype=dtype), [8], R(8, dtype=dtype), R(8, dtype=dtype))
    yield C(R(2, 8, dtype=bf16), [8], R(8), R(8))
    yield C(R(0, 8), [8])


@cases("native_layer_norm")
def native_layer_norm(name):
    yield C(R(2, 3, 8), [8], R(8), R(8), 1e-5)
    yield C(R(2, 3, 4), [3, 4], None, None, 1e-3)
    yield C(R(2, 8, dtype=bf16), [8], R(8), R(8), 1e-5)
    yield C(R(2, 8, dtype=bf16), [8], R(8, dtype=bf16), R(8, dtype=bf16), 1e-5)


@cases("rms_norm")
def rms_norm(name):
    yield C(R(2, 3, 8), [8], R(8), 1e-5)
    yield C(R(2, 3, 4), [3, 4])
    yield C(R(2, 8, dtype=bf16), [8], R(8, dtype=bf16), 1e-6)
    yield C(R(2, 8, dtype=f64), [8])


@cases("_fused_rms_norm")
def fused_rms_norm(name):
    yield C(R(2, 3, 8), [8], R(8), 1e-5)
    yield C(R(2, 8), [8], None, 1e-6)


def batch_norm_args(shape, dtype=f32, stats=f32):
    c = shape[1]
    return R(*shape, dtype=dtype), R(c, dtype=stats), R(c, dtype=stats), R(c, dtype=stats), U(c, dtype=stats)


@cases("batch_norm")
def batch_norm(name):
    yield C(*batch_norm_args((2, 3, 4, 5)), False, 0.1, 1e-5, True)
    yield C(*batch_norm_args((4, 3)), False, 0.1, 1e-3, True)
    yield C(*batch_norm_args((2, 3, 4, 5), bf16), False, 0.1, 1e-5, True)
    yield C(*batch_norm_args((2, 3, 6), f64, f64), False, 0.1, 1e-5, True)
    x, _, _, mean, var = batch_norm_args((2, 3, 4, 5))
    yield C(x, None, None, mean, var, False, 0.1, 1e-5, True)
    yield C(x.permute(0, 1, 3, 2), None, None, mean, var, False, 0.1, 1e-5, True)
    yield C(x, R(3), R(3), None, None, True, 0.1, 1e-5, True)


@cases("native_batch_norm _native_batch_norm_legit")
def native_batch_norm(name):
    yield C(*batch_norm_args((2, 3, 4, 5)), False, 0.1, 1e-5)
    yield C(*batch_norm_args((2, 3, 4, 5), bf16), False, 0.1, 1e-5)
    yield C(*batch_norm_args((2, 3, 4, 5)), True, 0.1, 1e-5)


@cases("_native_batch_norm_legit.no_stats")
def batch_norm_no_stats(name):
    yield C(R(2, 3, 4), R(3), R(3), True, 0.1, 1e-5)


@cases("_native_batch_norm_legit_no_training")
def batch_norm_no_training(name):
    yield C(*batch_norm_args((2, 3, 4, 5)), 0.1, 1e-5)
    yield C(*batch_norm_args((2, 3)), 0.1, 1e-5)
    yield C(*batch_norm_args((2, 3, 4), bf16), 0.1, 1e-5)


@cases("instance_norm")
def instance_norm(name):
    yield C(R(2, 3, 4, 5), R(3), R(3), None, None, True, 0.1, 1e-5, True)
    yield C(R(2, 3, 7), None, None, None, None, True, 0.1, 1e-5, True)
    yield C(*batch_norm_args((2, 3, 4)), False, 0.1, 1e-5, True)


@cases("group_norm")
def group_norm(name):
    yield C(R(2, 6, 4, 5), 3, R(6), R(6))
    yield C(R(2, 6), 2)
    yield C(R(2, 4, 3, dtype=bf16), 2, R(4, dtype=bf16), R(4, dtype=bf16), 1e-3)


@cases("native_group_norm")
def native_group_norm(name):
    yield C(R(2, 6, 4, 5), R(6), R(6), 2, 6, 20, 3, 1e-5)
    yield C(R(2, 6, 4), None, None, 2, 6, 4, 2, 1e-5)
    yield C(R(2, 4, 3, dtype=bf16), R(4, dtype=bf16), R(4, dtype=bf16), 2, 4, 3, 2, 1e-5)


# --- matrix products, convolutions, attention ---
@cases("linear")
def linear(name):
    yield C(R(2, 3, 7), R(5, 7), R(5))
    yield C(R(7), R(5, 7), R(5))
    yield C(R(3, 7), R(7, 5).t())
    yield C(R(7, 3).t(), R(5, 7), R(5))
    yield C(R(40, 70), R(50, 70), R(50))
    yield C(R(0, 7), R(5, 7), R(5))
    yield C(R(3, 0), R(5, 0), R(5))
    for dtype in [bf16, f16, f64]:
        yield C(R(3, 7, dtype=dtype), R(5, 7, dtype=dtype), R(5, dtype=dtype))


@cases("mm")
def mm(name):
    yield C(R(3, 4), R(4, 5))
    yield C(R(4, 3).t(), R(5, 4).t())
    yield C(R(37, 300), R(300, 45))
    yield C(R(3, 0), R(0, 5))
    for dtype in [bf16, f16, f64, i64, i32]:
        yield C(R(3, 4, dtype=dtype), R(4, 5, dtype=dtype))


@cases("addmm addmm_")
def addmm(name):
    yield C(R(3, 5), R(3, 4), R(4, 5))
    yield C(R(3, 5), R(3, 4), R(4, 5), beta=0.5, alpha=2)
    yield C(torch.full((3, 5), math.nan), R(3, 4), R(4, 5), beta=0)
    yield C(R(3, 5, dtype=i64), R(3, 4, dtype=i64), R(4, 5, dtype=i64), beta=2)


@cases("addmm")
def addmm_broadcast(name):
    yield C(R(5), R(3, 4), R(4, 5))
    yield C(R(), R(3, 4), R(4, 5))
    yield C(R(5, dtype=bf16), R(3, 4, dtype=bf16), R(5, 4, dtype=bf16).t())
    yield C(R(5), R(3, 0), R(0, 5))


@cases("bmm")
def bmm(name):
    yield C(R(2, 3, 4), R(2, 4, 5))
    yield C(R(2, 4, 3).transpose(1, 2), R(2, 5, 4).transpose(1, 2))
    yield C(R(1, 3, 4).expand(2, 3, 4), R(2, 4, 5))
    yield C(R(0, 3, 4), R(0, 4, 5))
    yield C(R(2, 3, 4, dtype=bf16), R(2, 4, 5, dtype=bf16))


@cases("baddbmm_")
def baddbmm_in_place(name):
    yield C(R(2, 3, 5), R(2, 3, 4), R(2, 4, 5), beta=2, alpha=0.5)


@cases("baddbmm")
def baddbmm(name):
    yield C(R(2, 3, 5), R(2, 3, 4), R(2, 4, 5))
    yield C(R(5), R(2, 3, 4), R(2, 4, 5), beta=2, alpha=0.5)
    yield C(R(2, 1, 5, dtype=bf16), R(2, 3, 4, dtype=bf16), R(2, 4, 5, dtype=bf16))


@cases("addbmm")
def addbmm(name):
    yield C(R(3, 5), R(2, 3, 4), R(2, 4, 5))
    yield C(R(5), R(2, 3, 4), R(2, 4, 5), beta=0.5, alpha=2)


@cases("matmul")
def matmul(name):
    for a, b in [((3, 4), (4, 5)), ((4,), (4,)), ((4,), (4, 5)), ((3, 4), (4,)), ((2, 3, 4), (4, 5)), ((3, 4), (2, 4, 5)),
                 ((2, 1, 3, 4), (3, 4, 2)), ((2, 3, 4), (4,)), ((4,), (2, 4, 3)), ((2, 2, 3, 4), (2, 2, 4, 3))]:
        yield C(R(*a), R(*b))
    yield C(R(2, 4, 3).transpose(1, 2), R(5, 4).t())
    yield C(R(3, 4, dtype=bf16), R(4, 5, dtype=bf16))
    yield C(R(3, 4, dtype=i64), R(4, 5, dtype=i64))
    yield C(R(2, 0, 4), R(4, 5))


@cases("mv")
def mv(name):
    yield C(R(3, 4), R(4))
    yield C(R(4, 3).t(), R(8)[::2])


@cases("addmv")
def addmv(name):
    yield C(R(3), R(3, 4), R(4))
    yield C(R(), R(3, 4), R(4), beta=2, alpha=0.5)


@cases("dot vdot")
def dot(name):
    yield C(R(9), R(9))
    yield C(R(9, dtype=i64), R(9, dtype=i64))


@cases("outer")
def outer(name):
    yield C(R(3), R(4))
    yield C(R(3), R(4, dtype=i64))


@cases("einsum")
def einsum(name):
    yield C("ij,jk->ik", [R(3, 4), R(4, 5)])
    yield C("bhid,bhjd->bhij", [R(2, 2, 3, 4), R(2, 2, 5, 4)])
    yield C("ij,jk", [R(3, 4), R(4, 5)])
    yield C("ii->i", [R(3, 3)])
    yield C("ij->ji", [R(3, 4)])
    yield C("ij->", [R(3, 4)])
    yield C("...ij,...jk->...ik", [R(2, 3, 4), R(4, 5)])
    yield C("i,j->ij", [R(3), R(4)])
    yield C("ij,jk,kl->il", [R(2, 3), R(3, 4), R(4, 2)])
    yield C("bi,bi->b", [R(3, 4), R(3, 4)])
    yield C("b n c, c d -> b n d", [R(2, 3, 4), R(4, 5)])


@cases("conv1d")
def conv1d(name):
    yield C(R(2, 3, 9), R(4, 3, 3), R(4))
    yield C(R(2, 4, 9), R(6, 2, 3), None, [2], [1], [2], 2)
    yield C(R(3, 9), R(4, 3, 3))


@cases("conv1d.padding")
def conv1d_padding(name):
    yield C(R(2, 3, 9), R(4, 3, 3), R(4), [1], "same")
    yield C(R(2, 3, 9), R(4, 3, 4), R(4), [1], "same", [2])
    yield C(R(2, 3, 9), R(4, 3, 3), None, [2], "valid")


@cases("conv2d")
def conv2d(name):
    yield C(R(2, 3, 8, 7), R(4, 3, 3, 3), R(4))
    yield C(R(2, 3, 8, 7), R(4, 3, 3, 3), R(4), [2, 2], [1, 1])
    yield C(R(1, 4, 9, 9), R(6, 2, 3, 3), None, [1, 2], [2, 0], [2, 1], 2)
    yield C(R(2, 6, 8, 7), R(6, 1, 3, 3), R(6), [1, 1], [1, 1], [1, 1], 6)
    yield C(R(2, 3, 8, 7), R(3, 1, 5, 4), R(3), [2, 3], [2, 1], [1, 2], 3)
    yield C(R(1, 3, 4, 3), R(3, 1, 3, 3), None, [1, 1], [5, 5], [3, 3], 3)
    yield C(R(2, 3, 8, 7), R(40, 3, 1, 1), R(40))
    yield C(R(2, 3, 8, 7), R(4, 3, 1, 1), None, [2, 2])
    yield C(R(3, 8, 7), R(4, 3, 3, 3), R(4))
    yield C(R(2, 3, 8, 7).to(memory_format=torch.channels_last), R(4, 3, 3, 3).to(memory_format=torch.channels_last))
    yield C(R(1, 40, 6, 6, scale=0.3), R(20, 40, 3, 3), R(20), [1, 1], [1, 1])
    yield C(R(0, 3, 8, 7), R(4, 3, 3, 3), R(4))
    yield C(R(1, 2, 3, 3), R(2, 2, 5, 5), None, [1, 1], [2, 2])
    for dtype in [bf16, f16, f64]:
        yield C(R(1, 3, 6, 6, dtype=dtype), R(4, 3, 3, 3, dtype=dtype), R(4, dtype=dtype), [1, 1], [1, 1])


@cases("conv2d.padding")
def conv2d_padding(name):
    yield C(R(2, 3, 8, 7), R(4, 3, 3, 4), R(4), [1, 1], "same")
    yield C(R(2, 3, 8, 7), R(4, 3, 3, 4), R(4), [2, 1], "valid")


@cases("conv3d")
def conv3d(name):
    yield C(R(1, 2, 5, 6, 4), R(2, 1, 3, 2, 3), R(2), [2, 1, 2], [1, 1, 0], [1, 2, 1], 2)
    yield C(R(1, 2, 5, 6, 4), R(3, 2, 3, 2, 3), R(3), [1, 2, 1], [1, 0, 1])


@cases("conv3d.padding")
def conv3d_padding(name):
    yield C(R(1, 2, 5, 6, 4), R(3, 2, 3, 2, 3), R(3), [1, 1, 1], "same")


@cases("convolution")
def convolution(name):
    yield C(R(2, 3, 8, 7), R(4, 3, 3, 3), R(4), [1, 1], [1, 1], [1, 1], False, [0, 0], 1)
    yield C(R(2, 4, 9), R(4, 2, 3), None, [2], [1], [1], False, [0], 2)
    yield C(R(2, 4, 5, 6), R(4, 3, 3, 3), R(6), [2, 2], [1, 1], [1, 1], True, [1, 1], 2)
    yield C(R(1, 2, 5, 6, 4), R(3, 2, 3, 2, 3), R(3), [1, 1, 1], [0, 0, 0], [1, 1, 1], False, [0, 0, 0], 1)


@cases("conv_transpose1d")
def conv_transpose1d(name):
    yield C(R(2, 3, 5), R(3, 4, 3), R(4), [2], [1], [1])


@cases("conv_transpose2d.input")
def conv_transpose2d(name):
    yield C(R(2, 3, 5, 4), R(3, 4, 3, 3), R(4))
    yield C(R(2, 4, 5, 4), R(4, 3, 3, 2), R(6), [2, 3], [1, 0], [1, 2], 2, [2, 1])
    yield C(R(3, 5, 4), R(3, 4, 2, 2), None, [2, 2])
    yield C(R(1, 3, 5, 4, dtype=bf16), R(3, 4, 2, 2, dtype=bf16), None, [2, 2])


@cases("conv_transpose3d.input")
def conv_transpose3d(name):
    yield C(R(1, 2, 3, 4, 3), R(2, 3, 2, 2, 2), R(3), [2, 1, 2])


@cases("scaled_dot_product_attention")
def attention(name):
    q, k, v = R(2, 3, 5, 8), R(2, 3, 7, 8), R(2, 3, 7, 8)
    yield C(q, k, v)
    yield C(q, k, R(2, 3, 7, 6))
    yield C(q, k, v, R(5, 7))
    yield C(q, k, v, R(2, 1, 5, 7, dtype=b8))
    yield C(q, k, v, torch.tensor([True] * 6 + [False]).expand(2, 1, 5, 7))
    yield C(q, k, v, None, 0.0, True)
    yield C(q, q, q, None, 0.0, True, scale=0.3)
    yield C(q[0, 0], k[0, 0], v[0, 0])
    yield C(q[0], k[0], v[0])
    yield C(R(2, 5, 3, 8).transpose(1, 2), R(2, 7, 3, 8).transpose(1, 2), R(2, 7, 3, 8).transpose(1, 2))
    yield C(R(2, 4, 5, 8), R(2, 2, 7, 8), R(2, 2, 7, 8), enable_gqa=True)
    yield C(q, k, v, torch.zeros(5, 7).masked_fill(torch.ones(5, 7).triu(1).bool(), -INF))
    for dtype in [bf16, f16, f64]:
        yield C(q.to(dtype), k.to(dtype), v.to(dtype))


@cases("_scaled_dot_product_flash_attention_for_cpu")
def flash_attention(name):
    q, k, v = R(2, 3, 5, 8), R(2, 3, 7, 8), R(2, 3, 7, 8)
    yield C(q, k, v)
    yield C(q, k, v, attn_mask=R(5, 7))
    yield C(q, q, q, 0.0, True, scale=0.2)


@cases("_scaled_dot_product_attention_math")
def math_attention(name):
    q, k, v = R(2, 3, 5, 8), R(2, 3, 7, 8), R(2, 3, 7, 8)
    yield C(q, k, v)
    yield C(q, k, v, R(5, 7))


# --- pooling, resampling, padding ---
@cases("max_pool1d")
def max_pool1d(name):
    yield C(R(2, 3, 9), [3])
    yield C(R(2, 3, 9), [3], [2], [1], [2], True)
    yield C(R(3, 9), [2])


@cases("max_pool2d max_pool2d_with_indices")
def max_pool2d(name):
    yield C(R(2, 3, 8, 7), [3, 3], [2, 2], [1, 1])
    yield C(R(2, 3, 8, 7), [2, 2])
    yield C(R(2, 3, 8, 7), [3, 2], [2, 3], [1, 1], [2, 1], True)
    yield C(R(3, 8, 7), [3, 3], [2, 2], [0, 0], [1, 1], True)
    yield C(R(1, 2, 6, 6, dtype=bf16), [3, 3], [2, 2], [1, 1])
    yield C(distinct(1, 2, 4, 4, dtype=i64), [2, 2])
    yield C(torch.tensor([[[1, math.nan, 2], [3, 4, 5], [-INF, 1, 0]]]), [2, 2], [1, 1])


@cases("max_pool3d")
def max_pool3d(name):
    yield C(R(1, 2, 5, 6, 4), [2, 3, 2], [2, 2, 1], [1, 1, 0])


@cases("max_unpool2d max_unpool3d")
def max_unpool(name):
    count = int(name[-2])
    pool = [torch.nn.functional.max_pool2d, torch.nn.functional.max_pool3d][count - 2]
    for lead in [(2, 3), (2,)]:
        x = distinct(*lead, *[4, 6, 6][:count])
        values, places = pool(x, 2, return_indices=True)
        yield C(values, places, list(x.shape[-count:]), *([[2] * 3, [0] * 3] if count == 3 else []))
        bigger = [n + 1 for n in x.shape[-count:]]
        yield C(values, places, bigger, *([[2] * 3, [0] * 3] if count == 3 else []))


@cases("avg_pool1d")
def avg_pool1d(name):
    yield C(R(2, 3, 9), [3])
    yield C(R(2, 3, 9), [4], [2], [1], True, False)


@cases("avg_pool2d")
def avg_pool2d(name):
    yield C(R(2, 3, 8, 7), [2, 2])
    yield C(R(2, 3, 8, 7), [3, 3], [2, 2], [1, 1])
    yield C(R(2, 3, 8, 7), [3, 3], [2, 2], [1, 1], True, False)
    yield C(R(2, 3, 8, 7), [3, 3], [2, 2], [1, 1], True, True)
    yield C(R(2, 3, 8, 7), [2, 2], [2, 2], [0, 0], False, True, 3)
    yield C(R(3, 8, 7, dtype=bf16), [2, 2])


@cases("avg_pool3d")
def avg_pool3d(name):
    yield C(R(1, 2, 5, 6, 4), [2, 3, 2], [2, 2, 1], [1, 1, 0])


@cases("adaptive_avg_pool1d")
def adaptive_avg_pool1d(name):
    yield C(R(2, 3, 9), [4])


@cases("adaptive_avg_pool2d _adaptive_avg_pool2d")
def adaptive_avg_pool2d(name):
    yield C(R(2, 3, 8, 7), [1, 1])
    yield C(R(2, 3, 8, 7), [3, 5])
    yield C(R(2, 3, 4, 4), [7, 6])
    yield C(R(3, 8, 7, dtype=bf16), [2, 2])
    yield C(R(2, 3, 8, 7).to(memory_format=torch.channels_last), [1, 1])


@cases("adaptive_avg_pool3d")
def adaptive_avg_pool3d(name):
    yield C(R(1, 2, 5, 6, 4), [2, 3, 1])


@cases("adaptive_max_pool2d")
def adaptive_max_pool2d(name):
    yield C(R(2, 3, 8, 7), [3, 5])


@cases("upsample_nearest1d")
def upsample_nearest1d(name):
    yield C(R(2, 3, 5), [9])
    yield C(R(2, 3, 5), [11], 2.3)


@cases("upsample_nearest1d.vec")
def upsample_nearest1d_vec(name):
    yield C(R(2, 3, 5), [9], None)
    yield C(R(2, 3, 5), None, [2.3])


@cases("upsample_nearest2d _upsample_nearest_exact2d")
def upsample_nearest2d(name):
    yield C(R(2, 3, 5, 4), [10, 8])
    yield C(R(2, 3, 5, 4), [3, 9])
    yield C(R(2, 3, 5, 4, dtype=bf16), [7, 7], 1.5, 1.8)


@cases("upsample_nearest2d.vec _upsample_nearest_exact2d.vec")
def upsample_nearest2d_vec(name):
    yield C(R(2, 3, 5, 4), None, [2.0, 2.0])
    yield C(R(2, 3, 5, 4), [7, 3], None)


@cases("upsample_bilinear2d upsample_bicubic2d")
def upsample_linear(name):
    for align in [False, True]:
        yield C(R(2, 3, 5, 4), [10, 8], align)
        yield C(R(2, 3, 5, 4), [3, 9], align)
    yield C(R(2, 3, 5, 4), [7, 7], False, 1.5, 1.8)


@cases("upsample_bilinear2d.vec upsample_bicubic2d.vec")
def upsample_linear_vec(name):
    yield C(R(2, 3, 5, 4), None, False, [2.0, 1.5])
    yield C(R(2, 3, 5, 4), [7, 3], True, None)
    yield C(R(1, 1, 5, 4, dtype=bf16), [7, 3], False, None)


@cases("_upsample_bilinear2d_aa _upsample_bicubic2d_aa")
def upsample_antialiased(name):
    yield C(R(2, 3, 9, 11), [4, 5], False)
    yield C(R(2, 3, 5, 4), [7, 9], False)
    yield C(R(1, 2, 12, 7), [5, 7], True)
    yield C(R(1, 2, 9, 9), [4, 4], False, 0.45, 0.5)
    yield C(R(1, 1, 9, 8, dtype=bf16), [4, 3], False)
    yield C(R(1, 1, 9, 8, dtype=f64), [2, 3], False)


@cases("_upsample_bilinear2d_aa.vec _upsample_bicubic2d_aa.vec")
def upsample_antialiased_vec(name):
    yield C(R(2, 3, 9, 11), [4, 5], False, None)
    yield C(R(2, 3, 9, 12), None, False, [0.5, 0.3])


@cases("upsample_linear1d")
def upsample_linear1d(name):
    yield C(R(2, 3, 5), [9], False)
    yield C(R(2, 3, 5), [9], True)


@cases("upsample_linear1d.vec")
def upsample_linear1d_vec(name):
    yield C(R(2, 3, 5), None, False, [2.5])


@cases("constant_pad_nd pad")
def constant_pad(name):
    value = (lambda v: {"value": v}) if name == "pad" else lambda v: {"value": v}
    yield C(R(2, 3, 4), [1, 2])
    yield C(R(2, 3, 4), [1, 2, 0, 3], **value(1.5))
    yield C(R(2, 3, 4), [-1, 2, 1, -1])
    yield C(R(2, 3, 4, dtype=i64), [1, 0, 0, 0, 2, 1], **value(7.0))
    yield C(R(4, 3, dtype=b8).t(), [1, 1], **value(1.0))


@cases("pad")
def pad(name):
    for mode in ["reflect", "replicate", "circular"]:
        yield C(R(2, 3, 5, 4), [1, 2, 2, 1], mode)
        yield C(R(2, 3, 5), [2, 1], mode)


@cases("reflection_pad1d replication_pad1d")
def pad1d(name):
    yield C(R(2, 3, 5), [2, 3])
    yield C(R(3, 5), [1, 0])


@cases("reflection_pad2d replication_pad2d")
def pad2d(name):
    yield C(R(2, 3, 5, 4), [2, 3, 1, 2])


@cases("reflection_pad3d replication_pad3d")
def pad3d(name):
    yield C(R(2, 3, 4, 5, 4), [2, 3, 1, 2, 1, 3])
    yield C(R(3, 4, 5, 4), [1, 0, 0, 2, 1, 1])


@cases("_pad_circular")
def pad_circular(name):
    yield C(R(2, 3, 5), [2, 1])
    yield C(R(2, 3, 5, 4), [1, 2, 2, 1])


@cases("upsample_nearest3d _upsample_nearest_exact3d")
def upsample_nearest3d(name):
    yield C(R(2, 3, 2, 5, 4), [3, 10, 6])
    yield C(R(1, 2, 3, 3, 3, dtype=f64), [5, 2, 7])
    yield C(R(1, 2, 3, 3, 3, dtype=bf16), [4, 4, 4], 1.3, 1.4, 1.5)


@cases("upsample_nearest3d.vec _upsample_nearest_exact3d.vec")
def upsample_nearest3d_vec(name):
    yield C(R(2, 3, 2, 3, 4), None, [2.0, 1.5, 2.0])
    yield C(R(2, 3, 2, 3, 4), [3, 7, 3], None)


@cases("_upsample_nearest_exact1d")
def upsample_nearest_exact1d(name):
    yield C(R(2, 3, 5), [8])


@cases("_upsample_nearest_exact1d.vec")
def upsample_nearest_exact1d_vec(name):
    yield C(R(2, 3, 5), None, [1.7])


@cases("upsample_trilinear3d")
def upsample_trilinear3d(name):
    for align in [False, True]:
        yield C(R(2, 2, 3, 5, 4), [4, 7, 8], align)


@cases("upsample_trilinear3d.vec")
def upsample_trilinear3d_vec(name):
    yield C(R(1, 2, 3, 2, 4), None, False, [2.0, 1.5, 2.0])


@cases("_adaptive_avg_pool3d")
def adaptive_avg_pool3d_core(name):
    yield C(R(2, 3, 4, 5, 6), [2, 2, 3])
    yield C(R(2, 3, 4, 5, 6), [1, 1, 1])


@cases("adaptive_max_pool1d")
def adaptive_max_pool1d(name):
    yield C(distinct(2, 3, 7), [3])


@cases("adaptive_max_pool3d")
def adaptive_max_pool3d(name):
    yield C(distinct(2, 2, 4, 5, 6), [2, 3, 4])


@cases("max_pool3d_with_indices")
def max_pool3d_with_indices(name):
    yield C(distinct(2, 2, 4, 5, 6), [2, 2, 2])
    yield C(distinct(2, 2, 5, 5, 6), [3, 2, 3], [2, 1, 2], [1, 0, 1], [1, 2, 1])


@cases("grid_sampler grid_sampler_2d")
def grid_sampler_2d(name):
    for mode in [0, 1, 2]:
        for padding in [0, 1, 2]:
            for align in [False, True]:
                yield C(R(2, 3, 4, 5), R(2, 3, 4, 2, scale=1.1), mode, padding, align)
    yield C(R(1, 2, 4, 4, dtype=f64), R(1, 3, 3, 2, dtype=f64), 0, 1, True)


@cases("grid_sampler grid_sampler_3d")
def grid_sampler_3d(name):
    for mode in [0, 1]:
        for padding in [0, 1, 2]:
            yield C(R(2, 2, 3, 4, 5), R(2, 2, 3, 2, 3, scale=1.1), mode, padding, padding == 1)


@cases("im2col")
def im2col(name):
    yield C(R(2, 3, 6, 5), [3, 2], [1, 1], [1, 0], [1, 1])
    yield C(R(3, 7, 7), [2, 3], [2, 1], [1, 1], [2, 2])


@cases("col2im")
def col2im(name):
    yield C(R(2, 18, 24), [6, 5], [3, 2], [1, 1], [1, 0], [1, 1])
    yield C(R(8, 9), [6, 6], [2, 2], [1, 1], [0, 0], [2, 2])


# --- recurrent networks ---
def recurrent(gates, states, projection=None, **options):
    """One call: (input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first)."""
    layers, directions = options.get("layers", 1), 2 if options.get("bidirectional") else 1
    inputs, hidden, batch, steps = 5, 4, options.get("batch", 2), options.get("steps", 6)
    width, dtype = projection or hidden, options.get("dtype", f32)
    make = lambda *shape: R(*shape, dtype=dtype, scale=0.5)
    params = []
    for layer in range(layers):
        for _ in range(directions):
            params += [make(gates * hidden, inputs if layer == 0 else width * directions), make(gates * hidden, width)]
            if options.get("biases", True):
                params += [make(gates * hidden), make(gates * hidden)]
            if projection:
                params.append(make(projection, hidden))
    state = [make(layers * directions, batch, width if i == 0 else hidden) for i in range(states)]
    shape = (batch, steps, inputs) if options.get("batch_first") else (steps, batch, inputs)
    return C(make(*shape), state if states == 2 else state[0], params, options.get("biases", True), layers, 0.0, False,
             directions == 2, bool(options.get("batch_first")))


RECURRENT = [{}, {"batch_first": True}, {"layers": 2}, {"bidirectional": True, "layers": 2, "batch_first": True}, {"biases": False},
             {"batch": 1, "steps": 1}, {"dtype": f64}]


@cases("lstm.input")
def lstm(name):
    for options in RECURRENT:
        yield recurrent(4, 2, **options)
    yield recurrent(4, 2, projection=3, layers=2)


@cases("gru.input")
def gru(name):
    for options in RECURRENT:
        yield recurrent(3, 1, **options)


@cases("rnn_tanh.input rnn_relu.input")
def rnn(name):
    for options in RECURRENT:
        yield recurrent(1, 1, **options)


# --- distances and searches ---
@cases("cdist")
def cdist(name):
    for p in [0.0, 1.0, 2.0, 3.0, INF]:
        yield C(R(3, 4), R(5, 4), p)
    yield C(R(2, 3, 4), R(2, 5, 4))
    yield C(R(1, 3, 4), R(2, 5, 4), 1.5)
    yield C(R(0, 4), R(5, 4))


@cases("_cdist_forward")
def cdist_forward(name):
    for p in [1.0, 2.0]:
        yield C(R(2, 3, 4), R(2, 5, 4), p, None)


@cases("pdist")
def pdist(name):
    for p in [0.0, 1.0, 2.0, INF]:
        yield C(R(5, 3), p)


@cases("pairwise_distance")
def pairwise_distance(name):
    for p in [1.0, 2.0, 3.0]:
        yield C(R(4, 3), R(4, 3), p)
    yield C(R(4, 3), R(3), 2.0, 1e-3, True)
    yield C(R(2, 4, 3), R(4, 1))


@cases("cross")
def cross_of_vectors(name):
    yield C(R(4, 3), R(4, 3))
    yield C(R(3, 3, 2), R(3, 3, 2))
    yield C(R(2, 4, 3, dtype=i64), R(2, 4, 3, dtype=i64), -1)


LOSSES = {
    "mse_loss": [[]], "l1_loss": [[]], "smooth_l1_loss": [[0.5], [1.0]], "huber_loss": [[0.5], [1.0]],
}


@cases(" ".join(LOSSES))
def losses_of_elements(name):
    for extra in LOSSES[name.split(".")[0]]:
        for reduction in [0, 1, 2]:
            yield C(R(4, 3), R(4, 3), reduction, *extra)
        yield C(R(2, 4, 3), R(2, 4, 3))
    yield C(R(4, 3, dtype=f64), R(4, 3, dtype=f64))


@cases("kl_div")
def kl_div(name):
    for reduction in [0, 1, 2]:
        yield C(R(4, 3), U(4, 3), reduction)
        yield C(R(4, 3), R(4, 3), reduction, log_target=True)
    yield C(R(3), torch.tensor([0.0, 0.5, 1.0]), 0)


@cases("binary_cross_entropy")
def binary_cross_entropy(name):
    for reduction in [0, 1, 2]:
        yield C(U(4, 3, low=0.05, high=0.95), U(4, 3, low=0.0, high=1.0), None, reduction)
    yield C(U(4, 3, low=0.05, high=0.95), U(4, 3, low=0.0, high=1.0), U(3), 1)
    yield C(torch.tensor([0.0, 1.0, 0.0, 1.0]), torch.tensor([0.0, 1.0, 1.0, 0.0]), None, 0)


@cases("binary_cross_entropy_with_logits")
def binary_cross_entropy_with_logits(name):
    for reduction in [0, 1, 2]:
        yield C(R(4, 3, scale=20), U(4, 3, low=0.0, high=1.0), None, None, reduction)
    yield C(R(4, 3), U(4, 3, low=0.0, high=1.0), U(4, 3), U(3), 1)


@cases("nll_loss_nd cross_entropy_loss")
def losses_of_classes(name):
    for reduction in [0, 1, 2]:
        yield C(R(6, 4), I(4, 6), None, reduction)
        yield C(R(6, 4), I(4, 6), U(4), reduction, 2)
    yield C(R(4), I(4), None, 1)
    yield C(R(2, 4, 3, 2), I(4, 2, 3, 2), U(4), 1)
    if name.startswith("cross"):
        for reduction in [0, 1, 2]:
            yield C(R(6, 4), I(4, 6), U(4), reduction, 1, 0.3)
            yield C(R(6, 4, 2), U(6, 4, 2), U(4), reduction, -100, 0.2)


@cases("_pdist_forward")
def pdist_forward(name):
    for p in [0.0, 1.0, 2.0, 3.0, INF]:
        yield C(R(5, 3), p)


@cases("linalg_cross")
def linalg_cross(name):
    yield C(R(4, 3), R(4, 3))
    yield C(R(3, 4), R(3, 1), dim=0)
    yield C(R(2, 3, dtype=i64), R(2, 3, dtype=i64))


@cases("bucketize.Tensor")
def bucketize(name):
    edges = torch.tensor([-2.0, 0.0, 1.0, 1.0, 3.0])
    for right in [False, True]:
        yield C(torch.tensor([[-3.0, -2.0, 0.5], [1.0, 3.0, math.nan]]), edges, right=right)
    yield C(I(8, 5), torch.tensor([1, 3, 5]), out_int32=True)


@cases("searchsorted.Tensor")
def searchsorted(name):
    rows = R(2, 5).sort(-1).values
    for right in [False, True]:
        yield C(rows, R(2, 3), right=right)
    yield C(rows[0], R(4, 2), side="right")


@cases("logcumsumexp")
def logcumsumexp(name):
    yield C(R(3, 5), 1)
    yield C(R(3, 5, dtype=f64), 0)
    yield C(torch.tensor([-INF, -INF, 1.0, 90.0, -3.0]), 0)


@cases("cummax cummin")
def cummax(name):
    yield C(distinct(3, 5), 1)
    yield C(R(4, 6, dtype=i64), 0)
    yield C(torch.tensor([1.0, math.nan, 3.0, 3.0]), 0)
    yield C(R(), 0)


@cases("scatter_reduce.two")
def scatter_reduce(name):
    for how in ["sum", "prod", "mean", "amax", "amin"]:
        for include in [True, False]:
            yield C(R(3, 5), 1, I(5, 3, 4), R(3, 4), how, include_self=include)
    yield C(R(3, 5, dtype=i64), 0, I(3, 2, 5), R(2, 5, dtype=i64), "sum")


@cases("masked_scatter")
def masked_scatter(name):
    yield C(R(3, 4), R(3, 4, dtype=b8), R(12))
    yield C(R(3, 4), torch.tensor([True, False, True, True]), R(3, 4))


@cases("index_copy")
def index_copy(name):
    yield C(R(5, 3), 0, torch.tensor([4, 0]), R(2, 3))
    yield C(R(5, 3, dtype=i64), -1, torch.tensor([1]), R(5, 1, dtype=i64))


@cases("clip.Tensor")
def clip_tensor(name):
    yield C(R(3, 4), R(4), None)
    yield C(R(3, 4), R(1) - 2, R(3, 1) + 1)


@cases("bitwise_and.Scalar_Tensor bitwise_or.Scalar_Tensor bitwise_xor.Scalar_Tensor")
def bitwise_scalar_tensor(name):
    yield C(6, R(3, 4, dtype=i64))
    yield C(True, R(3, 4, dtype=b8))


@cases("trace")
def trace(name):
    yield C(R(3, 4))
    yield C(R(4, 4, dtype=i32))


@cases("pixel_shuffle")
def pixel_shuffle(name):
    yield C(R(2, 8, 3, 4), 2)
    yield C(R(9, 3, 4), 3)


@cases("pixel_unshuffle")
def pixel_unshuffle(name):
    yield C(R(2, 2, 6, 4), 2)


@cases("channel_shuffle")
def channel_shuffle(name):
    yield C(R(2, 6, 3, 4), 3)


# --- movement ---
@cases("view _unsafe_view reshape view_copy")
def view(name):
    yield C(R(2, 3, 4), [6, 4])
    yield C(R(2, 3, 4), [-1])
    yield C(R(2, 3, 4, dtype=b8), [2, -1, 2])
    yield C(R(), [1, 1])
    yield C(R(1), [])
    yield C(R(0, 3), [3, 0])
    yield C(R(2, 3, 4, dtype=bf16), [4, 6])


@cases("reshape")
def reshape(name):
    yield C(R(3, 4).t(), [2, 6])
    yield C(R(1, 3).expand(2, 3), [6])


@cases("view_as reshape_as")
def view_as(name):
    yield C(R(2, 6), R(3, 4))


@cases("_reshape_alias")
def reshape_alias(name):
    yield C(R(2, 6), [3, 4], [4, 1])


@cases("flatten.using_ints")
def flatten(name):
    yield C(R(2, 3, 4))
    yield C(R(2, 3, 4), 1)
    yield C(R(2, 3, 4).transpose(1, 2), 1, 2)
    yield C(R())
    yield C(R(2, 3, 4), 1, 1)


@cases("unflatten.int")
def unflatten(name):
    yield C(R(2, 6), 1, [2, 3])
    yield C(R(2, 6, 2), -2, [-1, 3])


@cases("squeeze squeeze_ squeeze_copy")
def squeeze(name):
    yield C(R(1, 3, 1))
    yield C(R(2, 3))
    yield C(R())


@cases("squeeze.dim squeeze_.dim squeeze_copy.dim")
def squeeze_dim(name):
    yield C(R(1, 3, 1), 0)
    yield C(R(1, 3, 1), -1)
    yield C(R(1, 3, 1), 1)
    yield C(R(), 0)


@cases("squeeze.dims squeeze_.dims squeeze_copy.dims")
def squeeze_dims(name):
    yield C(R(1, 3, 1), [0, 2])
    yield C(R(1, 3, 1), [1, -1])
    yield C(R(1, 3, 1), [])


@cases("unsqueeze unsqueeze_ unsqueeze_copy")
def unsqueeze(name):
    yield C(R(2, 3), 0)
    yield C(R(2, 3), -1)
    yield C(R(3, 2).t(), 1)
    yield C(R(), 0)


@cases("permute permute_copy")
def permute(name):
    yield C(R(2, 3, 4), [2, 0, 1])
    yield C(R(2, 3, 4, dtype=i8), [0, -1, 1])
    yield C(R(), [])


@cases("transpose.int transpose_ transpose_copy.int swapaxes swapdims")
def transpose(name):
    yield C(R(2, 3, 4), 0, 2)
    yield C(R(2, 3, 4, dtype=f64), -1, -2)
    yield C(R(2, 3, 4).transpose(0, 1), 1, 2)


@cases("t t_ t_copy numpy_T")
def t(name):
    yield C(R(2, 3))
    yield C(R(4))
    yield C(R())


@cases("numpy_T")
def numpy_t(name):
    yield C(R(2, 3, 4))


@cases("mT mH adjoint")
def matrix_transposes(name):
    yield C(R(2, 3))
    yield C(R(2, 3, 4))
    yield C(R(4, 3).t())


@cases("movedim.int")
def movedim(name):
    yield C(R(2, 3, 4), 0, 2)
    yield C(R(2, 3, 4), -1, 0)


@cases("movedim.intlist")
def movedims(name):
    yield C(R(2, 3, 4, 5), [0, 3], [2, 0])


@cases("expand broadcast_to expand_copy")
def expand(name):
    yield C(R(1, 3), [2, 3])
    yield C(R(3, 1), [2, -1, 4] if name != "broadcast_to" else [2, 3, 4])
    yield C(R(), [2, 2])
    yield C(R(1, 3), [0, 3])


@cases("expand_as")
def expand_as(name):
    yield C(R(3, 1), R(2, 3, 4))


@cases("broadcast_tensors")
def broadcast_tensors(name):
    yield C([R(3, 1), R(4), R()])


@cases("meshgrid")
def meshgrid(name):
    yield C([R(3), R(4), R()])


@cases("meshgrid.indexing")
def meshgrid_indexing(name):
    yield C([R(3), R(4)], indexing="xy")
    yield C([R(3), R(4)], indexing="ij")


@cases("slice.Tensor slice_copy.Tensor")
def slice_(name):
    yield C(R(4, 6), 1, 1, 5, 2)
    yield C(R(4, 6), 0, -3)
    yield C(R(4, 6), 1, None, -1)
    yield C(R(4, 6), 1, 0, 2**63 - 1)
    yield C(R(4, 6), 1, 7, 9)
    yield C(R(4, 6), 1, 4, 2)
    yield C(R(6, 4).t(), 1, 2, 100, 3)
    yield C(R(0, 6), 0, 0, 3)


@cases("select.int select_copy.int")
def select(name):
    yield C(R(4, 6), 1, 2)
    yield C(R(4, 6), 0, -1)
    yield C(R(4), 0, 3)


@cases("narrow")
def narrow(name):
    yield C(R(4, 6), 1, 2, 3)
    yield C(R(4, 6), 0, -2, 2)


@cases("split.Tensor unsafe_split.Tensor")
def split(name):
    yield C(R(7, 3), 3)
    yield C(R(4, 6), 2, 1)
    yield C(R(4, 6), 9, -1)


@cases("split.sizes split_with_sizes unsafe_split_with_sizes")
def split_sizes(name):
    yield C(R(7, 3), [2, 4, 1])
    yield C(R(4, 6).t(), [1, 0, 3], 1)


@cases("chunk unsafe_chunk")
def chunk(name):
    yield C(R(7, 3), 3)
    yield C(R(4, 6), 2, 1)
    yield C(R(5, 2), 4)


@cases("tensor_split.sections")
def tensor_split(name):
    yield C(R(7, 3), 3)
    yield C(R(2, 3), 4)


@cases("unbind.int")
def unbind(name):
    yield C(R(3, 4))
    yield C(R(3, 4), 1)


@cases("diagonal")
def diagonal(name):
    yield C(R(3, 4))
    yield C(R(3, 4), 1)
    yield C(R(2, 3, 4), -1, 1, 2)
    yield C(R(2, 3, 4), 0, 2, 0)
    yield C(R(3, 4), 9)


@cases("unfold")
def unfold(name):
    yield C(R(2, 9), 1, 3, 2)
    yield C(R(9, 2), 0, 4, 1)


@cases("cat concat")
def cat(name):
    yield C([R(2, 3), R(4, 3)])
    yield C([R(2, 3), R(2, 1), R(2, 0)], 1)
    yield C([R(2, 3), R(0)], -1)
    yield C([R(2, 3), R(1, 3, dtype=f64)], 0)
    yield C([R(2, 3, dtype=i64), R(3, 2, dtype=i32).t()], 0)
    yield C([R(2, 3, dtype=bf16)] * 3, 1)


@cases("stack")
def stack(name):
    yield C([R(2, 3), R(3, 2).t()])
    yield C([R(2, 3), R(2, 3)], -1)
    yield C([R(), R()])
    yield C([R(2), R(2, dtype=i64)], 1)


@cases("hstack")
def hstack(name):
    yield C([R(2, 3), R(2, 1)])
    yield C([R(3), R(2)])
    yield C([R(), R()])


@cases("vstack")
def vstack(name):
    yield C([R(2, 3), R(3)])
    yield C([R(), R()])


@cases("repeat")
def repeat(name):
    yield C(R(2, 3), [2, 2])
    yield C(R(3, 2).t(), [2, 1, 3])
    yield C(R(), [3])
    yield C(R(2, 3), [0, 1])


@cases("tile")
def tile(name):
    yield C(R(2, 3), [2])
    yield C(R(3), [2, 2])


@cases("repeat_interleave.self_int")
def repeat_interleave(name):
    yield C(R(2, 3), 2)
    yield C(R(2, 3), 3, 1)
    yield C(R(3, 2).t(), 2, 0)


@cases("roll")
def roll(name):
    yield C(R(3, 4), [1], [1])
    yield C(R(3, 4), [-1, 5], [0, 1])
    yield C(R(3, 4), [5])
    yield C(R(4, 3).t(), [2], [0])


@cases("flip")
def flip(name):
    yield C(R(3, 4), [0])
    yield C(R(3, 4), [0, -1])
    yield C(R(3, 4), [])


@cases("tril_ triu_")
def triangle_in_place(name):
    yield C(R(4, 5), 1)


@cases("tril triu")
def triangle(name):
    yield C(R(4, 5))
    yield C(R(2, 4, 4), -1)
    yield C(R(5, 4).t(), 2)
    yield C(R(4, 4, dtype=b8), 1)
    yield C(R(3, 3), 9)


@cases("slice_scatter")
def slice_scatter(name):
    yield C(R(4, 6), R(4, 2), 1, 1, 5, 2)
    yield C(R(4, 6), R(2, 6), 0, -2)
    yield C(R(4, 6), R(4, 6), 1)
    yield C(R(4, 6, dtype=i64), R(4, 3, dtype=i64), -1, 0, -1, 2)


@cases("select_scatter")
def select_scatter(name):
    yield C(R(4, 6), R(4), 1, -2)
    yield C(R(4, 6, dtype=b8), R(6, dtype=b8), 0, 3)


@cases("diagonal_scatter")
def diagonal_scatter(name):
    yield C(R(3, 4), R(3))
    yield C(R(3, 4, dtype=i64), R(2, dtype=i64), -1)
    yield C(R(2, 3, 4), R(2, 3), 1, 1, 2)
    yield C(R(2, 3, 4), R(3, 2), 0, 2, 0)


@cases("contiguous clone alias detach detach_ lift lift_fresh lift_fresh_copy alias_copy detach_copy _to_copy to.dtype_layout")
def identity(name):
    yield C(R(3, 4))
    yield C(R(4, 3).t())
    yield C(R(4, dtype=b8))
    yield C(R(1, 4, dtype=bf16).expand(3, 4))


@cases("to.dtype")
def to_dtype(name):
    for source in [f32, f64, bf16, f16, i64, i8, u8, b8]:
        for target in [f32, f64, bf16, f16, i64, i32, b8]:
            yield C(R(2, 3, dtype=source), target)
    yield C(strange(), bf16)
    yield C(strange(), f16)
    yield C(strange(f64), b8)
    yield C(torch.tensor([1e5, 65519.0, 65520.0, 1e-8, 6e-8, 3.1e-5]), f16)
    yield C(torch.tensor([2**53 + 1, -(2**62)]), f64)
    yield C(torch.tensor([300, -1, 256]), u8)


@cases("_to_copy to.dtype_layout")
def to_copy(name):
    yield C(R(3, 4), dtype=bf16)
    yield C(R(3, 4), dtype=i64)
    yield C(R(3, 4), memory_format=torch.preserve_format)


@cases("to.device")
def to_device(name):
    yield C(R(3, 4), torch.device("cpu"), f64)


@cases("to.other type_as")
def to_other(name):
    yield C(R(3, 4), R(2, dtype=i64))
    yield C(R(3, 4), R(2, dtype=bf16))


# --- indexing ---
@cases("index.Tensor")
def index(name):
    yield C(R(5, 6), [I(5, 4)])
    yield C(R(5, 6), [None, I(6, 2, 3)])
    yield C(R(5, 6), [I(5, 4), I(6, 4)])
    yield C(R(5, 6), [I(5, 4, 1), I(6, 3)])
    yield C(R(3, 4, 5), [I(3, 2), None, I(5, 2)])
    yield C(R(3, 4, 5), [None, I(4, 2, low=-4), I(5, 2)])
    yield C(R(6, 5, dtype=bf16).t(), [I(5, 4, dtype=i32)])
    yield C(R(5, 6), [torch.tensor(2)])
    yield C(R(5, 6), [I(5, 0)])
    yield C(R(2, 3, 4, dtype=b8), [I(2, 2, 1, 1, 1), I(3, 3, 1), I(4, 4)])


@cases("index_put index_put_")
def index_put(name):
    yield C(R(5, 6), [torch.tensor([0, 3])], R(2, 6))
    yield C(R(5, 6), [torch.tensor([0, 3, 0])], R(3, 6), True)
    yield C(R(5, 6), [None, torch.tensor([-1, 2])], R())
    yield C(R(5, 6, dtype=i64), [torch.tensor([1, 1]), torch.tensor([2, 2])], torch.tensor([5, 6]), True)


@cases("index_put index_put_")
def index_put_mask(name):
    yield C(R(5, 6), [R(5, 6, dtype=b8)], torch.tensor(2.5))
    yield C(R(5, 6), [R(5, dtype=b8)], R(6))
    yield C(R(5, 6), [R(5, dtype=b8)], R(1, 6))
    yield C(R(5, 6), [None, R(6, dtype=b8)], torch.tensor(-1.0), True)


@cases("index_select")
def index_select(name):
    yield C(R(5, 6), 0, I(5, 4))
    yield C(R(6, 5).t(), 1, I(6, 3, dtype=i32))
    yield C(R(5), 0, torch.tensor(3))
    yield C(R(5, 6, dtype=b8), -1, I(6, 0))


@cases("gather")
def gather(name):
    yield C(R(5, 6), 0, I(5, 2, 6))
    yield C(R(5, 6), 1, I(6, 4, 3))
    yield C(R(6, 5).t(), -1, I(6, 5, 2))
    yield C(R(5), 0, torch.tensor(3))
    yield C(R(3, 4, 5, dtype=bf16), 1, I(4, 2, 3, 4))


@cases("take_along_dim")
def take_along_dim(name):
    yield C(R(5, 6), I(5, 2, 6), 0)
    yield C(R(5, 6), I(6, 1, 3), 1)
    yield C(R(5, 6), I(30, 4))


@cases("embedding")
def embedding(name):
    yield C(R(7, 4), I(7, 2, 3))
    yield C(R(7, 4, dtype=bf16), I(7, 5, dtype=i32), 0)
    yield C(R(4, 7).t(), torch.tensor(3))


@cases("one_hot")
def one_hot(name):
    yield C(I(5, 2, 3), 5)
    yield C(torch.tensor(2), 4)
    yield C(I(5, 0), 3)


@cases("scatter.src scatter_.src")
def scatter(name):
    yield C(R(5, 6), 0, torch.tensor([[0, 1, 2, 0, 4, 3]]), R(2, 6))
    yield C(R(5, 6), 1, torch.tensor([[0, 2], [1, 5]]), R(3, 4))
    yield C(R(5), 0, torch.tensor(2), R(1)[0])


@cases("scatter.value scatter_.value")
def scatter_value(name):
    yield C(R(5, 6), 1, torch.tensor([[0, 2], [1, 5]]), 3.5)
    yield C(R(5, 6, dtype=i64), 0, I(5, 2, 6), 7)


@cases("scatter_add scatter_add_")
def scatter_add(name):
    yield C(R(5, 6), 0, I(5, 3, 6), R(3, 6))
    yield C(R(5, 6, dtype=i64), 1, I(6, 2, 4), R(5, 6, dtype=i64))


@cases("index_add index_add_")
def index_add(name):
    yield C(R(5, 6), 0, I(5, 3), R(3, 6))
    yield C(R(5, 6), 1, I(6, 3), R(5, 3), alpha=0.5)


@cases("index_fill.int_Scalar index_fill_.int_Scalar")
def index_fill(name):
    yield C(R(5, 6), 1, torch.tensor([0, -1]), 2.5)
    yield C(R(5, dtype=i64), 0, torch.tensor(3), 2)


# --- creation ---
@cases("arange")
def arange(name):
    yield C(5)
    yield C(4.5)
    yield C(0)
    yield C(5, dtype=f32)
    yield C(5, dtype=i32, device=torch.device("cpu"), pin_memory=False)


@cases("arange.start")
def arange_start(name):
    yield C(2, 7)
    yield C(-1.5, 3)
    yield C(2, 7, dtype=bf16)


@cases("arange.start_step")
def arange_step(name):
    yield C(2, 9, 3)
    yield C(9, 2, -2)
    yield C(0.0, 1.0, 0.3)
    yield C(0, 1, 0.25, dtype=f64)


@cases("linspace")
def linspace(name):
    yield C(0, 1, 5)
    yield C(-1.5, 2.5, 8, dtype=f64)
    yield C(3, 5, 1)
    yield C(3, 5, 0)


@cases("full")
def full(name):
    yield C([2, 3], 1.5)
    yield C([2, 3], 4)
    yield C([], True)
    yield C([2], 4, dtype=f32)
    yield C([0, 2], -INF, dtype=bf16)


@cases("full_like")
def full_like(name):
    yield C(R(2, 3), 2)
    yield C(R(2, 3, dtype=i64), 2.7)
    yield C(R(2, 3), 2, dtype=b8)


@cases("ones zeros empty.memory_format")
def ones(name):
    yield C([2, 3])
    yield C([], dtype=i64)
    yield C([0, 3], dtype=b8)


@cases("ones_like zeros_like empty_like")
def ones_like(name):
    yield C(R(3, 2).t())
    yield C(R(2, 3), dtype=i32)


@cases("new_ones new_zeros new_empty")
def new_ones(name):
    yield C(R(2, dtype=bf16), [2, 3])
    yield C(R(2), [4], dtype=b8)


@cases("new_full")
def new_full(name):
    yield C(R(2), [2, 3], 4)
    yield C(R(2), [], 4.5, dtype=f64)


@cases("scalar_tensor")
def scalar_tensor(name):
    yield C(1.5)
    yield C(3)
    yield C(3, dtype=i64)
    yield C(-INF, dtype=bf16)


@cases("eye")
def eye(name):
    yield C(3)
    yield C(2, dtype=i64)


@cases("eye.m")
def eye_m(name):
    yield C(3, 5)


# --- sizes that data decide ---
@cases("nonzero argwhere")
def nonzero(name):
    for dtype in FLOATS + INTS + [b8]:
        yield C(R(3, 4, dtype=dtype))
    yield C(R(2, 3, 4, dtype=b8).permute(2, 0, 1))
    yield C(strange())
    yield C(torch.tensor(3.0))
    yield C(torch.tensor(0))
    yield C(torch.zeros(3, 0, 2))
    yield C(torch.zeros(5))
    yield C(torch.ones(2, 2))


@cases("nonzero_numpy where")
def nonzero_columns(name):
    yield C(R(3, 4, dtype=b8))
    yield C(R(7))
    yield C(torch.tensor(True))
    yield C(torch.zeros(2, 3, 2, dtype=b8))


@cases("index_put index_put_")
def index_put_each(name):
    mask = torch.tensor([True, False, True, True])
    yield C(R(4, 3), [mask], R(3, 3))
    yield C(R(2, 2), [mask.reshape(2, 2)], R(3), True)
    yield C(R(4, dtype=i64), [~mask & mask], R(0, dtype=i64))


@cases("nonzero_static")
def nonzero_static(name):
    for size in (0, 3, 40):
        yield C(R(3, 4, dtype=b8), size=size)
    yield C(R(3, 4, dtype=i8), size=20, fill_value=7)


@cases("masked_select")
def masked_select(name):
    for dtype in FLOATS + INTS + [b8]:
        yield C(R(3, 4, dtype=dtype), R(3, 4, dtype=b8))
    yield C(R(4, 3).t(), R(3, 4, dtype=b8))
    yield C(R(3, 4), R(4, dtype=b8))
    yield C(R(3, 1), R(2, 1, 4, dtype=b8))
    yield C(R(3), torch.zeros(3, dtype=b8))
    yield C(R(3), torch.ones(3, dtype=b8))
    yield C(R(0, 3), torch.ones(3, dtype=b8))


@cases("index.Tensor")
def index_by_mask(name):
    yield C(R(5, 6), [R(5, dtype=b8)])
    yield C(R(5, 6), [None, R(6, dtype=b8)])
    yield C(R(5, 6, 2), [R(5, 6, dtype=b8)])
    yield C(R(3, 5, 6, dtype=i64).permute(1, 2, 0), [None, R(6, 3, dtype=b8)])
    yield C(R(5, 6), [R(5, 6, dtype=b8)])
    yield C(R(5, 6), [torch.zeros(5, dtype=b8)])
    yield C(R(5, 6), [torch.ones(5, dtype=b8)])


@cases("_unique")
def unique_old(name):
    yield C(R(3, 4, dtype=i64), True, True)
    yield C(torch.tensor([2.5, 1.0, 2.5, -INF]), True, False)


@cases("_unique2")
def unique(name):
    for dtype in [f32, f64] + INTS:
        yield C(R(3, 4, dtype=dtype).round() if dtype.is_floating_point else R(3, 4, dtype=dtype), True, True, True)
    yield C(R(12, dtype=b8), True, True, True)
    yield C(R(3, 4, dtype=i64).t(), True, True, False)
    yield C(R(3, 4, dtype=i64), True, False, True)
    yield C(R(3, 4, dtype=i64))
    yield C(R(0, dtype=i64), True, True, True)
    yield C(torch.tensor(5), True, True, True)


@cases("unique_dim")
def unique_dim(name):
    yield C(I(2, 6, 2), 0)
    yield C(I(2, 6, 2), 0, True, True, True)
    yield C(I(2, 2, 7), 1, True, True, True)
    yield C(I(2, 2, 7).float(), -1, True, True, True)
    yield C(I(2, 3, 5, 2), 1, True, True, True)


@cases("unique_consecutive")
def unique_consecutive(name):
    yield C(I(2, 20))
    yield C(I(2, 20), True, True)
    yield C(I(2, 4, 5).float(), True, False)
    yield C(I(2, 9, 2), True, True, 0)


@cases("unique_dim_consecutive")
def unique_dim_consecutive(name):
    yield C(I(2, 9, 2), 0, True, True)
    yield C(I(2, 2, 9), 1, True, True)


@cases("repeat_interleave.Tensor")
def repeat_interleave_tensor(name):
    yield C(I(4, 6))
    yield C(I(4, 6, dtype=i32))
    yield C(torch.tensor([2, 0, 3]), output_size=5)
    yield C(torch.zeros(3, dtype=i64))


@cases("repeat_interleave.self_Tensor")
def repeat_interleave_self_tensor(name):
    yield C(R(3, 4), I(4, 3), 0)
    yield C(R(3, 4).t(), I(4, 3), 1)
    yield C(R(3, 4, dtype=i64), I(4, 12))
    yield C(R(3, 4), torch.tensor([2]), -1)
    yield C(R(3, 4), torch.tensor([2, 0, 3]), 0, output_size=5)


@cases("bincount")
def bincount(name):
    yield C(I(5, 12))
    yield C(I(5, 12, dtype=u8), None, 9)
    yield C(I(5, 12, dtype=i32), U(12))
    yield C(I(5, 12), U(12, dtype=f64), 3)
    yield C(torch.zeros(0, dtype=i64))


@cases("item _local_scalar_dense")
def item(name):
    yield C(torch.tensor(3))
    yield C(torch.tensor([[4]], dtype=i32))
    yield C(torch.tensor(0, dtype=u8))


def boxes(n):
    corners = U(n, 2, high=4.0)
    return torch.cat([corners, corners + U(n, 2, low=1.0, high=4.0)], 1)


@cases("torchvision.nms")
def nms(name):
    for threshold in (0.0, 0.3, 1.0):
        yield C(boxes(20), distinct(20), threshold)
    yield C(boxes(20).double(), distinct(20, dtype=f64), 0.3)
    yield C(torch.zeros(0, 4), torch.zeros(0), 0.5)


@cases("torchvision.roi_align")
def roi_align(name):
    for ratio, aligned in ((2, False), (-1, True), (0, False), (3, True)):
        rois = torch.cat([I(2, 5, 1).float(), boxes(5) * 2], 1)
        yield C(R(2, 3, 9, 11), rois, 0.5, 3, 2, ratio, aligned)
    yield C(R(1, 2, 6, 6), torch.tensor([[0.0, -3, -2, 30, 40], [0, 5, 5, 5, 5]]), 1.0, 2, 2, 2, False)
    yield C(R(1, 2, 6, 6), torch.zeros(0, 5), 1.0, 2, 2, 2, False)


@cases("torchvision.deform_conv2d")
def deform_conv2d(name):
    for groups, offsets, mask in ((1, 1, False), (2, 1, True), (1, 2, True)):
        yield C(R(2, 4, 7, 6), R(6, 4 // groups, 3, 2), R(2, offsets * 12, 4, 3, scale=1.0),
                U(2, offsets * 6, 4, 3) if mask else torch.zeros(2, 1), R(6), 2, 2, 1, 0, 1, 1, groups, offsets, mask)


def names_in_list():
    rows = re.findall(r'"(aten|torchvision)\.(\w+)\.(\w+)"', OPS_DEF.read_text())
    return [("torchvision." if library == "torchvision" else "") + a + ("" if b == "default" else "." + b)
            for library, a, b in rows]


def other_forms():
    """An operator without cases of its own takes some of its plain spelling's, or of its functional form's."""
    spellings = dict(re.findall(r'{"aten\.([\w.]+)", "aten\.([\w.]+)"}', (OPS_DEF.parent / "ops.cpp").read_text()))
    plain = lambda name: name.removesuffix(".default")
    spellings = {plain(a): plain(b) for a, b in spellings.items()}
    for name in names_in_list():
        base, dot, overload = name.partition(".")
        functional = base.removesuffix("_") + dot + overload
        target = spellings.get(name) or spellings.get(functional, functional)
        if name not in CASES and target in CASES:
            yield name, [lambda _, f=f, t=target: itertools.islice(f(t), 3) for f in CASES[target][:2]]


def main():
    only = sys.argv[1:]
    CASES.update(dict(other_forms()))
    missing = []
    for name in names_in_list():
        if only and name not in only:
            continue
        W.generator.manual_seed(zlib.crc32(name.encode()))  # the same whatever else is in the list
        before = len(W.calls)
        for function in CASES.get(name, []):
            for args, kwargs in function(name):
                try:
                    W.call(name, args, kwargs)
                except (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError, KeyError) as error:
                    if only:  # a dtype or layout that PyTorch refuses is no case
                        print("skipped:", name, str(error).splitlines()[0])
        if len(W.calls) == before:
            missing.append(name)
    unknown = sorted(set(CASES) - set(names_in_list()))
    if unknown or (missing and not only):
        sys.exit(f"no case: {missing}; cases for unknown operators: {unknown}")
    if only:
        for call in W.calls:
            print(call)
        return
    out = HERE / "goldens"
    out.mkdir(exist_ok=True)
    dump = lambda rows: ",\n".join(json.dumps(r, separators=(",", ":")) for r in rows)
    header = json.dumps(torch.__version__)
    (out / "calls.json").write_text(
        '{"torch":%s,\n"tensors":[\n%s],\n"calls":[\n%s]}\n' % (header, dump(W.tensors), dump(W.calls)))
    (out / "tensors.bin").write_bytes(bytes(W.blob))
    print(len(W.calls), "calls,", len(W.tensors), "tensors,", len(W.blob), "bytes")


if __name__ == "__main__":
    main()
