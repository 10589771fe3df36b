"""Strategies: which backend stays, and what is said of the others."""

import time

import pytest
import torch
from support import FAST, check_same, reference

import aitune
import aitune.torch as ait
from aitune.torch.backend import Backend, BuildResult


def aot(**settings):
    return ait.TorchTensorRTAotBackend(ait.TorchTensorRTAotBackendConfig(compile_config={**FAST, **settings}))


class Slow(Backend):
    """PyTorch after a nap, of so many milliseconds for each sample of the batch."""

    def __init__(self, milliseconds=0.0, per_sample=0.0):
        self.nap = milliseconds / 1e3, per_sample / 1e3

    def describe(self):
        return f"Slow({self.nap})"

    def build(self, module, forward, record, name, *, dry_run=False):
        eager = ait.TorchEagerBackend().build(module, forward, record, name)

        def run(tensors):
            time.sleep(self.nap[0] + self.nap[1] * tensors[0].shape[0])
            return eager.run(tensors)

        return BuildResult(self.describe(), run)


class Wrong(Slow):
    """Answers what is not true."""

    def __init__(self, spoil):
        super().__init__()
        self.spoil = spoil

    def build(self, module, forward, record, name, **options):
        right = super().build(module, forward, record, name, **options)
        return BuildResult("Wrong()", lambda tensors: self.spoil(right.run(tensors)))


def tuned(strategy, samples=None):
    net = torch.nn.Linear(4, 4).eval()
    model = ait.Module(net, "net", strategy=strategy)
    samples = torch.randn(2, 4) if samples is None else samples
    ait.tune(model, samples)
    x = samples if isinstance(samples, torch.Tensor) else samples[0]
    check_same(model(x), reference(net, x))
    (result,) = model._tuned.values()
    return result


def test_one_backend_may_be_asked_to_be_faster():
    assert tuned(ait.OneBackendStrategy(Slow(5))).backend.startswith("Slow")
    strategy = ait.OneBackendStrategy(Slow(5)).enable_performance_validation()
    result = tuned(strategy)
    assert result.backend == "TorchEagerBackend()" and result.report["strategy"][0]["speedup"] < 1


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda y: y * 1.2, "differs from PyTorch's by a relative error of 2.0e-01"),
        (lambda y: y + float("nan"), "has NaN or Inf where PyTorch has none"),
        (lambda y: y[:1], r"is torch.float32\[1, 4\] and not torch.float32\[2, 4\]"),
        (lambda y: y.double(), r"is torch.float64\[2, 4\]"),
    ],
)
def test_a_wrong_result_is_an_error_or_the_next_one_s_turn(spoil, message):
    with pytest.raises(aitune.ValidationError, match=message):
        tuned(ait.OneBackendStrategy(Wrong(spoil)))
    strategy = ait.FirstWinsStrategy([Wrong(spoil), aot()]).enable_performance_validation(False)
    result = tuned(strategy)
    assert result.engine is not None and result.report["strategy"][0]["backend"] == "Slow((0.0, 0.0))"


def test_a_result_that_is_wrong_on_a_later_sample():
    spoil = ait.OneBackendStrategy(Wrong(lambda y: y.clamp(-2, 2)))
    data = [torch.full((2, 4), 0.1) for _ in range(5)]
    tuned(spoil, data)
    with pytest.raises(aitune.ValidationError, match="differs from PyTorch's by .* on sample 4"):
        tuned(spoil, [*data[:4], torch.randn(2, 4) * 1e3])


def test_how_many_samples_are_kept():
    def record(sizes, scale=1):
        model = ait.Module(torch.nn.Identity(), "net")
        model.enable_recording()
        for size in sizes:
            model(torch.empty(size, scale))
        (found,) = model.recording.graphs.values()
        assert found.calls == len(sizes)
        return found

    assert len(record([2] * 40 + [3] * 5).samples) == 37
    assert len(record(range(1, 200)).samples) == 128
    assert len(record([2] * 5, 20 << 20).samples) == 2  # 160 MiB each
    kept = record([2, 2, 3, 2, *range(4, 20)])
    assert [kept.samples[i].tensors[0].shape[0] for i in kept.of_different_shapes()] == [2, 2, 3, 4, 5, 6, 7, 8]


