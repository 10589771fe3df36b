"""Makes the small programs that the importer's tests read: python make_testdata.py [NAME ...]

Run it with each PyTorch whose layout is to be tested; the file is named after that version: small_2_15.pt2.
All programs are also made by the newest one: mutates.pt2, unknown_ops.pt2, symbols.pt2,
data_sizes.pt2, control.pt2, constants.pt2.
"""

import pathlib
import sys

import torch
from torch import nn
from torch._higher_order_ops import while_loop

HERE = pathlib.Path(__file__).resolve().parent


class Small(nn.Module):
    """A parameter of each kind that an archive stores differently: plain, strided, shared, buffer, lifted constant."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 3)
        self.head.weight = nn.Parameter(torch.randn(4, 3).t())
        self.register_buffer("scale", torch.arange(3.0))
        self.register_buffer("shift", torch.ones(3), persistent=False)

    def forward(self, x):
        y = torch.relu(self.norm(self.conv(x))).mean((2, 3))
        y = self.head(y) * self.scale + self.shift
        return y + torch.tensor([0.5, 1.5, 2.5]), y.reshape(y.shape[0] * 3)


class Mutates(nn.Module):
    """Writes to a buffer and to its input."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x):
        self.calls.add_(1)
        x[0].mul_(2)
        return x + self.calls


class UnknownOps(nn.Module):
    """Operators that aitune does not have, one of them twice."""

    def forward(self, x):
        y = torch._standard_gamma(x)
        return torch._sample_dirichlet(y) + torch._standard_gamma(x + 1)


class Symbols(nn.Module):
    """Arithmetic on sizes."""

    def forward(self, x, y):
        batch, length = x.shape[0], x.shape[1]
        flat = x.reshape(batch * length, 8)
        numbers = torch.arange(batch + 2 * length - 1)
        return flat, x[:, : length - 2], numbers, torch.cat([x, y])


class Constants(nn.Module):
    """Arguments of every kind: numbers, lists, None, dtype, infinity, string."""

    def forward(self, x, mask):
        y = x.masked_fill(mask, float("-inf")).softmax(-1, dtype=torch.float64)
        return torch.nn.functional.gelu(y.to(torch.float32), approximate="tanh"), x[None].expand(2, 3, 4), x.mean()


class DataSizes(nn.Module):
    """Sizes that data decide: of a mask, twice, of positions, and a number with a limit."""

    def forward(self, x, n):
        k = n.item()
        torch._check(k >= 0)
        torch._check(k <= x.shape[0])
        keep = x[:, 0] > 0
        return x[keep] + (x * 2)[keep], torch.nonzero(keep), x[:k]

class Control(nn.Module):
    """A loop, and branches in it and before it, with weights inside."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x, n):
        def going(i, x):
            return i < n

        def body(i, x):
            return i + 1, torch.cond(x.sum() > 0, lambda x: x - 1, lambda x: self.layer(x), (x,))

        y, z = torch.cond(x.max() > 1, lambda x: (x.sin(), x.clone()), lambda x: (x + 1, x.relu()), (x,))
        return while_loop(going, body, (torch.zeros_like(n), y))[1], z


def save(name, model, inputs, shapes=None):
    torch.manual_seed(0)
    program = torch.export.export(model.eval(), inputs, dynamic_shapes=shapes, strict=False)
    graphs = [module.graph for module in program.graph_module.modules() if isinstance(module, torch.fx.GraphModule)]
    for node in (node for graph in graphs for node in graph.nodes):  # small, without the folders of whoever made them
        for key in ("from_node", "source_fn_stack", "torch_fn"):
            node.meta.pop(key, None)
        if "stack_trace" in node.meta:
            node.meta["stack_trace"] = node.meta["stack_trace"].replace(f"{HERE}/", "").replace(sys.prefix, "site")
    torch.export.save(program, HERE / f"{name}.pt2")
    print(f"{name}.pt2: {(HERE / f'{name}.pt2').stat().st_size} bytes")


def main():
    torch.manual_seed(0)
    version = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    batch = torch.export.Dim("batch", min=1, max=16)
    length = torch.export.Dim("length", min=4, max=64)
    programs = {f"small_{version[0]}_{version[1]}": (Small(), (torch.randn(2, 1, 5, 5),), ({0: batch},))}
    if version >= (2, 15):
        pair = (torch.randn(3, 5, 8), torch.randn(6, 5, 8))
        programs |= {
            "mutates": (Mutates(), (torch.randn(2, 3),)),
            "unknown_ops": (UnknownOps(), (torch.rand(2, 3),)),
            "symbols": (Symbols(), pair, ({0: batch, 1: length}, {0: 2 * batch, 1: length})),
            "data_sizes": (DataSizes(), (torch.randn(5, 3), torch.tensor(2)), ({0: batch}, None)),
            "control": (Control(), (torch.randn(2, 3), torch.tensor(2))),
            "constants": (Constants(), (torch.randn(3, 4), torch.rand(3, 4) > 0.5)),
        }
    for name in sys.argv[1:] or programs:
        save(name, *programs[name])


if __name__ == "__main__":
    main()
