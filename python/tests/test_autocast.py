"""torch.autocast inside of forward(), which is for settings to say."""

import pytest
import torch

import aitune
import aitune.torch as ait
from support import wrap


class Autocast(torch.nn.Module):
    """Returns what autocast leaves, or a dtype of its own."""

    def __init__(self, device="cpu", enabled=True, returns=None):
        super().__init__()
        self.layer = torch.nn.Linear(8, 8)
        self.device, self.enabled, self.returns = device, enabled, returns

    def forward(self, x):
        with torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.enabled):
            y = self.layer(x)
            return y if self.returns is None else y.to(self.returns)


class Scripted(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(8, 8)

    def forward(self, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = self.layer(x)
        return y


MESSAGE = "module 'net': torch.autocast is on inside of forward.*CompilationSettings have enable_autocast=True"


@pytest.mark.parametrize("ir", ["dynamo", "ts", "fx"])
def test_it_is_refused_by_name(ir):
    with pytest.raises(aitune.Unsupported, match=MESSAGE):
        ait.tune(wrap(Autocast(), ir), torch.randn(2, 8))


def test_in_torchscript():
    with pytest.raises(aitune.Unsupported, match=MESSAGE):
        ait.tune(wrap(torch.jit.script(Scripted()), "ts"), torch.randn(2, 8))


@pytest.mark.parametrize("ir", ["dynamo", "ts", "fx"])
@pytest.mark.parametrize("options", [{"enabled": False}, {"device": "cuda"}])
@pytest.mark.filterwarnings("ignore")
def test_where_it_is_off_it_does_not_matter(ir, options):
    model = wrap(Autocast(**options, returns=torch.float32), ir)
    ait.tune(model, torch.randn(2, 8))
    assert model(torch.randn(2, 8)).dtype == torch.float32


@pytest.mark.parametrize("ir", ["ts", "fx"])
def test_float32_is_close_enough_where_float32_is_returned(ir):
    model = wrap(Autocast(returns=torch.float32), ir)
    ait.tune(model, torch.randn(2, 8))
    x = torch.randn(2, 8)
    layer = model.layer
    torch.testing.assert_close(model(x), torch.nn.functional.linear(x, layer.weight, layer.bias).detach())

