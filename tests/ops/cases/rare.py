"""Cases of what is rarely met: integrals, histograms, margins, segments, windows at random places, and gradients."""
import math

import torch

from golden_lib import *

REALS = [f32, f64, bf16, f16]


# --- whole tensors ---
@cases("isreal")
def isreal(name):
    for t in layouts():
        yield C(t)
    yield C(strange())
    for dtype in INTS + [b8, f64, bf16]:
        yield C(R(2, 3, dtype=dtype))
    yield C(torch.tensor([1 + 2j, 3 + 0j, complex(math.nan, 0), complex(0, math.nan), complex(1, -0.0)]))
    yield C(R(2, 3, dtype=c128))


@cases("diagflat")
def diagflat(name):
    for t in layouts():
        yield C(t)
    for offset in [1, -2]:
        yield C(R(2, 3), offset)
        yield C(R(3, dtype=i64), offset)
    for dtype in [f64, bf16, b8, i8, c64]:
        yield C(R(2, 2, dtype=dtype), 1)
    yield C(R(0), 2)
    yield C(strange())


@cases("cartesian_prod")
def cartesian_prod(name):
    yield C([R(3)])
    yield C([R(3), R(2)])
    yield C([R(2, dtype=i64), R(3, dtype=i64), R(2, dtype=i64)])
    yield C([R(6)[::2], R(0)])
    for dtype in [f64, bf16, b8, u8, c64]:
        yield C([R(2, dtype=dtype), R(3, dtype=dtype)])


@cases("combinations")
def combinations(name):
    for r in [0, 1, 2, 3, 5, 6]:
        yield C(R(5), r)
        yield C(R(4, dtype=i64), r, True)
    yield C(R(0), 2)
    yield C(R(0), 2, True)
    yield C(R(8)[::2])
    for dtype in [f64, bf16, b8, u8, c64]:
        yield C(R(4, dtype=dtype))


@cases("sum_to_size")
def sum_to_size(name):
    for size in [[2, 3, 4], [1, 3, 1], [3, 4], [4], [1], [], [1, 1, 1]]:
        yield C(R(2, 3, 4), size)
        yield C(R(2, 3, 4, dtype=i32), size)
    yield C(R(), [])
    yield C(R(dtype=i8), [])
    yield C(R(0, 3), [1, 3])
    yield C(R(4, 3).t(), [3, 1])
    for dtype in [f64, bf16, b8, u8, c64]:
        yield C(R(2, 3, dtype=dtype), [3])
    yield C(strange(), [1])


@cases("_chunk_cat")
def chunk_cat(name):
    yield C([R(4, 3)], 0, 2)
    yield C([R(4, 3), R(5), R(3, 2, 2)], 0, 2)
    yield C([R(2, 5), R(2, 3, 2)], 1, 3)
    yield C([R(3)], 0, 5)
    yield C([R(6, 4).t(), R(4, 1)], -1, 4)
    for dtype in [f64, bf16, i64, b8, c64]:
        yield C([R(5, 2, dtype=dtype), R(2, dtype=dtype)], 0, 2)


@cases("tensor_split.tensor_indices_or_sections")
def split_by_tensor(name):
    yield C(R(7, 2), Constant(torch.tensor(3)))
    yield C(R(2, 7), Constant(torch.tensor(2)), 1)
    yield C(R(7, 2), Constant(torch.tensor([2, 5])))
    yield C(R(2, 7), Constant(torch.tensor([-3, 9, 1])), -1)
    yield C(R(7, dtype=i64), Constant(torch.tensor([], dtype=i64)))


@cases("feature_alpha_dropout")
def feature_alpha_dropout(name):
    for dtype in [f32, bf16, f64]:
        yield C(R(2, 3, 4, dtype=dtype), 0.5, False)


