"""Modules in pipelines and functions: wrapping, recording, inspecting, datasets."""

import copy
import gc
import logging
import pickle
import weakref

import pytest
import torch
from support import check_same, reference, strategy, wrap

import aitune
import aitune.torch as ait


class Pipeline:
    """Two modules, one of which runs three times."""

    def __init__(self):
        self.encoder = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.GELU(), torch.nn.Linear(8, 8)).eval()
        self.step = torch.nn.Linear(8, 8).eval()
        self.unused = torch.nn.Linear(2, 2)
        self.names = ["a", "b"]

    def __call__(self, x, steps=3):
        y = self.encoder(x)
        for _ in range(steps):
            y = torch.tanh(self.step(y))
        return y


def test_inspect_wrap_tune_save_load(tmp_path, capsys):
    pipe = Pipeline()
    data = [torch.randn(2, 6), torch.randn(2, 6)]
    info = ait.inspect(pipe, data, number_of_iterations=4, warmup_iterations=1)
    found = {m.name: m for m in info.get_modules()}
    assert set(found) == {"encoder", "step"}
    assert found["step"].execution_count == 12 and found["encoder"].execution_count == 4
    assert found["step"].num_parameters == 72 and found["encoder"].num_layers == 3
    assert found["encoder"].input_types == ["0: float32[2, 6]"] and found["encoder"].total_execution_time > 0
    info.describe()
    text = capsys.readouterr().out
    assert "encoder" in text and "float32[2, 6]" in text and "unused" not in text
    assert len(info.get_modules(limit=1)) == 1 and info.get_modules(min_execution_ratio=1.0) == []
    with pytest.raises(aitune.InvalidArgument, match="min_execution_ratio"):
        info.get_modules(min_execution_ratio=2)

    want = reference(pipe, data[0])
    assert ait.wrap(pipe, info.get_modules(), strategy=strategy()) is pipe
    assert isinstance(pipe.step, ait.Module)
    ait.tune(pipe, data)
    assert pipe.step.state is ait.ModuleState.TUNED and pipe.encoder.state is ait.ModuleState.TUNED
    check_same(pipe(data[0]), want)
    ait.save(pipe, tmp_path / "pipe.ait")

    fresh = Pipeline()  # other weights, not wrapped
    ait.load(fresh, tmp_path / "pipe.ait")
    check_same(fresh(data[0]), want)
    ait.save(fresh, tmp_path / "again.ait")
    assert (tmp_path / "again.ait").read_bytes() == (tmp_path / "pipe.ait").read_bytes()
    with pytest.raises(aitune.InvalidArgument, match="the file holds 2 modules: encoder, step"):
        ait.load(tmp_path / "pipe.ait")
    with pytest.raises(aitune.InvalidArgument, match="there is no module 'encoder' in a Linear"):
        ait.load(torch.nn.Linear(1, 1), tmp_path / "pipe.ait")


def test_modules_that_were_wrapped_by_hand_find_their_places(tmp_path):
    pipe, x = Twins(wrapped=False), torch.randn(3, 4)
    pipe.first = ait.Module(pipe.first, "my-first", strategy=strategy())
    pipe.rest["second"] = ait.Module(pipe.rest["second"], "my-second", strategy=strategy())
    want = pipe(x).detach()
    ait.tune(pipe, x)
    ait.save(pipe, tmp_path / "pipe.ait")
    fresh = ait.load(Twins(wrapped=False), tmp_path / "pipe.ait")
    check_same(fresh(x), want)
    assert fresh.first.name == "my-first"
    ait.save(fresh, tmp_path / "again.ait")
    assert (tmp_path / "again.ait").read_bytes() == (tmp_path / "pipe.ait").read_bytes()


