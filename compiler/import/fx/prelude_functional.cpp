#include "compiler/import/fx/prelude_text.h"

namespace aitune::fx {

const std::string_view kFunctionalPrelude = R"py(
# ---- normalisation

def batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-05):
    if training and running_mean is not None:
        raise 'batch norm in training mode: call model.eval() before tracing'
    return aten.batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, True)

def instance_norm(input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-05):
    return aten.instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, True)

def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-05):
    return aten.layer_norm(input, normalized_shape, weight, bias, eps)

def group_norm(input, num_groups, weight=None, bias=None, eps=1e-05):
    return aten.group_norm(input, num_groups, weight, bias, eps, True)

def rms_norm(input, normalized_shape, weight=None, eps=None):
    return aten.rms_norm(input, normalized_shape, weight, eps)

def local_response_norm(input, size, alpha=0.0001, beta=0.75, k=1.0):
    squares = aten.unsqueeze(input * input, 1)
    pads = [0, 0, size // 2, (size - 1) // 2]
    if input.dim() == 3:
        mean = aten.squeeze(aten.avg_pool2d(aten.constant_pad_nd(squares, pads), [size, 1], [1, 1]), 1)
    else:
        shape = input.shape
        flat = aten.view(squares, [shape[0], 1, shape[1], shape[2], -1])
        padded = aten.constant_pad_nd(flat, [0, 0] + pads)
        mean = aten.view(aten.squeeze(aten.avg_pool3d(padded, [size, 1, 1], [1, 1, 1]), 1), shape)
    return input / aten.pow(mean * alpha + k, beta)

def cross_map_lrn2d(input, size, alpha, beta, k):
    reach = int((size - 1) / 2 + 1)
    squares = input * input
    total = squares[:, :1]
    if input.shape[1] != 1:
        # PyTorch's sliding sum never drops the first channel.
        rest = aten.constant_pad_nd(aten.unsqueeze(squares[:, 1:], 1), [0, 0, 0, 0, reach, reach - 1])
        total = total + aten.squeeze(aten.avg_pool3d(rest, [2 * reach - 1, 1, 1], [1, 1, 1], 0, False, True, 1), 1)
    return aten.pow(total * (alpha / size) + k, -beta) * input

def normalize(input, p=2.0, dim=1, eps=1e-12, out=None):
    norm = aten.linalg_vector_norm(input, p, dim, True)
    return aten.div(input, aten.expand_as(aten.clamp_min(norm, eps), input))

# ---- embeddings

def embedding(input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False):
    if max_norm is not None:
        raise 'an embedding with max_norm changes its weights while it runs'
    return aten.embedding(weight, input, -1 if padding_idx is None else padding_idx)

def embedding_bag(input, weight, offsets=None, max_norm=None, norm_type=2, scale_grad_by_freq=False, mode='mean', sparse=False, per_sample_weights=None, include_last_offset=False, padding_idx=None):
    if max_norm is not None:
        raise 'an embedding bag with max_norm changes its weights while it runs'
    if input.dim() == 1 or padding_idx is not None:
        return bags(input, weight, offsets, scale_grad_by_freq, mode, sparse, per_sample_weights, include_last_offset, padding_idx)
    rows = aten.embedding(weight, input, -1)
    if per_sample_weights is not None:
        rows = rows * aten.unsqueeze(per_sample_weights, -1)
    if mode == 'max':
        return aten.amax(rows, [1])
    return aten.sum(rows, [1]) if mode == 'sum' else aten.mean(rows, [1])

def bags(input, weight, offsets, scale_grad_by_freq, mode, sparse, per_sample_weights, include_last_offset, padding_idx):
    if input.dim() == 2:
        offsets = (aten.arange(input.shape[0]) * input.shape[1]).to(input.dtype)
        include_last_offset = False
        input = aten.reshape(input, [-1])
        if per_sample_weights is not None:
            per_sample_weights = aten.reshape(per_sample_weights, [-1])
    modes = {'sum': 0, 'mean': 1, 'max': 2}
    return aten.embedding_bag(weight, input, offsets, scale_grad_by_freq, modes[mode], sparse, per_sample_weights, include_last_offset, padding_idx)[0]

def one_hot(input, num_classes=-1):
    if num_classes < 0:
        raise 'one_hot without num_classes: its size depends on data'
    return (aten.unsqueeze(input, -1) == aten.arange(num_classes)).to(torch.int64)

# ---- pooling

def max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    if return_indices:
        steps = numbers(kernel_size if stride is None else stride, 1)
        values, indices = aten.max_pool2d_with_indices(aten.unsqueeze(input, -2), [1] + numbers(kernel_size, 1), [1] + steps, [0] + numbers(padding, 1), [1] + numbers(dilation, 1), ceil_mode)
        return aten.squeeze(values, -2), aten.squeeze(indices, -2)
    return aten.max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode)

def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    if return_indices:
        return aten.max_pool2d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return aten.max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode)