# --- integrals, derivatives, samples between ends ---
@cases("trapezoid.dx cumulative_trapezoid.dx trapz.dx")
def trapezoid_even(name):
    for dtype in REALS + [i64, i32, u8, c64]:
        yield C(R(3, 5, dtype=dtype))
    dx = 0.5 if name == "trapz.dx" else 2
    for dim in [0, 1, -1]:
        yield C(R(3, 4, 2), dx=dx, dim=dim)
    yield C(R(5, 3).t(), dx=-1.5)
    yield C(R(1, 3), dim=0)
    yield C(R(0, 3), dim=0)
    yield C(R(0, 3, dtype=i64), dim=0)
    yield C(R(3, 0, 2))
    yield C(torch.tensor([[1.0, INF, 2.0], [INF, 1.0, 2.0], [math.nan, 1.0, 1.0]]))


@cases("trapezoid.x cumulative_trapezoid.x trapz.x")
def trapezoid_places(name):
    for a, b in [(f32, f32), (f64, f32), (bf16, bf16), (i64, f32), (i64, i32), (u8, u8), (u8, i8), (c64, f32)]:
        yield C(R(3, 5, dtype=a), R(5, dtype=b))
    yield C(R(3, 5), R(3, 5))
    yield C(R(3, 5), R(3), dim=0)
    yield C(R(2, 3, 5), R(3, 5), dim=1)
    yield C(R(2, 3), R(4, 2, 3), dim=0)
    yield C(R(0, 3), R(0), dim=0)
    yield C(R(1, 3), R(1), dim=0)
    yield C(R(4), strange()[:4])


@cases("gradient.scalarint")
def gradient_one(name):
    for dtype in REALS + [i64, i8, c64]:
        yield C(R(4, 5, dtype=dtype))
    yield C(R(5), spacing=2)
    yield C(R(4, 5), spacing=0.5, dim=1)
    yield C(R(4, 5), dim=-2, edge_order=2)
    yield C(R(4, 5, dtype=i64), spacing=3, edge_order=2)
    yield C(R(2, 3), dim=0)
    yield C(R(5, 4).t(), spacing=-1.5)
    yield C(strange())


@cases("gradient.array")
def gradient_array(name):
    yield C(R(4, 5), dim=[0, 1])
    yield C(R(4, 5, 3), dim=[2, 0], edge_order=2)


@cases("gradient.scalararray")
def gradient_scalar_array(name):
    yield C(R(4, 5), spacing=2, dim=[0, 1])
    yield C(R(4, 5, 3, dtype=f64), spacing=0.5, dim=[-1, 0], edge_order=2)


@cases("gradient.scalarrayint")
def gradient_list(name):
    yield C(R(4, 5), spacing=[2, 0.5])
    yield C(R(4, 5), spacing=[2], dim=1, edge_order=2)


@cases("gradient.scalarrayarray")
def gradient_lists(name):
    yield C(R(4, 5, 3), spacing=[2, 0.5], dim=[0, 2])
    yield C(R(4, 5, 3, dtype=i64), spacing=[2.0, 0.5], dim=[0, 2], edge_order=2)


def rising(n, dtype=f32):
    return U(n, dtype=dtype, low=0.5, high=2).cumsum(0).to(dtype)


@cases("gradient.tensorarrayint")
def gradient_places(name):
    for dtype in [f32, f64, i64, c64]:
        for order in [1, 2]:
            yield C(R(4, 5, dtype=dtype), spacing=[rising(4), rising(5)], edge_order=order)
    yield C(R(4, 5, dtype=f64), spacing=[rising(5)], dim=1)
    yield C(R(4), spacing=[torch.tensor([0, 1, 4, 9])])
    yield C(R(3), spacing=[rising(3)], edge_order=2)
    yield C(R(2), spacing=[rising(2)])


@cases("gradient.tensorarray")
def gradient_places_of(name):
    yield C(R(4, 5, 3), spacing=[rising(5), rising(4)], dim=[1, 0])
    yield C(R(4, 5, 3), spacing=[rising(3), rising(4)], dim=[-1, 0], edge_order=2)


SPACED = "linspace.{0} logspace.{0}"


