"""Sizes that data decide inside of branches and loops, and what leaves them with a size of its own."""

import warnings

import pytest
import support
import torch
import torchvision
from test_regions import check_portable
from torch import Tensor, nn
from torch._higher_order_ops import map as map_slices
from torch._higher_order_ops.scan import scan

warnings.filterwarnings("ignore", category=FutureWarning)


class FewerRows(nn.Module):
    """Known sizes that differ from branch to branch."""

    def forward(self, x: Tensor):
        if bool(x.sum() > 0):
            y = x[:1]
        else:
            y = x
        return y + 1, y.sum(0)


class Kept(nn.Module):
    """A mask keeps rows in one branch; layers see what is left."""

    def __init__(self):
        super().__init__()
        self.inside, self.behind = nn.Linear(6, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor):
        if bool(x[0, 0] > 0):
            rows = torch.relu(self.inside(x[x[:, 1] > 0]))
        else:
            rows = self.inside(x[:2])
        return self.behind(rows), rows.sum(0)


class NestedKept(nn.Module):
    """Branches within branches; nothing at all in one of them, two dimensions that differ in another."""

    def forward(self, x: Tensor):
        kept = x[x[:, 0] > 0]
        if kept.numel() > 6:
            if bool(kept.sum() > 0):
                y = kept[kept[:, 1] > 0]
            else:
                y = kept[:, kept[0] > 0]
        else:
            y = torch.empty([0, 6])
        return y * 2, y.size(0)


class EarlyReturn(nn.Module):
    def forward(self, x: Tensor):
        keep = torch.where(x[:, 0] > 0)[0]
        if keep.numel() == 0:
            return torch.zeros([0], dtype=torch.int64)
        order = torch.sort(x[keep][:, 1])[1]
        return keep[order]


class LoopOverFound(nn.Module):
    """As many trips as rows are found, each of which finds something itself."""

    def forward(self, x: Tensor):
        found = torch.where(x[:, 0] > 0)[0]
        total = torch.zeros(6)
        largest = 0
        for i in range(len(found)):
            row = x[found[i]]
            above = row[row > row.mean()]
            total = total + row * above.sum()
            largest = max(largest, above.numel())
        return total, largest


class WritesOutside(nn.Module):
    """Writes in branches and loops into tensors that were there before."""

    def forward(self, x: Tensor):
        marks = torch.zeros([x.size(0)], dtype=torch.bool)
        copy = x.clone()
        for i in range(int(x[0, 0])):
            marks[i % x.size(0)] = True
            copy[0] += 1
        if bool(x.sum() > 0):
            copy[marks] = 7.0
        return marks, copy


class Suppression(nn.Module):
    """torchvision's own: at once where boxes are few, class by class where they are many."""

    def forward(self, boxes: Tensor, scores: Tensor, labels: Tensor):
        keep = torchvision.ops.boxes._batched_nms_vanilla(boxes, scores, labels, 0.5)
        few = boxes[scores > 0.5]
        at_once = torchvision.ops.boxes._batched_nms_coordinate_trick(few, scores[scores > 0.5], labels[scores > 0.5], 0.5)
        return keep, at_once


class MasksBesideIndices(nn.Module):
    def forward(self, x: Tensor, i: Tensor):
        mask = x[:, 0] > 0
        y = x.clone()
        y[mask, 2] = 0.5
        return x[mask, 1], x.view(4, 2, 3)[mask, :, i[:1]], x[x[0, 0] + x[:, 1] > 0, 3] * 2, y


class Numbers(nn.Module):
    """Numbers out of tensors that are negative, floats and bools, where operators take numbers."""

    def forward(self, x: Tensor):
        low, share, flag = int(x.min()), float(x.mean()), bool(x[0, 0] > 0)
        y = x.clamp(float(low), share) + low
        filled = torch.full([2, 3], share)
        counts = torch.full([2], low)
        return y, filled, counts, x * flag, torch.arange(3) - low


