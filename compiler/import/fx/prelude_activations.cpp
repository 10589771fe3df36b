#include "compiler/import/fx/prelude_text.h"

namespace aitune::fx {

const std::string_view kActivationPrelude = R"py(
def relu(input, inplace=False):
    return aten.relu_(input) if inplace else aten.relu(input)

def relu6(input, inplace=False):
    return aten.relu6_(input) if inplace else aten.relu6(input)

def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):
    return aten.hardtanh_(input, min_val, max_val) if inplace else aten.hardtanh(input, min_val, max_val)

def elu(input, alpha=1.0, inplace=False):
    return aten.elu_(input, alpha) if inplace else aten.elu(input, alpha)

def selu(input, inplace=False):
    return aten.selu_(input) if inplace else aten.selu(input)

def celu(input, alpha=1.0, inplace=False):
    return aten.celu_(input, alpha) if inplace else aten.celu(input, alpha)

def leaky_relu(input, negative_slope=0.01, inplace=False):
    return aten.leaky_relu_(input, negative_slope) if inplace else aten.leaky_relu(input, negative_slope)

def rrelu(input, lower=0.125, upper=0.3333333333333333, training=False, inplace=False):
    if training:
        aitune.warn('rrelu in training mode draws slopes at random; their mean is used')
    return leaky_relu(input, (lower + upper) / 2, inplace)

def silu(input, inplace=False):
    return aten.silu_(input) if inplace else aten.silu(input)

def mish(input, inplace=False):
    return aten.mish_(input) if inplace else aten.mish(input)

def hardswish(input, inplace=False):
    return aten.hardswish_(input) if inplace else aten.hardswish(input)

def hardsigmoid(input, inplace=False):
    return aten.hardsigmoid_(input) if inplace else aten.hardsigmoid(input)

def threshold(input, threshold, value, inplace=False):
    return aten.threshold_(input, threshold, value) if inplace else aten.threshold(input, threshold, value)

_threshold = threshold

def logsigmoid(input):
    return aten.log_sigmoid(input)

def softsign(input):
    return input / (aten.abs(input) + 1)

def tanhshrink(input):
    return input - aten.tanh(input)

def softmax_dim(input, dim):
    if dim is not None:
        return dim
    return 0 if input.dim() in (0, 1, 3) else 1

def softmax(input, dim=None, _stacklevel=3, dtype=None):
    return aten.softmax(input, softmax_dim(input, dim), dtype)

def log_softmax(input, dim=None, _stacklevel=3, dtype=None):
    return aten.log_softmax(input, softmax_dim(input, dim), dtype)

def softmin(input, dim=None, _stacklevel=3, dtype=None):
    return aten.softmax(-input, softmax_dim(input, dim), dtype)

def dropout(input, p=0.5, training=True, inplace=False):
    if training and p > 0:
        aitune.warn('dropout in training mode is left out; call model.eval() before tracing')
    return input

dropout1d = dropout
dropout2d = dropout
dropout3d = dropout

def alpha_dropout(input, p=0.5, training=False, inplace=False):
    return dropout(input, p, training, inplace)

feature_alpha_dropout = alpha_dropout
)py";

}  // namespace aitune::fx
