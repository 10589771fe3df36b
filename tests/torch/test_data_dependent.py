"""Models with sizes that data decide: exported, tuned once, then run on inputs that keep nothing, something and all."""

import pytest
import support
import torch
from torch.export import Dim

torchvision = pytest.importorskip("torchvision")

ROWS = Dim("rows", min=1, max=64)


class Nonzero(torch.nn.Module):
    def forward(self, x):
        return torch.nonzero(x > 0)


class MaskedRows(torch.nn.Module):
    """A mask keeps rows; a linear layer and a sum see what is left."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(6, 8)
        self.second = torch.nn.Linear(8, 3)

    def forward(self, x):
        rows = torch.relu(self.first(x))[x[:, 0] > 0]
        out = torch.tanh(self.second(rows))
        return out, out.sum(0)


class MaskedSelect(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(1, 4)

    def forward(self, x):
        chosen = torch.masked_select(x, x > 0) * 2 + 1
        return chosen, self.linear(chosen[:, None]).sum(0)


class TwoMasks(torch.nn.Module):
    """One mask twice, and a second one on what is left."""

    def forward(self, x):
        keep = x[:, 0] > 0
        a, b = x[keep], (x * 2)[keep]
        c = a + b
        return c, c[c[:, 1] > 0] * 3


class WholeMask(torch.nn.Module):
    def forward(self, x):
        return x[x > 0].exp(), x[:, x[0] > 0]


class Unique(torch.nn.Module):
    def forward(self, x):
        whole = torch.round(x * 2).to(torch.int64)
        values, inverse, counts = torch.unique(whole, return_inverse=True, return_counts=True)
        rows = torch.unique(torch.sign(x[:, :2]), dim=0)
        return values, inverse, counts * 2, rows, torch.unique_consecutive(whole)


class SizeFromNumber(torch.nn.Module):
    def forward(self, x, n):
        k = n.item()
        torch._check(k >= 0)
        torch._check(k <= x.shape[0])
        return x[:k] * 2, torch.zeros(k, 3) + 1


class Repeat(torch.nn.Module):
    def forward(self, x):
        counts = (x[:, 0] * 3).clamp(0, 4).to(torch.int64)
        return torch.repeat_interleave(x, counts, dim=0) + 1, torch.bincount(counts)


class Detection(torch.nn.Module):
    """A small head: boxes and scores of every cell, the best by top-k, non-maximum suppression, a threshold."""

    def __init__(self):
        super().__init__()
        self.features = torch.nn.Conv2d(3, 8, 3, padding=1, stride=2)
        self.boxes = torch.nn.Conv2d(8, 4, 1)
        self.scores = torch.nn.Conv2d(8, 1, 1)
        self.classes = torch.nn.Linear(8, 5)

    def forward(self, image, threshold):
        x = torch.relu(self.features(image))
        near = self.boxes(x).flatten(2)[0].T
        scores = torch.sigmoid(self.scores(x).flatten() * 4)
        scores, index = scores.topk(40)
        centre = torch.stack([index % 16, index // 16], 1).float()
        size = near[index].abs() * 2 + 1
        boxes = torch.cat([centre - size[:, :2], centre + size[:, 2:]], 1)
        keep = torchvision.ops.nms(boxes, scores, 0.3)
        boxes, scores = boxes[keep], scores[keep]
        sure = scores > threshold
        boxes, scores = boxes[sure], scores[sure]
        batch = torch.cat([torch.zeros_like(boxes[:, :1]), boxes], 1)
        pooled = torchvision.ops.roi_align(x, batch, (2, 2), sampling_ratio=2)
        return boxes, scores, torch.softmax(self.classes(pooled.mean((2, 3))), -1)


class Positions(torch.nn.Module):
    """Positions as tuples, and sums by them."""

    def forward(self, x):
        a, b = torch.where(x > 0)
        c, d = torch.nonzero(x < 0, as_tuple=True)
        return x[a, b], c + d, x.sum() + torch.zeros(64).index_add(0, a, x[a, b]).sum()


class WriteBack(torch.nn.Module):
    """What a mask keeps is computed apart and written back."""

    def forward(self, x):
        keep = x[:, 0] > 0
        y = x.clone()
        y[keep] = torch.tanh(x[keep]) * 2
        z = x.clone()
        z[x > 1] = x[x > 1] - 1
        return y, z


class ScatterBack(torch.nn.Module):
    """The same by masked_scatter(), as mixtures of modalities do; and rows written one by one."""

    def forward(self, x):
        keep = x[:, 0] > 0
        rows = torch.tanh(x[keep]) * 2
        at = torch.nonzero(keep)[:, 0]
        return x.masked_scatter(keep[:, None], rows) + 1, x.index_copy(0, at, rows) * 2


class RowsOfAll(torch.nn.Module):
    """Normalisations, products, joins and sorts of rows that data decide."""

    def forward(self, x):
        r = x[x[:, 0] > 0]
        return (torch.softmax(r, 1), torch.nn.functional.layer_norm(r, (6,)), r @ r.T, r.T @ r, torch.cat([r, r[:, :2]], 1),
                torch.cat([x, r], 0), r.cumsum(0), torch.sort(r, 0)[0], r.reshape(-1, 2, 3).sum(1),
                r * torch.arange(r.shape[0])[:, None])


class Regions(torch.nn.Module):
    """Convolutions and pooling with padding on as many images as are kept: halos move with the size."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Conv2d(1, 8, 3, padding=1)
        self.second = torch.nn.Conv2d(8, 4, 3, padding=1)
        self.out = torch.nn.Linear(16, 5)

    def forward(self, x):
        images = torch.nn.functional.pad(x, (0, 3)).reshape(-1, 1, 3, 3)[x[:, 0] > 0]
        y = self.second(torch.relu(self.first(images)))
        return self.out(torch.nn.functional.max_pool2d(y, 3, 2, 1).flatten(1))