class ResizedToBoxes(nn.Module):
    """What torchvision does with keypoints: a map for each box, resized to the box, in two dimensions that data decide. The image
    bounds them: else memory would be planned for a million in each."""

    def forward(self, maps: Tensor, boxes: Tensor):
        boxes = boxes.clamp(min=0, max=40)
        sizes = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1).ceil()
        found = torch.zeros(len(boxes), 2)
        for i in range(len(boxes[boxes[:, 0] > 3])):
            width, height = int(sizes[i, 0].item()), int(sizes[i, 1].item())
            resized = nn.functional.interpolate(maps[i][None, None], size=(height, width), mode="bicubic", align_corners=False)[0, 0]
            best = resized.reshape(-1).argmax()
            found[i, 0] = best % width
            found[i, 1] = resized.flatten()[best]
        return found


def rows(seed, shift=0.0, count=4):
    return torch.randn(count, 6, generator=torch.Generator().manual_seed(seed)) + shift


def boxes(seed, count):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * 50
    return [torch.cat([corner, corner + 5 + torch.rand(count, 2, generator=generator) * 30], 1),
            torch.rand(count, generator=generator), torch.randint(0, 5, [count], generator=generator)]


def first(x, value):
    x = x.clone()
    x[0, 0] = value
    return x


class Longest(nn.Module):
    """A mask up to the longest length, which is no smaller than the rest of the sizes: it does not broadcast."""

    def forward(self, x: Tensor, lengths: Tensor):
        count = int(lengths.max().item())
        mask = torch.arange(count).expand(lengths.size(0), count) >= lengths.unsqueeze(1)
        return x.masked_fill(mask.unsqueeze(1), -1.0) + torch.arange(count)


class Parts(nn.Module):
    """Sizes that data decide, and that slices hold to the size of what they are taken of."""

    def forward(self, x: Tensor, ends: Tensor):
        n, m = int(ends[0].item()), int(ends[1].item())
        return torch.cat([x[:n], x[m:]]) @ torch.cat([x[:m], x[n:]]).t()


SHIFTS = [0.0, 3.0, -3.0]
CASES = {
    "Longest": (Longest, [[torch.randn(2, 3, 6), torch.tensor(n)] for n in ([6, 3], [1, 6], [6, 6])]),
    "Parts": (Parts, [[rows(i), torch.tensor(n)] for i, n in enumerate([[3, 2], [0, 4], [4, 4]])]),
    "FewerRows": (FewerRows, [[rows(i, s)] for i, s in enumerate(SHIFTS)]),
    "Kept": (Kept, [[first(rows(i, s), v)] for i, s in enumerate(SHIFTS) for v in (1.0, -1.0)]),
    "NestedKept": (NestedKept, [[rows(i, s)] for i in range(4) for s in SHIFTS]),
    "EarlyReturn": (EarlyReturn, [[rows(i, s)] for i, s in enumerate(SHIFTS)]),
    "LoopOverFound": (LoopOverFound, [[rows(i, s)] for i, s in enumerate(SHIFTS)]),
    "WritesOutside": (WritesOutside, [[first(rows(i), v)] for i, v in enumerate([0.0, 1.0, 3.0, 9.0])]),
    "Suppression": (Suppression, [boxes(i, 40) for i in range(3)]),
    "ResizedToBoxes": (ResizedToBoxes, [[torch.rand(6, 5, 5, generator=torch.Generator().manual_seed(i)),
                                         boxes(i, 6)[0] * scale] for i, scale in enumerate([1.0, 0.2, 3.0])]),
    "MasksBesideIndices": (MasksBesideIndices, [[rows(i, s), torch.tensor([1, 2])] for i, s in enumerate(SHIFTS)]),
    "Numbers": (Numbers, [[rows(i, s) * 5] for i, s in enumerate(SHIFTS)]),
}


def results(model, sample):
    """Numbers come out as 0-dim tensors."""
    with torch.no_grad():
        got = model(*[t.clone() for t in sample])
    flat = torch.utils._pytree.tree_leaves(got)
    return [leaf if isinstance(leaf, Tensor) else torch.tensor(leaf) for leaf in flat]


def tune_and_check(folder, file, model, samples, tuning=1, words=()):
    files = [support.write_inputs(folder / f"in{i}.npz", sample) for i, sample in enumerate(samples)]
    support.must("tune", file, *[w for f in files[:tuning] for w in ("-i", f)], "-o", folder / "model.ait", *support.FAST, *words)
    support.must("run", folder / "model.ait", *[w for f in files for w in ("-i", f)], "-o", folder / "out.npz")
    for i, sample in enumerate(samples):
        out = folder / (f"out.{i}.npz" if len(samples) > 1 else "out.npz")
        support.check_same(support.read_outputs(out), results(model, sample), support.FP32_BOUND,
                           f"{type(model).__name__}, inputs {i}")


