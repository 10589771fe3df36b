#!/usr/bin/env python3
"""Writes the TorchScript files that the importer's tests read, with PyTorch: features_scripted.pt, features_traced.pt, and
for each of a few small networks NAME.pt2, NAME_scripted.pt and NAME_traced.pt, which hold the same weights."""

import pathlib
import sys
import warnings
from typing import Dict, List, NamedTuple, Optional

import torch
from torch import nn
from torch.nn import functional as F

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[3] / "tests/fixtures"))
import neutral_paths  # noqa: E402
warnings.filterwarnings("ignore")


class Pair(NamedTuple):
    left: torch.Tensor
    count: int


class Features(nn.Module):
    """What scripts are made of."""

    scale: torch.jit.Final[float]

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Dropout(0.1)])
        self.register_buffer("offset", torch.arange(4.0))
        self.scale = 0.5
        self.names = ["a", "b"]

    def helper(self, x, k: int = 2):
        return x * k

    def forward(self, x: torch.Tensor, y: Optional[torch.Tensor] = None, n: int = 2):
        assert x.dim() == 2, f"bad shape {x.shape}"
        parts: List[torch.Tensor] = []
        for i in range(n):
            parts.append(self.helper(x, i + 1))
        found: Dict[str, torch.Tensor] = {"first": parts[0]}
        if y is not None:
            x = x + y
        for layer in self.layers:
            x = layer(x)
        count = 0
        for name in self.names:
            if name == "a":
                continue
            count += 1
        while n > 0:
            n -= 1
            x = x - self.scale
        pair = Pair(x + self.offset, count)
        return torch.cat(parts + [pair.left * pair.count], 1), found["first"].reshape(x.size(0) * 2, -1)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.depthwise, self.head = nn.Conv2d(8, 8, 3, 2, 1, groups=8), nn.Linear(8, 5)

    def forward(self, x):
        y = F.relu(self.norm(self.conv(x)))
        y = F.hardswish(self.depthwise(y)) + F.max_pool2d(y, 2)
        return self.head(F.adaptive_avg_pool2d(y, 1).flatten(1))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.qkv, self.out = nn.LayerNorm(16), nn.Linear(16, 48), nn.Linear(16, 16)

    def forward(self, x):
        q, k, v = self.qkv(self.norm(x)).reshape(2, 5, 3, 4, 4).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(2, 5, 16)
        return x + F.gelu(self.out(y))


class Mixer(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 8), nn.SiLU(), nn.Linear(8, 6))
        self.register_buffer("mask", torch.arange(6) % 2 == 0)

    def forward(self, x):
        y = self.layers(x).masked_fill(self.mask, 0.0)
        return torch.softmax(y, -1) * 2 + x[:, :1], torch.cat([y, x], 1).mean(1)


NETWORKS = {"block": (Block, (2, 3, 8, 8)), "attention": (Attention, (2, 5, 16)), "mixer": (Mixer, (3, 6))}


def main():
    torch.manual_seed(1)
    features = Features().eval()
    torch.jit.save(torch.jit.script(features), HERE / "features_scripted.pt")
    torch.jit.save(torch.jit.trace(features, torch.rand(3, 4)), HERE / "features_traced.pt")
    for name, (network, shape) in NETWORKS.items():
        model, x = network().eval(), torch.rand(shape)
        with torch.no_grad():
            torch.export.save(torch.export.export(model, (x,), strict=False), HERE / f"{name}.pt2")
            torch.jit.save(torch.jit.script(model), HERE / f"{name}_scripted.pt")
            torch.jit.save(torch.jit.trace(model, x), HERE / f"{name}_traced.pt")
    for path in [*HERE.glob("*.pt"), *HERE.glob("*.pt2")]:
        neutral_paths.rewrite(path)


if __name__ == "__main__":
    main()
