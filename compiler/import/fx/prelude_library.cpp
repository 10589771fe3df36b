#include "compiler/import/fx/prelude_text.h"

namespace aitune::fx {

// Functions of one namespace carry its name, with dots as underscores.
const std::string_view kLibraryPrelude = R"py(
def torch_functional_einsum(equation, *operands):
    many = len(operands) == 1 and isinstance(operands[0], (tuple, list))
    return aten.einsum(equation, operands[0] if many else operands)

torch_einsum = torch_functional_einsum

def torch_equal(input, other):
    if input.shape != other.shape:
        return False
    return aten.all(aten.eq(input, other))

def torch_full(size, fill_value, out=None, names=None, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False):
    if isinstance(fill_value, complex):
        return aten.ones(size, dtype=torch.complex64 if dtype is None else dtype) * fill_value
    return aten.full(size, fill_value, dtype=dtype)

def torch_full_like(input, fill_value, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None):
    if isinstance(fill_value, complex):
        return aten.ones_like(input, dtype=dtype) * fill_value
    return aten.full_like(input, fill_value, dtype=dtype)

def torch_functional_split(tensor, split_size_or_sections, dim=0):
    return aten.split(tensor, split_size_or_sections, dim)

def torch_functional_meshgrid(*tensors, indexing=None):
    many = len(tensors) == 1 and isinstance(tensors[0], (tuple, list))
    return aten.meshgrid(tensors[0] if many else tensors, indexing='ij' if indexing is None else indexing)

torch_meshgrid = torch_functional_meshgrid

def torch_functional_block_diag(*tensors):
    return aten.block_diag(tensors)

torch_block_diag = torch_functional_block_diag

def of_each(function, tensors):
    given = tensors[0] if len(tensors) == 1 else tensors
    if torch.is_tensor(given):
        return function(given)
    made = []
    for tensor in given:
        made = made + [function(tensor)]
    return tuple(made)

def torch_functional_atleast_1d(*tensors):
    return of_each(aten.atleast_1d, tensors)

torch_atleast_1d = torch_functional_atleast_1d

def torch_functional_atleast_2d(*tensors):
    return of_each(aten.atleast_2d, tensors)

torch_atleast_2d = torch_functional_atleast_2d

def torch_functional_atleast_3d(*tensors):
    return of_each(aten.atleast_3d, tensors)

torch_atleast_3d = torch_functional_atleast_3d

def unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None):
    if dim is None:
        values, inverse, counts = aten._unique2(input, sorted, return_inverse, return_counts)
    else:
        values, inverse, counts = aten.unique_dim(input, dim, sorted, return_inverse, return_counts)
    return with_extras(values, inverse, counts, return_inverse, return_counts)

torch_functional_unique = unique

def unique_consecutive(input, return_inverse=False, return_counts=False, dim=None):
    values, inverse, counts = aten.unique_consecutive(input, return_inverse, return_counts, dim)
    return with_extras(values, inverse, counts, return_inverse, return_counts)

torch_unique_consecutive = unique_consecutive
torch_functional_unique_consecutive = unique_consecutive

def with_extras(values, inverse, counts, return_inverse, return_counts):
    if return_inverse and return_counts:
        return (values, inverse, counts)
    if return_inverse:
        return (values, inverse)
    return (values, counts) if return_counts else values

def torch_nonzero(input, as_tuple=False):
    rows = aten.nonzero(input)
    return aten.unbind(rows, 1) if as_tuple else rows

def torch_functional_broadcast_tensors(*tensors):
    return aten.broadcast_tensors(tensors)

torch_broadcast_tensors = torch_functional_broadcast_tensors

def torch_functional_norm(input, p='fro', dim=None, keepdim=False, out=None, dtype=None):
    if p == 'nuc':
        return aten.nuclear_norm(input, keepdim) if dim is None else aten.nuclear_norm(input, dim, keepdim)
    return aten.linalg_vector_norm(input, 2.0 if p is None or p == 'fro' else p, dim, keepdim, dtype=dtype)

torch_norm = torch_functional_norm

def torch_functional_cdist(x1, x2, p=2.0, compute_mode='use_mm_for_euclid_dist_if_necessary'):
    modes = {'use_mm_for_euclid_dist_if_necessary': None, 'use_mm_for_euclid_dist': 1, 'donot_use_mm_for_euclid_dist': 2}
    return aten.cdist(x1, x2, p, modes[compute_mode])

