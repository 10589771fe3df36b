"""Buffers that forward() writes into: they come in, and what is in them afterwards goes out."""

import copy
import math
import warnings

import pytest
import support
import torch
from test_region_sizes import results
from torch import Tensor, nn

warnings.filterwarnings("ignore", category=FutureWarning)


class Average(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(4))

    def forward(self, x: Tensor):
        self.mean.mul_(0.9).add_(x.mean(0) * 0.1)
        return x - self.mean


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.register_buffer("rows", torch.zeros(8, 4))

    def forward(self, x: Tensor):
        self.calls += 1
        self.rows = torch.roll(self.rows, -x.size(0), 0)
        self.rows[-x.size(0):] = x
        return self.rows.sum(0) * self.calls


class Streaming(nn.Module):
    """Convolutions over a stream, each of which keeps the end of what it has seen."""

    def __init__(self):
        super().__init__()
        self.first, self.second = Padded(), Padded()

    def forward(self, x: Tensor):
        return self.second(torch.relu(self.first(x)))


class Padded(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("past", torch.zeros(1, 4, 2))
        self.convolution = nn.Conv1d(4, 4, 3)

    def forward(self, x: Tensor):
        y = torch.cat([self.past, x.t().unsqueeze(0)], 2)
        self.past.copy_(y[..., -2:])
        return self.convolution(y)[0].t()


class Cache(nn.Module):
    """Keys and values of a decoder, written where it stands."""

    def __init__(self):
        super().__init__()
        self.register_buffer("k", torch.zeros(16, 4))
        self.register_buffer("v", torch.zeros(16, 4))
        self.project = nn.Linear(4, 12)

    def forward(self, x: Tensor):
        q, k, v = self.project(x).chunk(3, -1)
        n = x.size(0)
        self.k[3:3 + n] = k
        self.v[3:3 + n] = v
        return torch.softmax(q @ self.k[:3 + n].t() / math.sqrt(4.0), -1) @ self.v[:3 + n]


class Decided(nn.Module):
    """Branches and loops write, into modules of their own as well."""

    def __init__(self):
        super().__init__()
        self.register_buffer("kept", torch.zeros(12, 4))
        self.parts = nn.ModuleList([Average(), Average()])

    def forward(self, x: Tensor):
        y = x
        if bool(x.sum() > 0):
            self.kept[:2] = x[:2]
            for part in self.parts:
                y = part(y)
        else:
            self.kept.zero_()
        for i in range(x.size(0)):
            self.kept[i] += x[i]
        return y, self.kept * 2


class Shared(nn.Module):
    """A name, a list and the attribute are one tensor, in a loop and in a branch."""

    def __init__(self):
        super().__init__()
        self.register_buffer("rows", torch.zeros(8, 4))

    def forward(self, x: Tensor):
        rows = self.rows
        held = [rows, rows * 2]
        sums = torch.zeros(4)
        for i in range(x.size(0)):
            rows[i] = x[i]
            sums = sums + self.rows.sum(0)
        if bool(x.sum() > 0):
            self.rows[0] += 1
        rows[1] += 1
        return sums, held[0] - self.rows, rows * 1


STATE = {
    Shared: ["rows"],
    Average: ["mean"],
    Counter: ["calls", "rows"],
    Streaming: ["first.past", "second.past"],
    Cache: ["k", "v"],
    Decided: ["kept", "parts.0.mean", "parts.1.mean"],
}


def sample_of(model, rows):
    buffers = {path: model.get_buffer(path) for path in STATE[type(model)]}
    state = {path: (torch.rand(b.shape) * 5).to(b.dtype) for path, b in buffers.items()}
    return {"0": torch.randn(rows, 4), **state}


def expected(model, sample):
    model = copy.deepcopy(model)
    for path in STATE[type(model)]:
        model.get_buffer(path).copy_(sample[path])
    return results(model, [sample["0"]]) + [model.get_buffer(path) for path in STATE[type(model)]]


@pytest.mark.parametrize("engine", ["all", "reference"])
@pytest.mark.parametrize("kind", STATE, ids=lambda kind: kind.__name__)
def test_state_comes_in_and_goes_out(kind, engine, tmp_path):
    torch.manual_seed(0)
    model = kind().eval()
    torch.jit.save(torch.jit.script(model), tmp_path / "model.pt")
    samples = [sample_of(model, rows) for rows in (3, 7, 3, 5, 6)]
    files = [support.write_inputs(tmp_path / f"in{i}.npz", sample) for i, sample in enumerate(samples)]
    given = [w for f in files for w in ("-i", f)]
    words = ("--set", "engine=reference") if engine == "reference" else ()
    support.must("tune", tmp_path / "model.pt", *given[:4], "-o", tmp_path / "m.ait", *support.FAST, *words)
    support.must("run", tmp_path / "m.ait", *given, "-o", tmp_path / "out.npz")
    for i, sample in enumerate(samples):
        support.check_same(support.read_outputs(tmp_path / f"out.{i}.npz"), expected(model, sample), support.FP32_BOUND,
                           f"{kind.__name__}, inputs {i}")


@pytest.mark.parametrize("kind", STATE, ids=lambda kind: kind.__name__)
def test_state_that_is_not_given_begins_with_the_files(kind, tmp_path):
    torch.manual_seed(0)
    model = kind().eval()
    for path in STATE[kind]:
        model.get_buffer(path).add_((torch.rand(model.get_buffer(path).shape) * 5).to(model.get_buffer(path).dtype))
    torch.jit.save(torch.jit.script(model), tmp_path / "model.pt")
    steps = [torch.randn(rows, 4) for rows in (3, 7, 5)]
    files = [support.write_inputs(tmp_path / f"in{i}.npz", [x]) for i, x in enumerate(steps)]
    tuned = support.must("tune", tmp_path / "model.pt", "-i", files[0], "-i", files[1], "-o", tmp_path / "m.ait", *support.FAST)
    assert f"({', '.join(STATE[kind])})" in tuned.err, tuned.err
    state = {}
    for i, x in enumerate(steps):
        want = results(model, [x]) + [model.get_buffer(path).clone() for path in STATE[kind]]
        inputs = support.write_inputs(tmp_path / "in.npz", {"0": x, **state})
        support.must("run", tmp_path / "m.ait", "-i", inputs, "-o", tmp_path / "out.npz")
        got = support.read_outputs(tmp_path / "out.npz")
        support.check_same(got, want, support.FP32_BOUND, f"{kind.__name__}, call {i}")
        state = {path: torch.from_numpy(value) for path, value in zip(STATE[kind], got[-len(STATE[kind]):])}


def test_training_is_refused(tmp_path):
    torch.jit.save(torch.jit.script(nn.BatchNorm1d(4).train()), tmp_path / "model.pt")
    inputs = support.write_inputs(tmp_path / "in.npz", [torch.randn(3, 4)])
    result = support.aitune("tune", tmp_path / "model.pt", "-i", inputs, "-o", tmp_path / "m.ait", *support.FAST)
    assert result.status == 1 and "model.eval()" in result.err
