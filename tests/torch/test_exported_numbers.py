"""Exported programs with Python's numbers out of tensors: floats, bools and integers in arithmetic, conditions and operators;
and conds whose branches give different sizes."""

import pytest
import support
import torch
from test_region_sizes import SHIFTS, first, rows, tune_and_check
from torch import nn
from torch._higher_order_ops import while_loop


class Floats(nn.Module):
    def forward(self, x):
        share, low = x.mean().item(), x.min().item()
        scale = (share - low) / 2 + 1.5
        return (x * share + low, x / scale, torch.full([2, 3], share), torch.clamp(x, low, share), x.clamp(min=share),
                x.sum() * share, torch.arange(4) * share, x ** (share * share), torch.where(x > share, x, low))


class Bools(nn.Module):
    def forward(self, x):
        flag, other = (x[0, 0] > 0).item(), (x[0, 1] > 0).item()
        return x * flag, torch.full([3], flag), torch.cond(flag, lambda x: x * 2, lambda x: x - 1, (x,)) * other


class Integers(nn.Module):
    """Negative ones, too; never a size."""

    def forward(self, x):
        n = x[0, 0].to(torch.int64).item()
        y = torch.cond(n > 3, lambda x: x * 2, lambda x: x - 1, (x,))
        return x * n, x + n // 2, y * (n % 3), torch.full([2], n), x[0].to(torch.int32) + n, x / (n * 0.5 + 20)


class SizeAndNumber(nn.Module):
    """One number in both roles."""

    def forward(self, x):
        n = x[0, 0].to(torch.int64).item()
        torch._check(n >= 0)
        torch._check(n <= x.shape[0])
        return x[:n] * n, torch.arange(n) * 0.5 + n


class Conditions(nn.Module):
    """Conditions on floats, in both directions."""

    def forward(self, x):
        mean, low = x.mean().item(), x.min().item()
        y = torch.cond(mean > 0.5, lambda x: x * 2, lambda x: x - 1, (x,))
        return torch.cond(low * 2 <= mean - 1, lambda x: x.exp(), lambda x: -x, (y,))


class FewerRows(nn.Module):
    def forward(self, x):
        y = torch.cond(x.sum() > 0, lambda x: x[:2] * 2, lambda x: x - 1, (x,))
        return y + 1, y.sum(0)


class Kept(nn.Module):
    """A mask keeps rows in one branch; layers see what is left."""

    def __init__(self):
        super().__init__()
        self.inside, self.behind = nn.Linear(6, 4), nn.Linear(4, 3)

    def forward(self, x):
        kept = torch.cond(x[0, 0] > 0, lambda x: torch.relu(self.inside(x[x[:, 1] > 0])), lambda x: self.inside(x[:2]), (x,))
        return self.behind(kept), kept.sum(0)


class Nested(nn.Module):
    """Branches within branches; two results, one of which moves in both dimensions."""

    def forward(self, x):
        def inner(x):
            return torch.cond(x[0, 1] > 0, lambda x: x[x[:, 2] > 0], lambda x: x[:3] + 1, (x,))

        return torch.cond(x[0, 0] > 0, lambda x: (inner(x) * 2, x[:, 1:] + 1), lambda x: (x[1:] * 3, x * 2), (x,))


CASES = {
    "Floats": (Floats, [[rows(i, s)] for i, s in enumerate(SHIFTS)]),
    "Bools": (Bools, [[first(rows(i), v)] for i, v in enumerate([1.0, -1.0, 0.0])]),
    "Integers": (Integers, [[first(rows(i), v)] for i, v in enumerate([4.0, -7.5, 3.2, 0.0])]),
    "SizeAndNumber": (SizeAndNumber, [[first(rows(i), v)] for i, v in enumerate([2.0, 0.0, 4.5])]),
    "Conditions": (Conditions, [[rows(i, s)] for i, s in enumerate(SHIFTS)]),
    "FewerRows": (FewerRows, [[rows(i, s)] for i, s in enumerate(SHIFTS)]),
    "Kept": (Kept, [[first(rows(i, s), v)] for i, s in enumerate(SHIFTS) for v in (1.0, -1.0)]),
    "Nested": (Nested, [[first(rows(i, s), v)] for i, s in enumerate(SHIFTS) for v in (1.0, -1.0)]),
}


@pytest.mark.parametrize("engine", ["all", "reference"])
@pytest.mark.parametrize("name", CASES)
def test_exported(name, engine, tmp_path):
    torch.manual_seed(0)
    kind, samples = CASES[name]
    model = kind().eval()
    support.export(model, samples[0], tmp_path / "model.pt2")
    tune_and_check(tmp_path, tmp_path / "model.pt2", model, samples,
                   words=("--set", "engine=reference") if engine == "reference" else ())


