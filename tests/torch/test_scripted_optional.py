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


KINDS = {kind.__name__: kind for kind in (Running, Lstm, Largest, Layers)}


@pytest.mark.parametrize("engine", ["all", "reference"])
@pytest.mark.parametrize("name", KINDS)
def test_scripted(name, engine, tmp_path):
    check_scripted((KINDS[name], [[torch.randn(n, 6)] for n in (3, 9, 5, 7)]), engine, tmp_path, tuning=2)