def spaced(first, second):
    tensor = lambda is_tensor, v, dtype: torch.tensor(v, dtype=dtype) if is_tensor else v
    for dtype in [f32, f64, i64, bf16]:
        for steps in [0, 1, 2, 5, 8]:
            yield C(tensor(first, -2, dtype), tensor(second, 3, dtype), steps)
        yield C(tensor(first, 0, dtype), tensor(second, 4, dtype), 6, dtype=f64)
        yield C(tensor(first, 0, dtype), tensor(second, 9, dtype), 4, dtype=i64)
    yield C(tensor(first, 0.5, f32), tensor(second, 3.7, f32), 4, dtype=i32)
    yield C(tensor(first, 0.5, f32), tensor(second, 3.7, f32), 1, dtype=i32)
    yield C(tensor(first, 1 if not first else 1 + 2j, c64), tensor(second, 3 if not second else 3 - 1j, c64), 5)
    yield C(tensor(first, 0.1, f32), tensor(second, 0.7, f32), 13)


@cases(SPACED.format("Tensor_Tensor"))
def spaced_tensors(name):
    yield from spaced(True, True)


@cases(SPACED.format("Tensor_Scalar"))
def spaced_tensor_number(name):
    yield from spaced(True, False)


@cases(SPACED.format("Scalar_Tensor"))
def spaced_number_tensor(name):
    yield from spaced(False, True)


# --- histograms ---
def near_edges(bins, low, high, dtype=f32):
    """Samples at the edges of the bins and right beside them."""
    edges = torch.linspace(low, high, bins + 1, dtype=dtype)
    return torch.cat([edges, torch.nextafter(edges, edges - 1), torch.nextafter(edges, edges + 1)])


@cases("histogram.bin_ct")
def histogram(name):
    for dtype in [f32, f64]:
        for bins in [1, 3, 10, 97]:
            yield C(R(4, 25, dtype=dtype), bins)
            yield C(near_edges(bins, -1.3, 2.1, dtype), bins)
            yield C(near_edges(bins, -1.3, 2.1, dtype), bins, range=[-1.3, 2.1])
    yield C(R(0), 4)
    yield C(torch.full([5], 2.0), 3)
    yield C(R(30), 7, range=[-1.0, 1.0], density=True)
    yield C(R(5, 6).t(), 7, weight=U(6, 5), density=True)
    yield C(torch.tensor([1.0, math.nan, 2.0, INF]), 4, range=[0.0, 3.0])
    yield C(R(), 4)


@cases("histogram.bins_tensor")
def histogram_edges(name):
    for dtype in [f32, f64]:
        edges = torch.tensor([-2.0, -0.5, 0.0, 1.0, 4.0], dtype=dtype)
        yield C(R(4, 25, dtype=dtype), edges)
        yield C(edges.clone(), edges)
        yield C(R(40, dtype=dtype), edges, weight=U(40, dtype=dtype), density=True)
    yield C(strange(), torch.tensor([-1.0, 0.0, 0.5]))
    yield C(R(9), torch.tensor([-1.0, 0.0, 0.0, 2.0]))


@cases("histogramdd _histogramdd_from_bin_cts _histogramdd_bin_edges")
def histogram_of_several(name):
    for dtype in [f32, f64]:
        yield C(R(40, 2, dtype=dtype), [3, 4])
        yield C(R(5, 8, 3, dtype=dtype), [2, 3, 4], density=True)
    yield C(R(40, 2), [3, 4], range=[-1.0, 1.0, -2.0, 3.0])
    yield C(R(20, 2), [3, 4], weight=U(20))
    yield C(R(0, 2), [3, 4])
    yield C(near_edges(9, -1.3, 2.1)[:, None], [9])


@cases("histogramdd.int_bins")
def histogram_of_equal(name):
    yield C(R(40, 2), 4)
    yield C(R(5, 8, 3, dtype=f64), 2, density=True, weight=U(5, 8, dtype=f64))


@cases("histogramdd.TensorList_bins _histogramdd_from_bin_tensors")
def histogram_of_edges(name):
    a, b = torch.tensor([-2.0, -0.5, 0.0, 1.0]), torch.tensor([-1.0, 0.5, 3.0])
    yield C(R(40, 2), [a, b])
    yield C(R(5, 8, 2), [a, b], weight=U(5, 8), density=True)
    yield C(R(40, 2, dtype=f64), [a.double(), b.double()])


