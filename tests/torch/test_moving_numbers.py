"""TorchScript's arithmetic on sizes that move: tensors of sizes, floats made of them, and sizes made of those."""

import math
import warnings
from typing import List

import pytest
import support
import torch
from test_region_sizes import check_scripted, rows
from torch import Tensor, nn

warnings.filterwarnings("ignore", category=FutureWarning)


class Padded(nn.Module):
    """To the next multiple, as detectors do: stays a formula of the size."""

    def forward(self, x: Tensor):
        n = int(math.ceil(float(x.size(0)) / 4) * 4)
        padded = torch.zeros([n, x.size(1)])
        padded[: x.size(0)] = x
        half = int(math.floor(float(x.size(0)) * 0.5))
        return padded, x[:half], x[: int(x.size(0) * 0.75)], x[: int(x.size(0) / 3)]


class Numbers(nn.Module):
    """Tensors of sizes, and floats that go into tensors and conditions."""

    def forward(self, x: Tensor):
        sizes = torch.tensor(x.shape)
        mixed = torch.tensor([[x.size(0), 2], [3, 4]], dtype=torch.float32)
        ratio = x.size(0) / 7
        scale = math.sqrt(ratio) + 2.0 ** ratio
        if ratio > 1.0:
            y = x * scale
        else:
            y = x - ratio
        return sizes, mixed, y, torch.tensor([ratio, 1.0]), torch.tensor(round(ratio * 10)), torch.tensor(ratio)


class Functions(nn.Module):
    """Functions of math, of numbers that are known and of sizes."""

    def forward(self, x: Tensor):
        n = x.size(0)
        known = math.tan(0.3) + math.log(8.0, 2.0) + math.fmod(-7.5, 2.0) + math.erfc(0.2) + math.fabs(-1.5) + math.atan2(1.0, 2.0)
        waves = math.sin(n) + math.cos(n / 3) + math.tanh(n / 9) + math.atan(n)
        logs = math.log(n, 2) + math.log10(n) + math.log1p(n / 2) + math.erf(n / 20)
        return x * known, x + waves, x * logs, x + math.degrees(n) - math.radians(n), x + math.fabs(n - 7.5), x + math.fmod(n, 2.5)


class Beyond(nn.Module):
    """Slices that begin before the first row, or behind the last one, for some of the sizes."""

    def forward(self, x: Tensor):
        return x[-63:] * 2, x[-5:].sum(1), x[:-5] + 1, x[6:] - 1, x[2:9], x[-1:]


class FromSizesTo(nn.Module):
    """Slices whose bounds are sizes of another tensor, from the end."""

    def forward(self, x: Tensor, y: Tensor):
        n = y.size(0)
        return x[-n:] + y, x[:-n], x[n:-n] * 2


class Resized(nn.Module):
    """The scale makes the smaller side so long, as in torchvision's detectors; then a layer, and sizes of its result."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 3, stride=2, padding=1)

    def forward(self, image: Tensor):
        shape = torch.tensor(image.shape[-2:])
        small, large = torch.min(shape).to(torch.float32), torch.max(shape).to(torch.float32)
        scale = torch.min(16.0 / small, 24.0 / large).item()
        resized = nn.functional.interpolate(image[None], scale_factor=scale, mode="bilinear", recompute_scale_factor=True,
                                            align_corners=False)
        size: List[int] = [int(math.ceil(float(s) / 8) * 8) for s in resized.shape[-2:]]
        batch = torch.zeros([1, 3, size[0], size[1]])
        batch[:, :, : resized.size(2), : resized.size(3)].copy_(resized)
        features = torch.relu(self.layer(batch))
        ratio = torch.tensor(image.size(1), dtype=torch.float32) / torch.tensor(resized.size(3), dtype=torch.float32)
        return features, features.mean((2, 3)) * ratio


class FromTheEnd(nn.Module):
    """As many of the last items as data decide, or fewer where there are fewer."""

    def forward(self, x: Tensor, n: Tensor):
        k = int(n)
        return x[:, -k:] * 2, x[:, :-k].sum(1), x[-k:, 1:]


def image(seed, height, width):
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


CASES = {
    "Padded": (Padded, [[rows(n, 0.0, n)] for n in (4, 13, 8, 5)]),
    "Numbers": (Numbers, [[rows(n, 0.0, n)] for n in (3, 14, 7, 8)]),
    "Functions": (Functions, [[rows(n, 0.0, n)] for n in (3, 14, 7, 8)]),
    "Beyond": (Beyond, [[rows(n, 0.0, n)] for n in (3, 90, 5, 62, 63, 64)]),
    "FromSizesTo": (FromSizesTo, [[rows(n, 0.0, 2 * n + 3), rows(n, 1.0, n)] for n in (2, 6, 3, 5)]),
    "FromSizesToNothing": (FromSizesTo, [[rows(n, 0.0, n), rows(n, 1.0, n)] for n in (2, 6, 3, 5)]),
    "FromTheEnd": (FromTheEnd, [[rows(5, float(n), 6), torch.tensor(n)] for n in (3, 2, 5, 6, 9)]),
    "Resized": (Resized, [[image(i, *size)] for i, size in enumerate([(20, 30), (40, 34), (32, 32), (25, 33)])]),
}


@pytest.mark.parametrize("engine", ["all", "reference"])
@pytest.mark.parametrize("name", CASES)
def test_scripted(name, engine, tmp_path):
    check_scripted(CASES[name], engine, tmp_path, tuning=2, words=("--set", "max_data_dependent_size=64"))


def test_special_plans_know_the_numbers(tmp_path):
    """At the sizes of a sample, whatever is made of sizes is a constant: the convolution is compiled there."""
    torch.manual_seed(0)
    model = Resized().eval()
    torch.jit.save(torch.jit.script(model), tmp_path / "model.pt")
    samples = CASES["Resized"][1]
    files = [support.write_inputs(tmp_path / f"in{i}.npz", sample) for i, sample in enumerate(samples)]
    support.must("tune", tmp_path / "model.pt", "-i", files[0], "-i", files[1], "-o", tmp_path / "model.ait", *support.FAST,
                 "--set", "max_special_plans=2", "--set", "special_plan_gain=-1", "--set", "max_data_dependent_size=64")
    plans = support.must("inspect", tmp_path / "model.ait", "--json").json()["plans"]
    assert len(plans) == 3, plans
    for i, sample in enumerate(samples):
        support.must("run", tmp_path / "model.ait", "-i", files[i], "-o", tmp_path / "out.npz")
        with torch.no_grad():
            support.check_same(support.read_outputs(tmp_path / "out.npz"), support.tensors_of(model(*sample)),
                               support.FP32_BOUND, f"inputs {i}")
