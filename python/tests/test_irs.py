"""The three forms in which a model is exported, sizes that move, and what cannot be exported."""

import typing

import pytest
import torch
from support import OPENS_AIT, check_same, reference, wrap

import aitune
import aitune.torch as ait


class Convolutions(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(8)
        self.head = torch.nn.Linear(8, 5)

    def forward(self, image, gain: float = 1.0):
        x = torch.relu(self.norm(self.conv(image)))
        return self.head(x.mean((2, 3))) * gain


@pytest.mark.parametrize("ir", ["dynamo", "ts", "fx"])
def test_each_form(ir, tmp_path):
    net = Convolutions().eval()
    x = torch.randn(2, 3, 8, 8)
    model = wrap(net, ir)
    ait.tune(model, x)
    check_same(model(x), reference(net, x))
    ait.save(model, tmp_path / "m.ait")
    assert not OPENS_AIT or torch.export.load(tmp_path / "m.ait")
    check_same(aitune_numpy(tmp_path / "m.ait", x), reference(net, x))


def aitune_numpy(path, *inputs):
    return torch.from_numpy(aitune.load(path)(*[x.numpy() for x in inputs]))


@pytest.mark.parametrize("ir", ["dynamo", "ts", "fx"])
def test_a_constant_argument(ir):
    net = Convolutions().eval()
    x = torch.randn(2, 3, 8, 8)
    model = wrap(net, ir)
    ait.tune(model, ((x, 3.0), {}))
    check_same(model(x, gain=3.0), reference(net, x, 3.0))
    with pytest.raises(aitune.InvalidArgument, match="'gain' is 4.0, it was 3.0"):
        model(x, 4.0)


@pytest.mark.parametrize("ir", ["dynamo", "ts", "fx"])
def test_sizes_that_move_in_the_samples(ir):
    net = Convolutions().eval()
    samples = [torch.randn(b, 3, s, s) for b, s in ((1, 8), (4, 12), (2, 16))]
    model = wrap(net, ir)
    ait.tune(model, samples)
    for shape in ((1, 3, 8, 8), (4, 3, 16, 16), (3, 3, 11, 11), (1, 3, 16, 16)):
        x = torch.randn(shape)
        check_same(model(x), reference(net, x))
    with pytest.raises(aitune.InvalidArgument, match=r"wrong size of dimension 0|outside|range"):
        model(torch.randn(5, 3, 8, 8))


@pytest.mark.parametrize("ir", ["dynamo", "ts", "fx"])
def test_declared_sizes(ir):
    net = torch.nn.Linear(6, 3).eval()
    shapes = {"input": (ait.BatchDim("batch", min=1, opt=4, max=16), 6)}
    model = wrap(net, ir, dynamic_shapes=shapes)
    ait.tune(model, torch.randn(2, 6))
    for batch in (1, 4, 16):
        x = torch.randn(batch, 6)
        check_same(model(x), reference(net, x))
    with pytest.raises(aitune.InvalidArgument):
        model(torch.randn(17, 6))


@pytest.mark.parametrize("ir", ["dynamo", "ts", "fx"])
def test_declared_sizes_with_one_sample_of_one_item(ir):
    """torch.export takes sizes of 1 for constants."""

    class Added(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 4)

        def forward(self, x, y):
            return self.layer(x).reshape(x.shape[0], 12) + y

    net = Added().eval()
    batch = ait.BatchDim("batch", min=1, opt=4, max=16)
    model = wrap(net, ir, dynamic_shapes={"x": (batch, 3, 4), "y": (batch, 12)})
    ait.tune(model, [((torch.randn(1, 3, 4), torch.randn(1, 12)), {})])
    for count in (1, 2, 5, 16):
        x, y = torch.randn(count, 3, 4), torch.randn(count, 12)
        check_same(model(x, y), reference(net, x, y))


def test_declared_sizes_with_a_sample_without_items():
    net = torch.nn.Linear(6, 3).eval()
    model = wrap(net, dynamic_shapes={"input": (ait.DynamicDim("batch", min=0, max=16), 6)})
    with pytest.raises(aitune.InvalidArgument, match="a size of 0 or 1 for a constant.*Give a sample with a larger size"):
        ait.tune(model, torch.randn(0, 6))


def test_declared_sizes_that_do_not_fit():
    net = torch.nn.Linear(6, 3).eval()
    for shapes, message in (
        ({"inputs": (2, 6)}, "dynamic_shapes names 'inputs'"),
        ({"input": (2,)}, "gives 'input' 1 dimensions"),
        ({"input": (ait.BatchDim("b", 4, 8), 6)}, "dimension 0 of 'input' is 2 in a sample, dynamic_shapes allows 4 to 8"),
    ):
        with pytest.raises(aitune.InvalidArgument, match=message):
            ait.tune(wrap(net, dynamic_shapes=shapes), torch.randn(2, 6))
    with pytest.raises(aitune.InvalidArgument, match="not in order"):
        ait.DynamicDim("x", min=3, max=2)


def test_two_inputs_that_share_a_size():
    class Sum(torch.nn.Module):
        def forward(self, a, b):
            return a @ b + a.sum()

    model = wrap(Sum())
    samples = [((torch.randn(n, 4), torch.randn(4, n)), {}) for n in (2, 3, 5)]
    ait.tune(model, samples)
    a, b = torch.randn(4, 4), torch.randn(4, 4)
    check_same(model(a, b), a @ b + a.sum())


def test_samples_that_hang_together_by_a_formula():
    class Doubled(torch.nn.Module):
        def forward(self, a, b):
            return torch.cat([a, a]) + b

    model = wrap(Doubled())
    ait.tune(model, [((torch.randn(n, 3), torch.randn(2 * n, 3)), {}) for n in (2, 3, 7)])
    a, b = torch.randn(5, 3), torch.randn(10, 3)
    check_same(model(a, b), torch.cat([a, a]) + b)


class Branching(torch.nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            return x + 1
        return x - 1


def test_a_condition_on_data_is_named_with_its_line():
    with pytest.raises(aitune.Unsupported) as caught:
        ait.tune(wrap(Branching()), torch.ones(3))
    text = str(caught.value)
    assert "module 'net'" in text and "torch.export cannot export the model at" in text
    assert __file__ in text and "if x.sum() > 0" in text and "torch.where" in text
    model = wrap(Branching(), "ts")  # which follows conditions
    ait.tune(model, [torch.ones(3), -torch.ones(3)])
    check_same(model(torch.ones(3)), torch.ones(3) + 1)
    check_same(model(-torch.ones(3)), -torch.ones(3) - 1)


class NotAScript(torch.nn.Module):
    def forward(self, x, *rest):  # *rest cannot be scripted
        if x.sum() > 0:
            return x + 1
        return x - 1


def test_what_a_trace_freezes_is_said(caplog):
    model = wrap(NotAScript(), "ts")
    ait.tune(model, torch.ones(3))
    said = [record.getMessage() for record in caplog.records]
    assert "net: traced, since torch.jit.script fails: NotSupportedError: Compiled functions can't take variable" in said[0]
    assert f"net: torch.jit.trace at {__file__}:" in said[1] and "if x.sum() > 0: Converting a tensor to a" in said[1]
    assert len(said) == 2 and [f"net: {line}" for line in model.reports[0]["warnings"]] == said
    with pytest.raises(aitune.ValidationError, match="sample 1. The model was traced.*likely cause") as caught:
        ait.tune(wrap(NotAScript(), "ts"), [torch.ones(3), -torch.ones(3)])
    assert "bug of aitune" not in str(caught.value)


def test_a_trace_is_no_cause_on_the_sample_that_it_saw():
    class Counts(torch.nn.Module):
        calls = 0

        def forward(self, x, *rest):
            self.calls += 1
            return x * self.calls

    with pytest.raises(aitune.ValidationError, match="sample 0. What the module keeps between calls in Python"):
        ait.tune(wrap(Counts(), "ts"), torch.ones(3))


def test_fx_names_the_line_too():
    with pytest.raises(aitune.Unsupported, match=r"symbolic_trace cannot export the model at .*test_irs.py:\d+: if x.sum"):
        ait.tune(wrap(Branching(), "fx"), torch.ones(3))


class Sized(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 4)

    def forward(self, x):
        if x.shape[0] == 3:
            return self.layer(x)
        return x


def torchscript(kind, net, tmp_path):
    if kind == "traced":
        return torch.jit.trace(net.eval(), torch.randn(2, 3, 8, 8))
    scripted = torch.jit.script(net.train(kind == "in training mode"))
    if kind == "frozen":
        return torch.jit.freeze(scripted)
    torch.jit.save(scripted, tmp_path / "net.pt")
    return torch.jit.load(tmp_path / "net.pt") if kind == "loaded" else scripted


@pytest.mark.parametrize("kind", ["scripted", "in training mode", "traced", "loaded", "frozen"])
def test_modules_of_torchscript(kind, tmp_path):
    net, x = Convolutions(), torch.randn(2, 3, 8, 8)
    scripted = torchscript(kind, net, tmp_path)
    calls = [((x,), {})] if kind == "traced" else [((x,), {}), ((x,), {"gain": 3.0})]
    model = ait.Module(scripted, "net", strategy=wrap(torch.nn.Linear(1, 1), "ts").strategy)
    ait.tune(model, calls)
    net.eval()
    for args, kwargs in calls:
        check_same(model(*args, **kwargs), reference(net, *args, **kwargs))
    ait.save(model, tmp_path / "m.ait")
    again = ait.load(torchscript(kind, Convolutions(), tmp_path), tmp_path / "m.ait")
    check_same(again(x), reference(net, x))


class Chooses(torch.nn.Module):
    def forward(self, x, mode: str, y: typing.Optional[torch.Tensor] = None):
        z = x * 2 if mode == "double" else x + 1
        return z if y is None else z * y


def test_torchscript_with_other_arguments_than_numbers():
    scripted, x = torch.jit.script(Chooses().eval()), torch.randn(2, 4)
    model = ait.Module(scripted, "net", strategy=wrap(Chooses(), "ts").strategy)
    ait.tune(model, [((x, "double"), {}), ((x, "other", x), {})])
    check_same([model(x, "double"), model(x, "other", y=x)], [x * 2, (x + 1) * x])
    frozen = ait.Module(torch.jit.freeze(scripted), "net", strategy=model.strategy)
    with pytest.raises(aitune.Unsupported, match="Let it take tensors and numbers .* or do not freeze it"):
        ait.tune(frozen, ((x, "double"), {}))


@pytest.mark.parametrize("ir", ["dynamo", "fx"])
def test_torchscript_has_a_form_of_its_own(ir, tmp_path):
    for kind in ("scripted", "traced", "loaded", "frozen"):
        scripted = torchscript(kind, Convolutions(), tmp_path)
        model = ait.Module(scripted, "net", strategy=wrap(torch.nn.Linear(1, 1), ir).strategy)
        with pytest.raises(aitune.Unsupported, match=f"module 'net': a model in TorchScript .* ir='{ir}'. Use ir='ts'"):
            ait.tune(model, torch.randn(2, 3, 8, 8))


def test_a_size_that_the_model_fixes():
    with pytest.raises(aitune.AituneError) as caught:
        ait.tune(wrap(Sized()), [torch.randn(3, 4), torch.randn(2, 4)])
    assert "dimension 0 of 'x'" in str(caught.value), str(caught.value)


def test_a_model_in_training_mode_is_tuned_for_inference():
    net = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Dropout(0.9))
    model = ait.Module(net.train(), "net", strategy=wrap(torch.nn.Linear(1, 1)).strategy)
    x = torch.randn(2, 4)
    ait.tune(model, x)
    assert net.training
    check_same(model(x), net[0](x))


def tenfold(module, args, result=None):
    return (args[0] * 10,) if result is None else result * 10


def hooked(where, before):
    net = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU()).eval()
    part = {"own": net, "of a layer": net[0]}[where]
    if before:
        part.register_forward_pre_hook(lambda module, args: tenfold(module, args))
    else:
        part.register_forward_hook(lambda module, args, result: tenfold(module, args, result))
    return net


