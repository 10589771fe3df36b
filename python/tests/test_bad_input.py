"""What is wrong with what the user gave is said exactly, and leaves everything as it was."""

import logging
import os
import pathlib
import signal
import threading
import time

import pytest
import torch
from support import check_same, reference, strategy, wrap

import aitune
import aitune.torch as ait


def linear(name="net"):
    return ait.Module(torch.nn.Linear(4, 4).eval(), name, strategy=strategy())


@pytest.mark.parametrize("dataset", [[], (), iter(()), torch.utils.data.TensorDataset(torch.zeros(0, 4))])
def test_an_empty_dataset(dataset):
    model = linear()
    with pytest.raises(aitune.InvalidArgument, match="tune: the dataset is empty. Give at least one sample"):
        ait.tune(model, dataset)
    assert model.state is ait.ModuleState.PASSTHROUGH


def test_a_dataset_that_may_be_endless(caplog):
    def endless():
        while True:
            yield torch.randn(2, 4)
            if len(caplog.records) == 2:
                raise InterruptedError  # the test has seen enough

    model = linear()
    with caplog.at_level(logging.WARNING, "aitune"), pytest.raises(aitune.InvalidArgument, match="InterruptedError"):
        ait.tune(model, endless(), max_num_batches_per_batch_size=3000)
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0].startswith("512 calls were made of the dataset so far, of which 32 are kept")
    assert lines[1].startswith("1024 calls") and "max_num_batches_per_batch_size ends a dataset" in lines[1]
    ait.tune(model, (torch.randn(2, 4) for _ in iter(int, 1)), max_num_batches_per_batch_size=3)
    assert model.state is ait.ModuleState.TUNED


def test_an_empty_dataset_in_batches():
    with pytest.raises(aitune.InvalidArgument, match="the dataset is empty"):
        ait.tune(linear(), [], batch_sizes=[1, 2])


def test_one_sample_fails():
    model = linear()
    with pytest.raises(aitune.InvalidArgument, match=r"sample 2 of the dataset: the model fails on it: RuntimeError: .*"):
        ait.tune(model, [torch.randn(2, 4), torch.randn(3, 4), torch.randn(2, 5)])
    assert model.state is ait.ModuleState.PASSTHROUGH
    x = torch.randn(2, 4)
    ait.tune(model, x)
    assert model(x).shape == (2, 4)


def test_what_gives_no_samples():
    with pytest.raises(aitune.InvalidArgument, match="an int gives no samples"):
        ait.tune(linear(), 3)
    with pytest.raises(aitune.InvalidArgument, match="a batch size is 0"):
        ait.tune(linear(), [torch.randn(4)], batch_sizes=[0])


def test_inside_of_autocast():
    model = linear()
    with torch.autocast("cpu", dtype=torch.bfloat16), pytest.raises(
        aitune.InvalidArgument, match="tune: torch.autocast is on. Tune outside of it.*enable_autocast.*enabled_prec"
    ):
        ait.tune(model, torch.randn(2, 4))
    with torch.autocast("cpu", enabled=False):
        ait.tune(model, torch.randn(2, 4))
    assert model.state is ait.ModuleState.TUNED


