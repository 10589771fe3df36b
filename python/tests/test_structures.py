"""Calls and results in every structure come back as PyTorch gives them."""

import collections
import dataclasses
import typing

import numpy as np
import pytest
import torch
from support import check_same, reference, wrap

import aitune
import aitune.torch as ait


class Scaled(torch.nn.Module):
    def forward(self, x, by=1.0):
        return x * by


@pytest.mark.parametrize("ir", ["dynamo", "ts", "fx"])
def test_scalars_of_numpy_are_numbers(ir):
    x = torch.randn(2, 4)
    model = wrap(Scaled(), ir)
    ait.tune(model, [((x, np.float64(2.5)), {}), ((x, np.int32(3)), {}), ((x,), {})])
    for by in (np.float64(2.5), 2.5, np.float32(2.5), np.int64(3), 3):
        check_same(model(x, by), x * float(by))
    check_same(model(x, np.float64(1)), x)
    with pytest.raises(aitune.InvalidArgument, match="'by' is 2.75, it was"):
        model(x, np.float32(2.75))


def test_scalars_of_numpy_in_containers():
    class Added(torch.nn.Module):
        def forward(self, x, more):
            return x + sum(more)

    x = torch.randn(2, 4)
    model = wrap(Added())
    ait.tune(model, ((x, [np.float64(2), np.bool_(True)]), {}))
    check_same(model(x, more=[2.0, True]), x + 3)


def test_integers_beyond_64_bits():
    x = torch.randn(2, 4)
    with pytest.raises(aitune.InvalidArgument, match=f"module 'net'.by: {2**70} is no integer of 64 bits.*Pass a float"):
        ait.tune(wrap(Scaled()), ((x, 2**70), {}))


@dataclasses.dataclass
class Pair:
    first: torch.Tensor
    second: torch.Tensor
    note: str = "none"


class Named(typing.NamedTuple):
    total: torch.Tensor
    parts: list


@dataclasses.dataclass
class Request:
    image: torch.Tensor
    mask: typing.Optional[torch.Tensor] = None
    scale: float = 1.0


class Net(torch.nn.Module):
    """A layer, and a forward() that the test gives."""

    def __init__(self, answer):
        super().__init__()
        self.layer = torch.nn.Linear(4, 4)
        self.answer = answer

    def forward(self, x):
        return self.answer(self.layer(x))


ANSWERS = {
    "tensor": lambda y: y,
    "tuple": lambda y: (y, y + 1),
    "one in a tuple": lambda y: (y.relu(),),
    "list": lambda y: [y, y * 2],
    "dict": lambda y: {"b": y, "a": y + 1},
    "nested": lambda y: {"x": [y, (y + 1, {"z": y * 3})], "n": None, "k": 3, "t": True, "f": 1.5, "s": "text"},
    "ordered": lambda y: collections.OrderedDict(second=y, first=y + 1),
    "same twice": lambda y: (y, y),
    "dataclass": lambda y: Pair(y, y + 1, "kept"),
    "namedtuple": lambda y: Named(y.sum(), [y, y + 2]),
    "shapes": lambda y: (y, y.shape[1]),
    "whole shapes": lambda y: (y, y.shape, [y.shape[1:], tuple(y.shape), y.sum().shape]),
}


@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize("ir", ["dynamo", "ts"])
def test_results(kind, ir, tmp_path):
    net = Net(ANSWERS[kind]).eval()
    x = torch.randn(3, 4)
    want = reference(net, x)
    model = wrap(net, ir)
    ait.tune(model, x)
    check_same(model(x), want)
    ait.save(model, tmp_path / "m.ait")
    check_same(ait.load(tmp_path / "m.ait")(x), want)


class Patches(torch.nn.Module):
    """Tokens, and the sizes of the map that they come from."""

    def __init__(self, answer):
        super().__init__()
        self.layer = torch.nn.Conv2d(2, 3, 2, 2)
        self.answer = answer

    def forward(self, x):
        y = self.layer(x)
        return self.answer(y, y.shape[2], y.shape[3])