def test_a_part_of_a_pipeline_is_loaded_by_itself(tmp_path):
    pipe, x = Twins(wrapped=False), torch.randn(3, 4)
    ait.wrap(pipe, ait.inspect(pipe, x).get_modules(), strategy=strategy())
    ait.tune(pipe, x)
    ait.save(pipe.first, tmp_path / "first.ait")
    check_same(ait.load(torch.nn.Linear(4, 4).eval(), tmp_path / "first.ait")(x), pipe.first(x))
    with pytest.raises(aitune.InvalidArgument, match=r"there is no module 'first' in a list. Wrap .*ait.Module\(module, 'first'\)"):
        ait.load([torch.nn.Linear(4, 4)], tmp_path / "first.ait")


def test_inspecting_a_module_and_its_parts():
    net = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU(), torch.nn.Linear(4, 4))
    x = torch.randn(1, 4)
    assert [m.name for m in ait.inspect(net, x).get_modules()] == ["Sequential"]
    assert {m.name for m in ait.inspect(net, x, min_depth=1).get_modules()} == {"0", "2"}
    wrapped = ait.wrap(net, ait.inspect(net, x).get_modules(), strategy=strategy())
    assert isinstance(wrapped, ait.Module)
    want = reference(net, x)
    ait.tune(wrapped, x)
    check_same(wrapped(x), want)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_inspecting_a_module_of_torchscript():
    (info,) = ait.inspect(torch.jit.script(torch.nn.Linear(4, 4)), torch.randn(2, 4)).get_modules()
    assert info.execution_count == 10 and info.module_type is torch.jit.RecursiveScriptModule


def test_a_function_that_holds_the_original():
    net = torch.nn.Linear(4, 4).eval()
    x = torch.randn(2, 4)
    want = reference(net, x) * 2

    def answer(value):
        return net(value) * 2

    wrapped = ait.Module(net, "inner", strategy=strategy())
    ait.tune(answer, x)
    assert wrapped.state is ait.ModuleState.TUNED
    check_same(answer(x), want)


def test_a_wrapped_module_has_the_face_of_the_original():
    net = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU())
    net.note = "kept"
    model = ait.Module(net, "face")
    assert model.note == "kept" and len(model) == 2 and model[0] is net[0]
    assert list(model.state_dict()) == list(net.state_dict())
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias"]
    model.load_state_dict({key: torch.ones_like(value) for key, value in net.state_dict().items()})
    assert net[0].weight.min() == 1
    parent = torch.nn.Sequential(model)
    assert list(parent.state_dict()) == ["0.0.weight", "0.0.bias"]
    model.train()
    assert net.training
    model.eval()
    assert not net[0].training
    with pytest.raises(AttributeError):
        model.nothing_of_this_name
    assert "face" in repr(model)
    with pytest.raises(TypeError, match="module 'face' is not for pickling: use aitune.torch.save"):
        pickle.dumps(model)
    assert pickle.loads(pickle.dumps(net)).state_dict().keys() == net.state_dict().keys()


def test_copies_have_weights_of_their_own():
    net = torch.nn.Linear(4, 4).eval()
    x = torch.randn(2, 4)
    model = ait.Module(net, "copied", strategy=strategy())
    copied = copy.deepcopy(net)
    with torch.no_grad():
        copied.weight.zero_()
    check_same(copied(x), copied.bias.detach().expand(2, 4).contiguous())
    assert reference(net, x).std() > 0
    ait.tune(model, x)
    check_same(copy.deepcopy(model)(x), model(x))


def test_release_of_the_weights():
    net = torch.nn.Linear(4, 4).eval()
    x = torch.randn(2, 4)
    want = reference(net, x)
    model = ait.Module(net, "free", strategy=strategy())
    ait.tune(model, x, release_weights=True)
    assert net.weight.device.type == "meta"
    check_same(model(x), want)


class Optional(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 4)

    def forward(self, x, y=None):
        return self.linear(x) + (0 if y is None else y)


