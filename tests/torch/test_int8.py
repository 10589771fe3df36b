"""int8 from calibration samples, against PyTorch: in fp32, and with its own fake quantisation."""

import json
import os

import pytest
import support
import torch
from torch import nn

LIMIT = 0.05


@pytest.fixture(autouse=True)
def needs_vnni():
    if "avx512_vnni" not in support.must("doctor", "--json").json()["features"]:
        pytest.skip("this CPU has no AVX512_VNNI")


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.a = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU())
        self.b = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x):
        return torch.relu(x + self.b(self.a(x)))


class Convolutions(nn.Sequential):
    """A stem of three channels, residuals, stride, groups, and an activation below zero before padding."""

    def __init__(self):
        super().__init__(nn.Conv2d(3, 64, 7, 2, 3), nn.ReLU(), nn.MaxPool2d(3, 2, 1), Block(64), nn.Conv2d(64, 128, 3, 2, 1),
                         nn.SiLU(), nn.Conv2d(128, 128, 3, 1, 1, groups=4), nn.ReLU(), Block(128), nn.AdaptiveAvgPool2d(1),
                         nn.Flatten(), nn.Linear(128, 100))


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.TransformerEncoderLayer(256, 4, 1024, activation="gelu", batch_first=True, norm_first=True)

    def forward(self, x):
        return self.inner(x)


class Perceptron(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(256, 1024), nn.GELU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 64))


CASES = {"convolutions": (Convolutions, (2, 3, 96, 96)), "transformer": (Transformer, (2, 96, 256)),
         "perceptron": (Perceptron, (128, 256))}


def tune(folder, model, draw, *words, samples=4, wanted="int8", **options):
    """Tunes until int8 (or fp32) stays: on a machine that is busy with other things, times say little."""
    support.export(model, [draw()], folder / "model.pt2")
    given = []
    for i in range(samples):
        given += ["-i", support.write_inputs(folder / f"{i}.npz", [draw()])]
    for _ in range(6):
        report = support.must("tune", folder / "model.pt2", *given, "-o", folder / "model.ait", *support.FAST,
                              "--precision", "fp32,int8", "--json", *words, **options).json()
        if report["chosen"].startswith(wanted):
            break
    return report


def run(folder, model, x):
    support.write_inputs(folder / "x.npz", [x])
    support.must("run", folder / "model.ait", "-i", folder / "x.npz", "-o", folder / "y.npz")
    with torch.no_grad():
        return support.read_outputs(folder / "y.npz")[0], model(x)


@pytest.mark.parametrize("name", CASES)
def test_error_against_fp32(name, tmp_path, generator):
    make, shape = CASES[name]
    torch.manual_seed(generator.initial_seed())
    model = make().eval()

    def draw():
        return torch.randn(shape, generator=generator)

    report = tune(tmp_path, model, draw)
    rows = {c["precision"]: c for c in report["candidates"]}
    assert rows["int8"]["int8_share"] > 0.9, rows
    assert rows["int8"]["relative_error"] < LIMIT, rows
    assert report["chosen"].startswith("int8"), report
    assert 1e-4 < report["relative_error"] <= LIMIT == report["accepted_error"]
    got, want = run(tmp_path, model, draw())
    error = support.check_same([got], [want], 1.5 * LIMIT, name)
    print(f"{name}: int8 {error:.1e}, {rows['fp32']['latency_ms'] / rows['int8']['latency_ms']:.2f} times as fast as fp32")
    support.must("verify", tmp_path / "model.ait")
    shown = support.must("inspect", tmp_path / "model.ait").out
    assert "operations are in int8" in shown and "max_quantisation_error" in shown
    again = support.must("tune", tmp_path / "model.pt2", *sum((["-i", tmp_path / f"{i}.npz"] for i in range(4)), []),
                         "-o", tmp_path / "again.ait", "--decisions", tmp_path / "model.ait")
    assert (tmp_path / "again.ait").read_bytes() == (tmp_path / "model.ait").read_bytes(), str(again)


def test_limit_sends_it_back_to_fp32(tmp_path, generator):
    make, shape = CASES["perceptron"]
    model = make().eval()
    report = tune(tmp_path, model, lambda: torch.randn(shape, generator=generator), "--set",
                  "max_quantisation_error=0.00001", samples=1, wanted="fp32")
    assert report["chosen"] == "fp32"
    assert any("int8 was given up" in w and "max_quantisation_error" in w for w in report["warnings"]), report["warnings"]


def test_arithmetic_is_that_of_fake_quantisation(tmp_path, generator):
    """Weights that s8 has exactly, so that all that is lost is lost in the input."""
    weight = torch.randint(-127, 128, (96, 512), generator=generator).float()
    weight[:, 0] = 127
    scales = torch.rand(96, 1, generator=generator) + 0.5
    model = nn.Linear(512, 96).eval()
    with torch.no_grad():
        model.weight.copy_(weight * scales / 64)

    def draw():
        return torch.randn(256, 512, generator=generator) + 0.7

    report = tune(tmp_path, model, draw)
    assert report["chosen"] == "int8", report
    decided = json.loads(support.must("inspect", tmp_path / "model.ait", "--decisions").out)["scales"]
    (scale,) = decided.values()
    x = draw() * 1.2  # some of it beyond what calibration saw
    got, _ = run(tmp_path, model, x)
    rounded = torch.fake_quantize_per_tensor_affine(x, scale["scale"], scale["zero_point"], 0, 255)
    support.check_same([got], [model(rounded)], 2e-6, "fake quantisation")


def test_a_cpu_without_vnni_says_so_and_goes_on(tmp_path, generator):
    make, shape = CASES["perceptron"]
    report = tune(tmp_path, make().eval(), lambda: torch.randn(shape, generator=generator), samples=1, wanted="fp32",
                  env=os.environ | {"AITUNE_CPU": "avx512"})
    assert report["chosen"] == "fp32"
    assert [w for w in report["warnings"] if "AVX512_VNNI" in w] == [
        "enabled_precisions: this CPU has no AVX512_VNNI instructions, int8 is left out"]


def test_a_file_for_other_cpus_falls_to_fp32(tmp_path, generator):
    make, shape = CASES["perceptron"]
    model = make().eval()

    def draw():
        return torch.randn(shape, generator=generator)

    report = tune(tmp_path, model, draw, "--set", "hardware_compatible=true", samples=1)
    assert report["chosen"].startswith("int8")
    x = draw()
    support.write_inputs(tmp_path / "x.npz", [x])
    for level, bound in (("avx512", support.FP32_BOUND), ("avx2", support.FP32_BOUND), ("avx512_vnni", 1.5 * LIMIT)):
        support.must("run", tmp_path / "model.ait", "-i", tmp_path / "x.npz", "-o", tmp_path / "y.npz",
                     env=os.environ | {"AITUNE_CPU": level})
        with torch.no_grad():
            support.check_same(support.read_outputs(tmp_path / "y.npz"), [model(x)], bound, level)
