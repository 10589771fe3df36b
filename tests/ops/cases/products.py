"""Matrix products, convolutions, attention, and cells of recurrent networks."""
import math

import torch

from golden_lib import *


@cases("inner")
def inner(name):
    yield C(R(3, 4), R(5, 4))
    yield C(R(2, 3, 4), R(4))
    yield C(R(), R(3))


@cases("kron")
def kron(name):
    yield C(R(2, 3), R(3, 2))
    yield C(R(2), R(2, 3))
    yield C(R(2, 3, dtype=i64), R(2, dtype=i64))


@cases("tensordot")
def tensordot(name):
    yield C(R(3, 4, 5), R(4, 3, 2), [1, 0], [0, 1])
    yield C(R(3, 4), R(4, 2), [1], [0])
    yield C(R(2), R(3), [], [])


@cases("bilinear")
def bilinear(name):
    yield C(R(3, 4), R(3, 5), R(2, 4, 5), R(2))
    yield C(R(4), R(5), R(2, 4, 5))


@cases("linalg_vecdot")
def vecdot(name):
    yield C(R(3, 4), R(4))
    yield C(R(3, 4), R(3, 4), dim=0)


@cases("addr")
def addr(name):
    yield C(R(3, 4), R(3), R(4))
    yield C(R(4), R(3), R(4), beta=0.5, alpha=2)
    yield C(R(3, 4, dtype=i64), R(3, dtype=i64), R(4, dtype=i64))


@cases("addbmm_")
def addbmm_in_place(name):
    yield C(R(3, 5), R(2, 3, 4), R(2, 4, 5), beta=0.5, alpha=2)


@cases("lstm_cell")
def lstm_cell(name):
    yield C(R(3, 4), [R(3, 5), R(3, 5)], R(20, 4), R(20, 5), R(20), R(20))
    yield C(R(2, 4), [R(2, 3), R(2, 3)], R(12, 4), R(12, 3))


@cases("gru_cell")
def gru_cell(name):
    yield C(R(3, 4), R(3, 5), R(15, 4), R(15, 5), R(15), R(15))


@cases("rnn_tanh_cell rnn_relu_cell")
def rnn_cell(name):
    yield C(R(3, 4), R(3, 5), R(5, 4), R(5, 5), R(5), R(5))


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
    yield C(R(5, dtype=torch.complex64), R(5, dtype=torch.complex64))


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