@pytest.mark.parametrize("ir", ["dynamo", "ts", "fx"])
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("where", ["own", "of a layer"])
def test_hooks_count_once(where, before, ir, tmp_path):
    net, x = hooked(where, before), torch.randn(3, 4)
    with torch.no_grad():
        want = net(x)
    model = wrap(net, ir)
    ait.tune(model, x)
    check_same([model(x), net(x)], [want, want])
    ait.save(model, tmp_path / "m.ait")
    again = ait.load(hooked(where, before), tmp_path / "m.ait")
    check_same(again(x), want)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*")
@pytest.mark.parametrize("ir", ["dynamo", "ts", "fx"])
def test_a_hook_that_makes_weights(ir):
    net, x = torch.nn.utils.weight_norm(torch.nn.Linear(4, 4)).eval(), torch.randn(3, 4)
    model = wrap(net, ir)
    ait.tune(model, x)
    with torch.no_grad():
        check_same(model(x), torch.nn.functional.linear(x, net.weight, net.bias))


class Frozen(dict):
    def clear(self):
        raise TypeError("not to be changed")

    update = clear


class Keeps(torch.nn.Module):
    """Keeps values for plots, as many models do."""

    def __init__(self, branches):
        super().__init__()
        self.branches = branches
        self.last, self.history, self.by_name, self.frozen = None, [], {"a": [None]}, Frozen(a=1)

    def forward(self, x):
        y = torch.softmax(x, -1)
        self.last = y
        self.history.append(y)
        self.by_name["a"][0] = self.new = y
        return y + 1 if self.branches and y.sum() > 0 else y @ x