class CountedRows(torch.nn.Module):
    """How many are kept is a number of the program, and a size."""

    def forward(self, x):
        n = (x[:, 0] > 0).sum().item()
        torch._check(n >= 0)
        torch._check(n <= x.shape[0])
        return torch.sort(x[:, 1], descending=True)[0][:n] * 2, x.narrow(0, 0, n) * n


class Static(torch.nn.Module):
    def forward(self, x):
        return torch.nonzero_static(x > 0, size=20)


def rows(n, generator, shift=0.0):
    return torch.randn(n, 6, generator=generator) + shift


def mixed(generator, dynamic):
    """What keeps something, nothing, all; other sizes where they may vary."""
    count = [9, 1, 40, 17] if dynamic else [9, 9, 9, 9]
    shifts = [0.0, -10.0, 10.0, 0.3]
    return [(rows(n, generator, s),) for n, s in zip(count, shifts, strict=True)]


def check(model, samples, tmp_path, dynamic_shapes=None, settings=(), compiled=True):
    support.export(model, samples[0], tmp_path / "model.pt2", dynamic_shapes)
    inputs = [support.write_inputs(tmp_path / f"in{i}.npz", sample) for i, sample in enumerate(samples)]
    tuned = support.must("tune", tmp_path / "model.pt2", "-i", inputs[0], "-o", tmp_path / "model.ait", *support.FAST,
                         *settings, "--json").json()
    if compiled:
        assert tuned["compiled_share"] > 0, tuned
    for sample, file in zip(samples, inputs, strict=True):
        support.must("run", tmp_path / "model.ait", "-i", file, "-o", tmp_path / "out.npz")
        with torch.no_grad():
            expected = support.tensors_of(model(*sample))
        support.check_same(support.read_outputs(tmp_path / "out.npz"), expected, support.FP32_BOUND, str(sample[0].shape))
    support.must("verify", tmp_path / "model.ait")
    return tuned


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("make", [Nonzero, MaskedRows, MaskedSelect, TwoMasks, WholeMask, Unique, Static, Positions, WriteBack,
                                  ScatterBack, RowsOfAll, Regions, CountedRows])
def test_extents_follow_the_data(make, dynamic, tmp_path, generator):
    check(make(), mixed(generator, dynamic), tmp_path, {"x": {0: ROWS}} if dynamic else None,
          compiled=make not in (Unique,))


def test_all_on_the_reference_engine(tmp_path, generator):
    check(MaskedRows(), mixed(generator, True), tmp_path, {"x": {0: ROWS}}, ["--set", "engine=reference"], False)


@pytest.mark.parametrize("dynamic", [False, True])
def test_a_number_as_a_size(dynamic, tmp_path, generator):
    sizes = [(9, 4), (9, 0), (9, 9), (9, 1)] if not dynamic else [(9, 4), (3, 0), (40, 40), (1, 1)]
    samples = [(rows(n, generator), torch.tensor(k)) for n, k in sizes]
    check(SizeFromNumber(), samples, tmp_path, {"x": {0: ROWS}, "n": None} if dynamic else None)


