"""aitune refit: other weights in a tuned file give what PyTorch gives with them."""

import numpy as np
import pytest
import torch
from support import aitune, export, has_bf16, must, write_inputs


class Net(torch.nn.Module):
    def __init__(self, width=48):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 16, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(16)
        self.hidden = torch.nn.Linear(16 * 8 * 8, width)
        self.head = torch.nn.Linear(width, 10)

    def forward(self, x):
        x = torch.nn.functional.gelu(self.norm(self.conv(x)))
        return self.head(torch.relu(self.hidden(x.flatten(1))))


def fresh(seed, width=48):
    torch.manual_seed(seed)
    net = Net(width).eval()
    with torch.no_grad():
        for buffer in (net.norm.running_mean, net.norm.running_var, net.norm.weight):
            buffer.uniform_(0.5, 1.5)
    return net


def answers(file, folder, inputs):
    must("run", file, "-i", write_inputs(folder / "in.npz", [inputs]), "-o", folder / "out.npz")
    return torch.from_numpy(next(iter(np.load(folder / "out.npz").values())))


@pytest.mark.parametrize("precision", ["fp32", "fp32,bf16"])
@pytest.mark.parametrize("strip", [False, True])
def test_new_weights_give_what_pytorch_gives(tmp_path, precision, strip):
    if "bf16" in precision and not has_bf16():
        pytest.skip("no AVX512_BF16 here")
    old, new = fresh(1), fresh(2)
    sample = torch.rand(4, 3, 8, 8)
    shapes = ({0: torch.export.Dim("batch", min=1, max=16)},)
    export(old, (sample,), tmp_path / "old.pt2", shapes)
    program = export(new, (sample,), tmp_path / "new.pt2", shapes)
    must("tune", tmp_path / "old.pt2", "-i", write_inputs(tmp_path / "s.npz", [sample]), "-o", tmp_path / "old.ait", "--precision",
         precision, "--set", "timing_cache_path=none", "--set", "hardware_compatible=true", "--set",
         f"strip_engine_weights={str(strip).lower()}")
    if strip:
        refused = aitune("run", tmp_path / "old.ait", "-i", tmp_path / "s.npz")
        assert refused.status != 0 and "without weights" in refused.err and "aitune refit" in refused.err
    must("refit", tmp_path / "old.ait", tmp_path / "new.pt2", "-o", tmp_path / "new.ait")
    must("verify", tmp_path / "new.ait")
    for batch in (1, 4, 9):
        inputs = torch.rand(batch, 3, 8, 8)
        expected = new(inputs)
        error = (answers(tmp_path / "new.ait", tmp_path, inputs) - expected).norm() / expected.norm()
        assert error < (2e-2 if "bf16" in precision else 1e-5)
    loaded = torch.export.load(tmp_path / "new.ait")
    torch.testing.assert_close(loaded.module()(sample), program.module()(sample))


def test_shapes_that_differ_are_named(tmp_path):
    sample = torch.rand(4, 3, 8, 8)
    export(fresh(1), (sample,), tmp_path / "old.pt2")
    export(fresh(2, 32), (sample,), tmp_path / "new.pt2")
    must("tune", tmp_path / "old.pt2", "-i", write_inputs(tmp_path / "s.npz", [sample]), "-o", tmp_path / "old.ait", "--set",
         "optimization_level=0")
    result = aitune("refit", tmp_path / "old.ait", tmp_path / "new.pt2", "-o", tmp_path / "new.ait")
    assert result.status != 0 and "weight 'hidden.weight' f32[32,1024] was f32[48,1024] when tuned" in result.err
    assert not (tmp_path / "new.ait").exists()
