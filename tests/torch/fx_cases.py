"""Calls that a traced forward can make. CASES maps a name to (module or function, samples): every entry is traced with
torch.fx.symbolic_trace, saved, imported and evaluated. Samples of different sizes make those sizes symbols."""

import math
import operator

import torch
from torch import nn
from torch.nn import functional as F

CASES: dict[str, tuple] = {}


def draw(*shapes, integers=None, dtype=torch.float32):
    if integers is not None:
        return [torch.randint(0, integers, shape) for shape in shapes]
    return [torch.randn(shape).to(dtype) for shape in shapes]


def module(layer, *shapes, name=None, inputs=None):
    """A layer of torch.nn alone; its batch is a symbol where it comes first."""
    label = name or type(layer).__name__
    while label in CASES:
        label += "_"
    samples = [inputs] if inputs else [draw(*shapes)]
    CASES[label] = ((One, Two, Three)[len(samples[0]) - 1](layer).eval(), samples)


class One(nn.Module):
    """A layer as a leaf of a traced module: symbolic_trace walks into the outermost one."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x)


class Two(One):
    def forward(self, x, y):
        return self.layer(x, y)


class Three(One):
    def forward(self, x, y, z):
        return self.layer(x, y, z)


def of(space, name, *extra, **options):
    return lambda x: getattr(space, name)(x, *extra, **options)


def of_two(space, name):
    return lambda x, y: getattr(space, name)(x, y)


def method(name, *extra, **options):
    return lambda x: getattr(x, name)(*extra, **options)


def function(name, body, *shapes, inputs=None, dynamic=False):
    """A function; with `dynamic`, a second sample has another first size."""
    assert name not in CASES, name
    samples = [inputs] if inputs else [draw(*shapes)]
    if dynamic:
        samples.append([torch.randn(t.shape[0] + 3, *t.shape[1:]) for t in samples[0]])
    CASES[name] = (body, samples)


def settle(norm):
    """A norm that does not look freshly initialised."""
    for tensor in norm.parameters():
        tensor.data.uniform_(0.5, 1.5)
    if getattr(norm, "running_mean", None) is not None:
        norm.running_mean.uniform_(-0.5, 0.5)
        norm.running_var.uniform_(0.5, 2.0)
    return norm


# ---- torch.nn

for dims, size in ((1, (11,)), (2, (9, 11)), (3, (5, 6, 7))):
    x, image = (2, 4, *size), (2, 3, *size)
    conv, transposed = getattr(nn, f"Conv{dims}d"), getattr(nn, f"ConvTranspose{dims}d")
    module(conv(4, 6, 3, stride=2, padding=1), x)
    module(conv(4, 6, 3, padding="same", dilation=2, groups=2, bias=False), x)
    module(conv(4, 4, 3, padding="valid"), x)
    for mode in ("reflect", "replicate", "circular"):
        module(conv(4, 4, 3, padding=2, padding_mode=mode), x, name=f"Conv{dims}d_{mode}")
    module(transposed(4, 6, 3, stride=2, padding=1, output_padding=1), x)
    module(transposed(4, 6, 2, groups=2, dilation=2, bias=False), x)
    module(settle(getattr(nn, f"BatchNorm{dims}d")(4)), x)
    module(getattr(nn, f"BatchNorm{dims}d")(4, affine=False), x)
    module(settle(getattr(nn, f"BatchNorm{dims}d")(4, track_running_stats=False)), x)
    module(settle(getattr(nn, f"InstanceNorm{dims}d")(4, affine=True)), x)
    module(settle(getattr(nn, f"InstanceNorm{dims}d")(4, track_running_stats=True)), x)
    module(getattr(nn, f"InstanceNorm{dims}d")(4), x[1:])
    module(getattr(nn, f"MaxPool{dims}d")(3, 2, 1, ceil_mode=True), x)
    module(getattr(nn, f"MaxPool{dims}d")(2), x)
    module(getattr(nn, f"AvgPool{dims}d")(3, 2, 1, ceil_mode=True, count_include_pad=False), x)
    module(getattr(nn, f"AvgPool{dims}d")(2), x)
    module(getattr(nn, f"LPPool{dims}d")(2, 2), x)
    module(getattr(nn, f"LPPool{dims}d")(3, 2, stride=1), x)
    module(getattr(nn, f"AdaptiveAvgPool{dims}d")(3), x)
    module(getattr(nn, f"AdaptiveMaxPool{dims}d")(2), x)
    for pad in ("ReflectionPad", "ReplicationPad", "ZeroPad", "CircularPad"):
        module(getattr(nn, f"{pad}{dims}d")(2), image)
    module(getattr(nn, f"ConstantPad{dims}d")(tuple(range(1, 2 * dims + 1)), 0.5), image)
    module(getattr(nn, f"Dropout{dims}d")(), x)
module(nn.AdaptiveAvgPool2d((None, 3)), (2, 4, 9, 11))
module(nn.MaxPool2d(2, return_indices=True), (2, 4, 8, 8))
module(nn.AvgPool2d(2, divisor_override=3), (2, 4, 8, 8))
module(nn.Linear(5, 7), (3, 5))
module(nn.Linear(5, 7, bias=False), (2, 3, 5))
module(nn.Bilinear(3, 4, 5), (6, 3), (6, 4))
module(nn.Identity(), (3, 4))
module(nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True)), (3, 4))
module(settle(nn.LayerNorm(6)), (2, 5, 6))
module(nn.LayerNorm((5, 6), elementwise_affine=False), (2, 5, 6))
module(settle(nn.LayerNorm(6, bias=False)), (2, 5, 6))
module(settle(nn.GroupNorm(2, 6)), (2, 6, 5, 4))
module(settle(nn.RMSNorm(6)), (2, 5, 6))
module(nn.RMSNorm(6, eps=1e-3, elementwise_affine=False), (2, 5, 6))
module(nn.LocalResponseNorm(3), (2, 6, 5, 4))
module(nn.LocalResponseNorm(2, 0.01, 0.5, 2.0), (2, 6, 5))
for size, channels in ((3, 6), (4, 7), (5, 2), (2, 1)):
    module(nn.CrossMapLRN2d(size, 0.5, 0.6, 1.5), (2, channels, 5, 4))
for activation in (nn.Threshold(0.1, 20.0), nn.ReLU(), nn.RReLU(), nn.Hardtanh(-0.5, 0.7), nn.ReLU6(), nn.Sigmoid(),
                   nn.Hardsigmoid(), nn.Tanh(), nn.SiLU(), nn.Mish(), nn.Hardswish(), nn.ELU(0.7), nn.CELU(1.3), nn.SELU(),
                   nn.GELU(), nn.GELU("tanh"), nn.GLU(), nn.Hardshrink(0.3), nn.LeakyReLU(0.2), nn.LogSigmoid(),
                   nn.Softplus(2.0, 3.0), nn.Softshrink(0.3), nn.PReLU(), nn.Softsign(), nn.Tanhshrink(), nn.Softmin(1),
                   nn.Softmax(1), nn.Softmax(), nn.LogSoftmax(-1), nn.Dropout(), nn.AlphaDropout(), nn.FeatureAlphaDropout()):
    module(activation, (3, 8))
for inplace in (nn.Threshold(0.1, 20.0, True), nn.ReLU(True), nn.RReLU(inplace=True), nn.Hardtanh(inplace=True), nn.ReLU6(True),
                nn.Hardsigmoid(True), nn.SiLU(True), nn.Mish(True), nn.Hardswish(True), nn.ELU(inplace=True),
                nn.CELU(inplace=True), nn.SELU(True), nn.LeakyReLU(inplace=True), nn.Dropout(inplace=True)):
    module(nn.Sequential(nn.Linear(8, 8), inplace), (3, 8), name=f"{type(inplace).__name__}_inplace")
module(nn.PReLU(4), (2, 4, 5))
module(nn.Softmax2d(), (2, 3, 4, 5))
module(nn.Embedding(10, 4, padding_idx=0), inputs=draw((2, 5), integers=10))
for mode in ("sum", "mean", "max"):
    module(nn.EmbeddingBag(10, 4, mode=mode), inputs=draw((3, 5), integers=10))
    module(nn.EmbeddingBag(10, 4, mode=mode, padding_idx=2, include_last_offset=True), inputs=[torch.randint(0, 10, (9,)), torch.tensor([0, 2, 9])])
module(nn.Flatten(), (2, 3, 4))
module(nn.Flatten(0, 1), (2, 3, 4))
module(nn.Unflatten(1, (2, 3)), (2, 6, 4))
module(nn.Unfold((2, 3), dilation=2, padding=1, stride=2), (2, 3, 9, 10))
module(nn.Fold((4, 5), 2), (2, 12, 12))
module(nn.PixelShuffle(2), (2, 8, 3, 4))
module(nn.PixelUnshuffle(2), (2, 2, 4, 6))
module(nn.ChannelShuffle(2), (2, 6, 3, 4))
for rank, mode in ((1, "nearest"), (1, "linear"), (2, "nearest"), (2, "bilinear"), (2, "bicubic"), (2, "nearest-exact"),
                   (3, "nearest"), (3, "trilinear"), (1, "nearest-exact"), (3, "nearest-exact")):
    size = (5, 6, 4)[:rank]
    module(nn.Upsample(scale_factor=2, mode=mode), (2, 3, *size), name=f"Upsample_{mode}{rank}")
    module(nn.Upsample(size=tuple(n + 3 for n in size), mode=mode), (2, 3, *size), name=f"Upsample_size_{mode}{rank}")
    if "near" not in mode:
        module(nn.Upsample(scale_factor=1.5, mode=mode, align_corners=True), (2, 3, *size), name=f"Upsample_corners_{mode}{rank}")
module(nn.UpsamplingNearest2d(scale_factor=2), (2, 3, 4, 5))
module(nn.UpsamplingBilinear2d(scale_factor=2), (2, 3, 4, 5))
module(nn.CosineSimilarity(), (4, 5), (4, 5))
module(nn.PairwiseDistance(), (4, 5), (4, 5))
for mode in ("bilinear", "bicubic"):
    function(f"F_antialias_{mode}", lambda x, mode=mode: (F.interpolate(x, size=(4, 5), mode=mode, antialias=True), F.interpolate(x, scale_factor=1.5, mode=mode, antialias=True)), (2, 3, 9, 8))
module(nn.PoissonNLLLoss(full=True), inputs=[torch.randn(4, 3), torch.randint(0, 5, (4, 3)).float()])
module(nn.GaussianNLLLoss(full=True), inputs=[torch.randn(4, 3), torch.randn(4, 3), torch.rand(4)])
for loss in (nn.MSELoss(), nn.L1Loss(reduction="sum"), nn.SmoothL1Loss(beta=0.5), nn.SmoothL1Loss(beta=0.0), nn.HuberLoss(reduction="none", delta=0.3)):
    module(loss, (4, 5), (4, 5))
module(nn.KLDivLoss(reduction="batchmean", log_target=True), (4, 5), (4, 5))
for loss in (nn.BCELoss(weight=torch.rand(5)), nn.BCELoss(reduction="none"), nn.BCEWithLogitsLoss(pos_weight=torch.rand(5))):
    module(loss, inputs=[torch.rand(4, 5), torch.rand(4, 5)])
for loss in (nn.NLLLoss(), nn.NLLLoss(weight=torch.rand(5), ignore_index=2, reduction="sum"), nn.CrossEntropyLoss(), nn.CrossEntropyLoss(weight=torch.rand(5), label_smoothing=0.2)):
    module(loss, inputs=[torch.randn(4, 5), torch.randint(0, 5, (4,))])
module(nn.CrossEntropyLoss(), (4, 5, 3), (4, 5, 3), name="CrossEntropyLoss_shares")
for loss in (nn.TripletMarginLoss(swap=True), nn.TripletMarginLoss(margin=2.0, p=1, reduction="none")):
    module(loss, (4, 5), (4, 5), (4, 5))
module(nn.MultiMarginLoss(weight=torch.rand(5)), inputs=[torch.randn(4, 5), torch.randint(0, 5, (4,))])
module(nn.MultiLabelMarginLoss(reduction="sum"), inputs=[torch.randn(2, 4), torch.tensor([[0, 3, -1, 1], [1, -1, 0, 2]])])
for pool in (nn.FractionalMaxPool2d(2, output_size=3, _random_samples=torch.rand(2, 3, 2)), nn.FractionalMaxPool2d((2, 3), output_ratio=0.5, _random_samples=torch.rand(2, 3, 2))):
    module(pool, (2, 3, 7, 8))
for recurrent in (nn.LSTM, nn.GRU, nn.RNN):
    module(recurrent(4, 5), (6, 2, 4))
    module(recurrent(4, 5, num_layers=2, bidirectional=True, batch_first=True), (2, 6, 4))
    module(recurrent(4, 5, bias=False), (6, 4))
    module(getattr(nn, f"{recurrent.__name__}Cell")(4, 5), (3, 4))
module(nn.RNN(4, 5, nonlinearity="relu"), (6, 2, 4))
module(nn.LSTM(4, 5, proj_size=3), (6, 2, 4))
module(nn.GRU(4, 5), (6, 2, 4), (1, 2, 5), name="GRU_state")
module(nn.GRUCell(4, 5), (3, 4), (3, 5), name="GRUCell_state")
module(nn.MultiheadAttention(8, 2), (5, 3, 8), (5, 3, 8), (5, 3, 8))
module(nn.MultiheadAttention(8, 2, add_bias_kv=True, add_zero_attn=True), (5, 3, 8), (5, 3, 8), (5, 3, 8), name="MultiheadAttention_more_keys")
module(nn.MultiheadAttention(8, 2, batch_first=True, kdim=6, vdim=4, bias=False), (3, 5, 8), (3, 7, 6), (3, 7, 4))
module(nn.TransformerEncoderLayer(8, 2, 16), (5, 3, 8))
module(nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", batch_first=True, norm_first=True), (3, 5, 8))
module(nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 2, enable_nested_tensor=False), (5, 3, 8))
module(nn.TransformerDecoderLayer(8, 2, 16), (5, 3, 8), (4, 3, 8))
module(nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16, norm_first=True), 2, nn.LayerNorm(8)), (5, 3, 8), (4, 3, 8))
module(nn.Transformer(8, 2, 1, 1, 16), (5, 3, 8), (4, 3, 8))


class Attention(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.attention, self.options = nn.MultiheadAttention(8, 2, batch_first=True), options

    def forward(self, x, memory, mask, padding):
        both = self.attention(x, memory, memory, key_padding_mask=padding, attn_mask=mask, **self.options)
        alone = self.attention(x, x, x, need_weights=False)
        return both[0], alone[0], self.attention(x[0], x[0], x[0])[1]


for kind, options in {"weights": {}, "plain": {"need_weights": False}, "heads": {"average_attn_weights": False}}.items():
    CASES[f"Attention_{kind}"] = (Attention(**options).eval(), [[*draw((3, 5, 8), (3, 7, 8), (5, 7)), torch.tensor(
        [[False] * 7, [False] * 5 + [True] * 2, [False] * 6 + [True]])]])

def writing(name):
    return lambda x: getattr(x * x + 0.5, name)()


def reflected(op):
    return lambda x: op(2, x)


def compared(op):
    return lambda x, y: (op(x, y), op(x, 0.1), op(0.2, x))


def bitwise(op):
    return lambda x, y: (op(x > 0, y > 0), op(x.int(), 3))


def in_place(op):
    return lambda x, y: op(x * 1, y)


# ---- elementwise functions of one tensor, and the methods of the same name

for name in ("abs sin cos tan asinh atan sinh cosh tanh exp exp2 expm1 erf erfc floor ceil round trunc frac sign sgn square "
             "sigmoid relu neg positive deg2rad rad2deg signbit isnan isinf isfinite logical_not reciprocal sinc nan_to_num selu "
             "softmax absolute negative fix arctan arcsinh").split():
    extra = (-1,) if name == "softmax" else ()
    function(f"torch_{name}", of(torch, name, *extra), (3, 4), dynamic=True)
    if hasattr(torch.Tensor, name):
        function(f"method_{name}", method(name, *extra), (3, 4))
for name in "log log2 log10 log1p sqrt rsqrt lgamma acosh arccosh".split():
    function(f"torch_{name}", of(torch, name), inputs=[torch.rand(3, 4) + 1.1])
for name in "asin acos atanh erfinv arcsin arccos arctanh".split():
    function(f"torch_{name}", of(torch, name), inputs=[torch.rand(3, 4) * 1.8 - 0.9])
for name in ("relu relu6 elu selu celu leaky_relu silu mish hardswish hardsigmoid hardtanh gelu logsigmoid softsign tanhshrink "
             "softplus hardshrink softshrink sigmoid tanh glu rrelu softmax softmin log_softmax normalize dropout1d").split():
    extra = {"training": False} if name.startswith("dropout") else {}
    function(f"F_{name}", of(F, name, **extra), (3, 4, 6))
for name in "relu_ sigmoid_ tanh_ exp_ sqrt_ neg_ abs_ sin_ cos_ floor_ round_ ceil_ square_ erf_".split():
    function(f"method_{name}", writing(name), (3, 4))

# ---- of two

for name in ("add sub mul div maximum minimum fmax fmin atan2 hypot copysign logaddexp logaddexp2 eq ne lt le gt ge remainder "
             "fmod multiply subtract divide true_divide greater less greater_equal less_equal not_equal arctan2").split():
    function(f"torch_{name}", of_two(torch, name), (3, 4), (3, 4))
    if name not in ("atan2", "arctan2", "hypot", "copysign", "logaddexp", "logaddexp2", "maximum", "minimum", "fmax", "fmin"):
        function(f"method_{name}_number", method(name, 0.7), (3, 4))
for name in "add sub mul truediv floordiv mod pow".split():
    op = getattr(operator, name)
    function(f"operator_{name}", of_two(operator, name), inputs=[torch.rand(3, 4) + 0.5, torch.rand(1, 4) + 0.7])
    function(f"operator_{name}_number", of(operator, name, 2), inputs=[torch.rand(3, 4) + 0.5])
    function(f"operator_{name}_reflected", reflected(op), inputs=[torch.rand(3, 4) + 0.5])
for name in "eq ne lt le gt ge".split():
    function(f"operator_{name}", compared(getattr(operator, name)), (3, 4), (3, 4))
for name in "and_ or_ xor".split():
    function(f"operator_{name}", bitwise(getattr(operator, name)), (3, 4), (3, 4))
function("operator_shifts", lambda x: (x << 2, x >> 1, ~x, -x, +x), inputs=draw((3, 4), integers=100))
function("operator_matmul", lambda x, y: x @ y, (2, 3, 4), (4, 5))
for name, op in (("iadd", "+"), ("isub", "-"), ("imul", "*"), ("itruediv", "/")):
    function(f"operator_{name}", in_place(getattr(operator, name)), (3, 4), (3, 4))


def augmented(x, y):
    z = x * 2
    z += y
    z -= 1
    z *= y
    z /= 3
    return z


function("augmented", augmented, (3, 4), (3, 4))
function("reflected", lambda x: (1 - x, 1 / (x + 5), 2 ** x, 3 // (x.abs() + 1), 5 % (x.abs() + 1)), (3, 4))
function("where", lambda x, y: (torch.where(x > 0, x, y), torch.where(x > 0, x, 0.5), x.where(y > 0, y)), (3, 4), (3, 4))
function("clamp", lambda x: (x.clamp(-0.5, 0.5), x.clamp(min=0), torch.clamp(x, max=0.1), x.clamp_min(0.2), x.clip(0, 1)), (3, 4))
function("lerp", lambda x, y: (torch.lerp(x, y, 0.3), torch.addcmul(x, x, y, value=0.5), torch.addcdiv(x, x, y.abs() + 1)), (3, 4), (3, 4))
function("pow", lambda x: (x ** 2, x.abs() ** 0.5, torch.pow(x, 3), torch.pow(2.0, x), x.pow(2.0)), (3, 4))
function("masked_fill", lambda x: (x.masked_fill(x > 0, -1.0), x.masked_fill(x < 0, float("-inf"))), (3, 4))
function("rounding", lambda x: (torch.div(x, 0.3, rounding_mode="floor"), torch.div(x, x.abs() + 1, rounding_mode="trunc"), x.round(decimals=1)), (3, 4))

# ---- reductions

for name in "sum mean prod amax amin std var logsumexp any all argmax argmin count_nonzero nansum".split():
    given = {"logsumexp": (1,)}.get(name, ())
    function(f"reduce_{name}", of(torch, name, *given), (3, 4, 5))
    if name not in ("count_nonzero", "nansum"):
        function(f"reduce_{name}_dim", method(name, 1, keepdim=True), (3, 4, 5), dynamic=True)
function("reduce_dims", lambda x: (x.sum((1, 2)), x.mean(dim=[-1, 0]), x.amax((0, 1)), torch.sum(x, dim=-1), x.var((1, 2), unbiased=False)), (3, 4, 5))
function("reduce_axis", lambda x: (torch.sum(x, axis=1), torch.mean(input=x, dim=0, keepdim=True)), (3, 4, 5))
function("reduce_pairs", lambda x: (x.max(1), torch.min(x, dim=-1, keepdim=True), x.max(), x.max(1)[0]), (3, 4, 5))
function("reduce_fields", lambda x: (x.std(1, unbiased=True), torch.std_mean(x, 1)[0], torch.var_mean(x, dim=0, correction=0)[1]), (3, 4, 5))
function("named_results", lambda x: (x.max(1).values, torch.sort(x, 0).indices, x.topk(2, 1).values), (3, 4, 5))
function("norms", lambda x: (x.norm(), x.norm(dim=1), x.norm(1, -1, True), torch.norm(x, p=2, dim=0), torch.linalg.vector_norm(x, 3, 1)), (3, 4, 5))
function("scans", lambda x: (x.cumsum(1), torch.cumprod(x, dim=0), x.diff()), (3, 4))
function("sorting", lambda x: (x.sort(1), torch.topk(x, 2, dim=-1), x.argsort(0), torch.sort(x, descending=True, dim=0)), (5, 6))

# ---- shapes

function("size", lambda x: x.reshape(x.size(0), x.shape[1] * x.size()[2]) * x.dim() + x.numel(), (2, 3, 4), dynamic=True)
function("view", lambda x: (x.view(-1, 12), x.view(x.shape[0], 12), x.view((x.size(0), 3, 2, 2)), x.reshape([x.size(0), -1])), (2, 3, 4), dynamic=True)
function("permute", lambda x: (x.permute(2, 0, 1), x.permute((1, 0, 2)), torch.permute(x, (2, 1, 0)), x.transpose(0, 1), x.mT, torch.swapaxes(x, 0, 2)), (2, 3, 4))
function("transpose2d", lambda x: (x.t(), x.T, torch.t(x), x.movedim(0, 1), torch.moveaxis(x, 0, 1)), (3, 4))
function("squeeze", lambda x: (x.unsqueeze(1), x.unsqueeze(-1).squeeze(-1), torch.squeeze(x[:1]), x[:1].squeeze((0,))), (2, 3, 4))
function("flatten", lambda x: (x.flatten(), x.flatten(1), torch.flatten(x, start_dim=0, end_dim=1), x.unflatten(1, (3, 1)), x.ravel()), (2, 3, 4))
function("expand", lambda x: (x[:, :1].expand(-1, 5, -1), x[:, :1].expand(2, 3, 4), torch.broadcast_to(x, (2, 2, 3, 4)), x[:1].expand_as(x)), (2, 3, 4))
function("repeat", lambda x: (x.repeat(1, 2, 1), x.tile((2,)), x.repeat_interleave(2, 1), torch.tile(x, (1, 2, 1))), (2, 3, 4))
function("cat", lambda x, y: (torch.cat([x, y], 1), torch.cat((x, y), dim=-1), torch.stack([x, y]), torch.concat([x, y]), torch.hstack((x, y)), torch.vstack([x, y]), torch.concatenate([x, y], 1)), (2, 3), (2, 3), dynamic=True)
function("split", lambda x: (x.split(2, 1), torch.split(x, [1, 4], dim=1), x.chunk(2, -1), torch.unbind(x, 0), x.tensor_split(2, 1)[0]), (2, 5, 4))
function("flip", lambda x: (x.flip(0), torch.flip(x, (1, 2)), x.roll(1, 1), torch.roll(x, (1, 2), (0, 1)), x[0].tril(), torch.triu(x, 1)), (2, 3, 4))
function("narrow", lambda x: (x.narrow(1, 1, 2), x.select(1, 0), torch.select(x, 0, -1), x.diagonal(0, 1, 2), x.unfold(2, 2, 1)), (2, 3, 4))
function("index", lambda x: (x[0], x[:, 1], x[..., -1], x[:, None], x[1:, ::2, :-1], x[..., 0, :], x[-1, None, 1:]), (3, 4, 5))
function("index_beyond", lambda x: (x[-63:] * 2, x[-5:] + 1, x[:-5], x[5:], x[2:9], x[-1:]), (3, 4), dynamic=True)
function("index_from_the_end", lambda x, y: (x[-y.shape[0]:] * 2, x[:-y.shape[0]], x[y.shape[0]:-y.shape[0]], y[-x.shape[0]:]), (9, 4), (3, 4), dynamic=True)
function("complex_parts", lambda x: (torch.fft.rfft(x).real, torch.fft.rfft(x).imag, torch.view_as_real(torch.fft.rfft(x).H.resolve_conj())), (3, 6))
function("complex_numbers", lambda x: [torch.view_as_real(y) for y in (x * 1j, x + (2 + 3j), 1j - x, (2 - 1j) / (x + 4), (x.long() + 1j) * -0.5j, x.double() * (0.1 + 0.3j), torch.complex(x, x) / complex(3.0, float(4)), x.sum() * 1e-2j, torch.add(x, 2j), torch.complex(x, x) ** 2, torch.where(x > 0, torch.complex(x, x), 1j), torch.complex(x, x).masked_fill(x > 0, 2j))], (3, 4))
function("complex_fillings", lambda x: [torch.view_as_real(y) for y in (torch.full((x.shape[0], 2), 1 + 2j), torch.full_like(x, 1j, dtype=torch.complex64), torch.complex(x, x).new_full((2, 3), 3j) * x[0, 0], torch.diag(torch.complex(x[0], x[1]), 1))], (3, 4))
function("complex_comparisons", lambda x: (torch.complex(x, x) == 1j, torch.complex(x, x - x) != (0.5 + 0j), torch.complex(x, x).var()), inputs=[torch.tensor([0.0, 0.5, 1.0])])
function("gather", lambda x: (x[[0, 2]], x[:, [1, 1]], x.index_select(1, torch.tensor([0, 2])), x[torch.tensor([1, 0]), :, torch.tensor([0, 3])]), (3, 4, 5))
function("gather_input", lambda x, i: (x.gather(1, i), torch.take_along_dim(x, i, 1), x[:, i[0]], torch.scatter(x, 1, i, 0.5)), inputs=[torch.randn(3, 5), torch.randint(0, 5, (3, 4))])
function("len", lambda x: x * x.size(-1) ** -0.5 + math.sqrt(2), (3, 4))
function("math_of_sizes", lambda x: (x / math.sqrt(x.size(-1)), x * math.log(x.shape[0]) + math.sin(x.shape[0] / 7), x.double() * math.pow(x.size(0), 0.3), x[: math.floor(x.shape[0] * 0.5)], x[: math.ceil(x.size(0) / 3)]), (4, 6), dynamic=True)
function("floats_of_sizes", lambda x: (x * x.size(0) ** -0.5, x.long() * (1.0 / x.numel()), x.sum() / (x.shape[0] / 3 - 0.25), -(x.shape[0] / 2) + x.half(), x ** (x.shape[0] / 8)), (4, 6), dynamic=True)
function("number_outputs", lambda x: (x + 1, x.shape[0], x.numel() * 2, x.size(0) / 4, 3, 0.5, {"dims": x.dim()}), (4, 6), dynamic=True)
function("dtypes", lambda x: (x.double(), x.half().float(), x.to(torch.float64), x.int(), x.long(), x.bool(), x.type(torch.int32), x.to(x.dtype), x.type_as(x.double()), x.to("cpu", torch.float64), x.to(dtype=torch.int64)), (3, 4))
function("creation", lambda x: (x + torch.ones(3, 4), torch.zeros_like(x), x.new_zeros(2, 3), x.new_full((2,), 3.0), torch.full_like(x, 2.0), torch.arange(3) + 1, torch.ones((2, 3), dtype=torch.int64)), (3, 4), dynamic=False)
function("attributes", lambda x: x.new_zeros(x.shape) + x.data.to(x.device), (3, 4), dynamic=True)
function("meshgrid", lambda x, y: torch.meshgrid(x, y, indexing="ij"), (3,), (4,))
function("meshgrid_plain", lambda x, y: (torch.meshgrid(x, y)[1] + 0, torch.functional.meshgrid([x, y])[0]), (3,), (4,))
function("block_diag", lambda x, y: (torch.block_diag(x, y, y), torch.block_diag(x)), (2, 3), (4,))
function("at_least", lambda x, y: (torch.atleast_1d(x, y)[0], torch.atleast_2d((x, y))[1], torch.atleast_3d(y, x)[0], torch.atleast_1d(x), torch.atleast_2d(y), torch.atleast_3d(y)), inputs=[torch.tensor(0.3), torch.randn(4)])
function("windows", lambda x: (torch.bartlett_window(x.shape[0]), torch.bartlett_window(x.shape[1], periodic=False), torch.blackman_window(x.size(0), dtype=torch.float64), torch.blackman_window(x.size(2), False), torch.kaiser_window(x.size(1)), torch.kaiser_window(x.size(0), False, 3.0), torch.hann_window(x.size(0))), (6, 7, 1))
function("numel", lambda x: (x / torch.numel(x), x.long() / torch.numel(input=x)), (3, 4), dynamic=True)
function("element_types", lambda x, n: (x + int(torch.is_floating_point(x)) + int(torch.is_complex(n)), n.to(torch.result_type(n, x)), n.to(torch.result_type(n, 2.0)), n.to(torch.result_type(1, n)), n.to(torch.promote_types(n.dtype, torch.float16)), x.to(torch.result_type(x.double()[0, 0], x)), n + int(torch.can_cast(x.dtype, n.dtype))), inputs=[torch.randn(3, 4), torch.randint(0, 9, (3, 4), dtype=torch.int16)])
function("einsum", lambda x, y: (torch.einsum("bij,bjk->bik", x, y), torch.einsum("bij->bji", x)), (2, 3, 4), (2, 4, 5))
function("products", lambda x, y: (torch.matmul(x, y), torch.bmm(x, y), x.matmul(y), x[0].mm(y[0]), torch.baddbmm(x[:, :, :1], x, y), torch.outer(x[0, 0], y[0, 0]), torch.mv(x[0], y[0, :, 0]), torch.dot(x[0, 0], y[0, :, 0])), (2, 3, 4), (2, 4, 5))
function("contiguous", lambda x: (x.transpose(0, 1).contiguous(), x.clone(), x.detach(), x.contiguous(memory_format=torch.contiguous_format)), (3, 4))
function("getitem_dict", lambda x: {"first": x + 1, "second": (x, [x * 2])}, (3, 4))


# ---- torch.nn.functional with its own signature

function("F_linear", lambda x, w, b: (F.linear(x, w, b), F.linear(x, w)), (3, 4), (5, 4), (5,))
function("F_bilinear", lambda x, y, w: F.bilinear(x, y, w), (3, 4), (3, 5), (2, 4, 5))
function("F_conv2d", lambda x, w: (F.conv2d(x, w, None, 2, 1), F.conv2d(x, w, padding="same"), F.conv2d(x, w, stride=(1, 2), dilation=2)), (2, 4, 9, 9), (6, 4, 3, 3))
function("F_conv1d", lambda x, w: F.conv1d(x, w, padding=1), (2, 4, 9), (6, 4, 3))
function("F_conv_transpose2d", lambda x, w: F.conv_transpose2d(x, w, stride=2, output_padding=1), (2, 4, 5, 5), (4, 3, 3, 3))
function("F_pools", lambda x: (F.max_pool2d(x, 2), F.max_pool2d(x, 3, stride=1, padding=1), F.avg_pool2d(x, (2, 3)), F.adaptive_avg_pool2d(x, 1), F.adaptive_avg_pool2d(x, (None, 2)), F.lp_pool2d(x, 2.0, 2)), (2, 4, 6, 6))
function("F_max_pool_indices", lambda x: F.max_pool2d(x, 2, return_indices=True), (2, 4, 6, 6))
function("F_adaptive_max_pool", lambda x: F.adaptive_max_pool2d(x, (2, 3)), (2, 4, 6, 6))
function("F_pool1d", lambda x: (F.max_pool1d(x, 2), F.avg_pool1d(x, 3, 2, 1), F.adaptive_avg_pool1d(x, 2)), (2, 4, 8))
function("F_norms", lambda x, w, b: (F.layer_norm(x, (6,), w, b), F.rms_norm(x, (6,), w), F.layer_norm(x, [6])), (2, 4, 6), (6,), (6,))
function("F_group_norm", lambda x: (F.group_norm(x, 2), F.instance_norm(x), F.local_response_norm(x, 2)), (2, 4, 6, 5))
function("F_batch_norm", lambda x, m, v, w, b: F.batch_norm(x, m, v.abs() + 0.5, w, b), (2, 4, 6), (4,), (4,), (4,), (4,))
function("F_embedding", lambda i, w: (F.embedding(i, w), F.one_hot(i, 10)), inputs=[torch.randint(0, 10, (2, 5)), torch.randn(10, 4)])
function("F_embedding_bag", lambda i, at, w, s: (F.embedding_bag(i, w, at), F.embedding_bag(i, w, at, mode="sum", per_sample_weights=s), F.embedding_bag(i, w, at, mode="max"), F.embedding_bag(i, w, at, padding_idx=3), F.embedding_bag(i, w, at, mode="sum", include_last_offset=True), F.embedding_bag(i.view(2, 6), w), F.embedding_bag(i.view(3, 4), w, padding_idx=3), F.embedding_bag(i.view(3, 4), w, mode="sum", per_sample_weights=s.view(3, 4), padding_idx=-1)), inputs=[torch.randint(0, 10, (12,)), torch.tensor([0, 4, 4, 12]), torch.randn(10, 4), torch.rand(12)])
function("F_pad", lambda x: (F.pad(x, (1, 2)), F.pad(x, (1, 1, 2, 0), value=1.5), F.pad(x, (1, 1, 2, 2), mode="reflect"), F.pad(x, [2, 1, 0, 1], "replicate")), (2, 3, 5, 6))
function("F_interpolate", lambda x: (F.interpolate(x, scale_factor=2), F.interpolate(x, (7, 9), mode="bilinear"), F.interpolate(x, size=8, mode="bilinear", align_corners=True), F.interpolate(x, scale_factor=0.5, mode="area"), F.interpolate(x, scale_factor=(1.5, 2.0), mode="bilinear", recompute_scale_factor=True)), (2, 3, 6, 4))
function("F_interpolate_like", lambda x, y: F.interpolate(x, size=(y.shape[2], y.shape[3]), mode="bilinear", align_corners=False), (1, 3, 6, 4), (1, 2, 9, 11))
function("F_attention", lambda q, k, v: (F.scaled_dot_product_attention(q, k, v), F.scaled_dot_product_attention(q, k, v, is_causal=True), F.scaled_dot_product_attention(q, k, v, scale=0.3)), (2, 2, 5, 4), (2, 2, 5, 4), (2, 2, 5, 4))
function("F_attention_mask", lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, attn_mask=m), (2, 2, 5, 4), (2, 2, 6, 4), (2, 2, 6, 4), (5, 6))
function("F_dropouts", lambda x: (F.dropout(x, 0.5, False), F.dropout2d(x, training=False), F.alpha_dropout(x), F.dropout(x, p=0.0)), (2, 3, 4, 4))
function("F_shuffles", lambda x: (F.pixel_shuffle(x, 2), F.pixel_unshuffle(x, 2), F.channel_shuffle(x, 2)), (2, 4, 4, 4))
function("F_unfold", lambda x: F.unfold(x, 3, padding=1), (2, 3, 5, 5))
function("F_distances", lambda x, y: (F.cosine_similarity(x, y, dim=-1), F.pairwise_distance(x, y), F.normalize(x, p=1.0, dim=0)), (3, 4), (3, 4))
function("F_affine_grid", lambda x: F.affine_grid(x, (2, 3, 4, 5), align_corners=False), (2, 2, 3))
for pool, unpool, shape in ((F.max_pool1d, F.max_unpool1d, (2, 3, 9)), (F.max_pool2d, F.max_unpool2d, (2, 3, 8, 9)), (F.max_pool3d, F.max_unpool3d, (1, 2, 4, 6, 5))):
    def pooled_and_back(x, pool=pool, unpool=unpool):
        values, places = pool(x, 2, return_indices=True)
        return unpool(values, places, 2), unpool(values * 2, places, 2, output_size=[n + 1 for n in x.shape[2:]])

    function(f"F_{unpool.__name__}", pooled_and_back, shape)
function("F_losses", lambda x, y: (F.mse_loss(x, y), F.l1_loss(x, y), F.huber_loss(x, y), F.mse_loss(x, y, weight=y.abs()), F.l1_loss(x, y, reduction="sum", weight=y.abs()), F.huber_loss(x, y, delta=0.4, weight=y.abs())), (4, 3), (4, 3))
function("F_poisson_nll_loss", lambda x, y: (F.poisson_nll_loss(x, y), F.poisson_nll_loss(x, y, full=True, reduction="none"), F.poisson_nll_loss(x.exp(), y, log_input=False, reduction="sum"), torch.poisson_nll_loss(x, y, False, True, 2.5, 1)), inputs=[torch.randn(4, 3), torch.randint(0, 5, (4, 3)).float()])
function("F_gaussian_nll_loss", lambda x, y, v: (F.gaussian_nll_loss(x, y, v), F.gaussian_nll_loss(x, y, v[:, 0], full=True, reduction="none"), F.gaussian_nll_loss(x, y, v[:, :1], eps=0.5, reduction="sum"), F.gaussian_nll_loss(x, y, 0.3)), inputs=[torch.randn(4, 3), torch.randn(4, 3), torch.rand(4, 3)])
function("torch_cross", lambda x, y: (torch.cross(x, y, dim=-1), torch.linalg.cross(x, y)), (4, 3), (4, 3))
function("torch_cdist", lambda x, y: torch.cdist(x, y), (2, 5, 3), (2, 4, 3))
function("linalg_systems", lambda x, y: (torch.linalg.inv(x @ x.mT + 1), x.inverse(), torch.linalg.solve(x, y, left=True), torch.linalg.solve_triangular(x, y, upper=True), torch.linalg.lstsq(x, y).solution, torch.linalg.lu_solve(torch.linalg.lu_factor(x).LU, torch.linalg.lu_factor(x).pivots, y), torch.triangular_solve(y, x)[0]), inputs=[torch.randn(4, 4) + 4 * torch.eye(4), torch.randn(4, 2)])
function("linalg_factors", lambda x: (torch.linalg.qr(x).R, torch.linalg.qr(x, "complete")[0], torch.linalg.cholesky(x @ x.mT), torch.linalg.cholesky(x @ x.mT, upper=True), torch.linalg.ldl_factor(x + x.mT).LD, torch.geqrf(x)[1], torch.linalg.lu(x).L), inputs=[torch.randn(4, 4) + 4 * torch.eye(4)])
function("linalg_values", lambda x: (torch.linalg.eigh(x + x.mT).eigenvalues, torch.linalg.eigvalsh(x, UPLO="U"), torch.linalg.svd(x, full_matrices=False).S, torch.svd(x).S, x.det(), torch.linalg.slogdet(x).logabsdet, torch.linalg.cond(x, "fro"), torch.linalg.pinv(x, rtol=0.1), torch.linalg.pinv(x, 0.1), x.pinverse(), torch.linalg.matrix_rank(x, tol=0.5)), inputs=[torch.randn(4, 4) + 4 * torch.eye(4)])
function("linalg_products", lambda x, y: (torch.chain_matmul(x, x, y), torch.linalg.multi_dot([x, x, y]), x.matrix_power(3), torch.linalg.matrix_exp(x / 4), torch.norm(x, p="nuc"), x.norm("nuc", dim=(0, 1)), torch.linalg.matrix_norm(x, ord=2), torch.linalg.vander(y[:, 0], N=3), torch.linalg.diagonal(x, offset=1)), (4, 4), (4, 2))
function("torch_trapezoid", lambda x, y: (torch.trapezoid(x, dim=0), torch.trapz(x, y), torch.cumulative_trapezoid(x, dx=0.5)), (4, 3), (4, 3), dynamic=True)
function("torch_gradient", lambda x: (torch.gradient(x)[1], torch.gradient(x, spacing=2.0, dim=0, edge_order=2)[0], *torch.gradient(x, spacing=(0.5, 2.0))), (4, 5))
function("torch_choices", lambda x, y: (torch.cartesian_prod(x, y), torch.combinations(x, 3), torch.combinations(y, with_replacement=True), torch.diagflat(x, 1)), (4,), (3,))
function("torch_tensordot", lambda x, y: (torch.tensordot(x, y, dims=1), torch.tensordot(x, y, dims=([0, 1], [0, 1])), torch.tensordot(x[:, :1], y, dims=([1], [0]))), (4, 4), (4, 4))
function("torch_histogram", lambda x: (*torch.histogram(x, 5, range=(-1.0, 1.0)), torch.histogramdd(x, [3, 4])[0], torch.histogramdd(x, 3)[1][1]), (20, 2))
function("torch_linspace_tensors", lambda x: (torch.linspace(x.sum(), 3, 5), torch.logspace(0, x.mean(), 4, base=2.0)), (4, 3))
function("torch_hermitian", lambda x: (torch.fft.hfft2(x), torch.view_as_real(torch.fft.ihfftn(x, norm="ortho"))), (4, 6))
function("Tensor_complex", lambda x: (torch.view_as_real(x.to(torch.complex64)), torch.view_as_real(x.cdouble()), x.cfloat().abs(), x.sum_to_size(1, 3), torch.isreal(x)), (4, 3))
function("torch_segment_reduce", lambda x, n: torch.segment_reduce(x, "max", lengths=n), inputs=[torch.randn(6, 2), torch.tensor([1, 2, 3])])
function("F_ctc_loss", lambda x, t: F.ctc_loss(x.log_softmax(-1), t, (7, 6), (3, 2)), inputs=[torch.randn(7, 2, 5), torch.randint(1, 5, (2, 3))])
function("F_margins", lambda x, y: (F.triplet_margin_loss(x, y, x + 1, reduction="sum"), F.triplet_margin_with_distance_loss(x, y, x + 1)), (4, 3), (4, 3))
function("F_grid_sample", lambda x, g: F.grid_sample(x, g.tanh(), align_corners=False), (2, 3, 5, 6), (2, 4, 4, 2))
function("F_prelu", lambda x, w: (F.prelu(x, w), F.threshold(x, 0.1, 0.5), F.hardtanh(x, -0.3, 0.4), F.elu(x, 0.5), F.gelu(x, approximate="tanh"), F.leaky_relu(x, 0.3), F.glu(x, 1)), (3, 4), (4,))


# ---- the parts of a forward

class Parts(nn.Module):
    """Buffers, parameters, lists of modules, a default argument, writes into parts of a tensor."""

    def __init__(self):
        super().__init__()
        self.register_buffer("table", torch.randn(4, 6))
        self.scale = nn.Parameter(torch.randn(6))
        self.layers = nn.ModuleList(nn.Linear(6, 6) for _ in range(2))
        self.tied = self.layers[0]

    def forward(self, x, extra=None):
        for layer in self.layers:
            x = x + layer(x)
        return self.tied(x * self.scale) + self.table.narrow(0, 0, x.shape[0]), x[:, :2].mean(dim=1)


CASES["parts"] = (Parts(), [draw((3, 6)), draw((2, 6))])
