"""Tuning while a program runs: patch_for_jit_tuning and jit_config."""

import copy
import io
import threading

import pytest
import torch

import aitune
import aitune.torch as ait
from aitune.torch.jit import tune as jit_tune
from aitune.torch.jit.config import JITMode
from aitune.torch.jit.patched_module import PatchedModule
from aitune.torch.jit.patcher import jit_reset, prepare_for_jit_tuning
from support import TOLERANCE, strategy

config = ait.jit_config


@pytest.fixture(autouse=True)
def fresh():
    """Tuned without measuring whether it was worth it."""
    jit_reset()
    config.reset_to_defaults()
    config.strategy = strategy()
    yield
    config.reset_to_defaults()
    jit_reset()


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = torch.nn.Linear(8, 8), torch.nn.Linear(8, 4)
        self.unused = torch.nn.Linear(8, 8)
        self.calls = 0  # in Python

    def forward(self, x, scale: float = 1.0):
        self.calls += 1
        return self.second(torch.relu(self.first(x))) * scale


class Branches(torch.nn.Module):
    """Data decide, so that only its parts can be exported."""

    def __init__(self):
        super().__init__()
        self.a, self.b = torch.nn.Linear(8, 8), torch.nn.Linear(8, 8)

    def forward(self, x):
        return self.b(x) if self.a(x).sum() > 1e9 else self.b(self.a(x))


@ait.patch_for_jit_tuning
def make(cls=Net, count=1):
    made = [cls().eval() for _ in range(count)]
    return made[0] if count == 1 else made


def states():
    found = []
    PatchedModule.print_hierarchy(found.append)
    return {line.split()[0]: line.split("state=")[1].split()[0] for line in found}


def plain(net):
    """The same weights, in PyTorch alone."""
    made = type(net)().eval()
    made.load_state_dict(net.state_dict())
    return made


def check(net, *args, **kwargs):
    """Calls it as a program does, and compares."""
    with torch.no_grad():
        got = net(*args, **kwargs)
        torch.testing.assert_close(got, plain(net)(*args, **kwargs), **TOLERANCE)
    return got


def test_a_model_is_tuned_behind_its_first_call():
    net = make()
    x = torch.randn(2, 8)
    assert states() == {}
    check(net, x)
    assert states() == {"Net": "tuned"}
    calls = net.calls
    check(net, x)
    assert net.calls == calls, "it was PyTorch that answered"
    assert list(net.state_dict()) == list(plain(net).state_dict())
    assert not any("forward" in part.__dict__ for part in net.modules() if part is not net)


def test_other_calls_run_in_pytorch_and_that_is_said_once(caplog):
    net = make()
    check(net, torch.randn(2, 8))
    calls = net.calls
    for size in (3, 5):
        check(net, torch.randn(size, 8))
    check(net, torch.randn(2, 8), scale=3.0)
    assert net.calls == calls + 3
    assert caplog.text.count("Net: calls of another kind run in PyTorch") == 1
    with pytest.raises(TypeError, match="nothing"):
        net(torch.randn(2, 8), nothing=1)


def test_sizes_that_move():
    config.min_samples = 2
    net = make()
    for size, state in ((2, "recording"), (2, "recording"), (5, "tuned")):
        check(net, torch.randn(size, 8))
        assert states() == {"Net": state}
    calls = net.calls
    check(net, torch.randn(3, 8))
    assert net.calls == calls


def test_as_often_as_is_asked_for():
    config.min_samples, config.batch_axis_required = 3, False
    net = make()
    for state in ("recording", "recording", "tuned"):
        check(net, torch.randn(2, 8))
        assert states() == {"Net": state}