@pytest.mark.parametrize("by", ["argument", "config"])
def test_weights_that_pytorch_needs_stay(by, monkeypatch, caplog):
    if by == "config":
        monkeypatch.setattr(ait.config, "_device_after_tuning", "meta")
    eager = ait.OneBackendStrategy(ait.TorchEagerBackend())
    x, y = torch.randn(2, 4), torch.randn(2, 4)
    calls = [((x,), {}), ((x, y), {})]
    for strategies, names in (([strategy(), eager], "some.1"), ([eager, eager], "some.0, some.1")):
        net = Optional().eval()
        want = [reference(net, *args) for args, _ in calls]
        model = ait.Module(net, "some", strategies=strategies)
        ait.tune(model, calls, release_weights=by == "argument")
        assert f"some: the weights of the original stay in memory: PyTorch answers the calls of {names}" in caplog.text
        for (args, _), result in zip(calls, want):
            check_same(model(*args), result)
        caplog.clear()


def test_weights_of_parts_stay_while_another_module_needs_them(caplog):
    shared, x = torch.nn.Linear(4, 4).eval(), torch.randn(2, 4)
    eager = ait.OneBackendStrategy(ait.TorchEagerBackend())
    whole = torch.nn.Sequential(shared, torch.nn.ReLU()).eval()
    want = reference(whole, x)
    first = ait.Module(shared, "first", strategy=strategy())
    second = ait.Module(whole, "second", strategy=eager)
    ait.tune(lambda x: second(first(x)), x, release_weights=True)
    assert "first: the weights of the original stay in memory: module 'second', which has parts of it" in caplog.text
    check_same(second(x), want)
    second = ait.Module(whole, "second", strategy=strategy())
    first.enable_passthrough(force=True)
    ait.tune(lambda x: second(first(x)), x, release_weights=True)
    assert shared.weight.is_meta


def test_other_weights_from_a_module_whose_own_are_released(tmp_path):
    model = ait.Module(torch.nn.Linear(4, 4).eval(), "gone", strategy=strategy())
    ait.tune(model, torch.randn(2, 4), release_weights=True)
    ait.save(model, tmp_path / "a.ait")
    for again in (ait.refit, ait.repeat):
        with pytest.raises(aitune.InvalidArgument, match="module 'gone': its weights are not in memory.*release_weights"):
            again(tmp_path / "a.ait", model, tmp_path / "b.ait")


def test_recording_by_hand():
    net = torch.nn.Linear(4, 4).eval()
    model = ait.Module(net, "hand", strategy=strategy())
    model.enable_recording()
    for batch in (2, 5):
        model(torch.randn(batch, 4))
    ait.tune(model)
    x = torch.randn(3, 4)
    check_same(model(x), reference(copy.deepcopy(net), x))
    with pytest.raises(aitune.InvalidArgument, match="tuned already"):
        model.enable_passthrough()
    with pytest.raises(aitune.InvalidArgument, match="tuned already"):
        ait.tune(model, x)
    model.enable_passthrough(force=True)
    check_same(model(x), net(x).detach())


@pytest.mark.parametrize("backend", [ait.TorchTensorRTAotBackend, ait.TorchEagerBackend])
def test_samples_leave_memory_when_a_module_is_tuned(backend):
    model = ait.Module(torch.nn.Linear(4, 4).eval(), "net", strategy=ait.OneBackendStrategy(backend()))
    model.enable_recording()
    model(torch.randn(2, 4))
    kept = weakref.ref(next(iter(model.recording.graphs.values())).samples[0].tensors[0])
    ait.tune(model)
    gc.collect()
    assert model.state is ait.ModuleState.TUNED and kept() is None


def test_inputs_that_the_module_changes_are_recorded_before():
    class Writes(torch.nn.Module):
        def forward(self, x):
            y = x * 2
            x.zero_()
            return y

    model = ait.Module(Writes(), "writes", strategy=strategy())
    model.enable_recording()
    model(torch.ones(3))
    assert next(iter(model.recording.graphs.values())).samples[0].tensors[0].sum() == 3