class Damaged(torch.utils.data.Dataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        if index == 1:
            raise KeyError("no file image1.png")
        return torch.randn(2, 4)


@pytest.mark.parametrize(
    ("dataset", "options", "where"),
    [
        (Damaged(), {}, "sample 1"),
        (torch.utils.data.DataLoader(Damaged(), batch_size=None), {}, "sample 1"),
        (torch.utils.data.DataLoader(Damaged(), batch_size=2), {}, "sample 0"),
        (torch.utils.data.DataLoader(Damaged(), batch_size=2, num_workers=1), {}, "sample 0"),
        (Damaged(), {"batch_sizes": [1, 2]}, "batch 1 of 1 samples"),
        (Damaged(), {"batch_sizes": [4]}, "batch 0 of 4 samples"),
    ],
)
def test_a_dataset_that_raises(dataset, options, where):
    model = linear()
    message = f"{where} of the dataset: the dataset raises KeyError: 'no file"
    with pytest.raises(aitune.InvalidArgument, match=message) as caught:
        ait.tune(model, dataset, **options)
    assert isinstance(caught.value.__cause__, KeyError) and model.state is ait.ModuleState.PASSTHROUGH
    assert "Traceback" not in str(caught.value)


class Noise(torch.nn.Module):
    def forward(self, x):
        return x + torch._standard_gamma(x.abs())


@pytest.mark.parametrize(
    ("ir", "where"), [("dynamo", "module 'net': 1 operator is not"), ("fx", "module 'net', traced line \\d+ in forward: _standard_gamma")]
)
def test_an_operator_that_is_not_there_is_of_the_module(ir, where):
    with pytest.raises(aitune.Unsupported, match=f"^{where}") as caught:
        ait.tune(wrap(Noise(), ir), torch.randn(2, 4))
    assert "/aitune-" not in str(caught.value)
    assert "run_decompositions" not in str(caught.value), "there is no program that the user could decompose"
    if ir == "dynamo":
        assert "wrap the parts of the model without them, or try ir='ts'" in str(caught.value).lower()


OPAQUE = object()


class Unscriptable(torch.nn.Module):
    def forward(self, x):
        return x.relu() if OPAQUE else x


def test_why_a_script_fails_is_said_every_time(caplog):
    """PyTorch says so once for a class, and from then on that its method cannot be redefined."""
    for model in (Unscriptable(), Unscriptable(), torch.nn.Sequential(Unscriptable(), torch.nn.ReLU())):
        caplog.clear()
        ait.tune(wrap(model, "ts"), torch.randn(2, 4))
        said = [line for line in caplog.messages if "torch.jit.script fails" in line]
        assert said and all("python value of type 'object'" in line for line in said), caplog.messages


def test_tuning_inside_of_a_tuning():
    """It is refused, and the outer one goes on."""
    inner, refused = linear("inner"), []

    class Tuning(ait.TorchTensorRTAotBackend):
        def build(self, *args, **kwargs):
            with pytest.raises(aitune.InvalidArgument, match="tune: it is called inside of another tuning") as caught:
                ait.tune(inner, torch.randn(2, 4))
            refused.append(caught.value)
            return super().build(*args, **kwargs)

    backend = Tuning(ait.TorchTensorRTAotBackendConfig(compile_config={"optimization_level": 0}))
    outer = ait.Module(torch.nn.Linear(4, 4).eval(), "outer", strategy=ait.OneBackendStrategy(backend))
    ait.tune(outer, torch.randn(2, 4))
    assert refused and outer.state is ait.ModuleState.TUNED and inner.state is ait.ModuleState.PASSTHROUGH
    ait.tune(inner, torch.randn(2, 4))
    assert inner.state is ait.ModuleState.TUNED


@pytest.mark.parametrize("net", [torch.nn.Linear(4, 4), torch.nn.Conv1d(4, 4, 1)])  # the second answers all the same
def test_weights_without_values(net):
    model = ait.Module(torch.nn.Sequential(net).to("meta"), "empty", strategy=strategy())
    with pytest.raises(aitune.InvalidArgument, match="module 'empty': its weights are not in memory: '0.weight' is on") as caught:
        ait.tune(model, torch.randn(2, 4, 4))
    assert "Leave that sample out" not in str(caught.value)


def test_no_device():
    for device in ("xyz", "cpu:x", 3.5):
        with pytest.raises(aitune.InvalidArgument, match="tune: there is no device"):
            ait.tune(linear(), torch.randn(2, 4), device=device)


@pytest.mark.parametrize("ir", ["dynamo", "ts", "fx"])
@pytest.mark.parametrize("answer", [lambda x: None, lambda x: {"size": x.shape[0]}, lambda x: []])
def test_a_module_without_a_tensor_for_a_result(answer, ir):
    class Answers(torch.nn.Module):
        def forward(self, x):
            return answer(x)

    x = torch.randn(2, 4)
    if ir == "fx" and answer(x):  # whose numbers are outputs like others
        ait.tune(model := wrap(Answers(), ir), x)
        assert model(x) == answer(x)
        return
    with pytest.raises(aitune.Unsupported, match="module 'net': the module returns no tensor"):
        ait.tune(wrap(Answers(), ir), x)


def test_what_fx_cannot_save():
    class Sums(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("total", torch.zeros(4))

        def forward(self, x):
            self.total = self.total + x.sum(0)
            return x + self.total

    with pytest.raises(aitune.Unsupported, match="module 'net': torch.fx.symbolic_trace cannot export") as caught:
        ait.tune(wrap(Sums(), "fx"), torch.randn(2, 4))
    assert caught.value.__cause__ is not None


class Tired(torch.nn.Linear):
    calls = 0

    def forward(self, x):
        self.calls += 1
        if self.calls > 2:
            raise KeyError("no more")
        return super().forward(x)


class Fails(ait.backend.Backend):
    def describe(self):
        return "Fails()"

    def build(self, module, forward, record, name, *, dry_run=False):
        raise KeyError("of the backend")


def test_what_a_module_raises_belongs_to_it(caplog):
    x = torch.randn(2, 4)
    message = "module 'net', sample 0: the model fails .* again: KeyError: 'no more'"
    with pytest.raises(aitune.InvalidArgument, match=message):
        ait.tune(wrap(Tired(4, 4)), x)
    fails = ait.Module(torch.nn.ReLU(), "fails", strategy=ait.OneBackendStrategy(Fails()))
    good = linear("good")
    ait.tune(lambda v: good(fails(v)), x, ignore_failing_modules=True)
    assert fails.state is ait.ModuleState.PASSTHROUGH and good.state is ait.ModuleState.TUNED
    assert "fails stays as it is: KeyError: 'of the backend'" in caplog.text


def test_what_the_caller_raises_ends_tuning():
    def improved(name, path):
        raise KeyError("of the caller")

    with pytest.raises(KeyError, match="of the caller"):
        ait.tune(linear(), torch.randn(2, 4), improved=improved, ignore_failing_modules=True)


def test_no_module():
    with pytest.raises(aitune.InvalidArgument, match="a Tensor cannot be called"):
        ait.tune(torch.ones(1), torch.ones(1))
    model = linear("alone")
    with pytest.raises(aitune.InvalidArgument, match="none of the modules was called"):
        ait.tune(lambda x: x, torch.ones(1))
    assert model.state is ait.ModuleState.PASSTHROUGH


def test_a_module_that_was_not_wrapped():
    other = linear("of somebody else")
    message = "tune: a Linear is no aitune.torch.Module, and holds none. Wrap the modules first: model = aitune.torch.Module"
    for data in (torch.randn(2, 4), None):
        with pytest.raises(aitune.InvalidArgument, match=message) as caught:
            ait.tune(torch.nn.Linear(4, 4), data)
        assert other.name not in str(caught.value)


def test_nothing_recorded():
    model, _other = linear("model"), linear("of somebody else")
    message = r"no samples, and no calls were recorded: 'model'\. Give samples, or call enable_recording\(\)"
    with pytest.raises(aitune.InvalidArgument, match=message):
        ait.tune(model)
    with pytest.raises(aitune.InvalidArgument, match=r"none of the modules was called: 'model'\. Give a function"):
        ait.tune(Holds(model), torch.randn(2, 4))
    many = [linear(f"many{i:02}") for i in range(20)]
    with pytest.raises(aitune.InvalidArgument, match=r"was called: '.*' and \d+ more\. Give a function"):
        ait.tune(lambda x: len(many), torch.randn(2, 4))


class Holds:
    def __init__(self, model):
        self.model = model

    def __call__(self, x):
        return x


def test_inspecting_with_a_sample_that_fails():
    net = torch.nn.Linear(4, 4)
    for warmup in (0, 2):
        with pytest.raises(aitune.InvalidArgument, match="sample 1 of the dataset: the model fails on it: RuntimeError"):
            ait.inspect(net, [torch.randn(2, 4), torch.randn(2, 5)], warmup_iterations=warmup)
    assert "forward" not in net.__dict__


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_sizes": 3}, "tune: batch_sizes is 3. Give a list of integers from 1 on"),
        ({"batch_sizes": []}, r"tune: batch_sizes is \[\]. Give a list"),
        ({"batch_sizes": [0]}, "tune: a batch size is 0"),
        ({"max_num_batches_per_batch_size": 0}, "max_num_batches_per_batch_size is 0"),
    ],
)
def test_wrong_batches(options, message):
    with pytest.raises(aitune.InvalidArgument, match=message):
        ait.tune(linear(), [torch.randn(4)], **options)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ("x", r"module 'net': dynamic_shapes is a str. Give whole shapes by the path of a tensor: \{'x'"),
        ({3: (1, 2)}, "a key of dynamic_shapes is an int"),
        ({"x": 3}, "dynamic_shapes gives 'x' an int"),
        ({"x": {0: ait.BatchDim("batch", 1, 8)}}, "dynamic_shapes gives 'x' a dict"),
        ({"x": (None, 3)}, "a dimension that dynamic_shapes gives 'x' is None. Give an int where the size stays"),
    ],
)
def test_wrong_dynamic_shapes(shapes, message):
    with pytest.raises(aitune.InvalidArgument, match=message):
        ait.Module(torch.nn.Linear(4, 4), "net", dynamic_shapes=shapes)


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        (None, "wrap: modules is None. Give what inspect"),
        (["a"], "wrap: one of modules is a str"),
        ([torch.nn.Linear], "wrap: one of modules is a type"),
    ],
)
def test_what_cannot_be_wrapped(modules, message):
    with pytest.raises(aitune.InvalidArgument, match=message):
        ait.wrap(torch.nn.Linear(4, 4), modules)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ait.Module("net"), "a str cannot be tuned"),
        (lambda: ait.Module(torch.nn.ReLU(), 5), "the name is an int. Give text"),
        (lambda: ait.Module(torch.nn.ReLU(), "a\nb"), "files cannot hold the name 'a\\nb'. Leave out"),
        (lambda: ait.Module(torch.nn.ReLU(), "../relu"), "files cannot hold the name"),
        (lambda: ait.Module(torch.nn.ReLU(), "relu/"), "files cannot hold the name"),
        (lambda: ait.Module(torch.nn.ReLU(), strategy="fast"), "the strategy is a str"),
        (lambda: ait.OneBackendStrategy("cpu"), "the backend is a str"),
        (lambda: ait.TorchTensorRTAotBackend({"ir": "ts"}), "the configuration is a dict"),
        (lambda: ait.TorchTensorRTAotBackendConfig(ir="onnx"), "there is no ir 'onnx'. It is one of: dynamo, ts, fx"),
        (lambda: ait.TorchTensorRTAotBackendConfig(pickle_protocol=1), "pickle_protocol is 1. It is 2 to 5"),
        (lambda: ait.TorchTensorRTAotBackendConfig(pickle_protocol="4"), "pickle_protocol is '4'"),
        (lambda: ait.TorchTensorRTAotBackendConfig(compile_config=7), "an int has no field of CompilationSettings"),
        (lambda: ait.TorchTensorRTAotBackendConfig(compile_config={"blocks": 1}), "there is no setting 'blocks'"),
    ],
)
def test_configurations(make, message):
    with pytest.raises(aitune.InvalidArgument) as caught:
        make()
    assert message in str(caught.value), str(caught.value)


