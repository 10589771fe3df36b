"""Indexing: gathers and scatters."""
import torch

from golden_lib import *


@cases("scatter.reduce")
def scatter_reduce(name):
    for how in ["add", "multiply"]:
        yield C(R(5, 6), 0, I(5, 3, 6), R(3, 6), reduce=how)


@cases("scatter.value_reduce")
def scatter_value_reduce(name):
    for how in ["add", "multiply"]:
        yield C(R(5, 6), 1, I(6, 5, 3), 2.5, reduce=how)


@cases("index_fill.int_Tensor")
def index_fill_tensor(name):
    yield C(R(5, 6), 1, torch.tensor([0, -1]), torch.tensor(2.5))


@cases("index_reduce")
def index_reduce(name):
    for how in ["prod", "mean", "amax", "amin"]:
        for own in [True, False]:
            yield C(R(5, 3), 0, torch.tensor([0, 2, 2]), R(3, 3), how, include_self=own)


@cases("put")
def put(name):
    yield C(R(3, 4), torch.tensor([0, -1, 5]), R(3))
    yield C(R(3, 4), torch.tensor([[0, 0], [5, 1]]), R(2, 2), True)


@cases("take")
def take(name):
    yield C(R(3, 4), torch.tensor([[0, -1], [5, 2]]))
    yield C(R(4, 3, dtype=bf16).t(), torch.tensor(3))


@cases("embedding_bag")
def embedding_bag(name):
    i, at = torch.tensor([1, 2, 4, 5, 4, 3]), torch.tensor([0, 2, 2])
    yield C(R(7, 4), i, at)
    yield C(R(7, 4), i, at, False, 1)
    yield C(R(7, 4), i, at, False, 2)
    yield C(R(7, 4), i, at, False, 0, False, R(6))
    yield C(R(7, 4), i, torch.tensor([0, 2, 6]), False, 1, False, None, True)


@cases("embedding_bag.padding_idx")
def embedding_bag_padding(name):
    i, at = torch.tensor([1, 2, 4, 5, 4, 3]), torch.tensor([0, 2, 4])
    yield C(R(7, 4), i, at, False, 1, False, None, False, 4)


@cases("_embedding_bag _embedding_bag_forward_only")
def embedding_bag_inner(name):
    i, at = torch.tensor([1, 2, 4, 5, 4, 3]), torch.tensor([0, 2, 2])
    for mode in [1, 2]:
        yield C(R(7, 4), i, at, False, mode)


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
    yield C(R(), 0, torch.tensor([0]))


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
