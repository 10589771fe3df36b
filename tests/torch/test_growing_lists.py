"""Lists of TorchScript that become longer as often as data decide, in loops and in branches."""

import warnings
from typing import List

import pytest
import support
import torch
from test_region_sizes import check_scripted, first, rows, tune_and_check
from torch import Tensor, nn

warnings.filterwarnings("ignore", category=FutureWarning)


class Stack(nn.Module):
    """As many items as a number says; the list holds one before, and is stacked along two dimensions."""

    def __init__(self):
        super().__init__()
        self.cell, self.behind = nn.GRUCell(6, 5), nn.Linear(5, 2)

    def forward(self, x: Tensor):
        state = torch.zeros(1, 5)
        outs = [state]
        for i in range(int(x[0, 0])):
            state = self.cell(x[i % 4: i % 4 + 1], state)
            outs.append(state)
        return self.behind(torch.stack(outs)), torch.stack(outs, dim=1), torch.cat(outs, 1), len(outs), outs[-1], outs[0]


class BySize(nn.Module):
    """A trip for each row of a size that moves: what nn.LSTM's reference loops look like."""

    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(6, 4)

    def forward(self, x: Tensor):
        h, c = torch.zeros(1, 4), torch.zeros(1, 4)
        outs: List[Tensor] = []
        for i in range(x.size(0)):
            h, c = self.cell(x[i: i + 1], (h, c))
            outs += [h]
        return torch.cat(outs), h


class Kept(nn.Module):
    """An item where data say so: a loop over rows that move, and a branch in it."""

    def forward(self, x: Tensor):
        kept: List[Tensor] = []
        which: List[int] = []
        shares: List[float] = []
        for i in range(x.size(0)):
            if bool(x[i, 0] > 0):
                kept.append(x[i] * i)
                which.append(i)
                shares.append(float(x[i].mean()))
        if len(kept) == 0:
            kept.append(torch.zeros(6))
        return torch.stack(kept), torch.tensor(which), torch.tensor(shares), len(which)


class Joined(nn.Module):
    """Tensors of other sizes on every trip."""

    def forward(self, x: Tensor):
        parts = [x[:1]]
        for i in range(int(x[0, 0])):
            row = x[i % 4]
            parts.append(x[x[:, 1] > row[0]] + i)
        return torch.cat(parts), len(parts)


class Branch(nn.Module):
    """No loop: one branch appends, both do, and one list becomes longer than the other by tensors of another size."""

    def forward(self, x: Tensor):
        parts, both, sizes = [x], [x], [x]
        if bool(x[0, 0] > 0):
            parts.append(x + 1)
            both.append(x * 2)
            sizes.append(x[:1])
        else:
            both.append(x * 3)
            both.append(x * 4)
        return torch.cat(parts), torch.stack(both, 2), torch.cat(sizes), len(both)


class Nested(nn.Module):
    """A loop in a loop, a list in an attribute of a helper's, and a list that is read while it grows."""

    def forward(self, x: Tensor):
        outs = [x[0]]
        for i in range(int(x[0, 0])):
            for j in range(int(x[0, 1])):
                outs.append(outs[-1] * 0.5 + x[j % 4])
            outs.append(torch.stack(outs).mean(0))
        total = torch.zeros(6)
        for t in outs:
            total = total + t
        return torch.stack(outs), total


class Tokens(nn.Module):
    """Greedy decoding into a list of tensors, until a token ends it."""

    def __init__(self):
        super().__init__()
        self.embed, self.cell, self.out = nn.Embedding(7, 8), nn.GRUCell(8, 8), nn.Linear(8, 7)

    def forward(self, start: Tensor, state: Tensor):
        token = start
        out: List[Tensor] = []
        while len(out) < 9 and bool((token != 3).all()):
            state = self.cell(self.embed(token), state)
            token = self.out(state).argmax(1)
            out.append(token)
        return torch.stack(out, 1)


def second(x, value):
    x = x.clone()
    x[0, 1] = value
    return x


COUNTS = [[first(rows(i), v)] for i, v in enumerate([3.0, 0.0, 1.0, 7.0])]
CASES = {
    "Stack": (Stack, COUNTS),
    "BySize": (BySize, [[rows(0)]]),
    "Kept": (Kept, [[rows(i, s)] for i, s in enumerate([0.0, 3.0, -3.0])]),
    "Joined": (Joined, COUNTS),
    "Branch": (Branch, [[first(rows(0), v)] for v in (1.0, -1.0)]),
    "Nested": (Nested, [[second(first(rows(i), a), b)] for i, (a, b) in enumerate([(2.0, 3.0), (0.0, 1.0), (3.0, 0.0)])]),
    "Tokens": (Tokens, [[torch.tensor([1, 5]), torch.randn(2, 8, generator=torch.Generator().manual_seed(i))] for i in range(4)]),
}


