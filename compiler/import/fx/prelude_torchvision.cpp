#include "compiler/import/fx/prelude_text.h"

namespace aitune::fx {

// Modules that torchvision's feature extractors do not trace into. Names of classes carry "torchvision_".
const std::string_view kTorchvisionPrelude = R"py(
def torchvision_Conv2dNormActivation(self, input):
    return Sequential(self, input)

torchvision_Conv3dNormActivation = torchvision_Conv2dNormActivation
torchvision_ConvNormActivation = torchvision_Conv2dNormActivation
torchvision_MLP = torchvision_Conv2dNormActivation
torchvision_MLPBlock = torchvision_Conv2dNormActivation

def torchvision_SqueezeExcitation(self, input):
    scale = self.fc1(self.avgpool(input))
    return self.scale_activation(self.fc2(self.activation(scale))) * input

def torchvision_FrozenBatchNorm2d(self, x):
    scale = self.weight * aten.rsqrt(self.running_var + self.eps)
    bias = self.bias - self.running_mean * scale
    return x * aten.view(scale, [1, -1, 1, 1]) + aten.view(bias, [1, -1, 1, 1])

def torchvision_StochasticDepth(self, input):
    if self.training:
        aitune.warn('stochastic depth in training mode is left out')
    return input

torchvision_DropBlock2d = torchvision_StochasticDepth
torchvision_DropBlock3d = torchvision_StochasticDepth

def torchvision_Permute(self, x):
    return aten.permute(x, self.dims)

def torchvision_RoIAlign(self, input, rois):
    return torchvision_ops_roi_align_roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned)

def torchvision_RoIPool(self, input, rois):
    return torchvision_ops_roi_pool_roi_pool(input, rois, self.output_size, self.spatial_scale)

def torchvision_PSRoIAlign(self, input, rois):
    return torchvision_ops_ps_roi_align_ps_roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio)

def torchvision_PSRoIPool(self, input, rois):
    return torchvision_ops_ps_roi_pool_ps_roi_pool(input, rois, self.output_size, self.spatial_scale)
)py";

// Functions carry their whole name, with dots as underscores.
const std::string_view kTorchvisionFunctions = R"py(
def regions(boxes):
    if torch.is_tensor(boxes):
        return boxes
    images = []
    for i, b in enumerate(boxes):
        images = images + [aten.full_like(b[:, :1], i)]
    return aten.cat([aten.cat(images), aten.cat(boxes)], 1)

def torchvision_ops_roi_align_roi_align(input, boxes, output_size, spatial_scale=1.0, sampling_ratio=-1, aligned=False):
    rows, columns = numbers(output_size, 2)
    return torch.ops.torchvision.roi_align(input, regions(boxes), spatial_scale, rows, columns, sampling_ratio, aligned)

def torchvision_ops_roi_pool_roi_pool(input, boxes, output_size, spatial_scale=1.0):
    rows, columns = numbers(output_size, 2)
    return torch.ops.torchvision.roi_pool(input, regions(boxes), spatial_scale, rows, columns)[0]

def torchvision_ops_ps_roi_align_ps_roi_align(input, boxes, output_size, spatial_scale=1.0, sampling_ratio=-1):
    rows, columns = numbers(output_size, 2)
    return torch.ops.torchvision.ps_roi_align(input, regions(boxes), spatial_scale, rows, columns, sampling_ratio)[0]

def torchvision_ops_ps_roi_pool_ps_roi_pool(input, boxes, output_size, spatial_scale=1.0):
    rows, columns = numbers(output_size, 2)
    return torch.ops.torchvision.ps_roi_pool(input, regions(boxes), spatial_scale, rows, columns)[0]
)py";

}  // namespace aitune::fx
