"""Tensors made of numbers."""
import torch

from golden_lib import *


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


@cases("hamming_window.periodic_alpha")
def windows_alpha(name):
    yield C(6, False, 0.4)
    yield C(1, True, 0.4)


@cases("hamming_window.periodic_alpha_beta")
def windows_alpha_beta(name):
    yield C(6, True, 0.4, 0.5, dtype=f64)


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