def test_parts_of_what_cannot_be_tuned(caplog):
    config.max_depth_level = 2
    net = make(Branches)
    for _ in range(2):
        check(net, torch.randn(2, 8))
    assert states() == {"Branches": "eager", "Branches.Linear": "tuned", "Branches.Linear.1": "tuned"}
    assert "Branches stays in PyTorch: module 'Branches': torch.export cannot export the model" in caplog.text
    config.max_depth_level = 1
    net = make(Branches)
    check(net, torch.randn(2, 8))
    assert states()["Branches.1"] == "eager" and "Branches.1.Linear" not in states()
    assert "forward" not in net.__dict__ and "forward" not in net.a.__dict__


def test_parts_of_what_is_tuned_are_left_alone():
    config.max_depth_level = 2
    net = make()
    check(net, torch.randn(2, 8))
    assert states() == {"Net": "tuned", "Net.Linear": "detached", "Net.Linear.1": "detached"}
    assert not any("forward" in part.__dict__ for part in net.modules() if part is not net)


def test_the_outermost_ones_of_a_program():
    class Pipe:
        def __init__(self):
            self.nets = make(count=2)

        def __call__(self, x):
            return self.nets[1].first(self.nets[0].first(x))

    pipe = Pipe()
    with torch.no_grad():
        pipe(torch.randn(2, 8))
    assert states() == {"Linear": "tuned", "Linear.1": "tuned"}


def test_what_is_left_out():
    config.skip_modules = ["Branches"]
    config.min_parameters = 100
    config.patch_exclude = (f"{__name__}.Net",)
    branches, small, net = make(Branches), make(lambda: torch.nn.Linear(4, 4)), make()
    for model, width in ((branches, 8), (small, 4), (net, 8)):
        with torch.no_grad():
            model(torch.randn(2, width))
        assert "forward" not in model.__dict__
    # Whoever leaves out a class still has its parts looked at: Net's are small.
    assert states() == {"Branches": "skipped"}


def test_deferred():
    config.mode = JITMode.TUNE_DEFERRED
    net = make()
    for _ in range(3):
        check(net, torch.randn(2, 8))
    assert states() == {"Net": "recording"}
    jit_tune.deferred()
    assert states() == {"Net": "recording"}
    check(net, torch.randn(2, 8))
    assert states() == {"Net": "tuned"}
    config.mode = JITMode.TUNE_EAGER
    with pytest.raises(aitune.InvalidArgument, match="jit_config.mode is JITMode.TUNE_EAGER"):
        jit_tune.deferred()


def test_only_what_is_made_meanwhile():
    before = Net().eval()
    with prepare_for_jit_tuning(), prepare_for_jit_tuning():
        inside = Net().eval()
    after = Net().eval()
    for net in (before, inside, after):
        check(net, torch.randn(2, 8))
    assert states() == {"Net": "tuned"} and "forward" in inside.__dict__
    import aitune.torch.jit.enable  # noqa: F401

    check(Net().eval(), torch.randn(2, 8))
    assert states()["Net.1"] == "tuned"


def test_training_is_left_alone():
    net = make().train()
    net(torch.randn(2, 8)).sum().backward()
    assert net.first.weight.grad is not None and states() == {}
    check(net.eval(), torch.randn(2, 8))
    assert states() == {"Net": "tuned"}
    net.train()(torch.randn(2, 8)).sum().backward()


@pytest.mark.parametrize("ir", ["dynamo", "ts", "fx"])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_inference_mode(ir):
    config.strategy = strategy(ir)
    net = make(lambda: torch.nn.Linear(8, 4))
    with torch.inference_mode():
        x = torch.randn(2, 8)
        want = net(x)
        torch.testing.assert_close(net(x), want, **TOLERANCE)
    assert states() == {"Linear": "tuned"}


@pytest.mark.filterwarnings("ignore")
def test_others_that_trace_it():
    for trace in (
        lambda net, x: torch.jit.trace(net, x, check_trace=False),
        lambda net, x: torch.export.export(net, (x,)).module(),
        lambda net, x: torch.jit.script(net),
        lambda net, x: torch.fx.symbolic_trace(net),
    ):
        net, x = make(), torch.randn(2, 8)
        other = trace(net, x)
        assert states() == {}
        torch.testing.assert_close(other(x), plain(net)(x), **TOLERANCE)


