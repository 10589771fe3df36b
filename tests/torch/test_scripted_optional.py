"""Values of TorchScript that are None until something sets them."""

import warnings
from typing import List, Optional, Tuple

import pytest
import torch
from test_region_sizes import check_scripted
from torch import Tensor, nn

warnings.filterwarnings("ignore", category=FutureWarning)


class Running(nn.Module):
    """State that the first step makes, over as many steps as there are."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, x: Tensor):
        h: Optional[Tensor] = None
        for t in range(x.size(0)):
            y = self.layer(x[t])
            if h is None:
                h = y
            else:
                h = torch.tanh(h + y)
        assert h is not None
        return h


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(6, 4)

    def forward(self, x: Tensor):
        state: Optional[Tuple[Tensor, Tensor]] = None
        outs: List[Tensor] = []
        for t in range(x.size(0)):
            state = self.cell(x[t: t + 1], state)
            outs.append(state[0])
        return torch.cat(outs)


class Largest(nn.Module):
    def forward(self, x: Tensor):
        best: Optional[Tensor] = None
        at = -1
        for i in range(x.size(0)):
            value = x[i].sum()
            if best is None or bool(value > best):
                best = value
                at = i
        assert best is not None
        return best, at


class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells = nn.ModuleList([nn.GRUCell(6, 6), nn.GRUCell(6, 6)])

    def forward(self, x: Tensor):
        states: List[Optional[Tensor]] = [None, None]
        y = x[:1]
        for t in range(x.size(0)):
            y = x[t: t + 1]
            for i, cell in enumerate(self.cells):
                y = cell(y, states[i])
                states[i] = y
        return y


class Branches(nn.Module):
    """Set by a branch that data, or a size, decide; asked for later, also by a function."""

    def forward(self, x: Tensor):
        first: Optional[Tensor] = None
        second: Optional[Tuple[Tensor, int]] = None
        if bool(x.sum() > 0):
            first = x * 2
        if x.size(0) > 4:
            second = (x[:2].sum(0), 3)
        elif bool(x[0, 0] > 0):
            second = (x[1], x.size(0))
        y = x[0]
        if second is not None:
            y = second[0] * second[1]
        if first is None:
            y = y - 1
        return or_else(first, x) + y


def or_else(x: Optional[Tensor], other: Tensor) -> Tensor:
    return other if x is None else x


class Found(nn.Module):
    """As many trips as data say, perhaps none."""

    def forward(self, x: Tensor):
        best: Optional[Tensor] = None
        last: Optional[Tuple[Tensor, int]] = None
        for i in range(int((x[:, 0] > 0).sum())):
            row = x[i]
            if best is None:
                best = row
            elif bool(row.sum() > best.sum()):
                best = row * 2
            last = (row + 1, i)
        count = 0
        total = torch.zeros(6)
        if last is not None:
            total, count = last
        return total, count, best is None, or_else(best, x[0])


class Until(nn.Module):
    """A loop that ends when something is found, which may become None again."""

    def forward(self, x: Tensor):
        found: Optional[Tensor] = None
        i = 0
        while i < x.size(0) and found is None:
            if bool(x[i].sum() > 0):
                found = x[i]
            if bool(x[i, 0] > 1):
                found = None
            i += 1
        return or_else(found, -x[0]), i


KINDS = {kind.__name__: kind for kind in (Running, Lstm, Largest, Layers, Branches, Found, Until)}

SAMPLES = [(3, 0.0), (9, 0.0), (5, 0.0), (7, -9.0), (3, -9.0), (3, 9.0), (4, 0.5), (9, -0.5), (3, 0.0), (3, 0.2)]


@pytest.mark.parametrize("engine", ["all", "reference"])
@pytest.mark.parametrize("name", KINDS)
def test_scripted(name, engine, tmp_path):
    check_scripted((KINDS[name], [[torch.randn(n, 6) + shift] for n, shift in SAMPLES]), engine, tmp_path, tuning=2)


class Asked(nn.Module):
    """isinstance of what a branch sets, or leaves None."""

    def forward(self, x: Tensor):
        y: Optional[Tensor] = None
        if bool(x.sum() > 0):
            y = x * 2
        if isinstance(y, Tensor):
            return y + 1
        return x


def test_isinstance_of_what_data_set(tmp_path):
    x = torch.rand(4, 6)
    check_scripted((Asked, [[x], [-x]]), "all", tmp_path, tuning=2)


class Halves(nn.Module):
    """Pieces of a size that moves and that need not divide."""

    def forward(self, x: Tensor):
        a, b = torch.chunk(x, 2)
        parts = x.chunk(3, dim=0)
        return a.sum(0) - b.sum(0), len(parts), parts[0].sum(), parts[-1].sum(0)


def test_chunks_of_a_size_that_moves(tmp_path):
    check_scripted((Halves, [[torch.randn(n, 3)] for n in (5, 12, 7, 8, 9)]), "all", tmp_path, tuning=2)
