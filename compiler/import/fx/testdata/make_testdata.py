"""Makes the files beside it with PyTorch: GraphModules as torch.save writes them, and what PyTorch computes with them.

    .venv-torch/bin/python compiler/import/fx/testdata/make_testdata.py
"""

import pathlib

import numpy as np
import torch
import torch.fx
from torch import nn

HERE = pathlib.Path(__file__).parent


class Small(nn.Module):
    """Leaf modules, functions, methods, sizes, a buffer, a write in place, an input with a default."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.head = nn.Linear(4, 5)
        self.dropout = nn.Dropout(0.2)
        self.register_buffer("scale", torch.linspace(0.5, 1.5, 4))

    def forward(self, x, shift=None):
        y = self.stem(x)
        y = torch.nn.functional.max_pool2d(y, 2)
        y += 0.25
        y = y.view(x.size(0), y.shape[1], -1).mean(dim=-1) * self.scale
        return {"logits": self.dropout(self.head(y)), "features": y[:, 1:]}


class Leaves(torch.fx.Tracer):
    """Keeps GraphModules whole."""

    def is_leaf_module(self, module, name):
        return isinstance(module, torch.fx.GraphModule) or super().is_leaf_module(module, name)


def nested(inner):
    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            return self.inner(x)["logits"] + self.inner(x * 2)["logits"]

    outer = Outer().eval()
    return torch.fx.GraphModule(outer, Leaves().trace(outer))


def main():
    torch.manual_seed(3)
    small = Small()
    for tensor in (small.stem[1].running_mean, small.stem[1].weight.data):
        tensor.uniform_(0.5, 1.5)
    traced = torch.fx.symbolic_trace(small.eval())
    x = torch.randn(2, 3, 6, 6)
    with torch.no_grad():
        y = traced(x)
        z = nested(traced)(x)
    torch.save(traced, HERE / "small.pt")
    torch.save(traced, HERE / "small_protocol4.pt", pickle_protocol=4)
    torch.save(nested(traced), HERE / "nested.pt")
    np.savez(HERE / "small.npz", x=x, logits=y["logits"], features=y["features"], nested=z)


if __name__ == "__main__":
    main()
