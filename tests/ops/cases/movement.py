"""Views, copies and permutations."""
import torch

from golden_lib import *


@cases("as_strided")
def as_strided(name):
    yield C(R(4, 6), [3, 2], [6, 2])
    yield C(R(24), [4, 5], [2, 1], 3)
    yield C(R(9), [3, 3], [1, 1])
    yield C(R(9), [], [], 4)


@cases("as_strided_scatter")
def as_strided_scatter(name):
    yield C(R(4, 6), R(3, 2), [3, 2], [6, 2])
    yield C(R(9), R(2, 2), [2, 2], [4, 1], 1)


@cases("tensor_split.indices")
def tensor_split_indices(name):
    yield C(R(7, 3), [2, 5])
    yield C(R(4, 6), [1, -1], 1)
    yield C(R(7, 3), [3, 3])


@cases("hsplit.int")
def hsplit(name):
    yield C(R(4, 6), 3)
    yield C(R(6), 2)


@cases("hsplit.array")
def hsplit_array(name):
    yield C(R(4, 6), [1, 4])


@cases("vsplit.int")
def vsplit(name):
    yield C(R(4, 6), 2)


@cases("vsplit.array")
def vsplit_array(name):
    yield C(R(4, 6), [1])


@cases("dsplit.int")
def dsplit(name):
    yield C(R(2, 3, 4), 2)


@cases("dsplit.array")
def dsplit_array(name):
    yield C(R(2, 3, 4), [1, 2])


@cases("ravel atleast_1d atleast_2d atleast_3d")
def shapes(name):
    for shape in [(), (3,), (2, 3), (2, 3, 4)]:
        yield C(R(*shape))
    yield C(R(3, 2).t())


@cases("fliplr flipud")
def flips(name):
    yield C(R(3, 4))
    yield C(R(2, 3, 4))


@cases("rot90")
def rot90(name):
    for k in range(-1, 4):
        yield C(R(3, 4), k)
    yield C(R(2, 3, 4), 1, [2, 0])


@cases("dstack column_stack")
def stacks(name):
    yield C([R(3), R(3)])
    if name == "dstack":
        yield C([R(2, 3), R(2, 3)])
    yield C([R(2, 3, 4), R(2, 3, 4)])


@cases("block_diag")
def block_diag(name):
    yield C([R(2, 3), R(3), R()])


@cases("diag")
def diag(name):
    yield C(R(3))
    yield C(R(3), -2)
    yield C(R(3, 4), 1)
    yield C(R(4, 3), -1)


@cases("diag_embed")
def diag_embed(name):
    yield C(R(2, 3))
    yield C(R(2, 3), 1, 0, 2)
    yield C(R(3), -1)


@cases("view.dtype")
def view_dtype(name):
    yield C(R(3, 4), i32)
    yield C(R(3, 4), i16)
    yield C(R(3, 4, dtype=i16), f32)


@cases("affine_grid_generator")
def affine_grid(name):
    yield C(R(2, 2, 3), [2, 3, 4, 5], False)
    yield C(R(2, 2, 3), [2, 3, 4, 1], True)
    yield C(R(1, 3, 4), [1, 2, 3, 4, 2], True)


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


@cases("transpose.int transpose_ transpose_copy.int swapaxes swapdims swapaxes_ swapdims_")
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