DATASETS = {
    "a tensor": (lambda: torch.randn(3, 4), [3]),
    "a list": (lambda: [torch.randn(3, 4), torch.randn(2, 4)], [2, 3]),
    "a generator": (lambda: (torch.randn(n, 4) for n in (2, 3, 5)), [2, 4, 5]),
    "a dict": (lambda: {"input": torch.randn(3, 4)}, [3]),
    "a list of dicts": (lambda: [{"input": torch.randn(n, 4)} for n in (2, 6)], [3]),
    "a tuple": (lambda: (torch.randn(3, 4),), [3]),
    "args and kwargs": (lambda: ((torch.randn(3, 4),), {}), [3]),
    "a loader": (
        lambda: torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(5, 4)), batch_size=3),
        [2, 3],
    ),
    "a dataset": (lambda: torch.utils.data.TensorDataset(torch.randn(2, 3, 4)), [3]),
}


@pytest.mark.parametrize("kind", DATASETS)
def test_datasets(kind):
    make, batches = DATASETS[kind]
    net = torch.nn.Linear(4, 4).eval()
    model = ait.Module(net, "data", strategy=strategy())
    ait.tune(model, make())
    for batch in batches:
        x = torch.randn(batch, 4)
        check_same(model(x), reference(copy.deepcopy(net), x))


@pytest.mark.parametrize("dataset", [torch.randn(4), [torch.randn(4) for _ in range(3)]], ids=["tensor", "list"])
def test_batches_of_several_sizes(dataset):
    net = torch.nn.Linear(4, 4).eval()
    model = ait.Module(net, "data", strategy=strategy())
    ait.tune(model, dataset, batch_sizes=[1, 2, 8])
    for batch in (1, 5, 8):
        x = torch.randn(batch, 4)
        check_same(model(x), reference(copy.deepcopy(net), x))


def test_dry_run(caplog):
    model = wrap(torch.nn.Linear(4, 4))
    with caplog.at_level(logging.INFO, "aitune"):
        text = ait.tune(model, torch.randn(2, 4), dry_run=True)
    assert "module 'net'" in text and "aten.linear" in text and "block" in text
    assert model.state is ait.ModuleState.PASSTHROUGH
    assert text.splitlines()[0] in caplog.text
    with pytest.raises(aitune.InvalidArgument, match="nothing is tuned"):
        ait.save(model, "never.ait")


@pytest.mark.parametrize("file", [False, True])
def test_dry_run_as_a_setting(file, tmp_path, caplog):
    path = tmp_path / "dry.txt"
    pipe = Pipeline()
    pipe.encoder = wrap(pipe.encoder, name="encoder", dryrun=str(path) if file else True)
    pipe.step = wrap(pipe.step, name="step")
    x = torch.randn(2, 6)
    with caplog.at_level(logging.INFO, "aitune"):
        text = ait.tune(pipe, x)
    assert text.startswith("module 'encoder'") and "aten.gelu" in text and "module 'step'" not in text
    assert text.splitlines()[0] in caplog.text
    assert path.exists() == file and (not file or path.read_text() == text)
    assert pipe.encoder.state is ait.ModuleState.PASSTHROUGH and pipe.step.state is ait.ModuleState.TUNED
    check_same(pipe(x), reference(pipe, x))


class Nested:
    """Modules in a list and in a dict, called by a method."""

    def __init__(self):
        self.blocks = [torch.nn.Linear(6, 6).eval(), torch.nn.Sequential(torch.nn.Linear(6, 6)).eval()]
        self.heads = {"main": torch.nn.Linear(6, 2).eval()}

    def encode(self, x):
        for block in self.blocks:
            x = torch.relu(block(x))
        return self.heads["main"](x)


def test_modules_in_lists_and_dicts(tmp_path):
    pipe = Nested()
    head = copy.deepcopy(pipe.heads["main"])
    x = torch.randn(3, 6)
    want = pipe.encode(x).detach()
    info = ait.inspect(pipe, x, inference_function=pipe.encode, number_of_iterations=2, warmup_iterations=0)
    assert {m.name for m in info.get_modules()} == {"blocks.0", "blocks.1", "heads.main"}
    ait.wrap(pipe, info.get_modules(), strategy=strategy())
    assert isinstance(pipe.blocks[1], ait.Module) and isinstance(pipe.heads["main"], ait.Module)
    ait.tune(pipe.encode, x)
    check_same(pipe.encode(x), want)
    ait.save(pipe, tmp_path / "nested.ait")
    fresh = Nested()
    ait.load(fresh, tmp_path / "nested.ait")
    check_same(fresh.encode(x), want)
    aitune.verify_file(tmp_path / "nested.ait")
    alone = aitune.load(tmp_path / "nested.ait", module="heads.main")  # as a machine without PyTorch does
    check_same(torch.from_numpy(alone(x.numpy())), reference(head, x))
    with pytest.raises(aitune.NotFound, match=r"heads\.tail.*heads\.main"):
        aitune.load(tmp_path / "nested.ait", module="heads.tail")


