"""Models that write to buffers and arguments: what they write comes out, and goes in again with the next call."""

import copy
import inspect

import numpy as np
import pytest
import support
import torch
from torch import nn


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.full((), 3))
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        self.calls += 1
        return self.layer(x) * self.calls


class Keys(nn.Module):
    """A cache in a submodule, that is written to at a place that is state, too."""

    def __init__(self):
        super().__init__()
        self.cache = nn.Module()
        self.cache.register_buffer("keys", torch.zeros(1, 2, 8, 4))
        self.register_buffer("place", torch.zeros(1, dtype=torch.int64))
        self.query = nn.Linear(8, 8)

    def forward(self, x):
        heads = self.query(x).view(1, 1, 2, 4).transpose(1, 2)
        self.cache.keys.index_copy_(2, self.place, heads)
        self.place.add_(1)
        return (self.cache.keys * heads).sum(-1)


class Stream(nn.Module):
    """A convolution over what came before."""

    def __init__(self):
        super().__init__()
        self.register_buffer("ring", torch.zeros(1, 3, 6))
        self.conv = nn.Conv1d(3, 4, 3)

    def forward(self, x):
        y = torch.cat([self.ring[:, :, -2:], x], 2)
        self.ring.copy_(torch.cat([self.ring, x], 2)[:, :, -6:])
        return self.conv(y)


class FirstLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 3))

    def forward(self, x):
        return self.layers(x)


class CallersCache(nn.Module):
    def forward(self, x, cache):
        cache[:, 1:3] = x
        return cache.sum() + x


CASES = {
    "Counter": (Counter, [[torch.randn(2, 4)] for _ in range(3)]),
    "Keys": (Keys, [[torch.randn(1, 8)] for _ in range(5)]),
    "Stream": (Stream, [[torch.randn(1, 3, 4)] for _ in range(3)]),
    "FirstLayer": (FirstLayer, [[torch.randn(2, 4)] for _ in range(2)]),
    "CallersCache": (CallersCache, [[torch.randn(2, 2), torch.randn(2, 5)] for _ in range(2)]),
}


def save(model, sample, path, form):
    if form == "fx":
        return torch.save(torch.fx.symbolic_trace(model), path)
    program = torch.export.export(model, tuple(sample))
    torch.export.save(program.run_decompositions() if form == "decomposed" else program, path)


def check_stream(folder, file, model, steps):
    """Tunes on the first step, and goes through all of them, each with the state that the one before left."""
    names = list(inspect.signature(model.forward).parameters)
    np.savez(folder / "in.npz", **dict(zip(names, (x.numpy() for x in steps[0]))))
    tuned = support.must("tune", file, "-i", folder / "in.npz", "-o", folder / "m.ait", *support.FAST)
    state = {}
    for step in steps:
        arguments = dict(zip(names, [x.clone() for x in step]))
        np.savez(folder / "in.npz", **{k: x.numpy() for k, x in arguments.items()}, **state)
        support.must("run", folder / "m.ait", "-i", folder / "in.npz", "-o", folder / "out.npz")
        got = dict(np.load(folder / "out.npz"))
        with torch.no_grad():
            want = model(**arguments)
        support.check_same([got.pop(next(iter(got)))], [want], support.FP32_BOUND, "result")
        buffers = {name.replace(".", "_"): value for name, value in model.named_buffers()}
        assert got, "nothing that was written to came out"
        for name, value in got.items():
            now = buffers[name] if name in buffers else arguments[name]
            support.check_same([value], [now], support.FP32_BOUND, name)
        state = {name: value for name, value in got.items() if name in buffers}
    return tuned


@pytest.mark.parametrize("form", ["dynamo", "decomposed", "fx"])
@pytest.mark.parametrize("name", CASES)
def test_what_is_written_comes_out(name, form, tmp_path):
    make, steps = CASES[name]
    if form == "fx" and name in ("Counter", "CallersCache", "Stream"):
        pytest.skip("symbolic_trace does not see these writes")
    torch.manual_seed(0)
    model = make().eval()
    save(copy.deepcopy(model), [x.clone() for x in steps[0]], tmp_path / "m.pt2", form)
    if form == "fx":  # what PyTorch has traced: places that are state are constants of it
        model = torch.load(tmp_path / "m.pt2", weights_only=False)
    tuned = check_stream(tmp_path, tmp_path / "m.pt2", model, steps)
    assert "writes to its input" in tuned.err or "keeps state in its buffers" in tuned.err


def test_a_file_is_repeated_and_refitted_with_its_state(tmp_path):
    """The first value of state is part of the file: other weights bring theirs."""
    torch.manual_seed(0)
    model, other = Counter().eval(), Counter().eval()
    other.calls += 10
    sample = [torch.randn(2, 4)]
    save(copy.deepcopy(model), sample, tmp_path / "m.pt2", "dynamo")
    save(copy.deepcopy(other), sample, tmp_path / "other.pt2", "dynamo")
    check_stream(tmp_path, tmp_path / "m.pt2", model, [sample])
    support.must("refit", tmp_path / "m.ait", tmp_path / "other.pt2", "-o", tmp_path / "other.ait")
    np.savez(tmp_path / "in.npz", x=sample[0].numpy())
    support.must("run", tmp_path / "other.ait", "-i", tmp_path / "in.npz", "-o", tmp_path / "out.npz")
    got = dict(np.load(tmp_path / "out.npz"))
    assert got["calls"] == 14
    with torch.no_grad():
        support.check_same([got["mul"]], [other(*sample)], support.FP32_BOUND, "refitted")


