"""Small networks of many kinds. ZOO maps a name to a Case: how to make the model, its inputs, and what is dynamic."""

import dataclasses
import enum
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

BATCH = {"batch": (1, 16)}


@dataclasses.dataclass
class Case:
    """`inputs(batch, generator)` draws one set of inputs. `dynamic` tells which dimensions of which input are dynamic:
    a tuple with {dimension: name} or None for each input. `bf16_bound` is looser where rounding is amplified."""

    model: Callable[[], nn.Module]
    inputs: Callable
    dynamic: tuple = ()
    bf16_bound: float = 2e-2


ZOO: dict[str, Case] = {}


def case(*inputs, dynamic=(), bf16_bound=2e-2, name=None):
    """Registers a module class with random inputs of these shapes; the first size is the batch."""

    def draw(batch, generator):
        return [torch.randn(batch, *shape[1:], generator=generator) for shape in inputs]

    def register(model):
        ZOO[name or model.__name__] = Case(model, draw, dynamic, bf16_bound)
        return model

    return register


def function(name, *inputs, dynamic=(), bf16_bound=2e-2):
    """Registers a function without weights."""

    def register(body):
        class Function(nn.Module):
            def __init__(self):
                super().__init__()
                self.forward = body

        case(*inputs, dynamic=dynamic, bf16_bound=bf16_bound, name=name)(Function)
        return body

    return register


def norm_with_statistics(norm):
    """A batch norm that does not look freshly initialised."""
    for tensor in (norm.running_mean, norm.weight.data, norm.bias.data):
        tensor.uniform_(-0.5, 0.5)
    norm.running_var.uniform_(0.5, 2.0)
    norm.weight.data += 1
    return norm


class ConvBlock(nn.Sequential):
    def __init__(self, inputs, outputs, kernel=3, stride=1, groups=1, act=nn.ReLU, padding=None, dilation=1):
        padding = (kernel - 1) // 2 * dilation if padding is None else padding
        super().__init__(nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups, bias=False),
                         norm_with_statistics(nn.BatchNorm2d(outputs)), act())


# ---- convolutional networks

@case((2, 3, 32, 32), dynamic=({0: "batch"},))
class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(ConvBlock(3, 16, 7, 2), nn.MaxPool2d(3, 2, 1))
        self.one, self.two = ConvBlock(16, 16), ConvBlock(16, 16, act=nn.Identity)
        self.down = ConvBlock(16, 32, 1, 2, act=nn.Identity)
        self.three = nn.Sequential(ConvBlock(16, 32, 3, 2), ConvBlock(32, 32, act=nn.Identity))
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        x = self.stem(x)
        x = F.relu(x + self.two(self.one(x)))
        x = F.relu(self.down(x) + self.three(x))
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


class SqueezeExcite(nn.Module):
    def __init__(self, channels, gate):
        super().__init__()
        self.reduce, self.expand, self.gate = nn.Conv2d(channels, 8, 1), nn.Conv2d(8, channels, 1), gate

    def forward(self, x):
        return x * self.gate(self.expand(F.relu(self.reduce(x.mean((2, 3), keepdim=True)))))


@case((1, 3, 24, 24), dynamic=({0: "batch"},))
class DepthwiseSqueezeExcite(nn.Module):
    def __init__(self, act=nn.Hardswish, gate=F.hardsigmoid):
        super().__init__()
        self.layers = nn.Sequential(ConvBlock(3, 16, 3, 2, act=act), ConvBlock(16, 40, 1, act=act),
                                    ConvBlock(40, 40, 5, 2, groups=40, act=act), SqueezeExcite(40, gate),
                                    ConvBlock(40, 24, 1, act=nn.Identity))

    def forward(self, x):
        return self.layers(x)


@case((1, 3, 24, 24))
class SiluSqueezeExcite(DepthwiseSqueezeExcite):
    def __init__(self):
        super().__init__(nn.SiLU, torch.sigmoid)


