"""The models that users bring: exported whole, batch 1 and a dynamic batch, on inputs drawn afresh. Minutes each.

AITUNE_SLOW=1 runs them; AITUNE_MODELS=resnet18,bert picks some. The small ones of the list run always.
"""

import os
import sys

import pytest
import support
import torch

sys.path.insert(0, str(support.ROOT / "tests/models"))
import export_models  # noqa: E402

SMALL = ["digits"]
CHOSEN = os.environ.get("AITUNE_MODELS", ",".join(export_models.NAMES)).split(",")
MODELS = [name if name in SMALL else pytest.param(name, marks=pytest.mark.slow) for name in CHOSEN]


def make(name, dynamic, folder, generator):
    """(model, path of the .pt2)."""
    path = folder / "model.pt2"
    if name == "digits":
        model = torch.export.load(support.DIGITS).module()
        inputs = tuple(export_models.make_inputs(name, 2 if dynamic else 1, generator).values())
        shapes = ({0: torch.export.Dim("batch", min=1, max=16)},) if dynamic else None
        torch.export.save(torch.export.export(model, inputs, dynamic_shapes=shapes, strict=False), path)
        return model, path
    model = export_models.make_model(name)
    torch.export.save(export_models.export(name, model, dynamic, generator), path)
    return model, path


def check(model, name, batch, folder, bound, generator):
    inputs = list(export_models.make_inputs(name, batch, generator).values())
    support.write_inputs(folder / "x.npz", inputs)
    support.must("run", folder / "model.ait", "-i", folder / "x.npz", "-o", folder / "y.npz")
    with torch.no_grad():
        want = support.tensors_of(model(*inputs))
    return support.check_same(support.read_outputs(folder / "y.npz"), want, bound, f"{name}, batch {batch}")


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
@pytest.mark.parametrize("name", MODELS)
def test_model(name, dynamic, tmp_path, generator):
    model, path = make(name, dynamic, tmp_path, generator)
    samples = support.write_inputs(tmp_path / "in.npz", list(export_models.make_inputs(name, 1, generator).values()))
    support.must("tune", path, "-i", samples, "-o", tmp_path / "model.ait", *support.FAST)
    for batch in (1, 3, 16) if dynamic else (1, 1):
        error = check(model, name, batch, tmp_path, support.FP32_BOUND, generator)
        print(f"{name}, batch {batch}: relative error {error:.1e}")
    support.must("verify", tmp_path / "model.ait")


@pytest.mark.parametrize("name", MODELS)
def test_model_in_bf16(name, tmp_path, generator):
    if not support.has_bf16():
        pytest.skip("this CPU has no AVX512_BF16")
    model, path = make(name, False, tmp_path, generator)
    samples = support.write_inputs(tmp_path / "in.npz", list(export_models.make_inputs(name, 1, generator).values()))
    report = support.must("tune", path, "-i", samples, "-o", tmp_path / "model.ait", *support.FAST, "--precision", "fp32,bf16", "--json").json()
    row = next(c for c in report["candidates"] if c["precision"] == "bf16")
    assert row["correct"] and row["relative_error"] <= support.BF16_BOUND, row
    check(model, name, 1, tmp_path, support.BF16_BOUND, generator)