def test_arguments_may_be_written_to_in_torchscript(tmp_path):
    model = FirstLayer().eval()
    torch.jit.script(model).save(tmp_path / "m.pt")
    check_stream(tmp_path, tmp_path / "m.pt", model, [[torch.randn(2, 4)] for _ in range(2)])


class Statistics(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(4)

    def forward(self, x):
        return self.norm(x)


def test_a_constant_that_is_a_part_of_a_buffer_is_refused(tmp_path):
    """What symbolic_trace makes of self.ring[:, :, -2:] sees writes to the ring in PyTorch."""
    save(Stream().eval(), [torch.randn(1, 3, 4)], tmp_path / "m.pt2", "fx")
    np.savez(tmp_path / "in.npz", x=np.zeros((1, 3, 4), np.float32))
    refused = support.aitune("tune", tmp_path / "m.pt2", "-i", tmp_path / "in.npz", "-o", tmp_path / "m.ait")
    assert refused.status == 1 and "_tensor_constant0 shares its memory" in refused.err


class Moved(nn.Module):
    """Stores in a buffer what it was, as models do that move their tables to the device of the input."""

    def __init__(self):
        super().__init__()
        self.register_buffer("table", torch.randn(9, 4), persistent=False)

    def forward(self, x):
        self.table = self.table.to(x.device)
        return x + self.table[: x.shape[0]]


@pytest.mark.parametrize("form", ["dynamo", "decomposed"])
def test_a_buffer_that_stays_what_it_was_is_no_state(form, tmp_path):
    model, x = Moved(), torch.randn(5, 4)
    save(model, [x], tmp_path / "m.pt2", form)
    support.must("tune", tmp_path / "m.pt2", "-i", support.write_inputs(tmp_path / "in.npz", [x]), "-o", tmp_path / "m.ait",
                 *support.FAST)
    support.must("run", tmp_path / "m.ait", "-i", tmp_path / "in.npz", "-o", tmp_path / "out.npz")
    support.check_same(support.read_outputs(tmp_path / "out.npz"), [model(x)], support.FP32_BOUND, form)


def test_training_is_refused(tmp_path):
    program = torch.export.export(Statistics().train(), (torch.randn(3, 4),))
    torch.export.save(program, tmp_path / "m.pt2")
    np.savez(tmp_path / "in.npz", x=np.zeros((3, 4), np.float32))
    refused = support.aitune("tune", tmp_path / "m.pt2", "-i", tmp_path / "in.npz", "-o", tmp_path / "m.ait")
    assert refused.status == 1 and "its statistics" in refused.err and "model.eval()" in refused.err


def test_a_language_model_with_its_cache_in_buffers(tmp_path):
    """As transformers exports them for devices without Python: a token at a time, all else is state."""
    transformers = pytest.importorskip("transformers")
    executorch = pytest.importorskip("transformers.integrations.executorch")
    torch.manual_seed(0)
    config = transformers.LlamaConfig(num_hidden_layers=2, hidden_size=32, intermediate_size=64, num_attention_heads=4,
                                      num_key_value_heads=2, vocab_size=50)
    model = transformers.LlamaForCausalLM(config).eval()
    model.generation_config = transformers.GenerationConfig(
        use_cache=True, cache_implementation="static", max_length=16,
        cache_config={"batch_size": 1, "max_cache_len": 16, "device": "cpu"})
    exportable = executorch.TorchExportableModuleWithStaticCache(model)
    step = lambda place, token: {"input_ids": torch.tensor([[token]]), "cache_position": torch.tensor([place])}  # noqa: E731
    with torch.no_grad():
        program = torch.export.export(exportable, (), step(0, 5), strict=True)
    torch.export.save(program, tmp_path / "m.pt2")
    state, eager = {}, program.module()
    np.savez(tmp_path / "in.npz", **{name: x.numpy() for name, x in step(0, 5).items()})
    support.must("tune", tmp_path / "m.pt2", "-i", tmp_path / "in.npz", "-o", tmp_path / "m.ait", *support.FAST)
    for place, token in enumerate([5, 7, 9, 11]):
        arguments = step(place, token)
        np.savez(tmp_path / "in.npz", **{name: x.numpy() for name, x in arguments.items()}, **state)
        support.must("run", tmp_path / "m.ait", "-i", tmp_path / "in.npz", "-o", tmp_path / "out.npz")
        with torch.no_grad():
            want = eager(**arguments)
        state = dict(np.load(tmp_path / "out.npz"))
        support.check_same([state.pop(next(iter(state)))], [want], support.FP32_BOUND, f"token {place}")
        assert any(name.startswith("key_cache") for name in state)
