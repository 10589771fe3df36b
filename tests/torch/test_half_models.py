"""Models whose weights are float16 or bfloat16, as checkpoints come: everything is compiled, and no less exact than PyTorch."""

import copy

import pytest
import support
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812


class Images(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.SiLU())
        self.deep = nn.Sequential(nn.Conv2d(16, 16, 3, 1, 1, groups=16), nn.GroupNorm(4, 16), nn.Conv2d(16, 24, 1), nn.Hardswish())
        self.head = nn.Linear(24, 10)

    def forward(self, x):
        y = self.deep(F.max_pool2d(self.stem(x), 2))
        return self.head(F.adaptive_avg_pool2d(y, 1).flatten(1)).softmax(-1)

    shapes = [(2, 3, 32, 40)]


class Norm(nn.Module):
    """As language models write it: the mean in float32, the product in the model's type."""

    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(width) + 0.5)

    def forward(self, x):
        y = x.float()
        return self.weight * (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + 1e-6)).to(x.dtype)


class Step(nn.Module):
    """A layer of a language model: one step, with its cache as inputs and outputs."""

    def __init__(self):
        super().__init__()
        self.norm, self.last = Norm(32), Norm(32)
        self.qkv, self.out = nn.Linear(32, 96, bias=False), nn.Linear(32, 32, bias=False)
        self.gate, self.up, self.down = nn.Linear(32, 64, bias=False), nn.Linear(32, 64, bias=False), nn.Linear(64, 32, bias=False)

    def forward(self, x, keys, values):
        q, k, v = self.qkv(self.norm(x)).reshape(x.shape[0], 1, 3, 4, 8).permute(2, 0, 3, 1, 4).unbind(0)
        keys, values = torch.cat([keys, k], 2), torch.cat([values, v], 2)
        y = F.scaled_dot_product_attention(q, keys, values).transpose(1, 2).reshape(x.shape)
        x = x + self.out(y)
        y = self.last(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y)), keys, values

    shapes = [(2, 1, 32), (2, 4, 6, 8), (2, 4, 6, 8)]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["f16", "bf16"])
@pytest.mark.parametrize("network", [Images, Step])
@pytest.mark.parametrize("ir", ["dynamo", "ts", "fx"])
def test_all_of_it_is_compiled(network, dtype, ir, tmp_path, generator):
    torch.manual_seed(generator.initial_seed())
    exact = network().eval()
    half = copy.deepcopy(exact).to(dtype)
    draw = lambda: [torch.randn(shape, generator=generator).to(dtype) for shape in network.shapes]  # noqa: E731
    bound = 4e-3 if dtype == torch.float16 else 3e-2
    report = support.check_compiled(half, draw(), [draw(), draw()], tmp_path, ir=ir, bound=bound)
    assert report["compiled_share"] == 1
    if dtype == torch.bfloat16 and support.has_bf16():
        assert any(tried["precision"] == "bf16" for tried in report["candidates"])
    # The rest of a float16 model is computed in float32: nearer to the truth than rounding everywhere.
    if dtype == torch.float16:
        inputs = draw()
        support.must("run", tmp_path / "model.ait", "-i", support.write_inputs(tmp_path / "x.npz", inputs), "-o", tmp_path / "y.npz")
        with torch.no_grad():
            truth = support.tensors_of(copy.deepcopy(half).float()(*[x.float() for x in inputs]))
            eager = support.tensors_of(half(*inputs))
        for got, other, want in zip(support.read_outputs(tmp_path / "y.npz"), eager, truth, strict=True):
            ours, theirs = (support.relative_error(y, want.numpy()) for y in (got, other.float().numpy()))
            assert ours <= max(1.1 * theirs, 2**-11), f"ours is off by {ours:.1e}, PyTorch by {theirs:.1e}"


class Order(nn.Module):
    """Ties of rounded numbers: which is first, what is equal, what is the next integer."""

    def forward(self, x, y):
        z = x * y
        return z.argmax(-1), torch.topk(z, 3).values, (z == x), torch.floor(z * 8)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["f16", "bf16"])
def test_ties_are_those_of_the_model(dtype, tmp_path, generator):
    model = Order().eval()
    draw = lambda: [torch.rand(16, 200, generator=generator).to(dtype) for _ in range(2)]  # noqa: E731
    torch.export.save(torch.export.export(model, tuple(draw())), tmp_path / "model.pt2")
    support.must("tune", tmp_path / "model.pt2", "-i", support.write_inputs(tmp_path / "in.npz", draw()), "-o", tmp_path / "model.ait",
                 *support.FAST)
    inputs = draw()
    support.must("run", tmp_path / "model.ait", "-i", support.write_inputs(tmp_path / "x.npz", inputs), "-o", tmp_path / "y.npz")
    support.check_same(support.read_outputs(tmp_path / "y.npz"), list(model(*inputs)), 0, "ties")


class Rounding(nn.Module):
    """A float32 model that rounds on purpose."""

    def __init__(self, dtype):
        super().__init__()
        self.dtype = dtype

    def forward(self, x):
        return x.to(self.dtype).float() * 3 - x


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["f16", "bf16"])
def test_a_rounding_that_is_meant_is_done(dtype, tmp_path, generator):
    """Over the range of float16, its subnormal numbers, and what is too large for it."""

    def draw():
        x = 10 ** (torch.rand(4, 500, generator=generator) * 15 - 9) * (torch.randint(2, (4, 500), generator=generator) * 2 - 1)
        x[0, :5] = torch.tensor([0.0, torch.inf, -torch.inf, torch.nan, 65519.0])
        return [x]

    support.check_compiled(Rounding(dtype), draw(), [draw()], tmp_path, bound=0 if dtype == torch.float16 else 1e-7)
