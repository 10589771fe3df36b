"""Images of any size: the plan for all sizes is compiled, not only those for the sizes of the samples."""

import pytest
import support
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812


class Pyramid(nn.Module):
    """Strides, grouped and dilated convolutions, squeeze and excitation, and features that are brought to one size."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.Hardswish(), nn.MaxPool2d(3, 2, 1))
        self.deep = nn.Sequential(nn.Conv2d(16, 16, 5, 2, 2, groups=16), nn.Conv2d(16, 24, 1), nn.ReLU(),
                                  nn.Conv2d(24, 24, 3, padding=2, dilation=2), nn.ReLU())
        self.squeeze, self.excite = nn.Conv2d(24, 8, 1), nn.Conv2d(8, 24, 1)
        self.lateral, self.out = nn.Conv2d(16, 24, 1), nn.Conv2d(24, 5, 3, padding=1)

    def forward(self, x):
        low = self.stem(x)
        high = self.deep(low)
        high = high * torch.sigmoid(self.excite(F.relu(self.squeeze(F.adaptive_avg_pool2d(high, 1)))))
        both = self.lateral(low) + F.interpolate(high, size=low.shape[-2:], mode="nearest")
        return F.interpolate(self.out(both), size=x.shape[-2:], mode="bilinear", align_corners=False)


class Restoration(nn.Module):
    """An encoder and a decoder that joins what it was given, and a border that repeats the image."""

    def __init__(self):
        super().__init__()
        self.first, self.down = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 16, 3, 2, 1)
        self.up, self.last = nn.ConvTranspose2d(16, 8, 2, 2), nn.Conv2d(16, 3, 3, padding=1)

    def forward(self, x):
        skip = F.gelu(self.first(F.pad(x, (1, 1, 1, 1), mode="reflect")))
        deep = F.instance_norm(self.down(skip))
        up = self.up(deep)[..., : x.shape[-2], : x.shape[-1]]
        return x + self.last(torch.cat([skip, up], 1))


@pytest.mark.parametrize("precision", ["fp32", "fp32,bf16"])
@pytest.mark.parametrize("network", [Pyramid, Restoration])
def test_one_plan_for_all_sizes(network, precision, tmp_path, generator):
    torch.manual_seed(generator.initial_seed())
    model = network().eval()
    draw = lambda b, h, w: [torch.randn(b, 3, h, w, generator=generator)]  # noqa: E731
    step = 8 if network is Pyramid else 2
    h, w = (step * torch.export.Dim(name, min=8, max=64) for name in "hw")
    dynamic = {"x": {0: torch.export.Dim("b", min=1, max=4), 2: h, 3: w}}
    fresh = [draw(1, 8 * step, 9 * step), draw(3, 30 * step, 10 * step), draw(2, 17 * step, 33 * step)]
    bound = support.FP32_BOUND if precision == "fp32" else support.BF16_BOUND
    report = support.check_compiled(model, draw(2, 12 * step, 16 * step), fresh, tmp_path, dynamic, ["--precision", precision], bound=bound)
    assert report["compiled_share"] == 1
