"""Operators that are imported as others: PyTorch's prims, and new operators as they stand in exported programs."""
import numpy as np
import pytest
import torch

import support
import torch.ao.quantization.fx._decomposed  # registers quantized_decomposed

prims, aten = torch.ops.prims, torch.ops.aten


class Prims(torch.nn.Module):
    def forward(self, x, n):
        y = prims.div(prims.add(x, x), prims.exp(prims.neg(prims.abs(x))))
        wide = prims.broadcast_in_dim(prims.sum(y, [1]), [4, 3, 6], [1])
        spread = prims.var(y, [0, 1], 1.0)
        ramp = prims.convert_element_type(prims.iota(6, start=1, step=2, dtype=torch.int64, device=torch.device("cpu"), requires_grad=False), torch.float32)
        kept = prims.where(prims.gt(y, prims.full_like(y, 0.5, dtype=torch.float32, device=torch.device("cpu"), requires_grad=False)), y, x)
        return wide + spread, prims.transpose(kept, [1, 0]), ramp * prims.amax(kept, [0]), prims.div(n, n + 2), prims.rev(x, [1])


class PrimFunctions(torch.nn.Module):
    def forward(self, x, n):
        cpu = torch.device("cpu")
        a = prims.abs(x)
        mantissa, exponent = prims.frexp(x)
        special = [prims.digamma(a), prims.zeta(a + 1.5, a + 0.5), prims.igamma(a, a + 1), prims.igammac(a, a + 1), prims.erfcx(x),
                   prims.ndtri(prims.exp(prims.neg(a))), prims.bessel_i0e(x), prims.bessel_i1(x), prims.bessel_i1e(x), prims.bessel_j0(x),
                   prims.bessel_j1(x), prims.spherical_bessel_j0(x)]
        shaped = prims.as_strided_scatter(x, prims.empty([2, 2], dtype=torch.float32, device=cpu, requires_grad=False) * 0, [2, 2], [6, 2], 1)
        return (*special, prims.cbrt(x), prims.prod(x, [1]), prims.prod(n, [0, 1]), mantissa, exponent, shaped)


class Spectrum(torch.nn.Module):
    def forward(self, x):
        z = torch.fft.rfft(x) * torch.polar(torch.ones(5), torch.linspace(0, 1, 5))
        return torch.fft.irfft(z, 8), torch.view_as_real(z), z.abs()


class Rotary(torch.nn.Module):
    def forward(self, x, angles):
        z = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
        return torch.view_as_real(z * torch.polar(torch.ones_like(angles), angles)).flatten(2)


class WeightNorm(torch.nn.Module):
    def __init__(self):
        super().__init__()
        make = torch.nn.utils.parametrizations.weight_norm
        self.layers = torch.nn.Sequential(make(torch.nn.Conv1d(3, 4, 3), dim=0), make(torch.nn.Conv1d(4, 5, 2), dim=2),
                                          make(torch.nn.Conv1d(5, 2, 1), dim=None))

    def forward(self, x):
        return self.layers(x), aten._weight_norm_interface(x, x[:1, :1] + 1, 2)[0]