def test_another_device():
    model = linear()
    meta = torch.empty(2, 4, device="meta")
    with pytest.raises(aitune.InvalidArgument) as caught:
        ait.tune(model, meta)
    assert "sample 0 of the dataset: module 'net': tensor 'input' is on device meta" in str(caught.value)
    with pytest.raises(aitune.Unavailable, match="there is no engine for device cuda:0"):
        ait.tune(model, torch.randn(2, 4), device="cuda:0")
    ait.tune(model, torch.randn(2, 4), device="cpu")
    with pytest.raises(aitune.InvalidArgument, match=r"tensor 'input' is on device meta.*\.cpu\(\)"):
        model(meta)
    with pytest.raises(aitune.InvalidArgument, match="layout torch.sparse_coo"):
        ait.tune(linear(), torch.eye(4).to_sparse())


def test_calls_of_another_kind():
    class Two(torch.nn.Module):
        def forward(self, x, mask=None):
            return x * 2 if mask is None else x * mask

    model = wrap(Two())
    x = torch.randn(2, 4)
    ait.tune(model, x)
    for call, message in (
        (lambda: model(x, x), "it is called with mask"),
        (lambda: model(x.double()), "tensor 'x' is torch.float64, it was torch.float32"),
        (lambda: model(x[0]), "tensor 'x' has 1 dimensions, it had 2"),
        (lambda: model([x]), "'x' is a list, it was a tensor"),
        (lambda: model(x, {"a": object()}), "a builtins.object cannot be taken apart"),
        (lambda: model(x, wrong=1), "the call does not fit forward(x, mask=None)"),
        (lambda: model(), "the call does not fit forward(x, mask=None)"),
        (lambda: model(torch.randn(3, 4)), "expected f32[2,4], got f32[3,4]"),
    ):
        with pytest.raises(aitune.AituneError) as caught:
            call()
        assert message in str(caught.value), str(caught.value)
    check_same(model(x), x * 2)


