"""Covariances, powers of vectors, sequences of different lengths, and rounding as quantised types do."""
import torch

from golden_lib import *


@cases("cov corrcoef")
def covariance(name):
    for dtype in [f32, f64, c64]:
        yield C(R(3, 7, dtype=dtype))
    yield C(R(6))
    yield C(R(2, 5, dtype=i64))
    if name == "cov":
        yield C(R(3, 7), correction=0)
        yield C(R(3, 5, dtype=bf16), aweights=R(5).abs())
        yield C(R(3, 5), fweights=torch.tensor([1, 2, 1, 3, 2]))
        yield C(R(3, 5, dtype=f64), fweights=torch.tensor([1, 2, 1, 3, 2]), aweights=torch.rand(5, dtype=f64) + 0.1)


@cases("vander")
def powers(name):
    yield C(R(4))
    yield C(R(4), 3, True)
    yield C(R(3, dtype=i32), 5)
    yield C(R(3, dtype=c64), 1)


@cases("pad_sequence")
def sequences(name):
    yield C([R(3, 2), R(5, 2), R(1, 2)])
    yield C([R(3), R(5)], True, -1.5, "left")
    yield C([R(2, dtype=i64), R(4, dtype=i64)], True, 7.0)


@cases("fake_quantize_per_tensor_affine fake_quantize_per_tensor_affine_cachemask")
def fake_quantise(name):
    for dtype in [f32, f64, f16]:
        yield C(R(4, 9, dtype=dtype), 0.037, 5, -20, 20)
    yield C(torch.tensor([0.5, 1.5, 2.5, -0.5, INF, -INF]), 1.0, 0, 0, 255)


@cases("fake_quantize_per_tensor_affine.tensor_qparams")
def fake_quantise_tensor(name):
    yield C(R(4, 9), torch.tensor([0.05]), torch.tensor([3], dtype=i32), 0, 255)
    yield C(R(4, 9), torch.tensor(0.05), torch.tensor(0, dtype=i32), -8, 7)


@cases("fake_quantize_per_channel_affine fake_quantize_per_channel_affine_cachemask")
def fake_quantise_channels(name):
    yield C(R(4, 3, 5), torch.tensor([0.05, 0.1, 0.2]), torch.tensor([3, 0, -2], dtype=i32), 1, -8, 7)


@cases("_fake_quantize_per_tensor_affine_cachemask_tensor_qparams")
def fake_quantise_switched(name):
    for on in [0, 1]:
        yield C(R(4, 9), torch.tensor([0.05]), torch.tensor([3], dtype=i32), torch.tensor([on]), 0, 255)
