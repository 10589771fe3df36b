"""refit and repeat of Modules and pipelines, and plans that are told of on the way."""

import copy
import shutil

import pytest
import torch

import aitune
import aitune.torch as ait
from support import check_same, reference, strategy, wrap


class Pipeline:
    """Two modules, the second of which is called in two ways."""

    def __init__(self, seed):
        torch.manual_seed(seed)
        self.encoder = torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.GELU(), torch.nn.Linear(16, 8)).eval()
        self.heads = [Head().eval()]

    def __call__(self, x):
        h = self.encoder(x)
        return self.heads[0](h), self.heads[0](h, scale=2.0)


class Head(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(8, 3)

    def forward(self, x, scale=1.0):
        return {"scores": torch.softmax(self.fc(x) * scale, -1)}


def tuned_pipeline(path, seed=1, **settings):
    pipeline = Pipeline(seed)
    plain = copy.deepcopy(pipeline)
    pipeline.encoder = ait.Module(pipeline.encoder, "encoder", strategy=strategy(min_block_size=1, **settings))
    pipeline.heads[0] = ait.Module(pipeline.heads[0], "head", strategy=strategy(min_block_size=1, **settings))
    ait.tune(pipeline, [torch.rand(n, 6) for n in (2, 5, 3)])
    ait.save(pipeline, path)
    return pipeline, plain


def test_a_pipeline_is_the_same_file_again(tmp_path):
    file, again = tmp_path / "pipeline.ait", tmp_path / "other name.ait"
    pipeline, plain = tuned_pipeline(file, optimization_level=1)
    ait.repeat(file, pipeline, again)
    assert again.read_bytes() == file.read_bytes()
    x = torch.rand(4, 6)
    check_same(pipeline(x), plain(x))  # and it is what it was


class Counts(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(4, 3)
        self.register_buffer("total", torch.zeros(4))

    def forward(self, x):
        self.total.add_(x.mean(0))
        return self.fc(x + self.total)


@pytest.mark.parametrize("ir", ["dynamo", "ts"])
@pytest.mark.parametrize("rows", [(2, 2), (2, 3)])
def test_a_module_with_state_is_the_same_file_again(tmp_path, ir, rows):
    model = wrap(Counts(), ir)
    ait.tune(model, [torch.rand(n, 4) for n in rows])
    ait.save(model, tmp_path / "m.ait")
    ait.repeat(tmp_path / "m.ait", model, tmp_path / "again.ait")
    assert (tmp_path / "again.ait").read_bytes() == (tmp_path / "m.ait").read_bytes()
    ait.refit(tmp_path / "m.ait", model, tmp_path / "other.ait")


def test_branches_inside_of_branches_are_the_same_file_again(tmp_path):
    class Nested(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = torch.nn.Linear(4, 4)

        def forward(self, x):
            def inner(y):
                return torch.cond(y.mean() > 1, lambda z: self.fc(z), lambda z: z.relu(), (y,))

            return torch.cond(x.sum() > 0, inner, lambda y: y.tanh(), (x,))

    model = wrap(Nested())
    ait.tune(model, [torch.ones(2, 4) * value for value in (-1, 0.5, 2)])
    ait.save(model, tmp_path / "m.ait")
    ait.repeat(tmp_path / "m.ait", model, tmp_path / "again.ait")
    assert (tmp_path / "again.ait").read_bytes() == (tmp_path / "m.ait").read_bytes()


def test_other_weights_for_a_pipeline(tmp_path):
    file, other = tmp_path / "pipeline.ait", tmp_path / "other.ait"
    tuned_pipeline(file)
    pipeline, plain = tuned_pipeline(tmp_path / "unused.ait", seed=2)
    ait.refit(file, pipeline, other)
    loaded = Pipeline(3)
    loaded.encoder = ait.Module(loaded.encoder, "encoder")
    loaded.heads[0] = ait.Module(loaded.heads[0], "head")
    ait.load(loaded, other)
    x = torch.rand(4, 6)
    check_same(loaded(x), plain(x))
    with pytest.raises(aitune.InvalidArgument, match="there is no module 'encoder' in a list"):
        ait.refit(file, [1], other)


@pytest.mark.parametrize("ir", ["dynamo", "ts", "fx"])
def test_one_module(tmp_path, ir):
    def net(seed):
        torch.manual_seed(seed)
        return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.GELU(), torch.nn.Linear(8, 3)).eval()

    file, again, other = tmp_path / "net.ait", tmp_path / "again.ait", tmp_path / "other.ait"
    model = wrap(net(1), ir, min_block_size=1, optimization_level=1, strip_engine_weights=False)
    ait.tune(model, [torch.rand(n, 4) for n in (2, 5)])
    ait.save(model, file)
    for source in (model, net(1)):
        ait.repeat(file, source, again)
        assert again.read_bytes() == file.read_bytes()
    new = net(2)
    ait.refit(file, new, other)
    x = torch.rand(3, 4)
    check_same(ait.load(other)(x), reference(new, x))
    with pytest.raises(aitune.InvalidArgument, match="refit is for that"):
        ait.repeat(file, new, again)


@pytest.mark.parametrize("ir", ["dynamo", "ts", "fx"])
def test_a_file_without_weights(tmp_path, ir):
    """The tuned module runs; what save() writes has no weights, until refit puts some in."""
    net = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.GELU(), torch.nn.Linear(128, 64)).eval()
    model = wrap(copy.deepcopy(net), ir, strip_engine_weights=True)
    ait.tune(model, [torch.rand(n, 64) for n in (2, 5)])
    x = torch.rand(3, 64)
    check_same(model(x), reference(net, x))
    file, filled = tmp_path / "net.ait", tmp_path / "filled.ait"
    ait.save(model, file)
    assert file.stat().st_size < 4 * sum(p.numel() for p in net.parameters())
    with pytest.raises(aitune.Unavailable, match="without weights"):
        ait.load(file)
    ait.refit(file, net, filled)
    check_same(ait.load(filled)(x), reference(net, x))


def test_a_pipeline_without_weights(tmp_path):
    file, filled = tmp_path / "pipeline.ait", tmp_path / "filled.ait"
    pipeline, plain = tuned_pipeline(file, strip_engine_weights=True)
    x = torch.rand(4, 6)
    check_same(pipeline(x), plain(x))
    with pytest.raises(aitune.Unavailable, match="without weights"):
        ait.load(file)
    ait.refit(file, pipeline, filled)
    fresh = Pipeline(2)
    fresh.encoder, fresh.heads[0] = ait.Module(fresh.encoder, "encoder"), ait.Module(fresh.heads[0], "head")
    check_same(ait.load(fresh, filled)(x), plain(x))


def test_better_plans_are_told_of(tmp_path):
    model = wrap(torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.GELU(), torch.nn.Linear(8, 3)), optimization_level=3,
                 timing_cache_path="none", min_block_size=1)
    x = torch.rand(2, 4)
    want = reference(model, x)
    told = []

    def improved(name, path):
        told.append(name)
        check_same(ait.load(path)(x), want)
        shutil.copy(path, tmp_path / "interim.ait")

    ait.tune(model, x, improved=improved)
    assert told and set(told) == {"net"}
    check_same(torch.from_numpy(aitune.load(tmp_path / "interim.ait")(x.numpy())), want)
    assert model.state is ait.ModuleState.TUNED


def test_what_is_raised_on_the_way_ends_tuning():
    model = wrap(torch.nn.Linear(4, 8), optimization_level=3, timing_cache_path="none", min_block_size=1)

    def improved(name, path):
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        ait.tune(model, torch.rand(2, 4), improved=improved)
    assert model.state is ait.ModuleState.PASSTHROUGH
