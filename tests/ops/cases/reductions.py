"""Reductions, scans and orders."""
import math

import torch

from golden_lib import *


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
    yield C(R(0, 4), -1)


@cases("linalg_norm.ord_str")
def linalg_norm_str(name):
    yield C(R(3, 4), "fro")
    yield C(R(2, 3, 4), "fro", [1, 2], True)


@cases("dist")
def dist(name):
    yield C(R(3, 4), R(4))
    yield C(R(3, 4), R(3, 4), 1)
    yield C(R(3, 4), R(3, 4), math.inf)
    yield C(R(3, 4, dtype=c64), R(4), 3)


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


@cases("isin.Scalar_Tensor")
def isin_of_scalar(name):
    yield C(2, I(6, 3, 4))
    yield C(9, I(6, 3), invert=True)
    yield C(float("nan"), strange())


@cases("bucketize.Scalar")
def bucketize_scalar(name):
    yield C(1.5, torch.tensor([0.0, 1.0, 2.0]))
    yield C(2, torch.tensor([0, 2, 2, 3]), right=True, out_int32=True)


@cases("searchsorted.Scalar")
def searchsorted_scalar(name):
    yield C(torch.tensor([0.0, 1.0, 2.0]), 1.0)
    yield C(torch.tensor([0, 2, 2, 3]), 2, side="right")


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
    yield C(R(3, 2), 0, 0, R(1, 2), R(4, 2))


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