def test_one_module_of_several_is_loaded_where_it_was(tmp_path):
    """A file with one module goes to its place, not around the whole."""
    net = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 2)).eval()
    x = torch.randn(2, 4)
    want = reference(net, x)
    info = ait.inspect(net, x, min_depth=1)
    ait.wrap(net, [m for m in info.get_modules() if m.name == "1"], strategy=strategy())
    ait.tune(net, x)
    ait.save(net, tmp_path / "part.ait")
    fresh = copy.deepcopy(net)
    loaded = ait.load(fresh, tmp_path / "part.ait")
    assert loaded is fresh and isinstance(fresh[1], ait.Module) and not isinstance(fresh[0], ait.Module)
    check_same(fresh(x), want)


class Twins:
    """Two modules of the same kind, under one name unless they are given others."""

    def __init__(self, name=None, wrapped=True):
        layers = [torch.nn.Linear(4, 4).eval() for _ in range(2)]
        self.first, second = [ait.Module(m, name, strategy=strategy()) if wrapped else m for m in layers]
        self.rest = {"second": second}

    def __call__(self, x):
        return self.rest["second"](torch.relu(self.first(x)))


@pytest.mark.parametrize("name", ["twin", None])
def test_two_modules_of_one_name(name, tmp_path):
    pipe, x = Twins(name), torch.randn(3, 4)
    want = pipe(x).detach()
    ait.tune(pipe, x)
    ait.save(pipe, tmp_path / "twins.ait")
    for fresh in (Twins(name), Twins(wrapped=False)):
        ait.load(fresh, tmp_path / "twins.ait")
        check_same(fresh(x), want)
    with pytest.raises(aitune.InvalidArgument, match="the file holds 2 modules"):
        ait.load(tmp_path / "twins.ait")
    other = Twins(name)
    ait.refit(tmp_path / "twins.ait", other, tmp_path / "other.ait")
    fresh = ait.load(Twins(name), tmp_path / "other.ait")
    check_same(fresh(x), other(x).detach())


def test_one_of_two_modules_of_one_name(tmp_path):
    pipe, x = Twins("twin"), torch.randn(3, 4)
    ait.tune(pipe.first, x)
    with pytest.raises(aitune.InvalidArgument, match="there are 2 modules 'twin', and one of them is tuned"):
        ait.save(pipe, tmp_path / "twin.ait")
    ait.save(pipe.first, tmp_path / "twin.ait")
    fresh = Twins("twin")
    with pytest.raises(aitune.InvalidArgument, match="there are 2 modules 'twin' in a Twins, at first, rest.second"):
        ait.load(fresh, tmp_path / "twin.ait")
    check_same(ait.load(fresh.first, tmp_path / "twin.ait")(x), pipe.first(x))


def test_inputs_are_described_before_the_module_changes_them():
    class Adds(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 4)

        def forward(self, features):
            features["y"] = self.layer(features["x"])
            return features

    net = Adds().eval()
    info = ait.inspect(net, (({"x": torch.randn(2, 4)},), {}), number_of_iterations=1, warmup_iterations=0)
    assert info.get_modules()[0].input_types == ["0.x: float32[2, 4]"]
    model = ait.Module(net, "adds", strategy=strategy())
    x = torch.randn(2, 4)
    ait.tune(model, (({"x": x},), {}))
    got = model({"x": x})
    assert list(got) == ["x", "y"]
    check_same(got["y"], net.layer(x).detach())
