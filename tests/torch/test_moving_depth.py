"""What the CPU engine compiles where the reduced dimension moves: attention over a cache of any length, matrix products, means, numbers
made of sizes. `require_full_compilation` makes whatever would be left to the reference engine an error."""

import warnings

import pytest
import support
import torch
from test_region_sizes import tune_and_check
from torch import nn
from torch.nn import functional

warnings.filterwarnings("ignore", category=FutureWarning)


class DecodeStep(nn.Module):
    """A decoder's step: one token, its keys and values behind those of the cache, which goes out again."""

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(32, 32) for _ in range(4))

    def forward(self, x, keys, values, mask):
        def split(t):
            return t.view(t.shape[0], t.shape[1], 4, 8).transpose(1, 2)

        keys, values = torch.cat([keys, split(self.k(x))], 2), torch.cat([values, split(self.v(x))], 2)
        y = functional.scaled_dot_product_attention(split(self.q(x)), keys, values, attn_mask=mask)
        return self.out(y.transpose(1, 2).flatten(2)), keys, values


class Encoder(nn.Module):
    """Attention of a sequence to itself: by hand, and causal."""

    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(16, 48)

    def forward(self, x):
        q, k, v = self.qkv(x).view(x.shape[0], x.shape[1], 3, 2, 8).permute(2, 0, 3, 1, 4)
        weights = torch.softmax(q @ k.transpose(-2, -1) / 8**0.5, -1)
        return weights @ v, functional.scaled_dot_product_attention(q, k, v, is_causal=True)


class Products(nn.Module):
    """mm, bmm and broadcast products along a size that moves; operands that are transposed."""

    def forward(self, x, y):
        gram = x.flatten(0, 1).t() @ x.flatten(0, 1)
        return gram, x.transpose(1, 2) @ y, torch.bmm(y.transpose(1, 2), x) + 1, torch.einsum("bsi,bsj->ij", x, y)


class Sizes(nn.Module):
    """Numbers made of sizes, and means over dimensions that move."""

    def forward(self, x):
        n = x.shape[1]
        return x * n + n, x.mean(1), x.var((0, 1)), torch.arange(n, n + 4) * n, functional.layer_norm(x.transpose(1, 2), [x.shape[1]])


class Scans(nn.Module):
    """Sums and products up to each element, along either dimension, of floats, whole numbers and bools; and a long one."""

    def __init__(self):
        super().__init__()
        self.long = nn.Parameter(torch.randn(3, 1000))

    def forward(self, x):
        mask = x > 0
        return x.cumsum(1), x.transpose(1, 2).cumsum(2), mask.cumsum(1) * mask, (x / 8 + 1).cumprod(1), \
            (self.long * x[0, 0, 0]).cumsum(1) * 0.5


def moving(name, dim):
    return {dim: torch.export.Dim(name, min=1, max=256)}


def cache(batch, past, generator):
    return [torch.randn(batch, 1, 32, generator=generator), torch.randn(batch, 4, past, 8, generator=generator),
            torch.randn(batch, 4, past, 8, generator=generator), torch.randn(batch, 1, 1, past + 1, generator=generator)]


past = torch.export.Dim("past", min=1, max=256)
CASES = {
    "DecodeStep": (DecodeStep, (None, {2: past}, {2: past}, {3: past + 1}), lambda n, g: cache(2, n, g)),
    "Encoder": (Encoder, (moving("length", 1),), lambda n, g: [torch.randn(2, n, 16, generator=g)]),
    "Products": (Products, (moving("length", 1), moving("length", 1)),
                 lambda n, g: [torch.randn(2, n, 5, generator=g), torch.randn(2, n, 19, generator=g)]),
    "Scans": (Scans, (moving("length", 1),), lambda n, g: [torch.randn(2, n, 3, generator=g)]),
    "Sizes": (Sizes, (moving("length", 1),), lambda n, g: [torch.randn(2, n, 6, generator=g)]),
}


@pytest.mark.parametrize("name", CASES)
def test_compiled(name, tmp_path, generator):
    torch.manual_seed(0)
    kind, shapes, make = CASES[name]
    model = kind().eval()
    samples = [make(n, generator) for n in (7, 2, 65, 200)]
    support.export(model, samples[0], tmp_path / "model.pt2", shapes)
    tune_and_check(tmp_path, tmp_path / "model.pt2", model, samples, words=("--set", "require_full_compilation=true"))