def test_a_number_beyond_its_limit_is_refused(tmp_path, generator):
    check(SizeFromNumber(), [(rows(9, generator), torch.tensor(4))], tmp_path)
    for bad in (10, -1, 2**40):
        file = support.write_inputs(tmp_path / "bad.npz", (rows(9, generator), torch.tensor(bad)))
        result = support.aitune("run", tmp_path / "model.ait", "-i", file)
        assert result.status != 0 and "item" in result.err, str(result)


def test_sizes_without_a_bound(tmp_path, generator):
    samples = [(torch.rand(9, 6, generator=generator) * s,) for s in (1.0, 0.0, 3.0)]
    check(Repeat(), samples, tmp_path)
    check(Repeat(), samples[1:], tmp_path, settings=["--set", "max_data_dependent_size=36"])
    many = support.write_inputs(tmp_path / "many.npz", [torch.full((9, 6), 3.0)])
    support.must("run", tmp_path / "model.ait", "-i", many)
    check(Repeat(), samples[1:2], tmp_path, settings=["--set", "max_data_dependent_size=8"])
    result = support.aitune("run", tmp_path / "model.ait", "-i", many)
    assert result.status != 0 and "repeat_interleave" in result.err, str(result)


def test_detection(tmp_path, generator):
    model = Detection()
    samples = [(torch.rand(1, 3, 32, 32, generator=generator), torch.tensor(t)) for t in (0.5, 2.0, 0.0, 0.6)]
    check(model, samples, tmp_path)


def test_fallback_is_as_asked(tmp_path, generator):
    """fallback_data_dependent_ops moves those operators to the fallback, and then counts as any fallback does."""
    model, samples = MaskedRows(), mixed(generator, False)
    tuned = check(model, samples, tmp_path, settings=["--set", "fallback_data_dependent_ops=true"])
    assert any("fallback_data_dependent_ops" in line for line in tuned["fallbacks"]), tuned
    file = support.write_inputs(tmp_path / "in.npz", samples[0])
    result = support.aitune("tune", tmp_path / "model.pt2", "-i", file, "-o", tmp_path / "no.ait", *support.FAST, "--set",
                            "require_full_compilation=true")
    assert result.status != 0 and "aten.nonzero.default" in result.err, str(result)