# --- losses ---
@cases("triplet_margin_loss")
def triplet(name):
    for dtype in [f32, f64, bf16]:
        for reduction in [0, 1, 2]:
            yield C(R(4, 6, dtype=dtype), R(4, 6, dtype=dtype), R(4, 6, dtype=dtype), 20.0, reduction=reduction)
    for p in [1.0, 3.0, INF, 0.0]:
        yield C(R(4, 6), R(4, 6), R(4, 6), 0.5, p, reduction=0)
    yield C(R(4, 6), R(4, 6), R(4, 6), swap=True, reduction=0)
    yield C(R(6), R(6), R(6), 20.0)
    yield C(R(2, 1, 6), R(1, 3, 6), R(2, 3, 1), reduction=0)
    yield C(R(0, 6), R(0, 6), R(0, 6), reduction=2)
    yield C(strange()[None], R(1, 12), R(1, 12), reduction=0)


@cases("multi_margin_loss")
def multi_margin(name):
    for dtype in [f32, f64]:
        for reduction in [0, 1, 2]:
            yield C(R(4, 5, dtype=dtype), I(5, 4), reduction=reduction)
            yield C(R(4, 5, dtype=dtype), I(5, 4), 2, 0.5, U(5, dtype=dtype), reduction)
    for reduction in [0, 1, 2]:
        yield C(R(5), I(5), reduction=reduction)
        yield C(R(5), I(5, 1), reduction=reduction)
    yield C(strange()[None], I(12, 1))
    yield C(R(5, 4).t(), I(5, 4), 1, 2.5, U(5))


def labels(rows, classes):
    t = torch.stack([torch.randperm(classes, generator=W.generator) for _ in range(rows)])
    for i in range(rows):
        t[i, i % (classes + 1):] = torch.where(t[i, i % (classes + 1):] > 2, -1, t[i, i % (classes + 1):])
    return t


@cases("multilabel_margin_loss multilabel_margin_loss_forward")
def multilabel_margin(name):
    for dtype in [f32, f64]:
        for reduction in [0, 1, 2]:
            yield C(R(6, 5, dtype=dtype), labels(6, 5), reduction)
    for reduction in [0, 1, 2]:
        yield C(R(5), labels(1, 5)[0], reduction)
    yield C(R(1, 5), torch.full((1, 5), -1), 1)
    yield C(strange()[None], labels(1, 12), 1)


def sequences(lengths_as):
    def case(time, batch, classes, input_lengths, target_lengths, dtype=f32, joined=False, **kwargs):
        scores = R(time, batch, classes, dtype=dtype).log_softmax(-1)
        size = [sum(target_lengths)] if joined else [batch, max(target_lengths)]
        return C(scores, I(classes, *size, low=1), lengths_as(input_lengths), lengths_as(target_lengths), **kwargs)
    return case


@cases("ctc_loss.IntList ctc_loss.Tensor")
def ctc_loss(name):
    case = sequences(torch.tensor if name.endswith("Tensor") else list)
    for dtype in [f32, f64]:
        for reduction in [0, 1, 2]:
            yield case(9, 3, 5, [9, 7, 9], [4, 2, 3], dtype, reduction=reduction)
            yield case(9, 3, 5, [9, 7, 9], [4, 0, 3], dtype, True, reduction=reduction)
    for zero in [False, True]:  # too short an input is impossible
        yield case(6, 2, 4, [2, 6], [4, 3], reduction=0, zero_infinity=zero)
        yield case(6, 2, 4, [0, 0], [0, 3], reduction=0, zero_infinity=zero)
    yield case(6, 2, 4, [6, 5], [2, 3], blank=2)
    one = torch.tensor if name.endswith("Tensor") else list
    for reduction in [0, 1, 2]:
        yield C(R(7, 4).log_softmax(-1), I(4, 3, low=1), one([7]), one([3]), reduction=reduction)
    yield C(R(7, 1, 4).log_softmax(-1), torch.tensor([[1, 1, 2]], dtype=i32), one([7]), one([3]))