def test_copies_and_files():
    net, x = make(), torch.randn(2, 8)
    copied = copy.deepcopy(net)
    check(copied, x)
    assert states() == {"Net": "tuned"}
    file = io.BytesIO()
    torch.save(net, file)
    torch.save(copied, file := io.BytesIO())
    file.seek(0)
    torch.testing.assert_close(torch.load(file, weights_only=False)(x), plain(copied)(x), **TOLERANCE)
    check(copy.deepcopy(copied), x)


def test_a_module_that_is_wrapped_by_hand():
    model = ait.Module(make(), "mine", strategy=strategy())
    ait.tune(model, torch.randn(2, 8))
    assert states() == {} and model.state is ait.ModuleState.TUNED
    net = make()
    check(net, torch.randn(2, 8))
    ait.tune(model := ait.Module(net, "mine", strategy=strategy()), torch.randn(3, 8))
    assert model(torch.randn(3, 8)).shape == (3, 4)


def test_tuning_by_hand_takes_what_is_wrapped_alone():
    net, model = make(), ait.Module(torch.nn.Linear(4, 8), "mine", strategy=strategy())
    config.min_samples = 9
    check(net, torch.randn(2, 8))
    ait.tune(lambda x: net(model(x)), torch.randn(2, 4))
    assert model.state is ait.ModuleState.TUNED and states() == {"Net": "recording"}
    calls = net.calls
    check(net, torch.randn(2, 8))
    assert net.calls == calls + 1


def test_arguments_that_cannot_be_recorded(caplog):
    class Takes(torch.nn.Linear):
        def forward(self, x, more):
            return super().forward(x)

    net = make(lambda: Takes(8, 8))
    for _ in range(2):
        with torch.no_grad():
            net(torch.randn(2, 8), object())
    assert states() == {"Takes": "eager"} and "cannot be taken apart into tensors" in caplog.text


def test_a_wrong_call_is_the_program_s_own():
    config.min_samples, config.batch_axis_required = 2, False
    net, x = make(), torch.randn(2, 8)
    for _ in range(2):
        with pytest.raises(TypeError, match="nothing"):
            net(x, nothing=1)
    check(net, x)
    assert states() == {"Net": "recording"}
    check(net, x)
    assert states() == {"Net": "tuned"}


def test_a_forward_that_cannot_be_looked_at(caplog):
    class Hidden(torch.nn.Linear):
        def forward(self, x):
            return super().forward(x)

    Hidden.forward.__signature__ = "none"
    net = make(lambda: Hidden(8, 8))
    with torch.no_grad():
        assert net(torch.randn(2, 8)).shape == (2, 8)
    assert states() == {"Hidden": "eager"} and "Hidden stays in PyTorch: " in caplog.text


def test_where_pytorch_is_as_fast(caplog):
    config.strategy = ait.OneBackendStrategy(ait.TorchEagerBackend())
    net = make()
    check(net, torch.randn(2, 8))
    assert states() == {"Net": "eager"} and "no backend is right and fast enough" in caplog.text


def test_dry_run(caplog):
    import logging

    config.dry_run = True
    with caplog.at_level(logging.INFO, "aitune"):
        check(net := make(), torch.randn(2, 8))
    assert states() == {"Net": "eager"} and "forward" not in net.__dict__ and "Net stays in PyTorch: it was a dry run" in caplog.text
    assert "module 'Net', TorchTensorRTAotBackend" in caplog.text


def test_weights_may_leave_memory(monkeypatch):
    monkeypatch.setattr(ait.config, "_device_after_tuning", "meta")
    net = make()
    x = torch.randn(2, 8)
    want = plain(net)(x)
    with torch.no_grad():
        for _ in range(2):
            torch.testing.assert_close(net(x), want, **TOLERANCE)
        assert net.first.weight.is_meta
        with pytest.raises(aitune.InvalidArgument):
            net(torch.randn(5, 8))