def test_sizes_that_move_as_well(tmp_path):
    class Model(nn.Module):
        def forward(self, x):
            y = torch.cond(x.sum() > 0, lambda x: x[x[:, 0] > 0], lambda x: x[1:] - 1, (x,))
            return y * x.shape[0], x * x.mean().item() + x.shape[0] / 2

    model = Model().eval()
    support.export(model, [rows(0, 0.0, 7)], tmp_path / "model.pt2", ({0: torch.export.Dim("rows", min=3, max=16)},))
    tune_and_check(tmp_path, tmp_path / "model.pt2", model, [[rows(n, s, n)] for n in (7, 3, 16) for s in SHIFTS])


def test_a_number_that_an_operator_wants_beforehand(tmp_path):
    class Model(nn.Module):
        def forward(self, x):
            return torch.nn.functional.leaky_relu(x, x.mean().item())

    support.export(Model(), [rows(0)], tmp_path / "model.pt2")
    support.write_inputs(tmp_path / "in.npz", [rows(0)])
    refused = support.aitune("tune", tmp_path / "model.pt2", "-i", tmp_path / "in.npz", "-o", tmp_path / "m.ait", *support.FAST)
    assert refused.status != 0 and "negative_slope is a number that data decide" in refused.err, str(refused)


# ---- numbers that calls differ in ----


class Pad(nn.Module):
    def forward(self, x, n):
        return torch.nn.functional.pad(x, (0, n)).cumsum(1) + torch.arange(n).sum(), x[:, :n] * n


def test_integers_that_move_are_inputs(tmp_path):
    model = Pad().eval()
    x = torch.randn(3, 8)
    program = torch.export.export(model, (x, 3), dynamic_shapes=(None, torch.export.Dim.DYNAMIC))
    torch.export.save(program, tmp_path / "model.pt2")
    support.write_inputs(tmp_path / "in.npz", [x, torch.tensor(3)])
    support.must("tune", tmp_path / "model.pt2", "-i", tmp_path / "in.npz", "-o", tmp_path / "m.ait", *support.FAST)
    for n in (2, 5, 8):
        support.write_inputs(tmp_path / "in.npz", [x, torch.tensor(n)])
        support.must("run", tmp_path / "m.ait", "-i", tmp_path / "in.npz", "-o", tmp_path / "out.npz")
        support.check_same(support.read_outputs(tmp_path / "out.npz"), model(x, n), support.FP32_BOUND, f"n = {n}")


# ---- numbers that go into branches and loops, and come out of them ----


class NumberIn(nn.Module):
    def forward(self, x):
        n = x[0, 0].to(torch.int64).item()
        return torch.cond(x.sum() > 0, lambda x: x * n, lambda x: x - n // 2, (x,))


class NumbersOut(nn.Module):
    """Whole numbers that branches give, as numbers and as sizes; one of them is a result of the model."""

    def forward(self, x):
        y, n = torch.cond(x.sum() > 0, lambda x: (x * 2, 3), lambda x: (x - 1, 1), (x,))
        torch._check(n >= 1)
        torch._check(n <= 3)
        return y * n, torch.arange(6) + n, torch.zeros(n, 2) + x[0, 0], n


class CountingLoop(nn.Module):
    """A whole number is carried, another one is read."""

    def forward(self, x, n):
        k = n.item()
        return while_loop(lambda i, x: i < k, lambda i, x: (i + 1, x * 0.5 + i), (k - k, x))


class SizesIn(nn.Module):
    """Sizes that move, in conditions with `and` and `not`, in branches and in loops."""

    def forward(self, x, y):
        n = x.shape[0]
        a = torch.cond((n > 4) & (y.shape[0] != 5), lambda x: x * n, lambda x: x - n, (x,))
        b = torch.cond(torch.sym_not(y.shape[0] > 4), lambda x: x + 1, lambda x: x.exp(), (x,))
        c = while_loop(lambda i, x: i < n, lambda i, x: (i + 1, x + n * i), (torch.tensor(0), x))
        return a, b, c[1]


NUMBERS = {
    "NumberIn": (NumberIn, True, None, [[first(rows(i, s), v)] for i, s in enumerate(SHIFTS) for v in (4.0, -3.0)]),
    "NumbersOut": (NumbersOut, False, None, [[rows(i, s)] for i, s in enumerate(SHIFTS)]),
    "CountingLoop": (CountingLoop, True, None, [[rows(0), torch.tensor(n)] for n in (3, 0, 1, 7)]),
    "SizesIn": (SizesIn, False, ("x", "y"), [[rows(n, 0.0, n), rows(m, 0.0, m)] for n, m in [(8, 7), (3, 5), (6, 5), (4, 3)]]),
}


@pytest.mark.parametrize("engine", ["all", "reference"])
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_in_regions(name, engine, tmp_path):
    kind, strict, moving, samples = NUMBERS[name]
    model = kind().eval()
    shapes = moving and tuple({0: torch.export.Dim(f"rows_{i}", min=2, max=16)} for i in moving)
    with torch.no_grad():
        torch.export.save(torch.export.export(model, tuple(samples[0]), dynamic_shapes=shapes, strict=strict), tmp_path / "model.pt2")
    tune_and_check(tmp_path, tmp_path / "model.pt2", model, samples,
                   words=("--set", "engine=reference") if engine == "reference" else ())