def check_scripted(case, engine, folder, tuning=1, words=()):
    """A case, (kind of module, samples), scripted, with all engines or the reference alone."""
    torch.manual_seed(0)
    kind, samples = case
    model = kind().eval()
    torch.jit.save(torch.jit.script(model), folder / "model.pt")
    only = ("--set", "engine=reference") if engine == "reference" else ()
    tune_and_check(folder, folder / "model.pt", model, samples, tuning=tuning, words=(*only, *words))


@pytest.mark.parametrize("engine", ["all", "reference"])
@pytest.mark.parametrize("name", CASES)
def test_scripted(name, engine, tmp_path):
    check_scripted(CASES[name], engine, tmp_path)


class BySize(nn.Module):
    """Conditions on a size that moves; the branch for large inputs would not fit small ones."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, x: Tensor):
        n = x.size(0)
        if n > 4:
            y = self.layer(x)[2:4]
        else:
            y = x[:1] - 1
        steps = 0
        while n > 1:
            n = n // 2
            steps += 1
        z = x
        for _ in range(x.size(0)):
            z = z * 0.5
        return y, steps, z


def test_conditions_on_sizes_that_move(tmp_path):
    torch.manual_seed(0)
    model = BySize().eval()
    torch.jit.save(torch.jit.script(model), tmp_path / "model.pt")
    tune_and_check(tmp_path, tmp_path / "model.pt", model, [[rows(n, 0.0, n)] for n in (1, 9, 4, 5, 8)], tuning=2)


class CondBySize(nn.Module):
    def forward(self, x):
        return torch.cond(x.shape[0] > 4, lambda x: x * 2, lambda x: x - 1, (x,))


def test_exported_condition_on_a_size(tmp_path):
    model = CondBySize().eval()
    support.export(model, [rows(0, 0.0, 7)], tmp_path / "model.pt2", ({0: torch.export.Dim("rows", min=2, max=16)},))
    tune_and_check(tmp_path, tmp_path / "model.pt2", model, [[rows(n, 0.0, n)] for n in (7, 4, 5, 16, 2)])


class Slices(nn.Module):
    """map and scan of torch.export."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(6, 6))

    def forward(self, x, b):
        mapped = map_slices(lambda row, bias: (row @ self.weight + bias).relu(), x, b)
        last, sums = scan(lambda carry, row: (carry * 0.5 + row, carry + row.sin()), torch.zeros(6), x)
        return mapped, last, sums


def test_map_and_scan(tmp_path):
    torch.manual_seed(0)
    model = Slices().eval()
    samples = [[rows(i), torch.randn(6)] for i in range(2)]
    support.export(model, samples[0], tmp_path / "model.pt2")
    tune_and_check(tmp_path, tmp_path / "model.pt2", model, samples)


class Chunks(nn.Module):
    """scan with two tensors and a number from outside, and a result of each slice that is another size than the slice."""

    def forward(self, x, y):
        def step(state, slices):
            row, other = slices
            return torch.tanh(state + row[:3]), (state * other.sum(), torch.outer(state, row[:2]))

        state, (a, b) = scan(step, torch.zeros(3), (x, y), reverse=True)
        return state, a, b, map_slices(lambda row: (row * 2, row.sum()), x * x.shape[0])


@pytest.mark.parametrize("engine", ["all", "reference"])
@pytest.mark.parametrize("kind", [Slices, Chunks])
def test_map_and_scan_over_a_size_that_moves(kind, engine, tmp_path):
    torch.manual_seed(0)
    model = kind().eval()
    samples = [[rows(n, 0.0, n), torch.randn(6) if kind is Slices else rows(n + 50, 0.0, n)] for n in (5, 2, 16, 1)]
    size = {0: torch.export.Dim("rows", min=1, max=16)}
    support.export(model, samples[0], tmp_path / "model.pt2", (size, None if kind is Slices else size))
    tune_and_check(tmp_path, tmp_path / "model.pt2", model, samples,
                   words=("--set", "engine=reference") if engine == "reference" else ())