class Masks(torch.nn.Module):
    """Two outputs: one that is -inf where it is masked, one that is NaN for negative sums."""

    def forward(self, x):
        return {"masked": x.masked_fill(x > 0, float("-inf")), "root": x.sum().sqrt() + x}


def test_nan_of_pytorch_itself_is_said_once(caplog):
    x = torch.rand(2, 4) + 0.1
    model = ait.Module(Masks().eval(), "masks", strategy=ait.FirstWinsStrategy([aot(), aot()]))
    ait.tune(model, [x, x + 1])
    assert "NaN" not in caplog.text
    model.enable_passthrough(force=True)
    ait.tune(model, [x, -x, -x - 1])
    assert caplog.text.count("in PyTorch itself") == 1
    assert "masks: output 'root' has NaN in PyTorch itself on sample 1" in caplog.text


def test_nan_where_pytorch_has_another_value():
    net = Masks().eval()

    def spoil(results):
        return results | {"masked": results["masked"].nan_to_num(neginf=float("nan"))}

    strategy = ait.FirstWinsStrategy([Wrong(spoil)])
    model = ait.Module(net, "masks", strategy=strategy)
    ait.tune(model, torch.rand(2, 4) + 0.1)
    (result,) = model._tuned.values()
    assert result.backend == "TorchEagerBackend()"
    assert "output 'masked' has NaN or Inf where PyTorch has none on sample 0" in result.report["strategy"][0]["why"]


class Counts(torch.nn.Module):
    """Keeps a number in Python, which an export takes for a constant."""

    def __init__(self, spoil):
        super().__init__()
        self.calls, self.spoil = 0, spoil

    def forward(self, x):
        self.calls += 1
        return self.spoil((x * 0).long() + self.calls)


@pytest.mark.parametrize("spoil", [lambda n: n, lambda n: n.int(), lambda n: n % 2 == 0, lambda n: n.float()])
def test_integers_are_compared(spoil):
    model = ait.Module(Counts(spoil).eval(), "counts", strategy=ait.OneBackendStrategy(aot()))
    message = "'0' (has other integers than PyTorch's in 8 of 8|differs from).* sample 0"
    with pytest.raises(aitune.ValidationError, match=message):
        ait.tune(model, torch.randn(2, 4))
    choices = ait.Module(torch.nn.Threshold(0.0, 1.0), "net", strategy=ait.OneBackendStrategy(aot()))
    x = torch.randint(-9, 9, (5, 5))
    ait.tune(choices, x)
    check_same(choices(x), torch.where(x > 0, x, torch.ones_like(x)))


def test_first_wins():
    strategy = ait.FirstWinsStrategy([Slow(5), aot(require_full_compilation=True, torch_executed_ops={"aten.linear.default"})])
    result = tuned(strategy)
    rows = result.report["strategy"]
    assert result.backend == "TorchEagerBackend()" and [row["stays"] for row in rows] == [False, False, True]
    assert rows[0]["speedup"] < 1 and "require_full_compilation" in rows[1]["why"]
    assert rows[2]["backend"] == "TorchEagerBackend()" and "times as fast as PyTorch" in rows[0]["why"]


def test_min_latency():
    assert tuned(ait.MinLatencyStrategy([Slow(9), Slow(4), Slow(6)]).enable_performance_validation(False)).backend == (
        "Slow((0.004, 0.0))"
    )
    assert tuned(ait.MinLatencyStrategy([Slow(9)])).backend == "TorchEagerBackend()"


def test_max_throughput_finds_the_batch_size():
    samples = [torch.randn(1, 4), torch.randn(8, 4)]
    strategy = ait.MaxThroughputStrategy([Slow(4, 0.01), Slow(0, 4)]).enable_performance_validation(False)
    result = tuned(strategy, samples)
    assert result.backend.startswith("Slow((0.004") and result.report["selected_batch_size"] == 8
    row = result.report["strategy"][1]
    assert row["throughput"] < 1000 and row["latency_ms"] >= 4


