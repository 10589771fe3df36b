"""config, and the report that a tuning leaves."""

import json

import pytest
import torch

import aitune
import aitune.torch as ait
from aitune.torch.config import AITuneConfig, config
from support import strategy, wrap


@pytest.fixture
def changed(monkeypatch, tmp_path):
    """config, which is what it was afterwards; with a cache of its own."""
    monkeypatch.setenv("AITUNE_CACHE_DIR", str(tmp_path / "cache"))
    before = dict(vars(config))
    yield config
    vars(config).update(before)


def test_the_defaults(monkeypatch, tmp_path):
    monkeypatch.setenv("AITUNE_CACHE_DIR", str(tmp_path))
    assert ait.config is config and config.cache_dir == ait.aitune_cache_dir() == tmp_path
    assert config.to_dict() == AITuneConfig().to_dict() == {
        "cache_dir": tmp_path,
        "max_num_samples_stored": None,
        "device_after_tuning": "cpu",
        "tuning_data_output_path": tmp_path / "tuning_data" / "report.json",
        "min_num_samples": 100,
        "strict_mode": True,
        "enable_transformers_integration": True,
        "enable_diffusers_integration": False,
    }
    monkeypatch.delenv("AITUNE_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert config.cache_dir == tmp_path / "xdg" / "aitune"
    monkeypatch.setenv("AITUNE_TUNING_DATA_PATH", "here.json")
    assert str(config.tuning_data_output_path) == "here.json"


def test_what_is_ignored_is_said(changed, caplog):
    for name, value in (
        ("min_num_samples", 5),
        ("strict_mode", False),
        ("enable_transformers_integration", False),
        ("enable_diffusers_integration", True),
    ):
        caplog.clear()
        setattr(changed, name, getattr(changed, name))
        assert not caplog.records
        setattr(changed, name, value)
        assert f"config.{name} is ignored: " in caplog.text and len(caplog.records) == 1
        assert getattr(changed, name) == value


def test_wrong_fields(changed):
    for name, value, error, message in (
        ("cachedir", "x", aitune.InvalidArgument, "there is no field 'cachedir'. Did you mean cache_dir"),
        ("cache_dir", 3, aitune.InvalidArgument, "config.cache_dir: it is an int"),
        ("max_num_samples_stored", 0, aitune.InvalidArgument, "it is 0. Give a number from 1 on"),
        ("max_num_samples_stored", 2.5, aitune.InvalidArgument, "it is 2.5"),
        ("min_num_samples", 0, aitune.InvalidArgument, "config.min_num_samples: it is 0"),
        ("device_after_tuning", "cuda:0", aitune.Unavailable, "no engine for device cuda:0"),
        ("device_after_tuning", "gpu?", aitune.InvalidArgument, "there is no device 'gpu\\?'"),
        ("tuning_data_output_path", 1, aitune.InvalidArgument, "config.tuning_data_output_path: it is an int"),
    ):
        with pytest.raises(error, match=message):
            setattr(changed, name, value)
    assert changed.to_dict() == AITuneConfig().to_dict()


def test_where_timings_go(changed, tmp_path):
    changed.cache_dir = tmp_path / "mine"
    model = wrap(torch.nn.Linear(8, 8), optimization_level=1)
    ait.tune(model, torch.randn(4, 8))
    assert (tmp_path / "mine" / "timings.json").exists() and not (tmp_path / "cache").exists()


def test_how_many_samples_are_kept(changed):
    def kept():
        model = ait.Module(torch.nn.Identity(), "net")
        model.enable_recording()
        for size in (*[2] * 40, *range(3, 200)):
            model(torch.empty(size))
        (record,) = model.recording.graphs.values()
        return len(record.samples)

    assert kept() == 128
    for count, expected in ((1, 1), (50, 50), (float("inf"), 237)):
        changed.max_num_samples_stored = count
        assert kept() == expected


def test_one_sample_is_enough(changed):
    changed.max_num_samples_stored = 1
    net = torch.nn.Linear(4, 4)
    model = wrap(net)
    ait.tune(model, [torch.randn(2, 4), torch.randn(5, 4)])
    x = torch.randn(3, 4)
    torch.testing.assert_close(model(x), torch.nn.functional.linear(x, net.weight, net.bias).detach())


def test_weights_leave_memory(changed):
    model = wrap(torch.nn.Linear(4, 4))
    changed.device_after_tuning = "meta"
    ait.tune(model, torch.randn(2, 4))
    assert model.weight.is_meta and model(torch.randn(2, 4)).shape == (2, 4)


def test_the_report(changed, tmp_path):
    assert ait.snapshot_tuning_data(tmp_path / "none.json") is None and not (tmp_path / "none.json").exists()
    snapshots = []

    def improved(name, _path):
        snapshots.append(ait.snapshot_tuning_data(tmp_path / "so far" / f"{len(snapshots)}.json"))

    model = wrap(torch.nn.Linear(4, 4), name="small")
    ait.tune(model, [torch.randn(2, 4), torch.randn(3, 4)], improved=improved)
    so_far = json.loads(snapshots[0].read_text())
    assert so_far["modules"][0]["module_name"] == "small" and so_far["modules"][0]["graphs"] == []
    report = json.loads(changed.tuning_data_output_path.read_text())
    (module,) = report["modules"]
    (graph,) = module["graphs"]
    assert module["num_parameters"] == 20 and module["exception"] is None and report["exception"] is None
    assert graph["graph_name"] == "small" and graph["input_spec"] == "input: float32[dim0, 4]"
    assert graph["selected_backend"].startswith("TorchTensorRTAotBackend(")
    assert graph["report"] == json.loads(json.dumps(model.reports[0]))
    assert report["aitune_config"]["max_num_samples_stored"] is None
    assert ait.snapshot_tuning_data() is None


class Decides(torch.nn.Module):
    """Decides by what is in the tensor, which cannot be exported."""

    def forward(self, x):
        return x + (1 if x.sum() > 0 else 2)


def test_the_report_of_what_fails(changed, tmp_path, caplog):
    changed.tuning_data_output_path = tmp_path / "report.json"
    with pytest.raises(aitune.Unsupported):
        ait.tune(ait.Module(Decides(), "decides", strategy=strategy()), torch.ones(2))
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["exception"]["type"] == report["modules"][0]["exception"]["type"] == "Unsupported"
    assert "decides" in report["modules"][0]["exception"]["message"] and report["modules"][0]["graphs"] == []
    ait.tune(ait.Module(Decides(), "decides", strategy=strategy()), torch.ones(2), ignore_failing_modules=True)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["exception"] is None and report["modules"][0]["exception"]["type"] == "Unsupported"

    (tmp_path / "file").touch()
    changed.tuning_data_output_path = tmp_path / "file" / "report.json"
    ait.tune(wrap(torch.nn.Linear(4, 4)), torch.randn(2, 4))
    assert "the report of tuning is not written" in caplog.text