SIZES = {
    "tuple": lambda y, h, w: (y.flatten(2), h, w),
    "ratio": lambda y, h, w: (y, h / 4, w // 2),
    "dict": lambda y, h, w: {"y": y, "sizes": [h, w], "mode": "grid", "scale": 2.5, "flag": True, "no": None},
    "shape": lambda y, h, w: Named(y, [tuple(y.shape)]),
    "size": lambda y, h, w: (y, y.shape[1:]),
}
DECLARED = {"x": (1, 2, ait.DynamicDim("h", 4, 16), ait.DynamicDim("w", 4, 16))}


@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("ir", ["dynamo", "ts", "fx"])
@pytest.mark.parametrize("declared", [True, False])
def test_sizes_in_results_move(kind, ir, declared, tmp_path):
    if ir == "fx" and kind != "tuple":
        pytest.skip("symbolic_trace takes plain tuples")
    net = Patches(SIZES[kind]).eval()
    samples = [torch.randn(1, 2, 8, 6)] if declared else [torch.randn(1, 2, h, w) for h, w in ((4, 16), (16, 4))]
    model = wrap(net, ir, dynamic_shapes=DECLARED if declared else None)
    ait.tune(model, samples)
    ait.save(model, tmp_path / "m.ait")
    loaded = ait.load(tmp_path / "m.ait")
    for h, w in ((10, 6), (4, 8)):
        x = torch.randn(1, 2, h, w)
        check_same(model(x), reference(net, x))
        check_same(loaded(x), reference(net, x))


@pytest.mark.parametrize("ir", ["ts", "fx"])
def test_numbers_are_outputs_of_scripts_and_of_fx(ir):
    net = Patches(lambda y, h, w: (y, h, 7)).eval()
    x = torch.randn(1, 2, 4, 6)
    scripted = torch.jit.trace(net.layer, x) if ir == "ts" else None
    if scripted is not None:

        class Scripted(torch.nn.Module):
            def __init__(self, layer):
                super().__init__()
                self.layer = layer

            def forward(self, x):
                y = self.layer(x)
                return y, y.shape[2], 7

        net = torch.jit.script(Scripted(net.layer).eval())
    want = net(x)
    model = wrap(net, ir)
    ait.tune(model, x)
    check_same(model(x), want)


def test_a_size_that_a_trace_takes_for_a_constant():
    """torch.jit.trace does not follow len(x): an error, and no wrong number."""
    answer = lambda y, h, w: {"y": y, "n": len(y), "k": 3}  # noqa: E731
    shapes = {"x": (ait.BatchDim("b", 1, 4), 2, 4, 4)}
    fixed = "takes the number 'n' of the result for a constant"
    with pytest.raises(aitune.Unsupported, match=fixed):
        ait.tune(wrap(Patches(answer).eval(), "ts", dynamic_shapes=shapes), torch.randn(2, 2, 4, 4))
    two = [torch.randn(2, 2, 4, 4), torch.randn(4, 2, 4, 4)]
    with pytest.raises(aitune.Unsupported, match=fixed):
        ait.tune(wrap(Patches(answer).eval(), "ts"), two)


def test_a_trace_divides_sizes_in_float32():
    net = Patches(lambda y, h, w: (y, h / w)).eval()
    model = wrap(net, "ts", dynamic_shapes=DECLARED)
    ait.tune(model, torch.randn(1, 2, 6, 14))
    assert model(torch.randn(1, 2, 14, 6))[1] == pytest.approx(7 / 3)


class Takes(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 4)

    def forward(self, x, *, options=None, items=(), request=None, flag=False, gain=2.0):
        y = self.layer(x)
        if options is not None:
            y = y + options["bias"] * options["inner"]["factor"]
        for item in items:
            y = y * item
        if request is not None:
            y = y + request.image * request.scale
            if request.mask is not None:
                y = y * request.mask
        return y * gain if flag else y


def arguments():
    t = lambda: torch.randn(3, 4)  # noqa: E731
    return {
        "positional": ((t(),), {}),
        "keyword": ((), {"x": t()}),
        "defaults": ((t(),), {"flag": False, "options": None}),
        "scalars": ((t(),), {"flag": True, "gain": 0.5}),
        "dict": ((t(),), {"options": {"bias": t(), "inner": {"factor": torch.rand(1)}}}),
        "list": ((t(),), {"items": [t(), t()]}),
        "tuple": ((t(),), {"items": (t(),)}),
        "dataclass": ((t(),), {"request": Request(t(), None, 3.0)}),
        "dataclass, all": ((t(),), {"request": Request(t(), t()), "flag": True}),
    }


@pytest.mark.parametrize("kind", arguments())
@pytest.mark.parametrize("ir", ["dynamo", "ts"])
def test_arguments(kind, ir, tmp_path):
    args, kwargs = arguments()[kind]
    net = Takes().eval()
    want = reference(net, *args, **kwargs)
    model = wrap(net, ir)
    ait.tune(model, (args, kwargs))
    check_same(model(*args, **kwargs), want)
    ait.save(model, tmp_path / "m.ait")
    check_same(ait.load(tmp_path / "m.ait")(*args, **kwargs), want)


def test_calls_of_several_kinds_get_a_graph_each(tmp_path):
    net = Takes().eval()
    calls = list(arguments().values())
    model = wrap(net)
    ait.tune(model, calls)
    assert len(model.reports) == 7  # the first three are one
    for args, kwargs in calls:
        check_same(model(*args, **kwargs), reference(net, *args, **kwargs))
    ait.save(model, tmp_path / "m.ait")
    fresh = ait.load(Takes(), tmp_path / "m.ait")
    loaded = ait.load(tmp_path / "m.ait")
    for args, kwargs in calls:
        check_same(fresh(*args, **kwargs), model(*args, **kwargs))
        check_same(loaded(*args, **kwargs), model(*args, **kwargs))
    assert len({str(aitune.load(tmp_path / "m.ait", module=str(i)).inputs) for i in range(7)}) > 1


def test_model_output():
    from transformers.modeling_outputs import BaseModelOutput

    net = Net(lambda y: BaseModelOutput(last_hidden_state=y, hidden_states=(y, y + 1))).eval()
    x = torch.randn(2, 4)
    want = reference(net, x)
    model = wrap(net)
    ait.tune(model, x)
    got = model(x)
    assert isinstance(got, BaseModelOutput) and got.attentions is None
    check_same(got.last_hidden_state, want.last_hidden_state)
    check_same(got.hidden_states, want.hidden_states)
    check_same(got[0], want[0])


def test_bert_in_its_own_structure(tmp_path):
    import transformers

    config = transformers.BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, vocab_size=50
    )
    net = transformers.BertModel(config).eval()
    call = {"input_ids": torch.randint(0, 50, (2, 7)), "attention_mask": torch.ones(2, 7, dtype=torch.int64)}
    want = reference(net, **call)
    model = wrap(net, "dynamo")
    assert model.config is config  # attributes are the original's
    ait.tune(model, call)
    got = model(**call)
    assert type(got) is type(want)
    check_same(got.last_hidden_state, want.last_hidden_state)
    check_same(got.pooler_output, want.pooler_output)
    check_same(model(call["input_ids"], call["attention_mask"]).pooler_output, want.pooler_output)
    ait.save(model, tmp_path / "bert.ait")
    check_same(ait.load(tmp_path / "bert.ait")(**call).pooler_output, want.pooler_output)