def test_latency_budget():
    samples = [torch.randn(1, 4), torch.randn(8, 4)]
    strategy = ait.LatencyBudgetStrategy(60, [Slow(0, 16), Slow(90)]).enable_performance_validation(False)
    result = tuned(strategy, samples)
    assert result.report["selected_batch_size"] == 2
    assert "no batch size is answered within 60 ms" in result.report["strategy"][1]["why"]
    with pytest.raises(aitune.ValidationError, match="no backend is left: Slow.*within 1 ms"):
        tuned(ait.LatencyBudgetStrategy(1, [Slow(5)]).enable_performance_validation(False))


@pytest.mark.parametrize(
    "strategy",
    [
        lambda backends: ait.OneBackendStrategy(backends[0]),
        lambda backends: ait.OneBackendStrategy(backends[0]).enable_performance_validation(),
        ait.FirstWinsStrategy,
        lambda backends: ait.FirstWinsStrategy(backends).enable_performance_validation(False),
        ait.MinLatencyStrategy,
        ait.MaxThroughputStrategy,
        lambda backends: ait.LatencyBudgetStrategy(1e4, backends),
    ],
)
@pytest.mark.parametrize("slow", [True, False])
def test_the_report_says_what_stays_and_why(strategy, slow):
    one = strategy([Slow(9) if slow else Slow(0), Wrong(lambda y: y + 9)])
    result = tuned(one)
    rows = result.report["strategy"]
    assert [row["backend"] for row in rows if row["stays"]] == [result.backend]
    assert all(isinstance(row["why"], str) and row["why"] for row in rows)
    assert not [row for row in rows if "Wrong" in row["backend"] and row["stays"]]
    if slow and one._check_performance:
        assert result.backend == "TorchEagerBackend()" and "as fast as PyTorch, and 1.01 times is" in rows[0]["why"]


def test_configurations_are_told_apart():
    config = ait.TorchTensorRTAotBackendConfig
    for settings, text in (
        ({"optimization_level": 0}, "ir=dynamo, optimization_level=0"),
        ({"enabled_precisions": {torch.float32, torch.bfloat16}}, "ir=dynamo, enabled_precisions=bfloat16+float32"),
        (ait.CompilationSettings(enable_autocast=True, num_threads=0), "ir=dynamo, enable_autocast=True"),
        (ait.CompilationSettings(), "ir=dynamo"),
        ({"torch_executed_ops": {f"aten.op{i}" for i in range(20)}}, "ir=dynamo, torch_executed_ops=aten.op0+"),
    ):
        described = ait.TorchTensorRTAotBackend(config(compile_config=settings)).describe()
        assert described.startswith(f"TorchTensorRTAotBackend({text}") and len(described) < 100, described
    described = ait.TorchTensorRTAotBackend(config("ts", {"num_threads": 1}, 2)).describe()
    assert described == "TorchTensorRTAotBackend(ir=ts, num_threads=1, pickle_protocol=2)"


def test_candidates_are_timed_in_turn():
    from aitune.torch.measuring import median_milliseconds

    turns = []

    def run(name):
        if turns[-1:] != [name]:
            turns.append(name)

    results = [BuildResult(name, lambda tensors, name=name: run(name)) for name in "ab"]
    assert len(median_milliseconds(results, [], 0.0)) == 2
    assert "".join(turns) == "ab" * 4


@pytest.mark.parametrize("later,expected", [(0.0, "short"), (0.03, "long")])
def test_a_run_that_wakes_threads_is_no_measurement(later, expected):
    from aitune.torch.measuring import median_milliseconds

    last = [0.0]

    def run(tensors):  # 30 ms after every pause, as PyTorch's threads may take on a busy machine
        if time.perf_counter() - last[0] > 0.001:
            time.sleep(0.03)
        else:
            time.sleep(later)
        last[0] = time.perf_counter()

    (took,) = median_milliseconds([BuildResult("a", run)], [], 0.0)
    assert (took < 5) == (expected == "short")


def test_what_stays_in_pytorch_has_no_file(tmp_path):
    model = ait.Module(torch.nn.Linear(4, 4).eval(), "net", strategy=ait.OneBackendStrategy(ait.TorchEagerBackend()))
    ait.tune(model, torch.randn(2, 4))
    with pytest.raises(aitune.InvalidArgument, match="module 'net' runs in TorchEagerBackend.*, which has no file"):
        ait.save(model, tmp_path / "m.ait")