@cases("_ctc_loss _ctc_loss.Tensor")
def ctc_loss_with_alpha(name):
    case = sequences(torch.tensor if name.endswith("Tensor") else list)
    for dtype in [f32, f64]:
        yield case(5, 3, 5, [5, 5, 5], [2, 2, 2], dtype)
    yield case(5, 1, 5, [5], [3], joined=True, blank=1)


# --- windows, segments, masks ---
@cases("fractional_max_pool2d")
def fractional_2d(name):
    for dtype in REALS:
        yield C(R(2, 3, 7, 9, dtype=dtype), [2, 3], [4, 5], U(2, 3, 2, low=0, high=1, dtype=dtype))
    yield C(R(3, 6, 5), [2, 2], [3, 1], U(1, 3, 2, low=0, high=1))
    yield C(R(2, 1, 4, 4), [1, 2], [4, 3], U(3, 1, 2, low=0, high=1))
    yield C(strange().reshape(1, 3, 4), [2, 2], [2, 3], U(1, 1, 2, low=0, high=1))


@cases("fractional_max_pool3d")
def fractional_3d(name):
    for dtype in REALS:
        yield C(R(2, 2, 5, 7, 6, dtype=dtype), [2, 3, 2], [3, 4, 2], U(2, 2, 3, low=0, high=1, dtype=dtype))
    yield C(R(2, 4, 4, 4), [2, 2, 2], [2, 1, 3], U(1, 2, 3, low=0, high=1))


@cases("max_pool1d_with_indices")
def max_pool1d_with_indices(name):
    for dtype in [f32, f64, bf16, i64]:
        yield C(distinct(2, 3, 8, dtype=dtype), [3])
    yield C(distinct(2, 3, 8), [3], [2], [1])
    yield C(distinct(3, 9), [2], [2], [0], [3], True)


@cases("segment_reduce")
def segment_reduce(name):
    for how in ["sum", "mean", "max", "min", "prod"]:
        for dtype in REALS:
            yield C(U(7, 2, dtype=dtype), how, lengths=torch.tensor([2, 0, 4, 1]))
        yield C(U(7), how, offsets=torch.tensor([0, 3, 3, 7]))
        yield C(U(7), how, lengths=torch.tensor([3, 4], dtype=i32), initial=0.5)
        yield C(U(2, 4, 3), how, lengths=torch.tensor([[1, 3], [4, 0]]), axis=1)
        yield C(U(2, 4), how, offsets=torch.tensor([[0, 1, 4], [0, 4, 4]]), axis=1, initial=2)
    yield C(strange(), "max", lengths=torch.tensor([5, 7]))
    yield C(strange(), "mean", lengths=torch.tensor([4, 8]))
    yield C(U(7), "sum", lengths=torch.tensor([2, 3]), unsafe=True)


@cases("_unsafe_masked_index")
def masked_index(name):
    for dtype in [f32, i64, bf16, b8]:
        yield C(R(5, 4, dtype=dtype), R(3, 4, dtype=b8), [I(9, 3, low=-9)], 2)
    yield C(R(5, 4), R(3, dtype=b8), [I(5, 3), I(4, 3)], -1.5)
    yield C(R(5, 4), R(2, 3, dtype=b8), [None, I(6, 2, 3)], 0)
    yield C(R(5, 4), R(5, 1, dtype=b8), [None, I(6, 3)], 7)


@cases("_unsafe_masked_index_put_accumulate")
def masked_index_put(name):
    for dtype in [f32, f64, i64]:
        yield C(R(5, 4, dtype=dtype), R(3, 4, dtype=b8), [I(9, 3, low=-9)], R(3, 4, dtype=dtype))
    yield C(R(5, 4), R(6, dtype=b8), [I(5, 6), I(4, 6)], R(6))
    yield C(R(5, dtype=c64), R(6, dtype=b8), [I(5, 6)], R(6, dtype=c64))