def test_scan_over_many_slices(tmp_path):
    """So many that they become a loop; the first slice and the last one count."""
    model = Slices().eval()
    samples = [[rows(i, 0.0, 3000), torch.randn(6)] for i in range(2)]
    support.export(model, samples[0], tmp_path / "model.pt2")
    tune_and_check(tmp_path, tmp_path / "model.pt2", model, samples)


class ExportedMasks(nn.Module):
    def forward(self, x):
        mask = x[:, 0] > 0
        return x[mask, 1] * 2, x.view(4, 2, 3)[mask, 1].sum(0)


def test_exported_masks_beside_indices(tmp_path):
    model = ExportedMasks().eval()
    samples = [[rows(i, s)] for i, s in enumerate(SHIFTS)]
    support.export(model, samples[0], tmp_path / "model.pt2")
    tune_and_check(tmp_path, tmp_path / "model.pt2", model, samples)


@pytest.mark.parametrize("kind,inputs,other,words", [
    (Longest, [torch.randn(2, 3, 6), torch.tensor([6, 3])], [torch.randn(2, 3, 6), torch.tensor([4, 3])], "needs 6 == u0"),
    (Parts, [rows(0), torch.tensor([3, 2])], [rows(0), torch.tensor([9, 2])], "u0 is 9, and the plan is for 0 to 4"),
], ids=["Longest", "Parts"])
def test_sizes_that_do_not_fit_are_refused(kind, inputs, other, words, tmp_path):
    torch.jit.save(torch.jit.script(kind()), tmp_path / "model.pt")
    file = support.write_inputs(tmp_path / "in.npz", inputs)
    support.must("tune", tmp_path / "model.pt", "-i", file, "-o", tmp_path / "model.ait", *support.FAST)
    file = support.write_inputs(tmp_path / "other.npz", other)
    refused = support.aitune("run", tmp_path / "model.ait", "-i", file, "-o", tmp_path / "out.npz")
    assert refused.status == 1 and words in refused.err, str(refused)


class Scaled(nn.Module):
    """A number out of the data in the middle of what is compared."""

    def __init__(self, scale: float):
        super().__init__()
        self.register_buffer("scale", torch.tensor(scale))

    def forward(self, x: Tensor, lengths: Tensor):
        count = int(lengths.max().item())
        y = torch.relu(x) + torch.arange(count)
        return torch.sigmoid(y * self.scale)


def test_compare_passes_numbers_by(tmp_path):
    inputs = support.write_inputs(tmp_path / "in.npz", [torch.randn(2, 6), torch.tensor([6, 3])])
    for name, scale in (("a", 0.5), ("b", 0.6)):
        torch.jit.save(torch.jit.script(Scaled(scale)), tmp_path / f"{name}.pt")
        support.must("tune", tmp_path / f"{name}.pt", "-i", inputs, "-o", tmp_path / f"{name}.ait", *support.FAST)
    found = support.aitune("compare", tmp_path / "a.ait", tmp_path / "b.pt", "-i", inputs)
    assert found.status == 2 and "first" in found.out and "mul" in found.out, str(found)


class Padding(nn.Module):
    """A mask whose size data decide, viewed as one of a known size: nobody can tell that it fits, but the run."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.LayerNorm(8), nn.Linear(8, 8), nn.Tanh())

    def forward(self, x: Tensor, lengths: Tensor):
        count = int(lengths.max().item())
        mask = torch.arange(count).expand(lengths.size(0), count) >= lengths.unsqueeze(1)
        return self.layers(x).masked_fill(mask.view(lengths.size(0), x.size(1), 1), -1.0)


def test_a_view_that_nobody_can_prove_costs_itself_alone(tmp_path):
    torch.manual_seed(0)
    model = Padding().eval()
    inputs = [torch.randn(2, 4, 6), torch.tensor([4, 3])]
    file = support.write_inputs(tmp_path / "in.npz", inputs)
    torch.jit.save(torch.jit.script(model), tmp_path / "model.pt")
    report = support.must("tune", tmp_path / "model.pt", "-i", file, "-o", tmp_path / "model.ait", "--json", *support.FAST).json()
    assert report["compiled_share"] > 0.7, report["fallbacks"]
    support.must("run", tmp_path / "model.ait", "-i", file, "-o", tmp_path / "out.npz")
    support.check_same(support.read_outputs(tmp_path / "out.npz"), results(model, inputs), support.FP32_BOUND, "Padding")
