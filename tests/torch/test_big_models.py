"""The models that users bring: exported whole, batch 1 and a dynamic batch, on inputs drawn afresh. Minutes each.

AITUNE_SLOW=1 runs them; AITUNE_MODELS=resnet18,bert picks some. The small ones of the list run always.
"""

import os
import sys

import pytest
import support
import torch
import zoo

sys.path.insert(0, str(support.ROOT / "tests/models"))
import export_models  # noqa: E402

SMALL = ["digits"]
WITH_BATCH_NORM = ["resnet18", "resnet50", "mobilenet_v3_large", "efficientnet_b0", "densenet121"]
CHOSEN = os.environ.get("AITUNE_MODELS", ",".join(export_models.NAMES)).split(",")
MODELS = [name if name in SMALL else pytest.param(name, marks=pytest.mark.slow) for name in CHOSEN]


def make(name, dynamic, folder, generator, change=None):
    """(model, path of the .pt2). `change` is done to the model first."""
    path = folder / "model.pt2"
    if name == "digits":
        model = torch.export.load(support.DIGITS).module()
        inputs = tuple(export_models.make_inputs(name, 2 if dynamic else 1, generator).values())
        shapes = ({0: torch.export.Dim("batch", min=1, max=16)},) if dynamic else None
        torch.export.save(torch.export.export(model, inputs, dynamic_shapes=shapes, strict=False), path)
        return model, path
    model = export_models.make_model(name)
    if change:
        change(model)
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


def randomise_statistics(model):
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            zoo.norm_with_statistics(module)


@pytest.mark.parametrize("statistics", ["settled", "random"])
@pytest.mark.parametrize("name", MODELS)
def test_model_in_bf16(name, statistics, tmp_path, generator):
    """Whatever the model, a plan with bf16 in it is found, and its error on other inputs stays within the bound."""
    if not support.has_bf16():
        pytest.skip("this CPU has no AVX512_BF16")
    if statistics == "random" and name not in WITH_BATCH_NORM:
        pytest.skip("it has no batch norm")
    change = randomise_statistics if statistics == "random" else None
    model, path = make(name, False, tmp_path, generator, change)
    samples = support.write_inputs(tmp_path / "in.npz", list(export_models.make_inputs(name, 1, generator).values()))
    report = support.must("tune", path, "-i", samples, "-o", tmp_path / "model.ait", *support.FAST, "--precision", "fp32,bf16", "--json").json()
    rows = [c for c in report["candidates"] if c["precision"] != "fp32"]
    assert any(c["correct"] and c["relative_error"] <= support.BF16_BOUND and c["bf16_share"] > 0 for c in rows), rows
    bound = support.FP32_BOUND if report["chosen"] == "fp32" else support.BF16_BOUND
    check(model, name, 1, tmp_path, bound, generator)