class Bag(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.bag = torch.nn.EmbeddingBag(20, 6, mode="mean")

    def forward(self, i, at):
        return self.bag(i, at)


class Windows(torch.nn.Module):
    def forward(self, x):
        return torch.as_strided(x, (3, 4), (2, 1), 1) + 1, torch.tensor_split(x, (2, 5), dim=1)[1]


class Cells(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.gru = torch.nn.LSTMCell(4, 5), torch.nn.GRUCell(5, 5)

    def forward(self, x, h, c):
        h, c = self.lstm(x, (h, c))
        return self.gru(h, c), c


class Quantised(torch.nn.Module):
    """As convert_pt2e leaves a linear layer: weights by channel, activations as a whole."""

    def __init__(self):
        super().__init__()
        self.register_buffer("weight", torch.randint(-127, 128, (16, 20), dtype=torch.int8))
        self.register_buffer("scales", torch.rand(16) * 0.01 + 0.001)
        self.register_buffer("zeros", torch.zeros(16, dtype=torch.int64))
        self.register_buffer("scale", torch.tensor(0.04))
        self.register_buffer("zero", torch.tensor(3))

    def forward(self, x):
        q = torch.ops.quantized_decomposed
        x = q.dequantize_per_tensor(q.quantize_per_tensor(x, 0.03, 5, -128, 127, torch.int8), 0.03, 5, -128, 127, torch.int8)
        y = torch.nn.functional.linear(x, q.dequantize_per_channel(self.weight, self.scales, self.zeros, 0, -127, 127, torch.int8))
        steps = q.quantize_per_tensor.tensor(y, self.scale, self.zero, 0, 255, torch.uint8)
        again = q.quantize_per_channel(y, self.scales * 40, self.zeros, 1, -128, 127, torch.int8)
        return q.dequantize_per_tensor.tensor(steps, self.scale, self.zero, 0, 255, torch.uint8), again


class Vocoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("window", torch.hann_window(64))

    def forward(self, x):
        spectra = torch.stft(x, 64, 16, 64, self.window, return_complex=True)
        return torch.istft(spectra * spectra.abs().sigmoid(), 64, 16, 64, self.window, length=x.shape[-1])


class ComplexNumbers(torch.nn.Module):
    def forward(self, x):
        z = torch.complex(x, x)
        made = (x * 1j, 2 + 3j - x, (2 - 1j) / (x + 4), z ** 2j, 1j ** z, torch.full_like(z, 1 + 1j), z.new_full((2,), 2j), torch.full((3,), 1j),
                torch.where(x > 0, z, 1j), x.long() * 1j, x.double() * (0.1 + 0.3j), torch.fill(z, 2j), x[0, 0] * 1j, z.masked_fill(x > 0, 1j))
        return *(torch.view_as_real(y) for y in made), z == 1j, z != x[0], z.var(), z.std(1, unbiased=False), torch.view_as_real(torch.var_mean(z, 0)[1])


class Functions(torch.nn.Module):
    def forward(self, x, n):
        windows = [torch.bartlett_window(6), torch.bartlett_window(7, periodic=False), torch.blackman_window(6), torch.blackman_window(1),
                   torch.blackman_window(5, False, dtype=torch.float64), torch.kaiser_window(6), torch.kaiser_window(7, False), torch.kaiser_window(6, True, beta=3.5)]
        losses = [aten.poisson_nll_loss(x, n, True, False, 1e-8, 1), aten.poisson_nll_loss(x.exp(), n, False, True, 0.5, 0), aten.poisson_nll_loss(x, n, True, True, 1e-8, 2)]
        raised = (*torch.atleast_1d(x[0, 0], x), *torch.atleast_2d(x[0], x[0, 0]), *torch.atleast_3d(x, x[0]))
        return *windows, *losses, *(y * 2 for y in raised), torch.atleast_2d([x[0]])[0] + 1


CASES = {
    "prims": (Prims(), [torch.randn(3, 6), torch.arange(-9, 9).reshape(3, 6).clone() * 7]),
    "prim_functions": (PrimFunctions(), [torch.randn(3, 6) + 0.1, torch.arange(1, 7).reshape(2, 3)]),
    "spectrum": (Spectrum(), [torch.randn(2, 8)]),
    "rotary": (Rotary(), [torch.randn(2, 5, 8), torch.rand(5, 4)]),
    "bag": (Bag(), [torch.randint(0, 20, (9,)), torch.tensor([0, 3, 3, 7])]),
    "windows": (Windows(), [torch.randn(2, 6)]),
    "weight_norm": (WeightNorm(), [torch.randn(2, 3, 9)]),
    "quantised": (Quantised(), [torch.randn(4, 20)]),
    "vocoder": (Vocoder(), [torch.randn(2, 400)]),
    "complex_numbers": (ComplexNumbers(), [torch.randn(3, 4)]),
    "functions": (Functions(), [torch.randn(3, 6), torch.randint(0, 5, (3, 6)).float()]),
    "cells": (Cells(), [torch.randn(3, 4), torch.randn(3, 5), torch.randn(3, 5)]),
}


@pytest.mark.parametrize("decomposed", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_import(name, decomposed, tmp_path):
    model, inputs = CASES[name]
    model = model.eval()
    program = support.export(model, inputs, tmp_path / "m.pt2")
    if decomposed and name.startswith("prim"):
        pytest.skip("PyTorch has no decompositions of prims")
    if decomposed:
        torch.export.save(program.run_decompositions(), tmp_path / "m.pt2")
    support.write_inputs(tmp_path / "in.npz", inputs)
    support.must("tune", tmp_path / "m.pt2", "-i", tmp_path / "in.npz", "-o", tmp_path / "m.ait", *support.FAST)
    support.must("run", tmp_path / "m.ait", "-i", tmp_path / "in.npz", "-o", tmp_path / "out.npz")
    with torch.no_grad():
        expected = model(*inputs)
    expected = expected if isinstance(expected, tuple) else (expected,)
    got = list(np.load(tmp_path / "out.npz").values())
    assert len(got) == len(expected)
    for a, b in zip(got, expected):
        np.testing.assert_allclose(a, b.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("norm_first", [False, True])
def test_encoders_exported_without_gradients(norm_first, tmp_path):
    """A strict export has the fused layers of nn.TransformerEncoder then."""
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, norm_first=norm_first, activation="gelu")

    class Encoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

        def forward(self, x, padded):
            return self.layers(x, src_key_padding_mask=padded)

    model = Encoder().eval()
    padded = torch.zeros(2, 7, dtype=torch.bool)
    padded[0, 5:] = True
    inputs = [torch.randn(2, 7, 32), padded]
    batch, length = torch.export.Dim("batch", min=1, max=8), torch.export.Dim("length", min=2, max=64)
    with torch.no_grad():
        program = torch.export.export(model, tuple(inputs), dynamic_shapes=({0: batch, 1: length},) * 2, strict=True)
        assert "aten._transformer_encoder_layer_fwd.default" in {str(node.target) for node in program.graph.nodes}
        torch.export.save(program, tmp_path / "m.pt2")
        support.write_inputs(tmp_path / "in.npz", inputs)
        support.must("tune", tmp_path / "m.pt2", "-i", tmp_path / "in.npz", "-o", tmp_path / "m.ait", *support.FAST)
        padded = torch.arange(11)[None] >= torch.tensor([[11], [4], [7]])
        inputs = [torch.randn(3, 11, 32), padded]
        support.write_inputs(tmp_path / "in.npz", inputs)
        support.must("run", tmp_path / "m.ait", "-i", tmp_path / "in.npz", "-o", tmp_path / "out.npz")
        expected = program.module()(*inputs)
    np.testing.assert_allclose(next(iter(np.load(tmp_path / "out.npz").values())), expected.numpy(), rtol=1e-4, atol=1e-4)


class SplitByBatch(torch.nn.Module):
    """As many pieces as there are tensors, however large the batch is; and an outer product by its old name."""

    def forward(self, x, y):
        pieces = torch.cat([x, y, x * y]).split(x.shape[0])
        return pieces[0] - pieces[2], aten.ger(x[0], y[1])


def test_pieces_of_a_batch_that_moves(tmp_path):
    rows = torch.export.Dim.AUTO
    draw = lambda n: [torch.randn(n, 5), torch.randn(n, 5)]  # noqa: E731
    support.export(SplitByBatch(), draw(3), tmp_path / "m.pt2", dynamic_shapes=({0: rows}, {0: rows}))
    support.must("tune", tmp_path / "m.pt2", "-i", support.write_inputs(tmp_path / "in.npz", draw(3)), "-o", tmp_path / "m.ait", *support.FAST)
    fresh = draw(5)
    support.must("run", tmp_path / "m.ait", "-i", support.write_inputs(tmp_path / "x.npz", fresh), "-o", tmp_path / "y.npz")
    support.check_same(support.read_outputs(tmp_path / "y.npz"), SplitByBatch()(*fresh), support.FP32_BOUND, "pieces")
