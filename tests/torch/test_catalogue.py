"""The catalogue of models that users bring (tests/models/catalogue.py), on inputs drawn afresh, static and with a dynamic batch.

AITUNE_SLOW=1 runs all of them, AITUNE_MODELS=swin_t,llama picks some; a few small ones run always.
"""

import os
import sys

import pytest
import support
import torch

sys.path.insert(0, str(support.ROOT / "tests/models"))
import catalogue  # noqa: E402
import export_models  # noqa: E402

ALWAYS = ["vit", "llama"]
CHOSEN = os.environ.get("AITUNE_MODELS", ",".join(catalogue.MODELS)).split(",")
MODELS = [name if name in ALWAYS else pytest.param(name, marks=pytest.mark.slow) for name in CHOSEN if name in catalogue.MODELS]
# How many steps a symbolic batch may cost: views stay views. In deberta_v2 the tables of relative positions are repeated for each of
# batch * heads, which a symbolic batch cannot take apart.
STEPS = {"deberta_v2": 1.3}
# Only the answers matter here, not the time.
QUICK = ["--set", "timing_cache_path=none", "--set", "optimization_level=0"]


def tune(name, model, dynamic, folder, generator):
    """Exports and tunes; returns the report."""
    torch.export.save(export_models.export(name, model, dynamic, generator), folder / "model.pt2")
    samples = support.write_inputs(folder / "in.npz", list(export_models.make_inputs(name, 1, generator).values()))
    return support.must("tune", folder / "model.pt2", "-i", samples, "-o", folder / "model.ait", "--json", *QUICK).json()


def check(model, name, batch, folder, generator, report):
    inputs = list(export_models.make_inputs(name, batch, generator).values())
    support.write_inputs(folder / "x.npz", inputs)
    support.must("run", folder / "model.ait", "-i", folder / "x.npz", "-o", folder / "y.npz")
    with torch.no_grad():
        want = support.tensors_of(model(*[t.clone() for t in inputs]))
    error = support.check_same(support.read_outputs(folder / "y.npz"), want, max(support.FP32_BOUND, report["accepted_error"]), f"{name}, batch {batch}")
    print(f"{name}, batch {batch}: relative error {error:.1e}")


@pytest.mark.parametrize("name", MODELS)
def test_model(name, tmp_path, generator):
    model = export_models.make_model(name)
    fixed = tune(name, model, False, tmp_path, generator)
    check(model, name, 1, tmp_path, generator, fixed)
    if not catalogue.MODELS[name].dynamic:
        return
    moving = tune(name, model, True, tmp_path, generator)
    for batch in (1, 3, 16):
        check(model, name, batch, tmp_path, generator, moving)
    most = fixed["candidates"][0]["steps"] * STEPS.get(name, 1.1)  # in swin_t and bloom a few views are copied, too
    assert moving["candidates"][0]["steps"] <= most, (moving, fixed)
