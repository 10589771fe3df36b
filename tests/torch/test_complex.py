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


class Rotary(nn.Module):
    """Llama's rotary embeddings as Meta wrote them."""

    def __init__(self):
        super().__init__()
        angles = torch.outer(torch.arange(8.0), 1 / 10 ** (torch.arange(0, 8, 2) / 8))
        self.register_buffer("turns", torch.polar(torch.ones_like(angles), angles))
        self.q, self.k = nn.Linear(8, 16), nn.Linear(8, 16)

    def turned(self, x):
        z = torch.view_as_complex(x.float().reshape(x.shape[0], x.shape[1], 2, -1, 2))
        return torch.view_as_real(z * self.turns[: x.shape[1]].unsqueeze(1)).flatten(3).type_as(x)

    def forward(self, x):
        return torch.einsum("bqhd,bkhd->bhqk", self.turned(self.q(x)), self.turned(self.k(x))).softmax(-1)


class LogMel(nn.Module):
    """What speech models take: the powers of a spectrogram, in bands."""

    def __init__(self):
        super().__init__()
        self.register_buffer("window", torch.hann_window(320))
        self.register_buffer("bands", torch.rand(20, 201))

    def forward(self, x):
        spectrum = torch.stft(x.flatten(1), 400, 160, 320, self.window, return_complex=True)
        power = spectrum[..., :-1].abs() ** 2
        return torch.clamp(self.bands @ power, min=1e-10).log10()

    shape = (2, 3, 800)


class LongConvolution(nn.Module):
    """By the Fourier transform, of twice the length."""

    def __init__(self):
        super().__init__()
        self.filter = nn.Parameter(torch.randn(3, 300) / 10)

    def forward(self, x):
        n = 2 * x.shape[-1]
        product = torch.fft.rfft(x, n=n) * torch.fft.rfft(self.filter, n=n)
        return torch.fft.irfft(product, n=n)[..., : x.shape[-1]] + x

    shape = (2, 3, 300)


