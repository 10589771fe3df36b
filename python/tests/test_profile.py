"""profile: where the time of a pipeline goes. What is checked is what was entered and how often, not how long it took."""

import inspect
import json
import threading

import pytest
import torch

import aitune
import aitune.torch as ait
from support import strategy


class Decoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(8, 8)

    def forward(self, x):
        return self.layer(x)

    def decode(self, x, times=1):
        """As diffusers' autoencoders are called."""
        for _ in range(times):
            x = self(x)
        return x


class Pipe:
    def __init__(self):
        self.net = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU()).eval()
        self.decoder = Decoder().eval()
        self.blocks = torch.nn.ModuleList([torch.nn.Linear(8, 8)])
        self.unused = torch.nn.Linear(8, 8)

    def __call__(self, x, extra=0):
        return self.blocks[0](self.decoder.decode(self.net(self.net(x)), times=3)) + extra


def calls_of(profile):
    """By region; the same in all runs, and with the rest they make the whole."""
    runs = profile.data["runs"]
    calls = [{row["region_id"]: row["calls"] for row in run["regions"]} for run in runs]
    assert all(row == calls[0] for row in calls)
    for run in runs:
        shares = [row["cpu_time_fraction"] for row in [*run["regions"], run["residual"]]]
        assert sum(shares) == pytest.approx(1) and min(shares) >= 0
    assert [row["id"] for row in profile.data["regions"]] == list(calls[0])
    return calls[0]


def test_before_and_after_tuning(tmp_path):
    pipe, x = Pipe(), torch.randn(2, 8)
    want = pipe(x)
    before = ait.profile(pipe, x, warmup_runs=0, measured_runs=3)
    rest = {"untuned_module:decoder.decode": 1, "untuned_module:blocks.0": 1}
    assert calls_of(before) == {"untuned_module:net": 2, **rest} and before.trace_file is None
    pipe.net = ait.Module(pipe.net, "net", strategy=strategy())
    assert calls_of(ait.profile(pipe, x)) == {"aot_module:net": 2, **rest}
    ait.tune(pipe, x)
    after = ait.profile(pipe, {"x": x}, trace_file=tmp_path / "new" / "trace.json", measured_runs=2)
    assert calls_of(after) == {"aot_module:net": 2, **rest}
    row = after.data["regions"][0]
    assert row["wrapper_state"] == "tuned" and row["module_type"] == "torch.nn.modules.container.Sequential"
    assert "traceEvents" in json.loads((tmp_path / "new" / "trace.json").read_text())
    events = {row["key"]: row["count"] for row in after.data["profiler"]["key_averages"]["cpu_time_total"]["events"]}
    assert events["aot_module:net"] == 4 and events["aten::linear"] == 2 * 4
    assert json.loads(json.dumps(after.data)) == after.data
    torch.testing.assert_close(pipe(x), want, rtol=1e-4, atol=1e-5)


def test_nothing_stays_behind():
    pipe = Pipe()
    ait.profile(pipe, torch.randn(2, 8), measured_runs=1)
    assert "decode" not in pipe.decoder.__dict__
    assert not pipe.net._forward_hooks and not pipe.net._forward_pre_hooks

    def fails(_):
        assert inspect.signature(pipe.decoder.decode).parameters["times"].default == 1
        pipe.decoder.decode(torch.ones(3, 3))

    with pytest.raises(RuntimeError):
        ait.profile(pipe, 1, inference_function=fails)
    assert "decode" not in pipe.decoder.__dict__ and not pipe.net._forward_hooks


def test_a_module_inside_of_another_one_and_what_is_beside_it():
    net = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Linear(8, 8)).eval()

    class Holder:
        def __init__(self):
            self.net = net

    net[1] = ait.Module(net[1], "inner", strategy=strategy())
    profile = ait.profile(Holder(), torch.randn(2, 8), inference_function=net, measured_runs=1)
    assert calls_of(profile) == {"untuned_module:net.0": 1, "aot_module:inner": 1}
    assert profile.data["config"]["uses_inference_function"] and profile.data["input"] == {"args_count": 1, "kwargs": []}


def test_a_file_without_an_original(tmp_path):
    pipe, x = Pipe(), torch.randn(2, 8)
    pipe.net = ait.Module(pipe.net, "net", strategy=strategy())
    ait.tune(pipe, x)
    ait.save(pipe.net, tmp_path / "net.ait")
    pipe.net = ait.load(tmp_path / "net.ait")
    profile = ait.profile(pipe, x, measured_runs=1)
    assert calls_of(profile)["aot_module:net"] == 2 and profile.data["regions"][0]["wrapper_state"] == "tuned"
    assert calls_of(ait.profile(pipe.net, x, measured_runs=1)) == {"aot_module:net": 1}


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_modules_of_torchscript_are_regions():
    pipe = Pipe()
    pipe.net = torch.jit.script(pipe.net)
    assert calls_of(ait.profile(pipe, torch.randn(2, 8), measured_runs=1))["untuned_module:net"] == 2


def test_other_threads_do_not_count():
    pipe, x = Pipe(), torch.randn(2, 8)

    def call():
        thread = threading.Thread(target=pipe.net, args=(x,))
        thread.start()
        thread.join()
        pipe.blocks[0](x)

    profile = ait.profile(pipe, None, inference_function=call, measured_runs=1)
    assert calls_of(profile) == {"untuned_module:blocks.0": 1}


def test_the_text():
    text = ait.profile(Pipe(), (torch.randn(2, 8), 1), measured_runs=2).markdown()
    assert "| Positional arguments | 2 |" in text and "| untuned_module:net | untuned_module | - |" in text
    assert text.count("| _(residual)_ |") == 2 and "| aten::linear |" in text
    assert "No region was entered." in ait.profile(lambda: torch.ones(1), None, measured_runs=1).markdown()


def test_wrong_arguments(tmp_path):
    pipe = Pipe()
    for call, message in (
        (lambda: ait.profile(3, None), "an int cannot be called.*inference_function"),
        (lambda: ait.profile(pipe, 1, warmup_runs=-1), "warmup_runs is -1.*from 0 on"),
        (lambda: ait.profile(pipe, 1, measured_runs=0), "measured_runs is 0.*from 1 on"),
        (lambda: ait.profile(pipe, 1, measured_runs=True), "measured_runs is True"),
    ):
        with pytest.raises(aitune.InvalidArgument, match=message):
            call()
    (tmp_path / "file").touch()
    with pytest.raises(aitune.IoError):
        ait.profile(pipe, torch.ones(1, 8), measured_runs=1, trace_file=tmp_path / "file" / "trace.json")