@pytest.mark.parametrize("engine", ["all", "reference"])
@pytest.mark.parametrize("name", CASES)
def test_scripted(name, engine, tmp_path):
    check_scripted(CASES[name], engine, tmp_path, words=("--set", "max_data_dependent_size=256"))


@pytest.mark.parametrize("kind", [BySize, Kept])
def test_sizes_that_move(kind, tmp_path):
    """The trips bound the list: the setting would not be enough."""
    torch.manual_seed(0)
    model = kind().eval()
    torch.jit.save(torch.jit.script(model), tmp_path / "model.pt")
    tune_and_check(tmp_path, tmp_path / "model.pt", model, [[rows(n, 0.0, n)] for n in (2, 9, 5, 7)], tuning=2,
                   words=("--set", "max_data_dependent_size=2"))


# ---- refusals, each with its line ----


class Pops(nn.Module):
    def forward(self, x: Tensor):
        parts = [x, x]
        if bool(x.sum() > 0):
            parts.pop()
        return torch.cat(parts)


class PopsLater(nn.Module):
    def forward(self, x: Tensor):
        parts = [x]
        if bool(x.sum() > 0):
            parts.append(x)
        parts.pop()
        return torch.cat(parts)


class Pairs(nn.Module):
    def forward(self, x: Tensor):
        parts = [(x, x)]
        for _ in range(int(x[0, 0])):
            parts.append((x, x + 1))
        return parts[-1][0]


class OtherTypes(nn.Module):
    def forward(self, x: Tensor):
        parts = [x]
        for _ in range(int(x[0, 0])):
            parts.append(x.to(torch.int64))
        return parts[-1]


class OtherShapes(nn.Module):
    def forward(self, x: Tensor):
        parts = [x]
        for _ in range(int(x[0, 0])):
            parts.append(x[:, :1])
        return torch.cat(parts, 1)


class WrittenLater(nn.Module):
    def forward(self, x: Tensor):
        parts: List[Tensor] = []
        y = x + 1
        for _ in range(int(x[0, 0])):
            parts.append(y)
            y.add_(1)
        return torch.stack(parts)


class WrittenBefore(nn.Module):
    def forward(self, x: Tensor):
        parts: List[Tensor] = []
        y = x + 1
        for _ in range(int(x[0, 0])):
            y.add_(1)
            parts.append(y)
        return torch.stack(parts)


class Returned(nn.Module):
    def forward(self, x: Tensor):
        parts: List[Tensor] = []
        for _ in range(int(x[0, 0])):
            parts.append(x)
        return parts


class OtherOperator(nn.Module):
    def forward(self, x: Tensor):
        parts: List[Tensor] = []
        for _ in range(int(x[0, 0])):
            parts.append(x)
        return torch.block_diag(parts)


@pytest.mark.parametrize("kind,words", [
    (Pops, ["a list is changed inside of an if or a loop"]),
    (PopsLater, ["pop of a list with as many items as data decide"]),
    (Pairs, ["a list takes a tuple inside of an if or a loop"]),
    (OtherTypes, ["a list holds", "takes i64[4,6]"]),
    (OtherShapes, ["a list holds", "takes f32[4,1]"]),
    (WrittenLater, ["written into after a list has taken it", "Append a clone() of it"]),
    (WrittenBefore, ["a list takes a tensor that is written into", "Append a clone() of it"]),
    (Returned, ["the model returns a list with as many items as data decide"]),
    (OtherOperator, ["block_diag of a list with as many items as data decide"]),
], ids=lambda value: getattr(value, "__name__", ""))
def test_refusals(kind, words, tmp_path):
    torch.jit.save(torch.jit.script(kind()), tmp_path / "model.pt")
    sample = support.write_inputs(tmp_path / "in.npz", [first(rows(0), 2.0)])
    result = support.aitune("tune", tmp_path / "model.pt", "-i", sample, "-o", tmp_path / "model.ait", *support.FAST)
    assert result.status != 0, str(result)
    for word in [*words, *([] if kind is Returned else ["test_growing_lists.py:"])]:
        assert word in result.err, str(result)