class Mixing(nn.Module):
    """FNet's mixing of tokens, and a filter of images in the frequencies."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 8, 5, 2))

    def forward(self, x):
        mixed = torch.fft.fft(torch.fft.fft(x, dim=-1), dim=-2).real
        image = x.unsqueeze(1).expand(-1, 3, -1, -1).repeat(1, 1, 3, 1)[:, :, :8]
        spectrum = torch.fft.rfft2(image, norm="ortho")
        filtered = torch.fft.irfft2(spectrum * torch.view_as_complex(self.weight), s=(8, 8), norm="ortho")
        shifted = torch.fft.fftshift(torch.fft.fft2(image), dim=(-2, -1))
        return mixed, filtered, (shifted + 1e-3).abs(), torch.fft.ifft(shifted / 2.0).angle().cos() * 0 + shifted.real


COMPILED = {"rotary": Rotary, "log mel": LogMel, "long convolution": LongConvolution, "mixing": Mixing}


@pytest.mark.parametrize("ir", ["dynamo", "ts"])
@pytest.mark.parametrize("name", COMPILED)
def test_everything_is_compiled_as_pairs_of_real_numbers(name, ir, tmp_path, generator):
    torch.manual_seed(generator.initial_seed())
    model = COMPILED[name]().eval()
    draw = lambda: [torch.randn(getattr(model, "shape", (2, 3, 8)), generator=generator)]  # noqa: E731
    support.check_compiled(model, draw(), [draw(), draw()], tmp_path, ir=ir)


class Phase(nn.Module):
    """The first and the middle frequency of a real signal are real: their angle is 0 or pi, and never -pi."""

    def forward(self, x):
        spectrum = torch.fft.rfft(x)
        return torch.angle(spectrum), torch.signbit(spectrum.imag[..., 0])


@pytest.mark.parametrize("size", [8, 12, 15, 100, 150, 400])
def test_angles_of_real_frequencies(size, tmp_path, generator):
    model = Phase().eval()
    draw = lambda sign: [torch.randn(4, size, generator=generator) * 0.1 + sign]  # noqa: E731
    support.check_compiled(model, draw(0), [draw(0), draw(-1), draw(1)], tmp_path)


class PhaseOfFrames(nn.Module):
    """The first frame is its own mirror image, and roundings decide between angles of pi and -pi."""

    def __init__(self):
        super().__init__()
        self.register_buffer("window", torch.hann_window(64))

    def forward(self, x):
        spectra = torch.stft(x, 64, 16, 64, self.window, return_complex=True)
        return spectra.abs(), torch.angle(spectra)


def test_angles_that_roundings_decide_are_no_failure(tmp_path, generator):
    model = PhaseOfFrames().eval()
    x = [torch.randn(2, 400, generator=generator)]
    support.export(model, x, tmp_path / "model.pt2")
    support.write_inputs(tmp_path / "in.npz", x)
    tuned = support.must("tune", tmp_path / "model.pt2", "-i", tmp_path / "in.npz", "-o", tmp_path / "m.ait", *support.FAST)
    assert "of the last bit of its numbers" in tuned.err
    support.must("run", tmp_path / "m.ait", "-i", tmp_path / "in.npz", "-o", tmp_path / "out.npz")
    length, angle = map(torch.from_numpy, support.read_outputs(tmp_path / "out.npz"))
    again = torch.polar(length, angle)
    support.check_same([torch.view_as_real(again).numpy()], [torch.view_as_real(torch.polar(*model(*x)))], 1e-4, "spectrum")


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


class Scaled(nn.Module):
    """Complex numbers where operators take numbers alone."""

    def forward(self, z):
        matrix = z @ z.mH
        summed = torch.add(z, z.conj(), alpha=1 + 2j) - torch.sub(z, z.abs(), alpha=0.5 - 1j)
        three = torch.addcmul(z, z, z, value=0.5j) + torch.addcdiv(z, z, z.abs() + 1, value=-1 + 1j)
        product = torch.addmm(matrix, matrix, matrix, beta=1j, alpha=2 - 0.5j)
        chosen = torch.lerp(z, z * 2j, 0.3 + 0.5j).masked_fill(z.real > 0, 1j)
        return [torch.view_as_real(t) for t in (summed, three, product, chosen, z ** (1 + 1j))]


class Functions(nn.Module):
    def forward(self, z):
        small = z * 0.3
        mapped = [small.tanh(), small.sin() + small.cos(), small.sigmoid(), small.log1p() + small.expm1(), (z + 3).rsqrt(),
                  small.asin() * small.acos(), small.atan(), torch.cumsum(z, 1), torch.cumprod(small, 0), torch.tril(z) + torch.triu(z, 1)]
        linear = torch.nn.functional.linear(z, z[:2])
        image = torch.nn.functional.conv1d(z[None], z[:2, None].expand(2, 4, 5)[..., :3] * 1j)
        flags = [torch.isfinite(z), torch.isnan(z / 0), z == z.conj(), z != 0]
        return [torch.view_as_real(t.contiguous()) for t in (*mapped, linear, image)], flags, torch.linalg.norm(z)


@pytest.mark.parametrize("ir", ["dynamo", "ts", "fx"])
@pytest.mark.parametrize("kind", [Scaled, Functions])
def test_complex_numbers_and_functions(kind, ir, tmp_path, generator):
    model, z = kind().eval(), torch.randn(4, 5, generator=generator, dtype=torch.cfloat)
    file = tmp_path / ("model.pt2" if ir == "dynamo" else "model.pt")
    if ir == "dynamo":
        support.export(model, [z], file)
    elif ir == "ts":
        torch.jit.save(torch.jit.trace(model, z) if kind is Functions else torch.jit.script(model), file)
    else:
        torch.save(torch.fx.symbolic_trace(model), file)
    inputs = support.write_inputs(tmp_path / "in.npz", [z])
    support.must("tune", file, "-i", inputs, "-o", tmp_path / "model.ait", *support.FAST)
    support.must("run", tmp_path / "model.ait", "-i", inputs, "-o", tmp_path / "out.npz")
    support.check_same(support.read_outputs(tmp_path / "out.npz"), support.tensors_of(model(z)), support.FP32_BOUND, ir)


class Placed(nn.Module):
    def forward(self, x, at, number):
        z = torch.complex(x, -x)
        places = at[None].expand(2, -1)
        n = number.item()
        put = (z.index_fill(1, at, 2j), z.scatter(1, places, 1 - 1j), torch.diag(z[0]), torch.block_diag(z, z[:, :1]))
        return *(torch.view_as_real(y) for y in put), x.index_fill(1, at, n), x.scatter(1, places, n), x.scatter(1, places, n, reduce="add")


def test_numbers_that_are_put_at_places(tmp_path, generator):
    draw = lambda: [torch.randn(2, 7, generator=generator), torch.randperm(7, generator=generator)[:3],  # noqa: E731
                    torch.randn((), generator=generator)]
    support.export(Placed(), draw(), tmp_path / "model.pt2")
    support.must("tune", tmp_path / "model.pt2", "-i", support.write_inputs(tmp_path / "in.npz", draw()), "-o",
                 tmp_path / "model.ait", *support.FAST)
    fresh = draw()
    support.must("run", tmp_path / "model.ait", "-i", support.write_inputs(tmp_path / "x.npz", fresh), "-o", tmp_path / "y.npz")
    support.check_same(support.read_outputs(tmp_path / "y.npz"), Placed()(*fresh), support.FP32_BOUND, "placed")


class Turned(torch.nn.Module):
    """Traced, 1j is a constant in double precision: beside floats it is a number all the same."""

    def forward(self, x):
        z = torch.exp(x) * (torch.cos(x) + 1j * torch.sin(x))
        return torch.view_as_real(z), torch.view_as_real(x.double() * 1j), z.abs()


def test_a_traced_complex_number_does_not_widen(tmp_path, generator):
    x = torch.rand(4, 5, generator=generator)
    torch.jit.trace(Turned(), x).save(tmp_path / "model.pt")
    inputs = support.write_inputs(tmp_path / "in.npz", [x])
    support.must("tune", tmp_path / "model.pt", "-i", inputs, "-o", tmp_path / "model.ait", *support.FAST)
    support.must("run", tmp_path / "model.ait", "-i", inputs, "-o", tmp_path / "out.npz")
    support.check_same(support.read_outputs(tmp_path / "out.npz"), Turned()(x), support.FP32_BOUND, "traced")


class Contracted(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.core = torch.nn.Parameter(torch.randn(4, 3, 2, dtype=torch.cfloat))

    def forward(self, x):
        z = torch.complex(x, 1 - x)
        return [torch.view_as_real(y) for y in (torch.tensordot(z, self.core, dims=([1, 2], [1, 0])), torch.inner(z, z[:1]))]


@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_contractions(engine, tmp_path, generator):
    model, x = Contracted(), torch.rand(2, 3, 4, generator=generator)
    support.export(model, [x], tmp_path / "model.pt2")
    inputs = support.write_inputs(tmp_path / "in.npz", [x])
    support.must("tune", tmp_path / "model.pt2", "-i", inputs, "-o", tmp_path / "model.ait", *support.FAST, "--set", f"engine={engine}")
    support.must("run", tmp_path / "model.ait", "-i", inputs, "-o", tmp_path / "out.npz")
    support.check_same(support.read_outputs(tmp_path / "out.npz"), model(x), support.FP32_BOUND, engine)
