"""torch.equal, whose answer is a bool of Python's, and torchvision's pooling of regions, in all forms that can hold them."""

import warnings

import pytest
import support
import torch
from test_region_sizes import tune_and_check
from torch import Tensor, nn
from torchvision import ops

warnings.filterwarnings("ignore", category=FutureWarning)


class Equal(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("kept", torch.ones(4, 3))

    def forward(self, x: Tensor, y: Tensor):
        z = x * 2
        if torch.equal(x, y):
            z = x + 1
        return z, torch.equal(x, x), torch.equal(x.sum(), y.sum()), torch.equal(x, self.kept)


class Shaped(nn.Module):
    """Sizes that move apart, and ranks that differ."""

    def forward(self, x: Tensor, y: Tensor):
        z = x.sum()
        if torch.equal(x, y):
            z = z + 1
        if torch.equal(x, x[:2]):
            z = z + 2
        if torch.equal(x, x[0]):
            z = z + 4
        return z


def pairs(*sizes):
    for n, m in sizes:
        x = torch.randn(n, 3)
        y = torch.cat([x, x])[:m].clone()
        yield [x, y]
        yield [x, y + (torch.arange(3) == 2)]


def test_equal_scripted(tmp_path):
    x = torch.randint(-9, 9, (4, 3)).float()  # sums are the same in any order
    nan = torch.full((4, 3), torch.nan)
    samples = [[x, x.clone()], [x, x + 1], [nan, nan], [x, x.roll(1, 0)], [torch.ones(4, 3), x]]
    torch.jit.save(torch.jit.script(Equal()), tmp_path / "model.pt")
    tune_and_check(tmp_path, tmp_path / "model.pt", Equal(), samples)


def test_equal_of_sizes_that_move(tmp_path):
    samples = list(pairs((2, 3), (5, 4), (3, 3), (2, 2), (4, 6)))
    torch.jit.save(torch.jit.script(Shaped()), tmp_path / "model.pt")
    tune_and_check(tmp_path, tmp_path / "model.pt", Shaped(), samples, tuning=len(samples))


class Answer(nn.Module):
    def forward(self, x, y):
        return x * 2, torch.equal(x, y), torch.equal(x, y[0])


def test_equal_traced_by_fx(tmp_path):
    x = torch.randn(4, 3)
    torch.save(torch.fx.symbolic_trace(Answer()), tmp_path / "model.pt")
    tune_and_check(tmp_path, tmp_path / "model.pt", Answer(), [[x, x.clone()], [x, x + 1]])


class Pools(nn.Module):
    def __init__(self):
        super().__init__()
        self.align, self.pool = ops.RoIAlign((2, 3), 0.5, 2, True), ops.RoIPool((2, 3), 0.5)
        self.ps_align, self.ps_pool = ops.PSRoIAlign(2, 0.5, 2), ops.PSRoIPool(2, 0.5)

    def forward(self, x: Tensor, rois: Tensor):
        x = x * 2
        return self.align(x, rois), self.pool(x, rois), self.ps_align(x, rois), self.ps_pool(x, rois)


class ListedPools(nn.Module):
    def forward(self, x: Tensor, a: Tensor, b: Tensor):
        return ops.roi_pool(x, [a, b], (2, 2)), ops.roi_align(x, [a, b], (2, 1), 0.5)


def regions(count):
    corners = torch.rand(count, 2) * 8
    return torch.cat([torch.randint(0, 2, (count, 1)).float(), corners, corners + 2 + torch.rand(count, 2) * 8], 1)


class Leaves(torch.fx.Tracer):
    def is_leaf_module(self, module, name):
        return module.__module__.startswith("torchvision.ops") or super().is_leaf_module(module, name)


@pytest.mark.parametrize("ir", ["dynamo", "ts", "fx"])
def test_regions(ir, tmp_path):
    torch.manual_seed(0)
    model, samples = Pools().eval(), [[torch.randn(2, 12, 9, 11), regions(n)] for n in (5, 3)]
    file = tmp_path / ("model.pt2" if ir == "dynamo" else "model.pt")
    if ir == "dynamo":
        count = torch.export.Dim("count", min=1, max=20)
        support.export(model, samples[0], file, {"x": None, "rois": {0: count}})
    elif ir == "ts":
        torch.jit.save(torch.jit.script(model), file)
    else:
        torch.save(torch.fx.GraphModule(model, Leaves().trace(model)), file)
    tune_and_check(tmp_path, file, model, samples, tuning=1 if ir == "dynamo" else 2)


def test_lists_of_regions(tmp_path):
    model = ListedPools().eval()
    sample = [torch.randn(2, 4, 9, 11), regions(3)[:, 1:], regions(2)[:, 1:]]
    torch.jit.save(torch.jit.script(model), tmp_path / "model.pt")
    tune_and_check(tmp_path, tmp_path / "model.pt", model, [sample])


def test_functions_that_fx_keeps_whole(tmp_path):
    class Functions(nn.Module):
        def __init__(self):
            super().__init__()
            self.align, self.pool = ops.RoIAlign(2, 0.5, 2), ops.PSRoIPool(2, 0.5)

        def forward(self, x, rois):
            return self.align(x, rois), self.pool(x, rois)

    torch.manual_seed(0)
    model = Functions().eval()
    torch.save(torch.fx.symbolic_trace(model), tmp_path / "model.pt")  # into the modules, up to wrapped functions
    tune_and_check(tmp_path, tmp_path / "model.pt", model, [[torch.randn(2, 4, 9, 11), regions(4)]])
