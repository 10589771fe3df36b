"""Branches and loops that data decide: what the compiled model gives, against PyTorch, whichever way they go."""

import pathlib
import warnings
from typing import List, Tuple

import pytest
import support
import torch
from torch import Tensor, nn
from torch._higher_order_ops import while_loop

warnings.filterwarnings("ignore", category=FutureWarning)


# ---- scripted ----


class Branch(nn.Module):
    """Linear layers in both branches, and two values that leave them."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, x: Tensor):
        y = x
        if x.sum() > 0:
            z = torch.relu(self.first(x))
            y = z + 1
        else:
            z = self.second(x)
        return y, z


class Nested(nn.Module):
    """Branches within branches, numbers out of tensors, a number that a branch sets."""

    def forward(self, x: Tensor):
        n = int(x[0, 0].item())
        scale = 1.0
        flag = False
        if n > 2:
            if float(x.mean()) > 0.0:
                scale = 0.5
                flag = True
            else:
                scale = float(n)
        y = x * scale
        if flag:
            y = y + n
        return y


class Returns(nn.Module):
    """Early returns: torch.jit turns them into branches with values that are not set."""

    def forward(self, x: Tensor):
        if bool(x.sum() > 10):
            return x + 1
        if bool(x.sum() < -10):
            return x - 1
        y = x * 2
        if bool(x.max() > 5):
            return y.exp()
        return y


class Halving(nn.Module):
    """A while loop around a layer."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, x: Tensor):
        count = torch.zeros(1)
        while bool(x.abs().max() > 1):
            x = x / 2 + 0.01 * torch.tanh(self.layer(x))
            count = count + 1
        return x, count


class Counting(nn.Module):
    """for over a range that data give, with break and continue."""

    def forward(self, x: Tensor, n: Tensor):
        y = torch.zeros_like(x)
        total = 0
        for i in range(int(n.item())):
            if i == 3:
                continue
            y = y + x * i
            total += i
            if bool(y.sum() > 100):
                break
        return y, torch.tensor(total)


class Stepping(nn.Module):
    """A range with a start and a step, and a loop in a loop."""

    def forward(self, x: Tensor, n: Tensor):
        last = int(n)
        for i in range(1, last, 2):
            for j in range(i):
                x = x + j
        return x


class Swapping(nn.Module):
    """Carried values that change places, in a tuple and in a list."""

    def forward(self, x: Tensor, n: Tensor):
        pair: Tuple[Tensor, Tensor] = (x, x * 2)
        values: List[Tensor] = [x, x + 1]
        for _ in range(int(n)):
            a, b = pair
            pair = (b, a + b)
            values = [values[1], values[0]]
        return pair[0], pair[1], values[0], values[1]


class Newton(nn.Module):
    """A condition on a float that is carried."""

    def forward(self, x: Tensor):
        guess = 1.0
        target = float(x.abs().sum()) + 1.0
        steps = 0
        while abs(guess * guess - target) > 1e-9 and steps < 50:
            guess = (guess + target / guess) / 2.0
            steps += 1
        return x * guess


class BranchInLoop(nn.Module):
    def forward(self, x: Tensor, n: Tensor):
        for _ in range(int(n)):
            if bool(x.sum() > 0):
                x = x - 1
            else:
                x = x * -0.5
        return x


class Writes(nn.Module):
    """In-place operators on what a branch has made itself."""

    def forward(self, x: Tensor):
        y = x.clone()
        if bool(x[0, 0] > 0):
            z = x.clone()
            z[0] = 1.0
            z.mul_(3)
        else:
            z = x + 5
        y = y + z
        return y


class Same(nn.Module):
    """One branch gives its operand back; both results are read."""

    def forward(self, x: Tensor):
        y = x * 2
        if bool(x.sum() > 0):
            z = y
        else:
            z = x
        return y, z


class Greedy(nn.Module):
    """A small decoder: argmax fed back until a stop token or a limit, into a buffer of fixed size."""

    def __init__(self):
        super().__init__()
        self.embedding, self.cell, self.head = nn.Embedding(12, 16), nn.GRUCell(16, 16), nn.Linear(16, 12)

    def forward(self, state: Tensor, limit: Tensor):
        tokens = torch.zeros(1, 20, dtype=torch.long)
        token = torch.zeros(1, dtype=torch.long)
        i = 0
        while i < 20 and i < int(limit) and bool(token[0] != 11):
            state = self.cell(self.embedding(token), state)
            token = self.head(state).argmax(-1)
            tokens = torch.where(torch.arange(20) == i, token.view(1, 1), tokens)
            i += 1
        return tokens, state


def x_of(*values):
    return torch.linspace(-1, 1, 12).view(2, 6) * values[1] + values[0]


def counts(*numbers):
    return [[x_of(0.5, 1.0), torch.tensor(n)] for n in numbers]


