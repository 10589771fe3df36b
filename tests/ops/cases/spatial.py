"""Pooling, resampling, padding."""
import math

import torch

from golden_lib import *


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