def tuned_by(strategies):
    return ait.Module(torch.nn.Linear(4, 4), "net", strategies=strategies)


def test_wrong_arguments():
    for make, message in (
        (lambda: ait.FirstWinsStrategy(aot()), "is no list of backends"),
        (lambda: tuned_by({"net": ait.OneBackendStrategy()}), "a key of strategies is a str"),
        (lambda: tuned_by(ait.OneBackendStrategy()), "strategies is a OneBackendStrategy.*Give a list"),
        (lambda: ait.MinLatencyStrategy([3]), "the backend is an int"),
        (lambda: ait.LatencyBudgetStrategy(0), "latency_budget_ms is 0"),
        (lambda: ait.LatencyBudgetStrategy(float("nan")), "latency_budget_ms is nan"),
        (lambda: ait.FirstWinsStrategy([]), "is no list of backends. Give at least one"),
        (lambda: ait.MaxThroughputStrategy([]), "is no list of backends. Give at least one"),
        (lambda: ait.FirstWinsStrategy([aot()], "x"), "FirstWinsStrategy: min_speedup_threshold_percent is 'x'. Give a number"),
        (lambda: ait.MinLatencyStrategy([aot()], -1), "min_speedup_threshold_percent is -1"),
        (lambda: ait.OneBackendStrategy(None, float("nan")), "min_speedup_threshold_percent is nan"),
        (lambda: ait.LatencyBudgetStrategy("5"), "latency_budget_ms is '5'"),
    ):
        with pytest.raises(aitune.InvalidArgument, match=message):
            make()
    assert "MaxThroughputStrategy(TorchTensorRTAotBackend(ir=dynamo))" == ait.MaxThroughputStrategy().describe()


def test_a_threshold_that_nobody_asks_for_is_named(caplog):
    tuned(ait.OneBackendStrategy(aot(), 5))
    assert "min_speedup_threshold_percent is ignored: OneBackendStrategy" in caplog.text
    caplog.clear()
    tuned(ait.OneBackendStrategy(aot(), 5).enable_performance_validation())
    tuned(ait.OneBackendStrategy(aot()))
    assert "min_speedup_threshold_percent is ignored" not in caplog.text


def test_the_largest_batch_is_not_looked_for(caplog):
    strategy = ait.OneBackendStrategy(aot())
    assert strategy.enable_find_max_batch_size(False) is strategy and not caplog.records
    assert strategy.enable_find_max_batch_size() is strategy
    assert "enable_find_max_batch_size is ignored" in caplog.text


def test_a_strategy_for_each_graph():
    class Either(torch.nn.Module):
        def forward(self, x, double=False):
            return x * 2 if double else x + 1

    samples = [((torch.ones(2),), {"double": double}) for double in (False, True)]
    one = ait.OneBackendStrategy(ait.TorchEagerBackend())
    model = ait.Module(Either(), "either", strategies=[one, ait.OneBackendStrategy(aot())])
    ait.tune(model, samples)
    assert [result.engine is None for result in model._tuned.values()] == [True, False]
    with pytest.raises(aitune.InvalidArgument, match="there are 1 strategies for 2 graphs"):
        ait.tune(ait.Module(Either(), "either", strategies=[one]), samples)


def test_the_cache_is_cleared_and_others_are_silent(tmp_path, monkeypatch, caplog):
    import logging

    monkeypatch.setenv("AITUNE_CACHE_DIR", str(tmp_path))
    (tmp_path / "timings.json").write_text("damaged")

    class Talks(torch.nn.Linear):
        def forward(self, x):
            logging.getLogger("chatter").warning("not now")
            return super().forward(x)

    logging.getLogger("chatter")
    model = ait.Module(Talks(4, 4).eval(), "net", strategy=ait.OneBackendStrategy(aot()))
    ait.tune(model, torch.randn(2, 4), clear_cache=True, disable_external_logging=True)
    assert "not now" not in caplog.text and "damaged" not in caplog.text
    assert not (tmp_path / "timings.json").exists() or "damaged" not in (tmp_path / "timings.json").read_text()
    assert not logging.getLogger("chatter").disabled