class AboveALimit(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(64, 64)

    def forward(self, x, limit):
        y = torch.softmax(self.linear(x), 1)
        return torch.nonzero(y >= limit), y


def test_sizes_that_a_rounding_decides(tmp_path, generator):
    """Every limit of the second sample is the number itself: whether it is reached, the last bit of a sum says."""
    model = AboveALimit().eval()
    x = torch.randn(64, 64, generator=generator)
    with torch.no_grad():
        samples = [(x, torch.rand(64, 64, generator=generator) / 32), (x, model(x, torch.zeros(64, 64))[1])]
    support.export(model, samples[0], tmp_path / "model.pt2")
    words = [w for i, sample in enumerate(samples) for w in ("-i", support.write_inputs(tmp_path / f"in{i}.npz", sample))]
    tuned = support.must("tune", tmp_path / "model.pt2", *words, "-o", tmp_path / "model.ait", *support.FAST)
    assert "a rounding decides the sizes of nonzero on sample 1" in tuned.err, str(tuned)
    support.must("verify", tmp_path / "model.ait")
    support.must("tune", tmp_path / "model.pt2", *words, "-o", tmp_path / "again.ait", *support.FAST, "--decisions",
                 tmp_path / "model.ait")
    assert (tmp_path / "again.ait").read_bytes() == (tmp_path / "model.ait").read_bytes()
    support.must("refit", tmp_path / "model.ait", tmp_path / "model.pt2", "-o", tmp_path / "refit.ait")
    support.must("verify", tmp_path / "refit.ait")


class FirstRow(torch.nn.Module):
    """The rest beside its first row, which may not be there."""

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(6, 6)

    def forward(self, x):
        y = x[x[:, 0] > 0]
        z = self.linear(y)
        return y - y[:1], z[:1] * y, torch.where(y > z[0:1], y, z), z.sum(1, keepdim=True)[:1] + z


class CountedSlice(torch.nn.Module):
    def forward(self, x):
        n = int((x[:, 0] > 0).sum())
        return x[:n] * 2, torch.zeros(n, 2) + 1


@pytest.mark.parametrize("form", ["fx", "ts"])
def test_differences_to_the_first_row(form, tmp_path, generator):
    model = FirstRow().eval()
    x = torch.randn(5, 6, generator=generator)
    samples = [(x,), (-x.abs(),), (x.abs(),), (torch.cat([-x[:1].abs(), x[:1].abs(), -x[:3].abs()]),)]
    saved = torch.jit.script(model) if form == "ts" else torch.fx.symbolic_trace(model)
    saved.save(tmp_path / "model.pt") if form == "ts" else torch.save(saved, tmp_path / "model.pt")
    run_form(form, model, samples, tmp_path)


@pytest.mark.parametrize("make", [MaskedRows, MaskedSelect, Nonzero])
def test_fx(make, tmp_path, generator):
    model, samples = make().eval(), mixed(generator, False)
    torch.save(torch.fx.symbolic_trace(model), tmp_path / "model.pt")
    run_form("fx", model, samples, tmp_path)


@pytest.mark.parametrize("make", [MaskedRows, MaskedSelect, Nonzero, CountedSlice])
def test_torchscript(make, tmp_path, generator):
    model, samples = make().eval(), mixed(generator, False)
    torch.jit.script(model).save(tmp_path / "model.pt")
    run_form("ts", model, samples, tmp_path)


class Scattered(torch.nn.Module):
    def forward(self, x, keep, rows):
        return torch.exp(x.masked_scatter(keep[:, None], rows)) + 1


def test_an_input_without_rows(tmp_path, generator):
    x, keep = rows(9, generator), torch.zeros(9, dtype=torch.bool)
    keep[3] = keep[5] = True
    samples = [(x, keep, rows(2, generator)), (x, torch.zeros_like(keep), torch.zeros(0, 6)), (x, keep, rows(7, generator))]
    torch.jit.script(Scattered().eval()).save(tmp_path / "model.pt")
    run_form("ts", Scattered(), samples, tmp_path, ["--shapes", "rows=0..9x6"])


def run_form(form, model, samples, tmp_path, settings=()):
    file = support.write_inputs(tmp_path / "in0.npz", samples[0])
    support.must("tune", tmp_path / "model.pt", "-i", file, "-o", tmp_path / "model.ait", "--ir", form,
                 *support.FAST, *settings)
    for sample in samples:
        file = support.write_inputs(tmp_path / "in.npz", sample)
        support.must("run", tmp_path / "model.ait", "-i", file, "-o", tmp_path / "out.npz")
        with torch.no_grad():
            expected = support.tensors_of(model(*sample))
        support.check_same(support.read_outputs(tmp_path / "out.npz"), expected, support.FP32_BOUND, form)


class SizedByMask(torch.nn.Module):
    """As many are kept as there are rows, which tracing has made a constant; and written into."""

    def forward(self, x, keep):
        kept = x[keep]
        kept.sub_(torch.max(x[~keep].view(x.shape[0], -1), 1)[0])
        return torch.clamp(1 - kept, 0).sum(), kept * 2


def test_a_write_keeps_the_size_that_data_decide(tmp_path, generator):
    x = torch.rand(6, 4, generator=generator)
    keep = torch.zeros(6, 4, dtype=torch.bool).scatter(1, torch.randint(0, 4, (6, 1), generator=generator), True)
    torch.jit.trace(SizedByMask(), (x, keep)).save(tmp_path / "model.pt")
    inputs = support.write_inputs(tmp_path / "in.npz", [x, keep])
    support.must("tune", tmp_path / "model.pt", "-i", inputs, "-o", tmp_path / "model.ait", *support.FAST)
    support.must("run", tmp_path / "model.ait", "-i", inputs, "-o", tmp_path / "out.npz")
    support.check_same(support.read_outputs(tmp_path / "out.npz"), SizedByMask()(x, keep), support.FP32_BOUND, "sized")


class OwnMask(torch.nn.Module):
    """A mask of the model's own says beforehand how many are kept."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mask", torch.tensor([True, False, True]))

    def forward(self, x):
        kept = x[:, self.mask]
        first = x[0][torch.arange(3) < torch.tensor([2])]
        return kept * 2, kept.flatten(1).sum(1), torch.relu(first), x[:, torch.tensor([True, True, True])] + 1


@pytest.mark.parametrize("form", ["exported", "scripted"])
@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_masks_that_are_constants(form, engine, tmp_path, generator):
    model, x = OwnMask(), torch.rand(2, 3, 4, generator=generator)
    file = tmp_path / ("model.pt2" if form == "exported" else "model.pt")
    support.export(model, [x], file) if form == "exported" else torch.jit.script(model).save(file)
    inputs = support.write_inputs(tmp_path / "in.npz", [x])
    support.must("tune", file, "-i", inputs, "-o", tmp_path / "model.ait", *support.FAST, "--set", f"engine={engine}")
    support.must("run", tmp_path / "model.ait", "-i", inputs, "-o", tmp_path / "out.npz")
    support.check_same(support.read_outputs(tmp_path / "out.npz"), support.tensors_of(model(x)), support.FP32_BOUND, form)