SCRIPTED = {
    "Branch": (Branch, [[x_of(1, 1)], [x_of(-1, 1)]]),
    "Nested": (Nested, [[x_of(5, 1)], [x_of(0, 1)], [x_of(-7, 20)], [x_of(-1, -8)]]),
    "Returns": (Returns, [[x_of(2, 1)], [x_of(-2, 1)], [x_of(0, 8)], [x_of(0, 1)]]),
    "Halving": (Halving, [[x_of(0, 1)], [x_of(3, 7)], [x_of(0, 100)]]),
    "Counting": (Counting, counts(0, 1, 4, 7, 30)),
    "Stepping": (Stepping, counts(0, 1, 2, 5, 8)),
    "Swapping": (Swapping, counts(0, 1, 2, 5)),
    "Newton": (Newton, [[x_of(0, 1)], [x_of(10, 3)]]),
    "BranchInLoop": (BranchInLoop, counts(0, 1, 6)),
    "Writes": (Writes, [[x_of(3, 1)], [x_of(-3, 1)]]),
    "Same": (Same, [[x_of(3, 1)], [x_of(-3, 1)]]),
    "Greedy": (Greedy, [[torch.randn(1, 16, generator=torch.Generator().manual_seed(s)), torch.tensor(n)]
                        for s, n in [(1, 20), (2, 3), (3, 0)]]),
}


def tune_and_check(folder, file, model, samples, words=()):
    files = [support.write_inputs(folder / f"in{i}.npz", sample) for i, sample in enumerate(samples)]
    result = support.must("tune", file, "-i", files[0], "-o", folder / "model.ait", *support.FAST, *words)
    support.must("run", folder / "model.ait", *[w for f in files for w in ("-i", f)], "-o", folder / "out.npz")
    for i, sample in enumerate(samples):
        with torch.no_grad():
            want = support.tensors_of(model(*[t.clone() for t in sample]))
        out = folder / (f"out.{i}.npz" if len(samples) > 1 else "out.npz")
        support.check_same(support.read_outputs(out), want, support.FP32_BOUND, f"{type(model).__name__}, inputs {i}")
    support.must("verify", folder / "model.ait")
    return result


def check_portable(folder, model, samples):
    """PyTorch opens the .ait and runs it, both ways."""
    program = torch.export.load(folder / "model.ait").module()
    for i, sample in enumerate(samples):
        with torch.no_grad():
            got = [t.numpy() for t in support.tensors_of(program(*[t.clone() for t in sample]))]
            want = support.tensors_of(model(*[t.clone() for t in sample]))
        support.check_same(got, want, support.FP32_BOUND, f"torch.export.load, inputs {i}")


@pytest.mark.parametrize("name", SCRIPTED)
def test_scripted(name, tmp_path):
    torch.manual_seed(0)
    kind, samples = SCRIPTED[name]
    model = kind().eval()
    torch.jit.save(torch.jit.script(model), tmp_path / "model.pt")
    tune_and_check(tmp_path, tmp_path / "model.pt", model, samples)
    check_portable(tmp_path, model, samples)


@pytest.mark.parametrize("name", ["Branch", "Halving", "Counting", "BranchInLoop"])
def test_reference_engine(name, tmp_path):
    torch.manual_seed(0)
    kind, samples = SCRIPTED[name]
    model = kind().eval()
    torch.jit.save(torch.jit.script(model), tmp_path / "model.pt")
    tune_and_check(tmp_path, tmp_path / "model.pt", model, samples, ("--set", "engine=reference"))


def test_sizes_that_move(tmp_path):
    torch.manual_seed(0)
    model = Branch().eval()
    torch.jit.save(torch.jit.script(model), tmp_path / "model.pt")
    samples = [[torch.randn(n, 6) + shift] for n in (2, 5, 3) for shift in (1, -1)]
    files = [support.write_inputs(tmp_path / f"in{i}.npz", sample) for i, sample in enumerate(samples)]
    support.must("tune", tmp_path / "model.pt", *[w for f in files[:4] for w in ("-i", f)], "-o", tmp_path / "model.ait",
                 *support.FAST)
    support.must("run", tmp_path / "model.ait", *[w for f in files for w in ("-i", f)], "-o", tmp_path / "out.npz")
    for i, sample in enumerate(samples):
        with torch.no_grad():
            support.check_same(support.read_outputs(tmp_path / f"out.{i}.npz"), model(*sample), support.FP32_BOUND,
                               f"inputs {i}")


# ---- exported ----


class Cond(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, x):
        def yes(x):
            return self.first(x).relu(), x + 1

        def no(x):
            return self.second(x), x.clone()

        return torch.cond(x.sum() > 0, yes, no, (x,))


class CondInCond(nn.Module):
    def forward(self, x):
        def deep(x):
            return torch.cond(x.max() > 3, lambda x: x.sin(), lambda x: x * 2, (x,))

        return torch.cond(x.sum() > 0, deep, lambda x: x.cos(), (x,))


class While(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, x, n):
        def going(i, x, n):
            return i < n

        def body(i, x, n):
            return i + 1, torch.tanh(self.layer(x)), n.clone()

        return while_loop(going, body, (torch.tensor(0), x, n))[1]


