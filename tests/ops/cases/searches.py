"""Distances and searches."""
import math

import torch

from golden_lib import *


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