def max_pool3d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    if return_indices:
        return aten.max_pool3d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return aten.max_pool3d(input, kernel_size, stride, padding, dilation, ceil_mode)

def unpooled_sizes(input, output_size, kernel_size, stride, padding, count):
    if output_size is not None:
        return list(output_size)[-count:]
    kernel = numbers(kernel_size, count)
    steps = kernel if stride is None else numbers(stride, count)
    edges = numbers(padding, count)
    sizes = []
    for i in range(count):
        sizes = sizes + [(input.shape[i - count] - 1) * steps[i] + kernel[i] - 2 * edges[i]]
    return sizes

def max_unpool1d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    sizes = unpooled_sizes(input, output_size, kernel_size, stride, padding, 1)
    return aten.squeeze(aten.max_unpool2d(aten.unsqueeze(input, -1), aten.unsqueeze(indices, -1), sizes + [1]), -1)

def max_unpool2d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    return aten.max_unpool2d(input, indices, unpooled_sizes(input, output_size, kernel_size, stride, padding, 2))

def max_unpool3d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    sizes = unpooled_sizes(input, output_size, kernel_size, stride, padding, 3)
    steps = numbers(kernel_size if stride is None else stride, 3)
    return aten.max_unpool3d(input, indices, sizes, steps, numbers(padding, 3))

max_pool1d_with_indices = max_pool1d
max_pool2d_with_indices = max_pool2d
max_pool3d_with_indices = max_pool3d

def numbers(value, count):
    return list(value) if isinstance(value, (tuple, list)) else [value] * count

def pooled_sizes(input, output_size, count):
    sizes = []
    for i, size in enumerate(numbers(output_size, count)):
        sizes = sizes + [input.shape[i - count] if size is None else size]
    return sizes

def adaptive_avg_pool2d(input, output_size):
    return aten.adaptive_avg_pool2d(input, pooled_sizes(input, output_size, 2))

def adaptive_avg_pool3d(input, output_size):
    return aten.adaptive_avg_pool3d(input, pooled_sizes(input, output_size, 3))

def fractional_max_pool(input, kernel_size, output_size, output_ratio, samples, count):
    if samples is None:
        raise 'fractional pooling whose windows lie at random: give _random_samples'
    if output_size is None:
        ratios = numbers(output_ratio, count)
        output_size = []
        for i, ratio in enumerate(ratios):
            output_size = output_size + [int(input.shape[i - count] * ratio)]
    kernel, sizes = numbers(kernel_size, count), numbers(output_size, count)
    if count == 2:
        return aten.fractional_max_pool2d(input, kernel, sizes, samples)
    return aten.fractional_max_pool3d(input, kernel, sizes, samples)

def fractional_max_pool2d(input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None):
    both = fractional_max_pool(input, kernel_size, output_size, output_ratio, _random_samples, 2)
    return both if return_indices else both[0]

def fractional_max_pool3d(input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None):
    both = fractional_max_pool(input, kernel_size, output_size, output_ratio, _random_samples, 3)
    return both if return_indices else both[0]

fractional_max_pool2d_with_indices = fractional_max_pool2d
fractional_max_pool3d_with_indices = fractional_max_pool3d

def adaptive_max_pool1d(input, output_size, return_indices=False):
    values, indices = aten.adaptive_max_pool2d(aten.unsqueeze(input, -2), [1] + numbers(output_size, 1))
    values = aten.squeeze(values, -2)
    return (values, aten.squeeze(indices, -2)) if return_indices else values

def adaptive_max_pool2d(input, output_size, return_indices=False):
    both = aten.adaptive_max_pool2d(input, pooled_sizes(input, output_size, 2))
    return both if return_indices else both[0]

def adaptive_max_pool3d(input, output_size, return_indices=False):
    both = aten.adaptive_max_pool3d(input, pooled_sizes(input, output_size, 3))
    return both if return_indices else both[0]

adaptive_max_pool1d_with_indices = adaptive_max_pool1d
adaptive_max_pool2d_with_indices = adaptive_max_pool2d
adaptive_max_pool3d_with_indices = adaptive_max_pool3d

def lp_root(average, norm_type, kernel_size, count):
    cells = math.prod(numbers(kernel_size, count))
    return aten.pow(aten.mul(aten.sign(average) * aten.relu(aten.abs(average)), cells), 1.0 / norm_type)

def lp_pool1d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    return lp_root(aten.avg_pool1d(aten.pow(input, norm_type), kernel_size, stride, 0, ceil_mode), norm_type, kernel_size, 1)

def lp_pool2d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    return lp_root(aten.avg_pool2d(aten.pow(input, norm_type), kernel_size, stride, 0, ceil_mode), norm_type, kernel_size, 2)

def lp_pool3d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    return lp_root(aten.avg_pool3d(aten.pow(input, norm_type), kernel_size, stride, 0, ceil_mode), norm_type, kernel_size, 3)

# ---- resampling

