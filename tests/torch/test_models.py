"""Freshly exported networks of many kinds, on inputs drawn afresh: aitune's numbers against eager PyTorch's."""

import numpy as np
import pytest
import support
import torch
import zoo_writes  # noqa: F401
from zoo import ZOO


def dynamic_shapes(case):
    dims = {"batch": torch.export.Dim("batch", min=1, max=16), "length": torch.export.Dim("length", min=2, max=40)}
    return tuple({d: dims[name] for d, name in row.items()} if row else None for row in case.dynamic) or None


def make(name, folder, generator):
    """Exports the model; returns the case, the model, and sets of inputs: the first two for tuning, all for checking."""
    case = ZOO[name]
    model = case.model().eval()
    batches = [2, 1, 5] if case.dynamic else [2, 2]
    samples = [case.inputs(batch, generator) for batch in batches]
    support.export(model, samples[0], folder / "model.pt2", dynamic_shapes(case))
    files = [support.write_inputs(folder / f"in{i}.npz", sample) for i, sample in enumerate(samples)]
    return case, model, samples, files


def run_and_check(folder, model, samples, files, bound, name):
    words = [word for file in files for word in ("-i", file)]
    support.must("run", folder / "model.ait", *words, "-o", folder / "out.npz")
    with torch.no_grad():
        for i, sample in enumerate(samples):
            want = support.tensors_of(model(*[t.clone() for t in sample]))
            got = support.read_outputs(folder / f"out.{i}.npz")
            support.check_same(got, want, bound, f"{name}, inputs {i}")


@pytest.mark.parametrize("name", ZOO)
def test_fp32(name, tmp_path, generator):
    case, model, samples, files = make(name, tmp_path, generator)
    words = [word for file in files[:2] for word in ("-i", file)]
    support.must("tune", tmp_path / "model.pt2", *words, "-o", tmp_path / "model.ait", *support.FAST)
    bound = support.BF16_BOUND if name == "BrainFloat" else support.FP32_BOUND
    run_and_check(tmp_path, model, samples, files, bound, name)


@pytest.mark.parametrize("name", ["Residual", "DepthwiseSqueezeExcite", "ConvNext", "Attention", "Sentence", "LinearChain",
                                  "ConvolutionsOfEveryShape", "RandomChain0", "RandomChain1"])
def test_bf16(name, tmp_path, generator):
    if not support.has_bf16():
        pytest.skip("this CPU has no AVX512_BF16")
    case, model, samples, files = make(name, tmp_path, generator)
    report = support.must("tune", tmp_path / "model.pt2", "-i", files[0], "-o", tmp_path / "model.ait", *support.FAST,
                          "--precision", "fp32,bf16", "--json").json()
    errors = {c["precision"]: (c["correct"], c["relative_error"], c["problem"]) for c in report["candidates"]}
    assert errors.keys() >= {"fp32", "bf16"} and errors["fp32"][0]
    assert errors["bf16"][0] and errors["bf16"][1] <= case.bf16_bound, errors
    bound = support.FP32_BOUND if report["chosen"] == "fp32" else case.bf16_bound
    run_and_check(tmp_path, model, samples, files, bound, name)


@pytest.mark.parametrize("name", ["Residual", "Attention", "Sentence"])
def test_both_engines_agree(name, tmp_path, generator):
    """The reference engine alone is the yardstick of tuning: it, too, has to agree with PyTorch."""
    case, model, samples, files = make(name, tmp_path, generator)
    support.must("tune", tmp_path / "model.pt2", "-i", files[0], "-o", tmp_path / "model.ait", *support.FAST, "--set", "engine=reference")
    run_and_check(tmp_path, model, samples, files, support.FP32_BOUND, name)


def test_names_that_numpy_gives_are_positions(tmp_path, generator):
    """numpy.savez(file, a, b) calls them arr_0 and arr_1."""
    case, model, samples, files = make("Sentence", tmp_path, generator)
    assert len(samples[0]) > 1
    np.savez(tmp_path / "unnamed.npz", *[t.numpy() for t in samples[0]])
    support.must("tune", tmp_path / "model.pt2", "-i", tmp_path / "unnamed.npz", "-o", tmp_path / "model.ait", *support.FAST)
    support.must("run", tmp_path / "model.ait", "-i", tmp_path / "unnamed.npz", "-o", tmp_path / "out.npz")
    with torch.no_grad():
        want = support.tensors_of(model(*samples[0]))
    support.check_same(support.read_outputs(tmp_path / "out.npz"), want, support.FP32_BOUND, "unnamed arrays")
