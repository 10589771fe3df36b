"""Lists of TorchScript that become longer as often as data decide, in loops and in branches."""

import warnings
from typing import Dict, List, Tuple

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


class Pairs(nn.Module):
    """Tuples in a list, also within each other: a list for each of their parts."""

    def forward(self, x: Tensor):
        best = [(x[0], (0, 0.5))]
        for i in range(int(x[0, 0])):
            if bool(x[i % 4, 1] > 0):
                best.append((x[i % 4] * i, (i, 1.5)))
        total, places = torch.zeros(6), 0
        for t, (i, share) in best:
            total, places = total + t * share, places + i
        row, (last, _) = best[-1]
        return total, row, torch.tensor(places), torch.tensor(last), torch.tensor(len(best))


class Remade(nn.Module):
    """Another list on every trip, or in one branch alone."""

    def forward(self, x: Tensor):
        outs: List[Tensor] = []
        other = [x[0]]
        for i in range(int(x[0, 0])):
            outs = outs + [x[i % 4] * i]
            if bool(x[i % 4, 1] > 0):
                other = other + outs[-1:]
            elif bool(x[i % 4, 2] > 0):
                other += [x[1], x[2]]
        outs.append(x[3])
        return torch.stack(outs), torch.stack(other), torch.tensor(len(other))


class Doubled(nn.Module):
    """A sum of lists in a loop that a condition ends."""

    def forward(self, x: Tensor):
        parts: List[Tensor] = []
        while bool(x.abs().sum() < 100):
            x = x * 2
            parts = parts + [x]
        return torch.cat(parts + [x])


class Orders(nn.Module):
    """Slices of a list, its reverse, its last item taken away, and functions of its numbers."""

    def forward(self, x: Tensor):
        outs, numbers = [x[0]], [7]
        for i in range(int(x[0, 0])):
            outs.append(x[i % 4] - i)
            numbers.append((i * 5) % 3)
        back = outs[::-1]
        last = outs.pop()
        copy = outs.copy()
        copy.reverse()
        copy.append(last)
        return (torch.stack(back), last, torch.stack(copy), torch.stack(back[:1] + outs), torch.tensor(max(numbers)),
                torch.tensor(min(numbers)), torch.tensor(sum(numbers)))


class ScriptedLstm(nn.Module):
    """What the LSTMs of PyTorch's own benchmarks do, in both directions, over as many steps as there are."""

    def __init__(self):
        super().__init__()
        self.cells = nn.ModuleList([nn.LSTMCell(6, 5), nn.LSTMCell(6, 5)])

    def forward(self, x: Tensor):
        zero = torch.zeros(x.size(1), 5)
        states = torch.jit.annotate(List[Tuple[Tensor, Tensor]], [])
        results = torch.jit.annotate(List[Tensor], [])
        for d, cell in enumerate(self.cells):
            inputs = x.unbind(0)
            if d == 1:
                inputs = inputs[::-1]
            state = (zero, zero)
            outputs = torch.jit.annotate(List[Tensor], [])
            for i in range(len(inputs)):
                state = cell(inputs[i], state)
                outputs += [state[0]]
            if d == 1:
                outputs = outputs[::-1]
            results += [torch.stack(outputs)]
            states += [state]
        return torch.cat(results, -1), states


class Places(nn.Module):
    """Places in lists that data decide, of items that are known."""

    def forward(self, x: Tensor):
        rows = [x[0], x[1] * 2, x[2] * 3]
        best = int(x[:3, 0].argmax())
        total = torch.zeros(6)
        for row in rows[:best][::-1]:
            total = total * 0.5 + row
        return rows[best], torch.tensor([5, 7, 9][best]), total


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
    "Pairs": (Pairs, COUNTS),
    "Places": (Places, [[rows(i)] for i in range(4)]),
    "Remade": (Remade, COUNTS),
    "Orders": (Orders, COUNTS),
    "Doubled": (Doubled, [[rows(0)], [rows(1) * 0.01], [rows(2) * 100]]),
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


