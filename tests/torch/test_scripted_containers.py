"""Lists and dicts of TorchScript: what changes them, also where data decide."""

import warnings
from typing import Dict, List

import pytest
import support
import torch
from test_region_sizes import check_scripted
from torch import Tensor, nn

warnings.filterwarnings("ignore", category=FutureWarning)


class Lists(nn.Module):
    def forward(self, x: Tensor):
        a = [5, 3, 4, 3]
        a.sort()
        a.remove(3)
        at, count = a.index(4), a.count(3)
        a.insert(1, 9)
        a.reverse()
        del a[0]
        a[0] = 7
        words = sorted(["b", "a", "ab"])
        return x * at + count + sum(a) + sorted([2.5, 1.5])[0] + len(words[1])


class Dicts(nn.Module):
    def forward(self, x: Tensor) -> Dict[str, Tensor]:
        d: Dict[str, Tensor] = {"a": x}
        d["b"] = x + 1
        first, second = d.setdefault("c", x * 3), d.setdefault("a", x)
        del d["b"]
        d.update({"e": x - 1})
        p, other = d.pop("e"), d.pop("none", x)
        missing = d.get("zz")
        if missing is not None:
            p = p + missing
        for key, value in d.items():
            d[key] = value + 1
        d["rest"] = torch.stack([p, other, first, second])
        return d


class Cells(nn.Module):
    """Layers of cells, whose states lie in a list."""

    def __init__(self):
        super().__init__()
        self.cells = nn.ModuleList([nn.GRUCell(6, 6), nn.GRUCell(6, 6)])

    def forward(self, x: Tensor):
        state = [torch.zeros(2, 6) for _ in range(2)]
        for t in range(x.size(0)):
            y = torch.stack([x[t], x[t] * 2])
            for i, cell in enumerate(self.cells):
                state[i] = cell(y, state[i])
                y = state[i]
        return torch.stack(state)


class Backwards(nn.Module):
    """Results are put in front."""

    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(6, 5)

    def forward(self, x: Tensor):
        h = torch.zeros(1, 5)
        outs: List[Tensor] = []
        for t in range(x.size(0) - 1, -1, -1):
            h = self.cell(x[t: t + 1], h)
            outs.insert(0, h)
        return torch.cat(outs)


class Named(nn.Module):
    """State by name, and an item that a branch replaces."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, x: Tensor):
        state: Dict[str, Tensor] = {"h": torch.zeros(6), "n": torch.zeros(1)}
        for t in range(x.size(0)):
            state["h"] = torch.tanh(self.layer(x[t]) + state["h"])
            state["n"] = state["n"] + 1
        if bool(x.sum() > 0):
            state["h"] = -state["h"]
        return state


class Window(nn.Module):
    """The last three rows, oldest first; a place that data decide is written."""

    def forward(self, x: Tensor):
        window = [torch.zeros(6), torch.zeros(6), torch.zeros(6)]
        sums: List[Tensor] = []
        for t in range(x.size(0)):
            window.pop(0)
            window.append(x[t])
            sums.append(torch.stack(window).sum(0))
        at = int(x[0].argmax()) % 3
        window[at] = torch.ones(6)
        return torch.stack(sums), torch.stack(window)


class Pops(nn.Module):
    def forward(self, x: Tensor):
        parts = [x, x]
        if bool(x.sum() > 0):
            parts.pop()
        return torch.cat(parts)


class PopsFirst(nn.Module):
    def forward(self, x: Tensor):
        parts = [x]
        if bool(x.sum() > 0):
            parts.append(x)
        parts.pop(0)
        return torch.cat(parts)


class Changes(nn.Module):
    def forward(self, x: Tensor):
        parts = [x, x]
        if bool(x.sum() > 0):
            parts[0] = x + 1
        return torch.cat(parts)


KINDS = {kind.__name__: kind for kind in (Lists, Dicts, Cells, Backwards, Named, Window, Pops, PopsFirst, Changes)}


@pytest.mark.parametrize("engine", ["all", "reference"])
@pytest.mark.parametrize("name", KINDS)
def test_scripted(name, engine, tmp_path):
    check_scripted((KINDS[name], [[torch.randn(n, 6)] for n in (3, 9, 5, 7)]), engine, tmp_path, tuning=2)


class Sorted(nn.Module):
    def forward(self, d: Dict[str, Tensor]):
        return torch.stack([d[key] for key in sorted(d.keys())])


def test_dicts_come_in(tmp_path):
    model = Sorted().eval()
    torch.jit.save(torch.jit.script(model), tmp_path / "model.pt")
    samples = [{"d.b": torch.randn(n), "d.a": torch.randn(n)} for n in (3, 6)]
    files = [support.write_inputs(tmp_path / f"in{i}.npz", sample) for i, sample in enumerate(samples)]
    support.must("tune", tmp_path / "model.pt", *[w for f in files for w in ("-i", f)], "-o", tmp_path / "m.ait", *support.FAST)
    support.must("run", tmp_path / "m.ait", "-i", files[0], "-o", tmp_path / "out.npz")
    expected = model({name[2:]: tensor for name, tensor in samples[0].items()})
    support.check_same(support.read_outputs(tmp_path / "out.npz"), [expected], support.FP32_BOUND, "sorted keys")
