"""Complex numbers: spectra that are multiplied, joined and brought back, as Fourier layers do."""

import pytest
import support
import torch
from torch import nn


class Joined(nn.Module):
    """Modes that are cut off are zero."""

    def forward(self, x):
        spectrum = torch.fft.rfft(x)
        rest = torch.zeros(*spectrum.shape[:2], 2, dtype=spectrum.dtype)
        return torch.view_as_real(torch.cat([spectrum[..., :3], rest], 2))


class FourierLayer(nn.Module):
    """Weights are complex, or pairs that are viewed so; modes are written into zeros."""

    def __init__(self, pairs):
        super().__init__()
        self.pairs = pairs
        self.weight = nn.Parameter(torch.randn(3, 4, 3, 2) if pairs else torch.randn(3, 4, 3, dtype=torch.cfloat))

    def forward(self, x):
        weight = torch.view_as_complex(self.weight) if self.pairs else self.weight
        out = torch.zeros(x.shape[0], 4, 5, dtype=torch.cfloat)
        out[:, :, :3] = torch.einsum("bix,iox->box", torch.fft.rfft(x)[:, :, :3], weight)
        return torch.fft.irfft(out, n=x.shape[2])


class Products(nn.Module):
    def forward(self, x):
        z = torch.complex(x, x.roll(1, -1))
        half = torch.full((2, 3, 3), 0.5, dtype=torch.cfloat)
        return torch.view_as_real(z @ z.mT + half), torch.einsum("bij->bj", z).abs(), (z @ torch.complex(x, x).mT).imag


MODELS = {"joined": Joined(), "fourier": FourierLayer(False), "fourier, pairs": FourierLayer(True), "products": Products()}


@pytest.mark.parametrize("ir", ["dynamo", "ts"])
@pytest.mark.parametrize("name", MODELS)
def test_complex(name, ir, tmp_path, generator):
    model = MODELS[name].eval()
    x = torch.randn(2, 3, 8, generator=generator)
    if ir == "dynamo":
        torch.export.save(torch.export.export(model, (x,)), tmp_path / "model.pt2")
    else:
        torch.jit.save(torch.jit.trace(model, (x,)), tmp_path / "model.pt2")
    support.must("tune", tmp_path / "model.pt2", "-i", support.write_inputs(tmp_path / "in.npz", [x]), "-o",
                 tmp_path / "model.ait", *support.FAST)
    fresh = torch.randn(2, 3, 8, generator=generator)
    support.must("run", tmp_path / "model.ait", "-i", support.write_inputs(tmp_path / "x.npz", [fresh]), "-o", tmp_path / "y.npz")
    with torch.no_grad():
        want = support.tensors_of(model(fresh))
    support.check_same(support.read_outputs(tmp_path / "y.npz"), want, support.FP32_BOUND, name)