class WhileOnData(nn.Module):
    def forward(self, x, n):
        def going(x, steps):
            return x.abs().max() > 1

        def body(x, steps):
            return x / 2, steps + 1

        return while_loop(going, body, (x, n))


class CondInWhile(nn.Module):
    def forward(self, x, n):
        def going(i, x):
            return i < 5

        def body(i, x):
            return i + 1, torch.cond(x.sum() > 0, lambda x: x - 1, lambda x: x * -0.5, (x,))

        return while_loop(going, body, (n, x))


EXPORTED = {
    "Cond": (Cond, [[x_of(1, 1)], [x_of(-1, 1)]]),
    "CondInCond": (CondInCond, [[x_of(1, 1)], [x_of(4, 1)], [x_of(-1, 1)]]),
    "While": (While, counts(0, 1, 5)),
    "WhileOnData": (WhileOnData, [[x_of(0, 1), torch.tensor(0)], [x_of(9, 7), torch.tensor(3)]]),
    "CondInWhile": (CondInWhile, counts(0, 3, 9)),
}


@pytest.mark.parametrize("name", EXPORTED)
def test_exported(name, tmp_path):
    torch.manual_seed(0)
    kind, samples = EXPORTED[name]
    model = kind().eval()
    with torch.no_grad():
        torch.export.save(torch.export.export(model, tuple(samples[0])), tmp_path / "model.pt2")
    tune_and_check(tmp_path, tmp_path / "model.pt2", model, samples)
    check_portable(tmp_path, model, samples)


def test_exported_with_a_size_that_moves(tmp_path):
    torch.manual_seed(0)
    model = Cond().eval()
    batch = torch.export.Dim("batch", min=1, max=16)
    with torch.no_grad():
        torch.export.save(torch.export.export(model, (torch.randn(4, 6),), dynamic_shapes=({0: batch},)),
                          tmp_path / "model.pt2")
    tune_and_check(tmp_path, tmp_path / "model.pt2", model, [[torch.randn(n, 6) + s] for n in (4, 1, 9) for s in (1, -1)])


# ---- refusals and warnings ----


class DifferentRanks(nn.Module):
    def forward(self, x: Tensor):
        if bool(x.sum() > 0):
            y = x[0]
        else:
            y = x
        return y + 1


class DifferentTypes(nn.Module):
    def forward(self, x: Tensor):
        if bool(x.sum() > 0):
            y = x
        else:
            y = x.to(torch.int64)
        return y + 1


class Growing(nn.Module):
    """Sizes may change from trip to trip (test_growing_loops.py), ranks may not."""

    def forward(self, x: Tensor):
        while bool(x.sum() < 100):
            x = x[None] * 2
        return x


class Endless(nn.Module):
    def forward(self, x: Tensor):
        y = x
        while bool(x.sum() > 100):
            y = y + 1
        return y


@pytest.mark.parametrize("kind,words", [
    (DifferentRanks, ["y", "f32[6] in one branch and f32[2,6] in the other", "test_regions.py:"]),
    (DifferentTypes, ["f32[2,6] in one branch and i64[2,6] in the other", "test_regions.py:"]),
    (Growing, ["is f32[2,6] before the loop and f32[1,2,6] after a trip", "test_regions.py:"]),
    (Endless, ["cannot end once it has begun", "while_loop", "test_regions.py:"]),
])
def test_refusals(kind, words, tmp_path):
    torch.jit.save(torch.jit.script(kind()), tmp_path / "model.pt")
    sample = support.write_inputs(tmp_path / "in.npz", [x_of(0, 1)])
    result = support.aitune("tune", tmp_path / "model.pt", "-i", sample, "-o", tmp_path / "model.ait", *support.FAST)
    assert result.status != 0, str(result)
    for word in words:
        assert word in result.err, str(result)


class Forever(nn.Module):
    def forward(self, x: Tensor):
        while bool(x.sum() > 0):
            x = x + 1
        return x


def test_a_loop_without_end_is_warned_of_and_stopped(tmp_path):
    torch.jit.save(torch.jit.script(Forever()), tmp_path / "model.pt")
    ends, never = x_of(-1, 1), x_of(1, 1)
    files = [support.write_inputs(tmp_path / f"in{i}.npz", [x]) for i, x in enumerate([ends, never])]
    result = support.must("tune", tmp_path / "model.pt", "-i", files[0], "-o", tmp_path / "model.ait", *support.FAST)
    assert "nothing bounds the trips of this loop" in result.err + result.out and "test_regions.py:" in result.err + result.out
    stopped = support.aitune("run", tmp_path / "model.ait", "-i", files[1], "-o", tmp_path / "out.npz")
    assert stopped.status != 0 and "does not end within 100000 trips" in stopped.err, str(stopped)
    tuned = support.aitune("tune", tmp_path / "model.pt", "-i", files[1], "-o", tmp_path / "other.ait", *support.FAST)
    assert tuned.status != 0 and "does not end within 100000 trips" in tuned.err, str(tuned)
