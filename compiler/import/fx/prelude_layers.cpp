#include "compiler/import/fx/prelude_text.h"

namespace aitune::fx {

const std::string_view kLayerPrelude = R"py(
# ---- containers

def Identity(self, input):
    return input

def Sequential(self, input):
    for module in self:
        input = module(input)
    return input

# ---- linear

def Linear(self, input):
    return aten.linear(input, self.weight, self.bias)

NonDynamicallyQuantizableLinear = Linear

def Bilinear(self, input1, input2):
    return bilinear(input1, input2, self.weight, self.bias)

# ---- convolutions

def padded(self, input):
    if self.padding_mode == 'zeros':
        return input
    return aten.pad(input, self._reversed_padding_repeated_twice, self.padding_mode, None)

def Conv1d(self, input):
    padding = self.padding if self.padding_mode == 'zeros' else [0]
    return aten.conv1d(padded(self, input), self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

def Conv2d(self, input):
    padding = self.padding if self.padding_mode == 'zeros' else [0]
    return aten.conv2d(padded(self, input), self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

def Conv3d(self, input):
    padding = self.padding if self.padding_mode == 'zeros' else [0]
    return aten.conv3d(padded(self, input), self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

def ConvTranspose1d(self, input, output_size=None):
    if output_size is not None:
        raise 'a transposed convolution with output_size'
    return aten.conv_transpose1d(input, self.weight, self.bias, self.stride, self.padding, self.output_padding, self.groups, self.dilation)

def ConvTranspose2d(self, input, output_size=None):
    if output_size is not None:
        raise 'a transposed convolution with output_size'
    return aten.conv_transpose2d(input, self.weight, self.bias, self.stride, self.padding, self.output_padding, self.groups, self.dilation)

def ConvTranspose3d(self, input, output_size=None):
    if output_size is not None:
        raise 'a transposed convolution with output_size'
    return aten.conv_transpose3d(input, self.weight, self.bias, self.stride, self.padding, self.output_padding, self.groups, self.dilation)

# ---- normalisation

def BatchNorm2d(self, input):
    if self.training:
        raise 'a batch norm in training mode: call model.eval() before tracing'
    momentum = 0.0 if self.momentum is None else self.momentum
    return batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, self.running_mean is None, momentum, self.eps)

BatchNorm1d = BatchNorm2d
BatchNorm3d = BatchNorm2d
SyncBatchNorm = BatchNorm2d

def instance_norm_module(self, input, rank):
    if self.training and self.track_running_stats:
        raise 'an instance norm in training mode: call model.eval() before tracing'
    batched = input if input.dim() == rank else aten.unsqueeze(input, 0)
    momentum = 0.0 if self.momentum is None else self.momentum
    result = aten.instance_norm(batched, self.weight, self.bias, self.running_mean, self.running_var, not self.track_running_stats, momentum, self.eps, True)
    return result if input.dim() == rank else aten.squeeze(result, 0)

def InstanceNorm1d(self, input):
    return instance_norm_module(self, input, 3)

def InstanceNorm2d(self, input):
    return instance_norm_module(self, input, 4)

def InstanceNorm3d(self, input):
    return instance_norm_module(self, input, 5)

def LayerNorm(self, input):
    return aten.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

def GroupNorm(self, input):
    return aten.group_norm(input, self.num_groups, self.weight, self.bias, self.eps, True)

def RMSNorm(self, input):
    return aten.rms_norm(input, self.normalized_shape, self.weight, self.eps)

def LocalResponseNorm(self, input):
    return local_response_norm(input, self.size, self.alpha, self.beta, self.k)

def CrossMapLRN2d(self, input):
    return cross_map_lrn2d(input, self.size, self.alpha, self.beta, self.k)

# ---- activations

def ReLU(self, input):
    return relu(input, self.inplace)

def ReLU6(self, input):
    return relu6(input, self.inplace)

def RReLU(self, input):
    return rrelu(input, self.lower, self.upper, self.training, self.inplace)

def Hardtanh(self, input):
    return hardtanh(input, self.min_val, self.max_val, self.inplace)

def ELU(self, input):
    return elu(input, self.alpha, self.inplace)

def SELU(self, input):
    return selu(input, self.inplace)

def CELU(self, input):
    return celu(input, self.alpha, self.inplace)

def LeakyReLU(self, input):
    return leaky_relu(input, self.negative_slope, self.inplace)

def SiLU(self, input):
    return silu(input, self.inplace)

def Mish(self, input):
    return mish(input, self.inplace)

def Hardswish(self, input):
    return hardswish(input, self.inplace)

def Hardsigmoid(self, input):
    return hardsigmoid(input, self.inplace)

def Threshold(self, input):
    return threshold(input, self.threshold, self.value, self.inplace)

def Sigmoid(self, input):
    return aten.sigmoid(input)

def Tanh(self, input):
    return aten.tanh(input)

def GELU(self, input):
    return aten.gelu(input, approximate=getattr(self, 'approximate', 'none'))

def GLU(self, input):
    return aten.glu(input, self.dim)

def PReLU(self, input):
    return aten.prelu(input, self.weight)

def LogSigmoid(self, input):
    return aten.log_sigmoid(input)

def Softplus(self, input):
    return aten.softplus(input, self.beta, self.threshold)

def Softshrink(self, input):
    return aten.softshrink(input, self.lambd)

def Hardshrink(self, input):
    return aten.hardshrink(input, self.lambd)

def Softsign(self, input):
    return softsign(input)

def Tanhshrink(self, input):
    return tanhshrink(input)

def Softmax(self, input):
    return softmax(input, self.dim)

def Softmin(self, input):
    return softmin(input, self.dim)

def LogSoftmax(self, input):
    return log_softmax(input, self.dim)

def Softmax2d(self, input):
    return aten.softmax(input, -3)

# ---- dropout

def Dropout(self, input):
    return dropout(input, self.p, self.training)

Dropout1d = Dropout
Dropout2d = Dropout
Dropout3d = Dropout
AlphaDropout = Dropout
FeatureAlphaDropout = Dropout

def FractionalMaxPool2d(self, input):
    return fractional_max_pool2d(input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices, self._random_samples)

def FractionalMaxPool3d(self, input):
    return fractional_max_pool3d(input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices, self._random_samples)

# ---- embeddings

def Embedding(self, input):
    return embedding(input, self.weight, self.padding_idx, self.max_norm)

def EmbeddingBag(self, input, offsets=None, per_sample_weights=None):
    return embedding_bag(input, self.weight, offsets, self.max_norm, mode=self.mode, per_sample_weights=per_sample_weights, include_last_offset=self.include_last_offset, padding_idx=self.padding_idx)

# ---- pooling

def MaxPool1d(self, input):
    return max_pool1d(input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices)

def MaxPool2d(self, input):
    return max_pool2d(input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices)

def MaxPool3d(self, input):
    return max_pool3d(input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices)

def AvgPool1d(self, input):
    return aten.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)

def AvgPool2d(self, input):
    return aten.avg_pool2d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad, self.divisor_override)

def AvgPool3d(self, input):
    return aten.avg_pool3d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad, self.divisor_override)