# --- Fourier ---
@cases("fft_hfft2 fft_hfftn")
def hermitian(name):
    for dtype in [c64, c128, f32, f64, i64]:
        yield C(R(3, 4, 5, dtype=dtype))
    for norm in ["forward", "backward", "ortho"]:
        yield C(R(3, 4, 5, dtype=c64), [4, 6], [0, 2], norm)
    yield C(R(3, 4, dtype=c64), None, [0])
    yield C(R(3, 4, dtype=c64), [-1, 5], [1, 0])


@cases("fft_ihfft2 fft_ihfftn")
def inverse_hermitian(name):
    for dtype in [f32, f64, i64]:
        yield C(R(3, 4, 5, dtype=dtype))
    for norm in ["forward", "backward", "ortho"]:
        yield C(R(3, 4, 5), [4, 6], [0, 2], norm)
    yield C(R(3, 4), None, [0])
    yield C(R(3, 4), [-1, 5], [1, 0])


# --- gradients ---
@cases("_adaptive_avg_pool2d_backward")
def adaptive_backward(name):
    for dtype in REALS:
        yield C(R(2, 3, 3, 2, dtype=dtype), R(2, 3, 7, 5, dtype=dtype))
    yield C(R(3, 1, 1), R(3, 4, 5))
    yield C(R(2, 3, 4, 6), R(2, 3, 4, 6))


@cases("avg_pool2d_backward")
def avg_pool_backward(name):
    for dtype in [f32, f64, bf16]:
        yield C(R(2, 3, 3, 2, dtype=dtype), R(2, 3, 7, 5, dtype=dtype), [2, 2], [2, 2], [0, 0], False, True, None)
    yield C(R(3, 4, 3), R(3, 7, 5), [3, 3], [2, 2], [1, 1], False, False, None)
    yield C(R(2, 3, 4, 3), R(2, 3, 7, 5), [3, 3], [2, 2], [1, 1], False, True, None)
    yield C(R(2, 3, 4, 3), R(2, 3, 7, 6), [2, 2], [2, 2], [0, 0], True, True, None)
    yield C(R(2, 3, 3, 2), R(2, 3, 7, 5), [2, 2], [], [0, 0], False, True, 3)


@cases("max_pool2d_with_indices_backward")
def max_pool_backward(name):
    for dtype in [f32, f64, bf16]:
        x = distinct(2, 3, 7, 6, dtype=f32).to(dtype)
        for args in [([2, 2], [2, 2], [0, 0], [1, 1], False), ([3, 3], [1, 2], [1, 1], [1, 1], True),
                     ([2, 2], [1, 1], [0, 0], [2, 3], False)]:
            y, at = torch.ops.aten.max_pool2d_with_indices(x, *args)
            yield C(R(*y.shape, dtype=dtype), x, *args, at)


@cases("convolution_backward")
def convolution_backward(name):
    def case(x, w, stride, padding, dilation, transposed=False, output_padding=0, groups=1, mask=(True, True, True), dtype=f32):
        n = len(w) - 2
        x, w = R(*x, dtype=dtype), R(*w, dtype=dtype)
        lists = [[v] * n for v in (stride, padding, dilation)]
        out = torch.ops.aten.convolution(x, w, None, *lists, transposed, [output_padding] * n, groups)
        return C(R(*out.shape, dtype=dtype), x, w, [out.shape[1]] if mask[2] else None, *lists, transposed, [output_padding] * n, groups,
                 list(mask))

    yield case((2, 3, 7), (4, 3, 3), 2, 1, 1)
    yield case((2, 4, 6, 5), (6, 2, 3, 2), 1, 1, 2, groups=2)
    yield case((2, 4, 6, 5), (6, 2, 3, 2), 1, 1, 2, groups=2, dtype=f64)
    yield case((1, 2, 4, 5, 4), (3, 2, 2, 3, 2), 2, 1, 1)
    yield case((2, 3, 5), (3, 4, 3), 2, 1, 1, True, 1)
    yield case((2, 4, 5, 4), (4, 3, 3, 2), 2, 0, 1, True, 0, 2)
    yield case((2, 3, 7, 6), (4, 3, 1, 1), 1, 0, 1)
    for mask in [(True, False, False), (False, True, False)]:
        yield case((2, 3, 7, 6), (4, 3, 3, 3), 2, 1, 1, mask=mask)