def test_steps_that_move(tmp_path):
    torch.manual_seed(0)
    model = ScriptedLstm().eval()
    torch.jit.save(torch.jit.script(model), tmp_path / "model.pt")
    tune_and_check(tmp_path, tmp_path / "model.pt", model, [[torch.randn(n, b, 6)] for n, b in ((2, 1), (9, 3), (5, 2), (7, 3))],
                   tuning=2)


class Seq2Seq(nn.Module):
    """nn.Transformer with the masks of its guide, over sentences of any length."""

    def __init__(self):
        super().__init__()
        self.embed, self.out = nn.Embedding(50, 16), nn.Linear(16, 50)
        self.transformer = nn.Transformer(16, 2, 2, 2, 32, batch_first=True)

    def forward(self, source: Tensor, target: Tensor):
        mask = torch.triu(torch.full((target.size(1), target.size(1)), float("-inf")), diagonal=1)
        padding = source == 0
        y = self.transformer(self.embed(source), self.embed(target), tgt_mask=mask, src_key_padding_mask=padding,
                             memory_key_padding_mask=padding)
        return self.out(y)


def test_sentences_that_move(tmp_path):
    torch.manual_seed(0)
    model = Seq2Seq().eval()
    torch.jit.save(torch.jit.script(model), tmp_path / "model.pt")
    samples = [[torch.randint(1, 50, (b, n)), torch.randint(1, 50, (b, m))] for b, n, m in ((1, 3, 2), (3, 9, 7), (2, 5, 6))]
    samples[1][0][1, 6:] = 0
    tune_and_check(tmp_path, tmp_path / "model.pt", model, samples, tuning=2)


class Repeats(nn.Module):
    def forward(self, x: Tensor, count: int, parts: Dict[str, Tensor], scale: float):
        outs = [x]
        for i in range(count):
            outs.append(x * i * scale)
        return torch.stack(outs) + parts["b"] - parts["a"], count * 2, scale, True


@pytest.mark.parametrize("named", [False, True])
def test_numbers_of_samples(named, tmp_path):
    """A number that differs between samples is an input, one that does not a constant; the same files tune and run."""
    model, a, b, x = Repeats(), torch.randn(3), torch.randn(3), torch.randn(3)
    torch.jit.save(torch.jit.script(model), tmp_path / "model.pt")
    names = ("x", "count", "parts.a", "parts.b", "scale") if named else ("0", "1", "2.a", "2.b", "3")

    def sample(count, scale=0.5):
        values = (x, torch.tensor(count), a, b, torch.tensor(scale, dtype=torch.float64))
        return support.write_inputs(tmp_path / f"{count}-{scale}.npz", dict(zip(names, values)))

    file = tmp_path / "model.ait"
    support.must("tune", tmp_path / "model.pt", "-i", sample(2), "-i", sample(5), "-o", file, *support.FAST)
    for count in (2, 3, 5, 0):
        support.must("run", file, "-i", sample(count), "-o", tmp_path / "out.npz")
        expected = [torch.as_tensor(v) for v in model(x, count, {"a": a, "b": b}, 0.5)]
        support.check_same(support.read_outputs(tmp_path / "out.npz"), expected, support.FP32_BOUND, f"{count} times")
    refused = support.aitune("run", file, "-i", sample(2, 0.75), "-o", tmp_path / "out.npz")
    assert refused.status != 0 and "is 0.75, and was 0.5 when the model was tuned" in refused.err, str(refused)


# ---- refusals, each with its line ----


class OtherTuples(nn.Module):
    def forward(self, x: Tensor):
        parts = [(x, x)]
        for _ in range(int(x[0, 0])):
            parts.append((x, x.to(torch.int64)))
        return torch.cat([parts[-1][0], parts[-1][1]])


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
    (OtherTuples, ["a list holds something else and takes i64[4,6]"]),
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