@case((2, 8, 20, 20))
class ConvolutionsOfEveryShape(nn.Module):
    def __init__(self):
        super().__init__()
        self.grouped = nn.Conv2d(8, 12, 3, padding=1, groups=4)
        self.dilated = nn.Conv2d(8, 12, 3, padding=2, dilation=2)
        self.flat = nn.Conv2d(8, 12, (1, 7), padding=(0, 3))
        self.even = nn.Conv2d(8, 12, 4, stride=3)
        self.multiplied = nn.Conv2d(8, 16, 3, groups=8, padding="same")
        self.reflected = nn.Conv2d(8, 4, 3, padding=1, padding_mode="reflect")

    def forward(self, x):
        y = self.grouped(x) + self.dilated(x) * self.flat(x)
        return y, self.even(F.pad(x, (1, 2, 0, 3))), self.multiplied(x), self.reflected(x)


@case((2, 6, 30))
class OneAndThreeDimensions(nn.Module):
    def __init__(self):
        super().__init__()
        self.line = nn.Sequential(nn.Conv1d(6, 8, 5, 2, 2), nn.BatchNorm1d(8), nn.GELU(), nn.AvgPool1d(2))
        self.volume = nn.Sequential(nn.Conv3d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool3d(2, ceil_mode=True))

    def forward(self, x):
        return self.line(x), self.volume(x.view(-1, 2, 3, 5, 6))