def test_a_result_whose_structure_changes():
    class Changes(torch.nn.Module):
        def forward(self, x):
            return x if x.shape[0] == 1 else (x, x)

    with pytest.raises(aitune.InvalidArgument, match="the structure of the result changes from call to call"):
        ait.tune(wrap(Changes()), [torch.ones(1, 2), torch.ones(2, 2)])


def test_a_result_that_is_no_tensor():
    class Strange(torch.nn.Module):
        def forward(self, x):
            return {"x": x, "who": object()}

    with pytest.raises(aitune.AituneError, match=r"result of module 'net'.*builtins.object cannot be taken apart"):
        ait.tune(wrap(Strange()), torch.ones(2))


def test_failing_modules_may_be_ignored(caplog):
    class Fails(torch.nn.Module):
        def forward(self, x):
            return x + 1 if x.sum() > 0 else x

    bad, good = wrap(Fails(), name="bad"), linear("good")
    x = torch.ones(2, 4)
    with caplog.at_level(logging.WARNING, "aitune"):
        ait.tune(lambda v: good(bad(v)), x, ignore_failing_modules=True)
    assert bad.state is ait.ModuleState.PASSTHROUGH and good.state is ait.ModuleState.TUNED
    assert "bad stays as it is: module 'bad': torch.export cannot export" in caplog.text
    assert bad(x).sum() == 16


