"""Exports a network with the operators of mylib.c, as PyTorch knows them: `export_model.py model.pt2 input.npy`."""
import sys

import numpy
import torch


@torch.library.custom_op("mylib::scaled_tanh", mutates_args=())
def scaled_tanh(x: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.tanh(x)


@scaled_tanh.register_fake
def _(x, scale=1.0):
    return torch.empty_like(x)


@torch.library.custom_op("mylib::fold", mutates_args=())
def fold(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return x[..., 0::2] + x[..., 1::2], x[..., 0::2] - x[..., 1::2]


@fold.register_fake
def _(x):
    half = x.new_empty((*x.shape[:-1], x.shape[-1] // 2))
    return half, torch.empty_like(half)


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = torch.nn.Linear(8, 16), torch.nn.Linear(8, 4)

    def forward(self, x):
        low, high = torch.ops.mylib.fold(torch.relu(self.first(x)))
        return self.last(torch.ops.mylib.scaled_tanh(low, 0.5) + torch.ops.mylib.scaled_tanh(high))


if __name__ == "__main__":
    torch.manual_seed(0)
    x = torch.randn(3, 8)
    batch = torch.export.Dim("batch", min=1, max=64)
    torch.export.save(torch.export.export(Network().eval(), (x,), dynamic_shapes=({0: batch},)), sys.argv[1])
    numpy.save(sys.argv[2], x.numpy())