@case((1, 6, 7, 9))
class Transposed(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.ConvTranspose2d(6, 5, 3, 2, 1, output_padding=1)
        self.line = nn.ConvTranspose1d(6, 4, 4, 2)

    def forward(self, x):
        return self.up(x).relu(), self.line(x[..., 0])


@case((2, 3, 17, 23))
class Pooling(nn.Module):
    def forward(self, x):
        return (F.max_pool2d(x, 3, 2, 1, ceil_mode=True), F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
                F.avg_pool2d(x, 2, 2, ceil_mode=True), F.adaptive_avg_pool2d(x, (4, 5)), F.adaptive_max_pool2d(x, 3),
                F.max_pool2d(x, (2, 3), dilation=2))


@case((2, 8, 10, 10), dynamic=({0: "batch"},))
class Dense(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Sequential(norm_with_statistics(nn.BatchNorm2d(8 + 6 * i)), nn.ReLU(),
                                                  nn.Conv2d(8 + 6 * i, 6, 3, padding=1)) for i in range(3))

    def forward(self, x):
        features = [x]
        for layer in self.layers:
            features.append(layer(torch.cat(features, 1)))
        return F.avg_pool2d(torch.cat(features, 1), 2)


@case((1, 12, 14, 14), dynamic=({0: "batch"},))
class ConvNext(nn.Module):
    def __init__(self):
        super().__init__()
        self.depthwise, self.norm = nn.Conv2d(12, 12, 7, padding=3, groups=12), nn.LayerNorm(12, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(12, 48), nn.GELU(), nn.Linear(48, 12))
        self.scale = nn.Parameter(torch.rand(12, 1, 1))

    def forward(self, x):
        y = self.mlp(self.norm(self.depthwise(x).permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        return x + self.scale * y


@case((1, 4, 9, 9))
class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down, self.mid, self.up = ConvBlock(4, 8, 3, 2), ConvBlock(8, 8), ConvBlock(12, 4)

    def forward(self, x):
        deep = self.mid(self.down(x))
        smooth = F.interpolate(deep, size=x.shape[2:], mode="bilinear", align_corners=False)
        return self.up(torch.cat([smooth, x], 1)), F.interpolate(deep, scale_factor=2, mode="nearest")


@function("Resampling", (2, 8, 6, 5))
def resampling(x):
    return (F.interpolate(x, size=(9, 11), mode="bilinear", align_corners=True), F.pixel_shuffle(x, 2),
            F.interpolate(x, scale_factor=2, mode="bicubic"), F.pixel_unshuffle(x[:, :, :, :4], 2),
            F.pad(x, (1, 2, 2, 1), mode="replicate"), F.pad(x, (-1, 2), value=3.0), F.channel_shuffle(x, 4))


# ---- attention and language

@case((2, 10, 32), dynamic=({0: "batch"},))
class Attention(nn.Module):
    def __init__(self, causal=False):
        super().__init__()
        self.norm, self.causal = nn.LayerNorm(32), causal
        self.qkv, self.out = nn.Linear(32, 96), nn.Linear(32, 32)
        self.mlp = nn.Sequential(nn.LayerNorm(32), nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32))

    def forward(self, x):
        batch, length = x.shape[:2]
        q, k, v = self.qkv(self.norm(x)).view(batch, length, 3, 4, 8).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + self.out(y.transpose(1, 2).reshape(batch, length, 32))
        return x + self.mlp(x)


@case((2, 9, 32))
class CausalAttention(Attention):
    def __init__(self):
        super().__init__(causal=True)


@case((2, 12, 24), dynamic=({0: "batch", 1: "length"},))
class DynamicLength(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.out = nn.Linear(24, 72), nn.Linear(24, 24)

    def forward(self, x):
        q, k, v = (t.unflatten(-1, (3, 8)).transpose(1, 2) for t in self.qkv(x).chunk(3, -1))
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


@case((2, 7, 16))
class AttentionByHand(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = nn.Linear(16, 16), nn.Linear(16, 16, bias=False), nn.Linear(16, 16)
        self.register_buffer("mask", torch.ones(7, 7).tril().bool())

    def forward(self, x):
        scores = self.q(x) @ self.k(x).transpose(-2, -1) / 16**0.5
        weights = scores.masked_fill(~self.mask, float("-inf")).softmax(-1)
        return weights @ self.v(x), weights


@case((2, 6, 16))
class TorchMultiheadAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x, need_weights=False)[0]


class TokenInputs:
    """Token numbers and a mask that keeps a prefix of each row."""

    def __init__(self, length=12, vocabulary=50):
        self.length, self.vocabulary = length, vocabulary

    def __call__(self, batch, generator):
        tokens = torch.randint(0, self.vocabulary, (batch, self.length), generator=generator)
        lengths = torch.randint(1, self.length + 1, (batch, 1), generator=generator)
        return [tokens, (torch.arange(self.length) < lengths).long()]


class Sentence(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(50, 16, padding_idx=0), nn.Embedding(12, 16)
        self.norm, self.qkv = nn.LayerNorm(16), nn.Linear(16, 48)

    def forward(self, tokens, mask):
        x = self.norm(self.words(tokens) + self.places(torch.arange(tokens.shape[1])))
        q, k, v = self.qkv(x).chunk(3, -1)
        keep = (1.0 - mask[:, None, :].to(x.dtype)) * torch.finfo(x.dtype).min
        y = F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None], attn_mask=keep[:, None]).squeeze(1)
        weight = mask.unsqueeze(-1).to(y.dtype)
        mean = (y * weight).sum(1) / weight.sum(1).clamp(min=1e-9)
        return F.normalize(mean, dim=1)


ZOO["Sentence"] = Case(Sentence, TokenInputs(), ({0: "batch"}, {0: "batch"}))


@case((1, 8, 8, 16))
class ShiftedWindows(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(16, 48)

    def forward(self, x):
        x = torch.roll(x, (-2, -2), (1, 2))
        windows = x.view(-1, 2, 4, 2, 4, 16).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, 16)
        q, k, v = self.qkv(windows).chunk(3, -1)
        y = F.scaled_dot_product_attention(q, k, v)
        y = y.view(-1, 2, 2, 4, 4, 16).permute(0, 1, 3, 2, 4, 5).reshape(x.shape)
        return torch.roll(y, (2, 2), (1, 2))


# ---- layers and operators

@case((2, 6, 5, 8))
class Norms(nn.Module):
    def __init__(self):
        super().__init__()
        self.last, self.two, self.plain = nn.LayerNorm(8), nn.LayerNorm((5, 8)), nn.LayerNorm(8, elementwise_affine=False)
        self.group, self.instance, self.rms = nn.GroupNorm(3, 6), nn.InstanceNorm2d(6, affine=True), nn.RMSNorm(8, eps=1e-6)

    def forward(self, x):
        by_hand = (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, unbiased=False) + 1e-5).sqrt()
        return self.last(x), self.two(x), self.plain(x), self.group(x), self.instance(x), self.rms(x), by_hand


@case((2, 4, 9, 7))
class StandardisedWeights(nn.Conv2d):
    """Batch norms without running statistics: of weights (NFNets, BiT), and of the batch."""

    def __init__(self):
        super().__init__(4, 6, 3)

    def forward(self, x):
        weight = F.batch_norm(self.weight.reshape(1, 6, -1), None, None, training=True, momentum=0.0, eps=1e-5).reshape_as(self.weight)
        y = self._conv_forward(F.batch_norm(x, None, None, x.new_ones(4) * 2, x.new_ones(4), training=True), weight, self.bias)
        return F.avg_pool2d(y, 2, ceil_mode=True), F.avg_pool2d(y, 3, 2, 1, ceil_mode=True, count_include_pad=False), F.avg_pool2d(y, (3, 2), ceil_mode=True, divisor_override=4)


@case((3, 40))
class Activations(nn.Module):
    def __init__(self):
        super().__init__()
        self.prelu = nn.PReLU(40, init=0.3)

    def forward(self, x):
        return tuple(f(x) for f in (
            F.gelu, lambda t: F.gelu(t, approximate="tanh"), F.silu, F.mish, F.elu, F.selu, F.celu, F.relu6, F.hardswish,
            F.hardsigmoid, F.hardtanh, F.softplus, F.logsigmoid, F.leaky_relu, F.glu, torch.tanh, torch.sigmoid,
            F.hardshrink, F.softshrink, self.prelu, lambda t: F.threshold(t, 0.1, -2.0), lambda t: t * torch.erf(t)))


@case((2, 5, 12), dynamic=({0: "batch"},))
class GeluInEveryForm(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(12, 12)

    def forward(self, x):
        y = self.linear(x)
        new = 0.5 * y * (1.0 + torch.tanh((2.0 / torch.pi) ** 0.5 * (y + 0.044715 * torch.pow(y, 3.0))))
        exact = y * 0.5 * (1.0 + torch.erf(y / 2.0**0.5))
        return new, exact, F.gelu(y), F.gelu(y, approximate="tanh"), y * torch.sigmoid(1.702 * y)


@function("CatSplitStack", (4, 6, 8), (4, 6, 8), dynamic=({0: "batch"}, {0: "batch"}))
def cat_split_stack(x, y):
    a, b, c = torch.cat([x, y], 1).split([3, 4, 5], 1)
    d, e = x.chunk(2, -1)
    stacked = torch.stack([a[:, :3], b[:, :3], c[:, 1:4]], 1)
    return stacked, torch.cat([e, d * 2], -1), torch.hstack([d, e]), sum(y.unbind(1)), torch.stack([x, y], -1).flatten(1)


@function("Views", (2, 3, 4, 6))
def views(x):
    return (x.permute(3, 0, 2, 1).reshape(6, -1), x.transpose(1, 3)[:, 1::2], x[:, None, -1, ::2, 1:-1], x.flip(1, 3),
            x.roll((1, -2), (2, 3)), x.unsqueeze(1).expand(2, 5, 3, 4, 6).flatten(0, 1), x.unfold(3, 3, 2),
            x.movedim(0, -1).squeeze(), x.repeat(1, 2, 1, 3), x.repeat_interleave(2, 1), x.diagonal(dim1=2, dim2=3),
            x.tril(1), x.triu(-1), x.unflatten(3, (2, 3)), x.narrow(2, 1, 2), x.select(1, -1))


@function("Reductions", (3, 5, 7))
def reductions(x):
    return (x.sum(), x.mean((0, 2)), x.amax(1), x.amin(-1, keepdim=True), x.var(1), x.std((1, 2), correction=0), x.argmax(2),
            x.softmax(1), x.log_softmax(-1), x.logsumexp((0, 1)), x.norm(dim=1), x.prod(2), (x > 0).any(1), (x > -3).all(),
            x.max(1).values, x.max(1).indices, x.cumsum(2), x.cumprod(1), x.sort(dim=2).values, x.topk(3, dim=1).values,
            x.argmin(), torch.var_mean(x, (1, 2), correction=1)[0], F.cosine_similarity(x, x + 1, 2), x.count_nonzero(1))


@function("Arithmetic", (2, 4, 5), (1, 4, 1))
def arithmetic(x, y):
    z = y.abs() + 0.5
    return (x + y * 2, x - y, y / z, x.pow(3), z.pow(x), 2.0**x, torch.maximum(x, y), x.clamp(-0.5, 0.7), torch.atan2(x, z),
            x.floor() + x.ceil() + x.round() + x.trunc(), x.remainder(0.7), torch.fmod(x, 0.7), z.log() + z.log2() + z.log1p(),
            z.rsqrt() * z.sqrt() + z.reciprocal(), x.exp() + x.expm1(), x.sin() * x.cos(), torch.where(x > y, x, y * 2),
            torch.lerp(x, y.expand_as(x), 0.3), torch.addcmul(x, x, y, value=0.5), x.sign() + x.square(), torch.hypot(x, y),
            (x > y) & (x < 1) | ~(y == 0), x.masked_fill(x > 0, -1.0), x.nan_to_num(), torch.div(x, z, rounding_mode="floor"))


@function("Indexing", (3, 6, 8))
def indexing(x):
    index = (x * 10).long().abs() % 6
    rows = torch.tensor([1, 0, 0, 1])
    return (x[rows], x[:, [5, 1]], x.index_select(1, torch.tensor([4, 4, 0])), x.gather(1, index), x[rows, rows + 1],
            torch.zeros_like(x).scatter(1, index[:, :1], x[:, :1]), x.take_along_dim(x.argsort(1), 1),
            torch.zeros(2, 8).index_add(0, rows, x[0, :4]))


class InPlace(nn.Module):
    def forward(self, x):
        y = (x + 0.1).clone()
        y.mul_(2).add_(x).relu_()
        z = y.clone().sigmoid_()
        z += y
        return y, z.clamp_(min=0.2).sub_(y)


case((3, 5, 4))(InPlace)


@function("Products", (2, 3, 4, 5), (2, 3, 5, 6), (2, 5))
def products(x, y, v):
    flat = x.flatten(1, 2)
    return (x @ y, torch.bmm(flat, flat.transpose(1, 2)), flat @ v[0], torch.addmm(x[0, 0], x[1, 0], y[0, 0, :, :5], alpha=0.5),
            torch.einsum("bhqd,bhdk->bqhk", x, y), v[0].dot(v[1]), torch.outer(v[0], v[1]),
            torch.baddbmm(flat[:, :, :4], flat, flat[:, :4].transpose(1, 2), beta=0.3), v @ x[0, 0].t())


@case((2, 10))
class LinearChain(nn.Module):
    """Odd sizes, shared weights, one very wide and one very narrow layer."""

    def __init__(self):
        super().__init__()
        self.first, self.shared, self.narrow, self.wide = nn.Linear(10, 33), nn.Linear(33, 33), nn.Linear(33, 1), nn.Linear(33, 257)

    def forward(self, x):
        x = torch.tanh(self.shared(self.shared(self.first(x))))
        return self.narrow(x).squeeze(-1), self.wide(x)


class Interface(nn.Module):
    """Nested outputs, an input that passes through, a constant, an input that is not used, a scalar."""

    def __init__(self):
        super().__init__()
        self.register_buffer("table", torch.arange(4.0))

    def forward(self, x, scale, unused):
        return {"sum": x.sum() * scale, "pair": (x, self.table), "again": [x * scale]}


ZOO["Interface"] = Case(Interface, lambda batch, g: [torch.randn(batch, 4, generator=g), torch.rand((), generator=g),
                                                     torch.zeros(3, dtype=torch.int64)], ({0: "batch"}, None, None))


class Integers(nn.Module):
    def forward(self, n, flags):
        return (n * 3 - 1, n // 4, n % 5, n << 2, n.to(torch.float32) / 3, n.clamp(-2, 9), n.sum(1), n.cumsum(1), flags & (n > 2),
                flags.logical_not(), torch.where(flags, n, -n), n.to(torch.int32) + 7, n.to(torch.float64).sqrt().nan_to_num(0.0))


ZOO["Integers"] = Case(Integers, lambda batch, g: [torch.randint(-20, 20, (batch, 6), generator=g),
                                                   torch.rand(batch, 6, generator=g) > 0.5], ({0: "batch"}, {0: "batch"}))


class WrappingIntegers(nn.Module):
    """Short integers lose the bits beyond theirs at every step, in the middle of a kernel, too."""

    def forward(self, x, y, z):
        widened = (x * y).to(torch.int64) + 1, (z * z * z).to(torch.int64), (x << 3).to(torch.int32), z * z < 0
        narrowed = (z.to(torch.int8) * 2).float(), (-z).to(torch.int16).to(torch.int32) + z
        return *widened, *narrowed, (x - y).sum(1), (x + 200) // 3


ZOO["WrappingIntegers"] = Case(WrappingIntegers, lambda batch, g: [
    torch.randint(0, 255, (batch, 6), generator=g, dtype=torch.uint8), torch.randint(0, 255, (batch, 6), generator=g, dtype=torch.uint8),
    torch.randint(-100000, 100000, (batch, 6), generator=g, dtype=torch.int32)], ({0: "batch"}, {0: "batch"}, {0: "batch"}))


class Layout(enum.Enum):
    rows = 1
    columns = 2


class EnumAndParameters(nn.Module):
    """An attribute that is of an Enum, as timm's networks have, and a list of parameters."""

    def __init__(self):
        super().__init__()
        self.layout = Layout.columns
        self.scales = nn.ParameterList([torch.randn(5), torch.randn(5)])

    def forward(self, x):
        if self.layout == Layout.columns:
            x = x * 2
        for scale in self.scales:
            x = x + scale
        return x


ZOO["EnumAndParameters"] = Case(EnumAndParameters, lambda batch, g: [torch.randn(batch, 5, generator=g)], ({0: "batch"},))


class ScaledIntegers(nn.Module):
    """Integers times floats of Python, which are f32, as in the embeddings of time of diffusion models."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 3)

    def forward(self, t, mask):
        waves = t[:, None] * torch.exp(torch.arange(4) * -0.5)[None]
        return self.layer(torch.cat([waves.sin(), waves.cos()], 1)) + mask[:, :3] * -10000.0, t / 3, t + 0.5


ZOO["ScaledIntegers"] = Case(ScaledIntegers, lambda batch, g: [
    torch.randint(0, 100, (batch,), generator=g), torch.rand(batch, 4, generator=g) > 0.5], ({0: "batch"}, {0: "batch"}))


class Adjoints(nn.Module):
    def forward(self, x, y):
        z = torch.complex(x, y)
        return torch.view_as_real(z.mH.resolve_conj()), torch.view_as_real(torch.adjoint(z) @ z), x.mH


ZOO["Adjoints"] = Case(Adjoints, lambda batch, g: [torch.randn(batch, 3, 4, generator=g), torch.randn(batch, 3, 4, generator=g)])


class ShapesInPlace(nn.Module):
    """Operators that give a tensor another shape in place."""

    def forward(self, x):
        y = x.clone()
        y.unsqueeze_(0)
        z = x + 1
        z.t_()
        w = z.clone()
        w.transpose_(0, 1)
        return y * 2, z @ w, y.shape[1] + w


ZOO["ShapesInPlace"] = Case(ShapesInPlace, lambda batch, g: [torch.randn(batch, 4, generator=g)])


class Double(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 2))
        self.double()


ZOO["Double"] = Case(Double, lambda batch, g: [torch.randn(batch, 6, generator=g, dtype=torch.float64)])


class BrainFloat(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5))
        self.bfloat16()

    def forward(self, x):
        return super().forward(x.to(torch.bfloat16)).float()


ZOO["BrainFloat"] = Case(BrainFloat, lambda batch, g: [torch.randn(batch, 3, 8, 8, generator=g)])


class RandomChain(nn.Module):
    """Layers drawn at random, each followed by a random elementwise operator; skips where shapes allow."""

    def __init__(self):
        super().__init__()
        channels, self.layers = 8, nn.ModuleList()
        for _ in range(8):
            outputs = int(torch.randint(1, 20, ()))
            kind = int(torch.randint(0, 5, ()))
            kernel = (1, 3, 5)[int(torch.randint(0, 3, ()))]
            if kind == 0:
                layer = nn.Conv2d(channels, outputs, kernel, padding=kernel // 2)
            elif kind == 1:
                layer, outputs = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels), channels
            elif kind == 2:
                layer, outputs = norm_with_statistics(nn.BatchNorm2d(channels)), channels
            elif kind == 3:
                layer, outputs = nn.GroupNorm(1, channels), channels
            else:
                layer, outputs = nn.AvgPool2d(3, 1, 1), channels
            self.layers.append(layer)
            channels = outputs
        acts = [F.relu, F.silu, torch.sigmoid, F.gelu, torch.abs, F.hardswish, lambda t: t, torch.tanh]
        self.acts = [acts[int(torch.randint(0, len(acts), ()))] for _ in self.layers]

    def forward(self, x):
        for layer, act in zip(self.layers, self.acts, strict=True):
            y = act(layer(x))
            x = x + y if x.shape == y.shape else y
        return x, x.mean((2, 3))


for _i in range(4):
    ZOO[f"RandomChain{_i}"] = Case(RandomChain, lambda batch, g: [torch.randn(batch, 8, 11, 13, generator=g)], ({0: "batch"},))