def test_saving_and_loading(tmp_path):
    model = linear()
    with pytest.raises(aitune.InvalidArgument, match="nothing is tuned. Call tune"):
        ait.save(model, tmp_path / "m.ait")
    ait.tune(model, torch.randn(2, 4))
    with pytest.raises(aitune.IoError):
        ait.save(model, tmp_path / "missing" / "m.ait")
    ait.save(model, tmp_path / "m.ait")
    with pytest.raises(aitune.NotFound, match="no such file"):
        ait.load(tmp_path / "other.ait")
    (tmp_path / "text.ait").write_text("no archive")
    with pytest.raises(aitune.Corrupt):
        ait.load(model, tmp_path / "text.ait")
    with pytest.raises(aitune.InvalidArgument, match="there is no path"):
        ait.load(model)


def test_a_file_of_another_module(tmp_path):
    file, x = tmp_path / "m.ait", torch.randn(2, 4)
    model = linear()
    ait.tune(model, x)
    ait.save(model, file)
    same = torch.nn.Linear(4, 4)
    check_same(ait.load(ait.Module(same, "by another name"), file)(x), model(x))

    class More(torch.nn.Linear):
        def forward(self, x, scale=1.0):
            return super().forward(x) * scale

    inside = torch.nn.Sequential(torch.nn.Linear(4, 4))
    for other in (torch.nn.Linear(4, 5), torch.nn.Linear(4, 4).double(), inside, More(4, 4)):
        with pytest.raises(aitune.InvalidArgument, match="the file holds another module: 'net' .* of 'other'"):
            ait.load(ait.Module(other, "other"), file)
    lazy = torch.nn.LazyLinear(4)
    check_same(ait.load(lazy, file)(x), model(x))


