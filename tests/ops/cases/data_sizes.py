"""Results whose sizes data decide, and torchvision's operators."""
import torch
import torchvision  # noqa: F401: its operators

from golden_lib import *


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


@cases("torchvision.roi_pool torchvision.ps_roi_pool torchvision.ps_roi_align")
def pooled_regions(name):
    ratios = [[2], [-1], [0]] if name.endswith("align") else [[]]
    channels = 12 if ".ps_" in name else 3
    for ratio in ratios:
        rois = torch.cat([I(2, 5, 1).float(), boxes(5) * 2], 1)
        yield C(R(2, channels, 5, 6), rois, 0.5, 3, 2, *ratio)
        yield C(R(2, channels, 4, 3, dtype=f64), rois.double(), 0.5, 2, 3, *ratio)
        yield C(R(1, 8, 5, 5), torch.tensor([[0.0, -3, -2, 30, 40], [0, 5, 5, 5, 5], [0, 2, 4, 1, 1], [0, 9, 9, 12, 14]]), 1.0, 2, 2, *ratio)
        yield C(R(1, 8, 5, 5), torch.zeros(0, 5), 1.0, 2, 2, *ratio)


@cases("torchvision.deform_conv2d")
def deform_conv2d(name):
    for groups, offsets, mask in ((1, 1, False), (2, 1, True), (1, 2, True)):
        yield C(R(2, 4, 7, 6), R(6, 4 // groups, 3, 2), R(2, offsets * 12, 4, 3, scale=1.0),
                U(2, offsets * 6, 4, 3) if mask else torch.zeros(2, 1), R(6), 2, 2, 1, 0, 1, 1, groups, offsets, mask)