def MaxUnpool1d(self, input, indices, output_size=None):
    return max_unpool1d(input, indices, self.kernel_size, self.stride, self.padding, output_size)

def MaxUnpool2d(self, input, indices, output_size=None):
    return max_unpool2d(input, indices, self.kernel_size, self.stride, self.padding, output_size)

def MaxUnpool3d(self, input, indices, output_size=None):
    return max_unpool3d(input, indices, self.kernel_size, self.stride, self.padding, output_size)

def LPPool1d(self, input):
    return lp_pool1d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

def LPPool2d(self, input):
    return lp_pool2d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

def LPPool3d(self, input):
    return lp_pool3d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

def AdaptiveAvgPool1d(self, input):
    return aten.adaptive_avg_pool1d(input, self.output_size)

def AdaptiveAvgPool2d(self, input):
    return adaptive_avg_pool2d(input, self.output_size)

def AdaptiveAvgPool3d(self, input):
    return adaptive_avg_pool3d(input, self.output_size)

def AdaptiveMaxPool1d(self, input):
    return adaptive_max_pool1d(input, self.output_size, self.return_indices)

def AdaptiveMaxPool2d(self, input):
    return adaptive_max_pool2d(input, self.output_size, self.return_indices)

def AdaptiveMaxPool3d(self, input):
    return adaptive_max_pool3d(input, self.output_size, self.return_indices)

# ---- padding and shapes

def ConstantPad2d(self, input):
    return aten.pad(input, self.padding, 'constant', self.value)

ConstantPad1d = ConstantPad2d
ConstantPad3d = ConstantPad2d
ZeroPad1d = ConstantPad2d
ZeroPad2d = ConstantPad2d
ZeroPad3d = ConstantPad2d

def ReflectionPad2d(self, input):
    return aten.pad(input, self.padding, 'reflect', None)

ReflectionPad1d = ReflectionPad2d
ReflectionPad3d = ReflectionPad2d

def ReplicationPad2d(self, input):
    return aten.pad(input, self.padding, 'replicate', None)

ReplicationPad1d = ReplicationPad2d
ReplicationPad3d = ReplicationPad2d

def CircularPad2d(self, input):
    return aten.pad(input, self.padding, 'circular', None)

CircularPad1d = CircularPad2d
CircularPad3d = CircularPad2d

def Flatten(self, input):
    return aten.flatten(input, self.start_dim, self.end_dim)

def Unflatten(self, input):
    return aten.unflatten(input, self.dim, self.unflattened_size)

def Unfold(self, input):
    return unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

def Fold(self, input):
    return fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

def PixelShuffle(self, input):
    return aten.pixel_shuffle(input, self.upscale_factor)

def PixelUnshuffle(self, input):
    return aten.pixel_unshuffle(input, self.downscale_factor)

def ChannelShuffle(self, input):
    return aten.channel_shuffle(input, self.groups)

def Upsample(self, input):
    return interpolate(input, self.size, self.scale_factor, self.mode, self.align_corners, getattr(self, 'recompute_scale_factor', None))

UpsamplingNearest2d = Upsample
UpsamplingBilinear2d = Upsample

# ---- distances

def CosineSimilarity(self, x1, x2):
    return aten.cosine_similarity(x1, x2, self.dim, self.eps)

def PairwiseDistance(self, x1, x2):
    return pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
)py";

}  // namespace aitune::fx