@cases("embedding_dense_backward")
def embedding_backward(name):
    for dtype in [f32, f64, bf16]:
        yield C(R(2, 3, 4, dtype=dtype), I(6, 2, 3), 6, -1, False)
    yield C(R(5, 4), I(3, 5), 6, 1, False)
    yield C(R(5, 4), I(3, 5, dtype=i32), 6, -1, True)
    yield C(R(0, 4), I(3, 0), 6, -1, False)


@cases("native_layer_norm_backward")
def layer_norm_backward(name):
    for dtype in [f32, f64]:
        for mask in [[True, True, True], [True, False, False]]:
            x, w, b = R(3, 4, 5, dtype=dtype), R(4, 5, dtype=dtype), R(4, 5, dtype=dtype)
            y, mean, rstd = torch.ops.aten.native_layer_norm(x, [4, 5], w, b, 1e-5)
            yield C(R(3, 4, 5, dtype=dtype), x, [4, 5], mean, rstd, w, b, mask)
    x = R(3, 6)
    y, mean, rstd = torch.ops.aten.native_layer_norm(x, [6], None, None, 1e-5)
    yield C(R(3, 6), x, [6], mean, rstd, None, None, [True, False, False])


@cases("native_group_norm_backward")
def group_norm_backward(name):
    for dtype in [f32, f64]:
        for weight in [R(6, dtype=dtype), None]:
            x = R(2, 6, 3, 2, dtype=dtype)
            y, mean, rstd = torch.ops.aten.native_group_norm(x, weight, None, 2, 6, 6, 3, 1e-5)
            mask = [True, weight is not None, weight is not None]
            yield C(R(2, 6, 3, 2, dtype=dtype), x, mean, rstd, weight, 2, 6, 6, 3, mask)


# --- gaps of operators that have cases already ---
@cases("searchsorted.Tensor")
def searchsorted_sorter(name):
    for dtype in [f32, i64, bf16]:
        rows = R(3, 8, dtype=dtype)
        yield C(rows, R(3, 4, dtype=dtype), sorter=rows.argsort(-1))
        yield C(rows, R(3, 4, dtype=dtype), right=True, out_int32=True, sorter=rows.argsort(-1))
    row = R(8)
    yield C(row, R(2, 3), sorter=row.argsort(), side="right")


@cases("searchsorted.Scalar")
def searchsorted_scalar_sorter(name):
    row = R(8)
    yield C(row, 0.5, sorter=row.argsort())


@cases("tensordot")
def tensordot_of_one(name):
    yield C(R(3, 4), R(1, 5), [1], [0])
    yield C(R(3, 1), R(4, 5), [1], [0])
    yield C(R(2, 3, 1), R(1, 4, 5), [1, 2], [0, 1])
    yield C(R(3, 4, dtype=i64), R(1, 5, dtype=i64), [1], [0])
    yield C(R(1), R(1), [0], [0])


@cases("_to_copy to.dtype")
def to_and_from_complex(name):
    kind = lambda t: C(t[0], dtype=t[1]) if name == "_to_copy" else C(*t)
    for dtype in REALS + INTS + [b8]:
        for target in [c64, c128]:
            yield kind((R(2, 3, dtype=dtype), target))
            yield kind((R(2, 3, dtype=target), dtype))
    yield kind((R(4, 3, dtype=c64).t(), c128))
    yield kind((R(4, 3, dtype=c128)[:, ::2], c64))
    yield kind((strange(), c64))
    yield kind((R(dtype=f64), c64))
    yield kind((R(0, 3), c128))
    yield kind((torch.tensor([1j, 0, 1 + 0j, complex(0, math.nan)]), b8))
