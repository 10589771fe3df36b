"""Loops of TorchScript that make tensors larger, or smaller, from trip to trip."""

import warnings

import pytest
import support
import torch
from test_region_sizes import check_scripted, first, rows, tune_and_check
from torch import Tensor, nn

warnings.filterwarnings("ignore", category=FutureWarning)


class Collect(nn.Module):
    """A row for each trip; as many trips as a number says."""

    def __init__(self):
        super().__init__()
        self.layer, self.behind = nn.Linear(6, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor):
        out = torch.zeros([0, 4])
        for i in range(int(x[0, 0])):
            out = torch.cat([out, self.layer(x[i % 4: i % 4 + 1]) + i])
        return out, self.behind(out), out.sum(0)


class ByRows(nn.Module):
    """As many trips as there are rows, and a bound that follows from it; two rows a trip, in front."""

    def forward(self, x: Tensor):
        out = x[:1] * 2
        for i in range(x.size(0)):
            out = torch.cat([x[i: i + 1] + i, out[:1] * 0.5, out])
        return out


class ByFound(nn.Module):
    """What every trip finds has a size of its own."""

    def forward(self, x: Tensor):
        found = torch.where(x[:, 0] > 0)[0]
        out = torch.zeros([0])
        for i in range(len(found)):
            row = x[found[i]]
            out = torch.cat([out, row[row > 0]])
        return out, out.numel()


class Decode(nn.Module):
    """Greedy decoding: what came out so far is read again, until something ends it."""

    def __init__(self):
        super().__init__()
        self.embed, self.out = nn.Embedding(11, 8), nn.Linear(8, 11)

    def forward(self, start: Tensor):
        tokens = start
        going = True
        while going:
            state = torch.tanh(self.embed(tokens).cumsum(1)).mean(1)
            token = self.out(state * tokens.size(1)).argmax(1, keepdim=True)
            tokens = torch.cat([tokens, token], 1)
            going = bool((token != 3).any()) and tokens.size(1) < 12
        return tokens


class Shrink(nn.Module):
    def forward(self, x: Tensor):
        while x.size(0) > 1 and bool(x[0, 0] > 0):
            x = x[1:]
        return x


class Doubles(nn.Module):
    """The growth depends on the size: the setting bounds it."""

    def forward(self, x: Tensor):
        for _ in range(int(x[0, 0])):
            x = torch.cat([x, x * 2])
        return x


class TwoWays(nn.Module):
    """Two tensors, one of which grows in both dimensions; an attribute in a branch."""

    def forward(self, x: Tensor):
        a, b = x[:1, :1], x[:, 0]
        for i in range(int(x[0, 0])):
            a = nn.functional.pad(a, [0, 1, 1, 0], value=1.0)
            if bool(x[0, 1] > 0):
                b = torch.cat([b, a.sum().view(1)])
        return a, b


class BySize(nn.Module):
    """The condition reads the size alone."""

    def forward(self, x: Tensor):
        trips = 0
        while x.size(0) > 0:
            x = x[1:][x[1:, 0] > x[0, 0]]
            trips += 1
        return trips


class UntilLarge(nn.Module):
    def forward(self, x: Tensor):
        while len(x) < 20:
            x = torch.cat([x, x * 0.5])
        return x


COUNTS = [[first(rows(i), v)] for i, v in enumerate([3.0, 0.0, 1.0, 7.0])]
CASES = {
    "Collect": (Collect, COUNTS),
    "ByRows": (ByRows, [[rows(0)]]),
    "ByFound": (ByFound, [[rows(i, s)] for i, s in enumerate([0.0, 2.0, -3.0])]),
    "Decode": (Decode, [[torch.randint(0, 11, (2, 3), generator=torch.Generator().manual_seed(i))] for i in range(4)]),
    "Shrink": (Shrink, [[rows(i, s)] for i, s in enumerate([0.0, 3.0, -3.0])]),
    "Doubles": (Doubles, COUNTS),
    "TwoWays": (TwoWays, COUNTS),
    "BySize": (BySize, [[rows(i, s)] for i, s in enumerate([0.0, 3.0, -3.0])]),
    "UntilLarge": (UntilLarge, [[rows(i)] for i in range(2)]),
}


@pytest.mark.parametrize("engine", ["all", "reference"])
@pytest.mark.parametrize("name", CASES)
def test_scripted(name, engine, tmp_path):
    check_scripted(CASES[name], engine, tmp_path, words=("--set", "max_data_dependent_size=1024"))


def test_sizes_that_move(tmp_path):
    """The trips bound the result: the setting would not be enough."""
    model = ByRows()
    torch.jit.save(torch.jit.script(model), tmp_path / "model.pt")
    tune_and_check(tmp_path, tmp_path / "model.pt", model, [[rows(n, 0.0, n)] for n in (2, 9, 5)], tuning=2,
                   words=("--set", "max_data_dependent_size=2"))


def test_more_than_the_setting_is_an_error(tmp_path):
    torch.manual_seed(0)
    torch.jit.save(torch.jit.script(Collect()), tmp_path / "model.pt")
    files = [support.write_inputs(tmp_path / f"in{n}.npz", [first(rows(0), float(n))]) for n in (2, 9)]
    support.must("tune", tmp_path / "model.pt", "-i", files[0], "-o", tmp_path / "m.ait", *support.FAST,
                 "--set", "max_data_dependent_size=5")
    refused = support.aitune("run", tmp_path / "m.ait", "-i", files[1], "-o", tmp_path / "out.npz")
    assert refused.status != 0 and "aten.item" in refused.err, str(refused)