def test_classes_of_a_file_are_not_imported(tmp_path):
    from aitune.torch.structure import Structure, rebuild

    structure = Structure.from_json({"object": ["tensor"], "keys": ["x"], "class": "antigravity:Popen"}, "test")
    got = rebuild(structure, iter([torch.ones(1)]))
    assert got.x is got["x"]
    import sys

    assert "antigravity" not in sys.modules
    structure = Structure.from_json({"object": ["tensor"], "keys": ["args"], "class": "subprocess:Popen"}, "test")
    assert type(rebuild(structure, iter([torch.ones(1)]))).__name__ == "Attributes"


class Fills(torch.nn.Module):
    def forward(self, x, fill=None, limit=3.0, dtype=torch.float32):
        y = x if fill is None else x.masked_fill(x > 0, fill)
        return y.clamp(-3, limit).to(dtype)


@pytest.mark.parametrize("ir", ["dynamo", "ts", "fx"])
@pytest.mark.parametrize("limit", ["nan", "inf", "-inf"])
def test_constants_that_json_does_not_have(limit, ir, tmp_path):
    x, limit = torch.randn(3, 4), float(limit)
    model = wrap(Fills(), ir)
    ait.tune(model, ((x, limit, 2.0), {"dtype": torch.float64}))
    ait.save(model, tmp_path / "m.ait")
    want = Fills()(x, limit, 2.0, torch.float64)
    for loaded in (model, ait.load(tmp_path / "m.ait"), ait.load(Fills(), tmp_path / "m.ait")):
        got = loaded(x, float(str(limit)), limit=2.0, dtype=torch.float64)
        torch.testing.assert_close(got, want, equal_nan=True)
        with pytest.raises(aitune.InvalidArgument, match=f"'fill' is 1.0, it was {limit} when"):
            loaded(x, 1.0, 2.0, torch.float64)


class Optional(torch.nn.Module):
    def forward(self, x, mask=None, scale=1.0, options=None):
        return x * scale if mask is None else x * mask * scale


def test_an_unknown_call_is_told_from_the_nearest_one():
    x = torch.randn(2, 4)
    model = wrap(Optional())
    calls = [((x,), {}), ((x, x), {}), ((x,), {"scale": 2.0}), ((x, x), {"options": {"a": 1, "b": [2]}})]
    ait.tune(model, calls)
    for args, kwargs, message in (
        ((x,), {"scale": 3.0}, "'scale' is 3.0, it was 2.0 when"),
        ((x, [1, 2]), {}, "'mask' is a list, it was a tensor when"),
        ((x, x.double()), {}, "tensor 'mask' is torch.float64, it was torch.float32"),
        ((x, x[0]), {}, "tensor 'mask' has 1 dimensions, it had 2"),
        ((x, x), {"options": {"a": 1, "b": [3]}}, "'options.b.0' is 3, it was 2 when"),
        ((x, x), {"options": {"b": [2], "a": 1}}, "'options' comes in another order"),
        ((x, x, 2.0), {}, "it is called with scale"),
    ):
        with pytest.raises(aitune.InvalidArgument, match=message):
            model(*args, **kwargs)
