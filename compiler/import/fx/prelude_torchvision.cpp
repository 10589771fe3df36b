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
)py";

}  // namespace aitune::fx
