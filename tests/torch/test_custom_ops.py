"""A model with operators of torch.library.custom_op, and their library for aitune (examples/custom_ops)."""
import importlib.util
import shutil
import subprocess

import numpy as np
import pytest
import torch

import support

EXAMPLE = support.ROOT / "examples/custom_ops"


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    compiler = shutil.which("cc") or pytest.skip("there is no C compiler")
    path = tmp_path_factory.mktemp("custom") / "libmylib.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-I", support.ROOT / "include", "-o", path, EXAMPLE / "mylib.c", "-lm"], check=True)
    return path


@pytest.fixture(scope="module")
def network():
    spec = importlib.util.spec_from_file_location("export_model", EXAMPLE / "export_model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    torch.manual_seed(0)
    return module.Network().eval()


@pytest.fixture
def model(network, tmp_path):
    x = torch.randn(3, 8)
    support.export(network, [x], tmp_path / "model.pt2", dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=64)},))
    np.save(tmp_path / "x.npy", x.numpy())
    return tmp_path / "model.pt2"


def test_a_model_with_custom_operators_runs(model, library, network, tmp_path):
    ait = tmp_path / "model.ait"
    support.must("tune", model, "-i", tmp_path / "x.npy", "-o", ait, *support.FAST, "--set", f"custom_ops={library}")
    for batch in (3, 5):
        x = torch.randn(batch, 8)
        np.save(tmp_path / "in.npy", x.numpy())
        support.must("run", ait, "-i", tmp_path / "in.npy", "-o", tmp_path / "out.npz", "--custom-ops", library)
        with torch.no_grad():
            expected = network(x).numpy()
        (got,) = np.load(tmp_path / "out.npz").values()
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_nothing_is_loaded_without_being_named(model, library, tmp_path):
    ait = tmp_path / "model.ait"
    refused = support.aitune("tune", model, "-i", tmp_path / "x.npy", "-o", ait, *support.FAST)
    assert refused.status != 0 and "mylib.fold.default" in refused.err and "custom_ops" in refused.err, str(refused)
    support.must("tune", model, "-i", tmp_path / "x.npy", "-o", ait, *support.FAST, "--set", f"custom_ops={library}")
    refused = support.aitune("run", ait, "-i", tmp_path / "x.npy", "-o", tmp_path / "out.npz")
    assert refused.status != 0 and "custom operator mylib." in refused.err and "--custom-ops" in refused.err, str(refused)


def test_a_library_that_is_none_is_an_error(model, tmp_path):
    refused = support.aitune("tune", model, "-i", tmp_path / "x.npy", "-o", tmp_path / "a.ait", "--set", "custom_ops=/nowhere/lib.so")
    assert refused.status != 0 and "/nowhere/lib.so" in refused.err, str(refused)