def interpolate(input, size=None, scale_factor=None, mode='nearest', align_corners=None, recompute_scale_factor=None, antialias=False):
    rank = input.dim() - 2
    align = False if align_corners is None else align_corners
    sizes = None
    scales = None
    if size is not None:
        sizes = numbers(size, rank)
    elif mode == 'area' or recompute_scale_factor:
        sizes = []
        for i, scale in enumerate(numbers(scale_factor, rank)):
            sizes = sizes + [scaled_size(input.shape[i + 2], scale)]
    else:
        scales = []
        for scale in numbers(scale_factor, rank):
            scales = scales + [float(scale)]
    if antialias and mode == 'bilinear':
        return aten._upsample_bilinear2d_aa.vec(input, sizes, align, scales)
    if antialias and mode == 'bicubic':
        return aten._upsample_bicubic2d_aa.vec(input, sizes, align, scales)
    if antialias:
        raise 'interpolate with antialias in a mode that has none'
    if mode == 'area':
        if rank == 1:
            return aten.adaptive_avg_pool1d(input, sizes)
        return aten.adaptive_avg_pool2d(input, sizes) if rank == 2 else aten.adaptive_avg_pool3d(input, sizes)
    if mode == 'nearest' and rank == 1:
        return aten.upsample_nearest1d.vec(input, sizes, scales)
    if mode == 'nearest' and rank == 2:
        return aten.upsample_nearest2d.vec(input, sizes, scales)
    if mode == 'nearest':
        return aten.upsample_nearest3d.vec(input, sizes, scales)
    if mode == 'nearest-exact' and rank == 1:
        return aten._upsample_nearest_exact1d.vec(input, sizes, scales)
    if mode == 'nearest-exact' and rank == 2:
        return aten._upsample_nearest_exact2d.vec(input, sizes, scales)
    if mode == 'nearest-exact':
        return aten._upsample_nearest_exact3d.vec(input, sizes, scales)
    if mode == 'linear':
        return aten.upsample_linear1d.vec(input, sizes, align, scales)
    if mode == 'bilinear':
        return aten.upsample_bilinear2d.vec(input, sizes, align, scales)
    if mode == 'trilinear':
        return aten.upsample_trilinear3d.vec(input, sizes, align, scales)
    if mode == 'bicubic':
        return aten.upsample_bicubic2d.vec(input, sizes, align, scales)
    raise 'interpolate in an unknown mode'

def scaled_size(size, scale):
    if isinstance(scale, int) or scale == math.floor(scale):
        return size * int(scale)
    return int(math.floor(float(size) * scale))

def upsample(input, size=None, scale_factor=None, mode='nearest', align_corners=None):
    return interpolate(input, size, scale_factor, mode, align_corners)

def upsample_nearest(input, size=None, scale_factor=None):
    return interpolate(input, size, scale_factor)

def upsample_bilinear(input, size=None, scale_factor=None):
    return interpolate(input, size, scale_factor, 'bilinear', True)

def grid_sample(input, grid, mode='bilinear', padding_mode='zeros', align_corners=None):
    modes = {'bilinear': 0, 'nearest': 1, 'bicubic': 2}
    paddings = {'zeros': 0, 'border': 1, 'reflection': 2}
    return aten.grid_sampler(input, grid, modes[mode], paddings[padding_mode], False if align_corners is None else align_corners)

def affine_grid(theta, size, align_corners=None):
    return aten.affine_grid_generator(theta, size, False if align_corners is None else align_corners)

# ---- padding, patches, products

def pad(input, pad, mode='constant', value=None):
    return aten.pad(input, pad, mode, value)

def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    k = numbers(kernel_size, 2)
    d = numbers(dilation, 2)
    p = numbers(padding, 2)
    s = numbers(stride, 2)
    x = input if input.dim() == 4 else aten.unsqueeze(input, 0)
    x = aten.constant_pad_nd(x, [p[1], p[1], p[0], p[0]])
    x = aten.unfold(aten.unfold(x, 2, d[0] * (k[0] - 1) + 1, s[0]), 3, d[1] * (k[1] - 1) + 1, s[1])
    x = aten.permute(x[:, :, :, :, ::d[0], ::d[1]], [0, 1, 4, 5, 2, 3])
    x = aten.reshape(x, [x.shape[0], x.shape[1] * k[0] * k[1], x.shape[4] * x.shape[5]])
    return x if input.dim() == 4 else aten.squeeze(x, 0)

def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    return aten.col2im(input, numbers(output_size, 2), numbers(kernel_size, 2), numbers(dilation, 2), numbers(padding, 2), numbers(stride, 2))

def bilinear(input1, input2, weight, bias=None):
    rows = aten.squeeze(aten.matmul(aten.unsqueeze(aten.unsqueeze(input1, -2), -2), weight), -2)
    result = aten.squeeze(aten.matmul(rows, aten.unsqueeze(input2, -1)), -1)
    return result if bias is None else result + bias

def pairwise_distance(x1, x2, p=2.0, eps=1e-06, keepdim=False):
    return aten.linalg_vector_norm(x1 - x2 + eps, p, -1, keepdim)
)py";

}  // namespace aitune::fx