torch_cdist = torch_functional_cdist

def torch_functional_cartesian_prod(*tensors):
    many = len(tensors) == 1 and isinstance(tensors[0], (tuple, list))
    return aten.cartesian_prod(tensors[0] if many else tensors)

torch_cartesian_prod = torch_functional_cartesian_prod

def torch_functional_tensordot(a, b, dims=2, out=None):
    if isinstance(dims, (tuple, list)):
        return aten.tensordot(a, b, numbers(dims[0], 1), numbers(dims[1], 1))
    first, last = [], []
    for i in range(dims):
        first, last = first + [i], last + [i - dims]
    return aten.tensordot(a, b, last, first)

torch_tensordot = torch_functional_tensordot

def torch_histogramdd(input, bins, range=None, weight=None, density=False):
    bins = numbers(bins, input.shape[-1])
    if torch.is_tensor(bins[0]):
        return aten._histogramdd_from_bin_tensors(input, bins, weight=weight, density=density), bins
    edges = aten._histogramdd_bin_edges(input, bins, range=range, weight=weight, density=density)
    return aten._histogramdd_from_bin_cts(input, bins, range=range, weight=weight, density=density), edges

def torch_segment_reduce(data, reduce, lengths=None, indices=None, offsets=None, axis=0, unsafe=False, initial=None):
    return aten.segment_reduce(data, reduce, lengths=lengths, indices=indices, offsets=offsets, axis=axis, unsafe=unsafe, initial=initial)

torch__segment_reduce = torch_segment_reduce

def torch_bilinear(input1, input2, weight, bias=None):
    return bilinear(input1, input2, weight, bias)

def torch_pairwise_distance(x1, x2, p=2.0, eps=1e-06, keepdim=False):
    return pairwise_distance(x1, x2, p, eps, keepdim)

def torch_adaptive_max_pool1d(input, output_size):
    return adaptive_max_pool1d(input, output_size, True)

def torch_selu_(input):
    return aten.selu_(input)

def torch_split_with_sizes(input, split_sizes, dim=0):
    return aten.split_with_sizes(input, split_sizes, dim)

def torch_column_stack(tensors):
    columns = []
    for tensor in tensors:
        columns = columns + [aten.reshape(tensor, [-1, 1]) if tensor.dim() < 2 else tensor]
    return aten.cat(columns, 1)

def torch__C__nn_pad(input, pad, mode='constant', value=None):
    return aten.pad(input, pad, mode, value)

def torch__C__nn_one_hot(input, num_classes=-1):
    return one_hot(input, num_classes)

def torch_addcmul(input, tensor1, tensor2, value=1):
    return aten.addcmul(input, tensor1, tensor2, value=value)

def torch_addcdiv(input, tensor1, tensor2, value=1):
    return aten.addcdiv(input, tensor1, tensor2, value=value)

# ---- windows

def window_places(window_length, periodic):
    if window_length == 1:
        return aten.full([1], 0.5, dtype=torch.float64)
    return aten.arange(window_length, dtype=torch.float64) / (window_length if periodic else window_length - 1)

def torch_bartlett_window(window_length, periodic=True, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False):
    weights = 1 - aten.abs(window_places(window_length, periodic) * 2 - 1)
    return weights.to(torch.float32 if dtype is None else dtype)

def torch_blackman_window(window_length, periodic=True, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False):
    turns = window_places(window_length, periodic) * (2 * math.pi)
    weights = 0.42 - 0.5 * aten.cos(turns) + 0.08 * aten.cos(turns * 2)
    return weights.to(torch.float32 if dtype is None else dtype)

def torch_kaiser_window(window_length, periodic=True, beta=12.0, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False):
    side = window_places(window_length, periodic) * 2 - 1
    weights = aten.i0(beta * aten.sqrt(aten.clamp_min(1 - side * side, 0))) / aten.i0(aten.full([], beta, dtype=torch.float64))
    return weights.to(torch.float32 if dtype is None else dtype)

# ---- torchvision

def torchvision_ops_stochastic_depth_stochastic_depth(input, p, mode, training=True):
    if training and p > 0:
        aitune.warn('stochastic depth in training mode is left out; call model.eval() before tracing')
    return input
)py";

}  // namespace aitune::fx