def test_from_several_threads():
    net, xs = make(), [torch.randn(2, 8) for _ in range(8)]
    got = [None] * 8

    def call(i):
        with torch.no_grad():
            got[i] = net(xs[i])

    threads = [threading.Thread(target=call, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for x, y in zip(xs, got, strict=True):
        torch.testing.assert_close(y, plain(net)(x).detach(), **TOLERANCE)
    assert set(states().values()) <= {"tuned", "recording"}


def test_what_was_done():
    net = make()
    check(net, torch.randn(2, 8))
    lines = []
    PatchedModule.print_history(lines.append)
    assert lines[0].splitlines()[0].startswith("new: Net 180 parameters level=0 state=recording")
    assert lines[0].splitlines()[-1].startswith("tuned: Net 180 parameters level=0 state=tuned (TorchTensorRTAotBackend(")
    del net
    import gc

    gc.collect()
    assert states() == {}


def test_fields(caplog):
    for name, value in (("dry_run_failure_probability", 0.5), ("detect_graph_breaks", True), ("cache_dir", "x")):
        caplog.clear()
        setattr(config, name, value)
        assert f"jit_config.{name} is ignored: " in caplog.text
    for name, value, error, message in (
        ("mode", "tune_eager", aitune.InvalidArgument, "jit_config.mode: it is 'tune_eager'. Give a JITMode"),
        ("min_samples", 0, aitune.InvalidArgument, "jit_config.min_samples: it is 0. Give an integer from 1 on"),
        ("min_parameters", -1, aitune.InvalidArgument, "an integer from 0 on"),
        ("dry_run", 1, aitune.InvalidArgument, "True or False"),
        ("skip_modules", "Net", aitune.InvalidArgument, "a list of names"),
        ("strategy", 3, aitune.InvalidArgument, "a TuneStrategy, or None"),
        ("device", "cuda:0", aitune.Unavailable, "jit_config.device: there is no engine for device cuda:0"),
        ("min_sample", 3, aitune.InvalidArgument, "there is no field 'min_sample'. Did you mean min_samples"),
    ):
        with pytest.raises(error, match=message):
            setattr(config, name, value)
    config.strategy = None
    assert type(config.resolve_strategy()) is ait.FirstWinsStrategy


def test_what_is_tuned_can_be_saved(tmp_path):
    net, x = make(), torch.randn(2, 8)
    want = check(net, x)
    ait.save(net, tmp_path / "net.ait")
    torch.testing.assert_close(ait.load(tmp_path / "net.ait")(x), want, **TOLERANCE)


def test_a_language_model():
    """Prompt and next tokens, once both were seen."""
    pytest.importorskip("transformers")
    from test_caches import llama

    config.mode, config.strategy = JITMode.TUNE_DEFERRED, strategy(min_block_size=1)
    net = make(llama)
    other = copy.deepcopy(net)

    def generate(model, prompt):
        ids = torch.arange(3, 3 + prompt)[None]
        return model.generate(ids, max_new_tokens=6, do_sample=False, pad_token_id=2).tolist()

    for prompt in (4, 9):
        generate(net, prompt)
    jit_tune.deferred()
    generate(net, 5)
    assert states() == {"LlamaForCausalLM": "tuned"} and len(net.forward.wrapper.results()) == 2
    config.max_depth_level, config.skip_modules = 1, ["LlamaForCausalLM"]
    assert generate(net, 7) == generate(other, 7)


class Counts(torch.nn.Module):
    """Keeps how often it was called in a buffer."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(8, 8)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return self.layer(x) + self.calls


def test_buffers_that_are_written_to():
    net, x = make(Counts), torch.randn(2, 8)
    with torch.no_grad():
        first, second, third = (net(x) for _ in range(3))
    assert states() == {"Counts": "tuned"} and net.calls == 3
    torch.testing.assert_close(second, first + 1, **TOLERANCE)
    torch.testing.assert_close(third, first + 2, **TOLERANCE)