class KeepsItsAttention(torch.nn.Module):
    """Stores what it computes on the way, for plots: not a part of the result."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 4)
        self.attention = torch.zeros(0)

    def forward(self, x):
        self.attention = torch.softmax(self.layer(x), -1)
        return torch.relu(self.attention @ x)


@pytest.mark.parametrize("ir", ["dynamo", "ts", "fx"])
def test_attributes_that_nobody_reads(ir, tmp_path):
    net, x = KeepsItsAttention().eval(), torch.randn(4, 4)
    want = reference(net, x)
    model = wrap(net, ir)
    ait.tune(model, x)
    check_same(model(x), want)
    ait.save(model, tmp_path / "net.ait")
    check_same(ait.load(tmp_path / "net.ait")(x), want)


@pytest.mark.parametrize("ir", ["dynamo", "fx"])
@pytest.mark.parametrize("branches", [True, False])
def test_attributes_keep_what_recording_left(branches, ir):
    net, x = Keeps(branches).eval(), torch.randn(4, 4)
    recorded = Keeps(branches)
    recorded(x)
    try:
        ait.tune(wrap(net, ir), x)
    except aitune.Unsupported:
        assert branches
    kept = [net.last, net.new, *net.history, net.by_name["a"][0]]
    assert all(type(value) is torch.Tensor for value in kept)
    check_same(kept[0], recorded.last)
    assert not any(isinstance(value, torch._subclasses.FakeTensor) for value in kept)
