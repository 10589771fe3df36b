"""Modules that write to their buffers and arguments behave as before when they are tuned."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import aitune
import aitune.torch as ait
from support import TOLERANCE, wrap


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        self.calls += 1
        return {"y": self.layer(x) * self.calls}


class Inplace(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        return self.layer(x.relu_())


def tuned_counter():
    torch.manual_seed(0)
    net = Counter().eval()
    original = copy.deepcopy(net)
    module = wrap(net, name="counter")
    ait.tune(module, [torch.randn(2, 4), torch.randn(2, 4)])
    return net, original, module


def test_state_stays_in_the_modules_buffers():
    net, original, module = tuned_counter()
    assert net.calls == 2  # the samples
    original.calls.fill_(2)
    with torch.no_grad():
        for _ in range(3):
            x = torch.randn(2, 4)
            torch.testing.assert_close(module(x)["y"], original(x)["y"], **TOLERANCE)
    assert net.calls == original.calls == 5
    net.calls = torch.zeros((), dtype=torch.int64)  # a new buffer is seen
    original.calls.zero_()
    torch.testing.assert_close(module(x)["y"], original(x)["y"].detach(), **TOLERANCE)


def test_files_have_the_state(tmp_path):
    net, original, module = tuned_counter()
    ait.save(module, tmp_path / "counter.ait")
    x = torch.randn(2, 4)
    fresh = ait.load(ait.Module(copy.deepcopy(original), "counter"), tmp_path / "counter.ait")
    want = original(x)["y"].detach()  # from 0, as the buffer of the fresh one
    torch.testing.assert_close(fresh(x)["y"], want, **TOLERANCE)
    alone = ait.load(tmp_path / "counter.ait")
    with torch.no_grad():
        torch.testing.assert_close(alone(x)["y"], original.layer(x) * 3, **TOLERANCE)
        torch.testing.assert_close(alone(x)["y"], original.layer(x) * 4, **TOLERANCE)
    loaded = aitune.load(tmp_path / "counter.ait")
    first = loaded.run({"x": x.numpy()})
    again = loaded.run({"x": x.numpy()})
    assert first["calls"] == again["calls"] == 3
    assert loaded.run({"x": x.numpy(), "calls": first["calls"]})["calls"] == 4
    np.testing.assert_allclose(first["mul"], (original.layer(x) * 3).detach().numpy(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("ir", ["dynamo", "ts", "fx"])
def test_arguments_are_written_to(ir):
    torch.manual_seed(0)
    net = Inplace().eval()
    original = copy.deepcopy(net)
    module = wrap(net, ir=ir)
    samples = [torch.randn(2, 4), torch.randn(2, 4)]
    kept = [x.clone() for x in samples]
    ait.tune(module, [(x,) for x in samples])
    for x, before in zip(samples, kept):  # recording ran the module on them, tuning did no more
        torch.testing.assert_close(x, before.relu())
    x = torch.randn(2, 4)
    y = x.clone()
    with torch.no_grad():
        torch.testing.assert_close(module(x), original(y), **TOLERANCE)
    torch.testing.assert_close(x, y)
    assert (x >= 0).all()


def test_a_strategy_leaves_the_state_alone():
    torch.manual_seed(0)
    net = Counter().eval()
    backend = ait.TorchTensorRTAotBackend(
        ait.TorchTensorRTAotBackendConfig(compile_config=ait.CompilationSettings(optimization_level=0))
    )
    module = ait.Module(net, "counter", strategy=ait.MaxThroughputStrategy([backend, ait.TorchEagerBackend()]))
    ait.tune(module, [torch.randn(2, 4)])
    assert net.calls == 1
    module(torch.randn(2, 4))
    assert net.calls == 2