def damaged(data, generator):
    data = bytearray(data)
    for _ in range(3):
        at = int(torch.randint(len(data), (1,), generator=generator))
        data[at] = int(torch.randint(256, (1,), generator=generator))
    return bytes(data)


@pytest.mark.parametrize("several", [False, True], ids=["one", "several"])
def test_damaged_files_are_refused_or_right(several, tmp_path):
    """Damage lands mostly in bytes that loading does not look at: then the answers are right."""
    class Two(torch.nn.Module):
        def forward(self, x, flag=False):
            return x * 3 if flag else x * 2

    model = wrap(Two())
    x = torch.randn(2, 4)
    ait.tune(model, [((x,), {"flag": flag}) for flag in ((False, True) if several else (False,))])
    ait.save(model, tmp_path / "m.ait")
    data = (tmp_path / "m.ait").read_bytes()
    generator = torch.Generator().manual_seed(torch.initial_seed())
    for i in range(150):
        (tmp_path / "d.ait").write_bytes(damaged(data, generator) if i % 3 else data[: i * len(data) // 150])
        try:
            loaded = ait.load(tmp_path / "d.ait")
        except aitune.AituneError:
            continue
        try:
            got = loaded(x)
        except aitune.AituneError:
            continue  # the structure was damaged, in a file of several, where no digest covers it
        check_same(got, reference(Two(), x))


def test_evil_structures():
    from aitune.torch.archive import GraphMeta
    from aitune.torch.structure import Structure

    deep = "tensor"
    for _ in range(500):
        deep = {"list": [deep]}
    for data in (deep, None, [], {"list": 3}, {"dict": ["tensor"], "keys": [1, 2]}, {"constant": []}, {"object": [7]},
                 {"tuple": ["tensor"], "class": 3}, {"dict": ["tensor"], "keys": [[]]}, 3.5, {"kind": "tensor"}):
        with pytest.raises(aitune.Corrupt):
            Structure.from_json(data, "test")
    good = {"version": 1, "module": "m", "path": "", "parameters": [["x", 1]], "inputs": {"dict": ["tensor"], "keys": ["x"]},
            "dtypes": ["torch.float32"], "ranks": [2], "output": "tensor"}
    GraphMeta.from_json(good, "test")
    for key, value in (("version", 2), ("module", 1), ("path", None), ("parameters", [["x", 9]]), ("parameters", [[3, 1]]),
                       ("parameters", None), ("dtypes", ["torch.nn"]), ("dtypes", []), ("ranks", ["2"]),
                       ("ranks", None), ("output", 0), ("inputs", {"dict": [], "keys": ["x"]})):
        with pytest.raises(aitune.Corrupt):
            GraphMeta.from_json({**good, key: value}, "test")


def test_interrupting_leaves_the_module_as_it_was(monkeypatch):
    widths = range(512, 1280, 32)  # each pair is timed by itself
    net = torch.nn.Sequential(*[torch.nn.Linear(a, b) for a, b in zip(widths, widths[1:])]).eval()
    x = torch.randn(64, 512)
    want = reference(net, x)
    model = ait.Module(net, "slow", strategy=strategy(optimization_level=5, timing_cache_path="none"))
    tuning = threading.Event()

    class Watches(logging.Handler):
        def emit(self, record):
            if record.getMessage().endswith(": lower"):
                tuning.set()

    def interrupt():
        tuning.wait(60)  # while PyTorch exports, a destructor of its own may swallow the interrupt
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    handler = Watches()
    logger = logging.getLogger("aitune")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell starts in the background
    threading.Thread(target=interrupt).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            ait.tune(model, x)
            time.sleep(5)
    finally:
        signal.signal(signal.SIGINT, before)
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert model.state is ait.ModuleState.PASSTHROUGH
    check_same(model(x), want)


class Alone(ait.TorchEagerBackend):
    """Looks whether others build at the same time."""

    now = most = 0

    def build(self, *args, **options):
        Alone.now += 1
        Alone.most = max(Alone.most, Alone.now)
        time.sleep(0.1)
        Alone.now -= 1
        return super().build(*args, **options)


def in_threads(*functions):
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_threads_tune_one_after_the_other():
    x = torch.randn(2, 4)
    first, second = linear("first"), linear("second")
    in_threads(lambda: ait.tune(first, x), lambda: ait.tune(second, x))
    assert {first.state, second.state} == {ait.ModuleState.TUNED}
    check_same(first(x), reference(first._original, x))
    nets = [ait.Module(torch.nn.Linear(4, 4), strategy=ait.OneBackendStrategy(Alone())) for _ in range(2)]
    in_threads(*[lambda net=net: ait.tune(net, x) for net in nets])
    assert {net.state for net in nets} == {ait.ModuleState.TUNED} and Alone.most == 1


def test_waiting_for_another_thread_may_be_interrupted(caplog):
    from aitune.torch.turns import own_turn

    interrupted, begun = threading.Event(), threading.Event()

    def hold():
        with own_turn():
            begun.set()
            interrupted.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    begun.wait()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        with caplog.at_level(logging.INFO, "aitune"), pytest.raises(KeyboardInterrupt):
            ait.tune(linear(), torch.randn(2, 4))
    finally:
        signal.signal(signal.SIGINT, before)
        interrupted.set()
        holder.join()
    assert "waiting for the tuning that runs in another thread" in caplog.text
    with own_turn():  # by the same thread
        ait.tune(linear(), torch.randn(2, 4))


class Interrupts(ait.TorchEagerBackend):
    def build(self, *args, **options):
        raise KeyboardInterrupt


def test_modules_that_were_finished_stay_tuned_when_interrupted():
    first, x = linear("first"), torch.randn(2, 4)
    second = ait.Module(torch.nn.Linear(4, 4).eval(), "second", strategy=ait.OneBackendStrategy(Interrupts()))
    with pytest.raises(KeyboardInterrupt):
        for module in (first, second):
            module.enable_recording()
        second(first(x))
        ait.tune([first, second])
    assert first.state is ait.ModuleState.TUNED and second.state is ait.ModuleState.RECORDING


def test_exceptions_of_a_logger_do_not_get_lost():
    class Raises(logging.Handler):
        def emit(self, record):
            if record.getMessage().endswith(": lower"):
                raise ZeroDivisionError("of the handler")

    handler = Raises()
    logger = logging.getLogger("aitune")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        with pytest.raises(ZeroDivisionError, match="of the handler"):
            ait.tune(linear(), torch.randn(2, 4))
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


def test_nothing_is_left_behind(tmp_path):
    from aitune.torch.engine import work_folder

    before = set(pathlib.Path(work_folder()).rglob("*.ait"))
    model = linear()
    ait.tune(model, torch.randn(2, 4))
    assert len(set(pathlib.Path(work_folder()).rglob("*.ait")) - before) == 1
    model.enable_passthrough(force=True)
    import gc

    gc.collect()
    assert set(pathlib.Path(work_folder()).rglob("*.ait")) <= before
    with pytest.raises(aitune.Unsupported):  # after the export
        ait.tune(wrap(torch.nn.Linear(4, 4), torch_executed_ops={"aten.linear.default"}, require_full_compilation=True),
                 torch.randn(2, 4))
    ait.tune(wrap(torch.nn.Linear(4, 4)), torch.randn(2, 4), dry_run=True)
    assert not list(pathlib.Path(work_folder()).rglob("*.pt2"))
