"""Things that scripted models do besides computing: forks, modes of PyTorch, masks of nn.Transformer that come in."""

import warnings
from typing import List

import pytest
import support
import torch
from test_region_sizes import check_scripted, tune_and_check
from torch import Tensor, nn

warnings.filterwarnings("ignore", category=FutureWarning)


class Forks(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(6, 4), nn.Linear(6, 4)

    def forward(self, x: Tensor):
        first = torch.jit.fork(self.a, x)
        others: List[torch.jit.Future[Tensor]] = []
        for i in range(2):
            others.append(torch.jit.fork(scaled, self.b(x), i))
        return torch.jit.wait(first), torch.stack([torch.jit.wait(other) for other in others])


def scaled(x: Tensor, factor: int):
    return x * (factor + 1)


class Modes(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, x: Tensor):
        with torch.no_grad():
            y = self.layer(x)
        with torch.autograd.profiler.record_function("scale"):
            y = y * 2
        with torch.autocast("cpu", enabled=False):
            y = self.layer(y.float())
        with torch.cuda.amp.autocast(enabled=False):
            y = self.layer(y)
        return y


class Words(nn.Module):
    """What checks of shapes do with their descriptions."""

    def __init__(self):
        super().__init__()
        self.shape = ["*", "6"]
        self.text = "  down  block_1_2\n"

    def forward(self, x: Tensor):
        known = 0
        for size in self.shape:
            if size.isnumeric() and int(size) == x.shape[1]:
                known += 1
        words = self.text.split()
        parts = words[1].split("_", 1)
        numbers = [known, len(words), len(parts), len(parts[1]), len(self.text.lstrip()), len(self.text.rstrip()), len("xxyx".strip("x")),
                   self.text.count("_"), self.text.rfind("_"), self.text.find("_"), len("a,b,c".split(",")), len("a b c".split(None, 1))]
        flags = ["12".isdigit(), "".isdigit(), "1.5".isnumeric(), "ab".isalpha(), "a1".isalnum(), "a 1".isalnum(), " \t".isspace(),
                 "aB".islower(), "a1".islower(), "12".islower(), "A_1".isupper()]
        return torch.ger(x[0], x[1]), torch.tensor(numbers), torch.tensor(flags)


class Frozen(nn.Module):
    """Asks which of its tensors have a gradient."""

    def __init__(self):
        super().__init__()
        self.free, self.frozen = nn.Linear(6, 6), nn.Linear(6, 6).requires_grad_(False)
        self.register_buffer("shift", torch.ones(6))

    def forward(self, x: Tensor):
        y = self.free(x) if self.free.weight.requires_grad else x
        z = x if self.frozen.weight.requires_grad else self.frozen(y)
        return y, z, z if self.shift.requires_grad else z + self.shift


@pytest.mark.parametrize("kind", [Words, Forks, Modes, Frozen])
def test_scripted(kind, tmp_path):
    check_scripted((kind, [[torch.randn(n, 6)] for n in (3, 9, 5)]), "all", tmp_path, tuning=2)


def test_record_function_is_traced(tmp_path):
    class Traced(nn.Module):
        def forward(self, x):
            with torch.profiler.record_function("scale"):
                return x * 2

    x = torch.randn(2, 3)
    torch.jit.save(torch.jit.trace(Traced(), x), tmp_path / "model.pt")
    tune_and_check(tmp_path, tmp_path / "model.pt", Traced(), [[x]])


class Encoder(nn.Module):
    def __init__(self, norm_first=False):
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=norm_first)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x: Tensor, mask: Tensor):
        return self.layers(x, mask=mask)


class PreNormEncoder(Encoder):
    def __init__(self):
        super().__init__(True)


class PaddedEncoder(Encoder):
    def forward(self, x: Tensor, mask: Tensor, padding: Tensor):  # type: ignore[override]
        return self.layers(x, mask=mask, src_key_padding_mask=padding)


class FrozenEncoder(PaddedEncoder):
    def __init__(self):
        super().__init__()
        self.requires_grad_(False)


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.TransformerDecoder(nn.TransformerDecoderLayer(16, 2, 32, batch_first=True), 2)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor, padding: Tensor):
        return self.layers(x, memory, tgt_mask=mask, memory_key_padding_mask=padding)


def causal(n):
    return torch.full((n, n), float("-inf")).triu(1)


def padding(batch, n):
    return torch.arange(n)[None] >= torch.randint(2, n + 1, (batch, 1))


MASKED = {
    Encoder: lambda b, n, m: [torch.randn(b, n, 16), causal(n)],
    PreNormEncoder: lambda b, n, m: [torch.randn(b, n, 16), causal(n)],
    PaddedEncoder: lambda b, n, m: [torch.randn(b, n, 16), causal(n), padding(b, n)],
    FrozenEncoder: lambda b, n, m: [torch.randn(b, n, 16), causal(n), padding(b, n)],
    Decoder: lambda b, n, m: [torch.randn(b, n, 16), torch.randn(b, m, 16), causal(n), padding(b, m)],
}


@pytest.mark.parametrize("kind", MASKED, ids=lambda kind: kind.__name__)
def test_masks_come_in(kind, tmp_path):
    """Whether one is the causal mask is for the data to tell: it is applied like any other."""
    check_scripted((kind, [MASKED[kind](*sizes) for sizes in ((2, 6, 5), (3, 9, 7), (2, 7, 6))]), "all", tmp_path, tuning=2)


class Autocast(nn.Module):
    def forward(self, x: Tensor):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return x @ x.t()


def refusal(model, tmp_path):
    torch.jit.save(model, tmp_path / "model.pt")
    inputs = support.write_inputs(tmp_path / "in.npz", [torch.randn(1, 3, 8, 8)])
    result = support.aitune("tune", tmp_path / "model.pt", "-i", inputs, "-o", tmp_path / "m.ait", *support.FAST)
    assert result.status != 0
    return str(result)


def test_autocast_is_left_out(tmp_path):
    model = torch.jit.script(Autocast())
    torch.jit.save(model, tmp_path / "model.pt")
    x = torch.randn(5, 8)
    inputs = support.write_inputs(tmp_path / "in.npz", [x])
    tuned = support.must("tune", tmp_path / "model.pt", "-i", inputs, "-o", tmp_path / "m.ait", *support.FAST)
    assert "torch.autocast is left out" in tuned.err and "enabled_precisions" in tuned.err
    support.must("run", tmp_path / "m.ait", "-i", inputs, "-o", tmp_path / "out.npz")
    support.check_same(support.read_outputs(tmp_path / "out.npz"), [x @ x.t()], support.FP32_BOUND, "without autocast")


def test_optimize_for_inference_loses_the_weights(tmp_path):
    """torch.jit.load cannot read it either."""
    frozen = torch.jit.freeze(torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval()))
    assert "the file holds no weights" in refusal(torch.jit.optimize_for_inference(frozen), tmp_path)
