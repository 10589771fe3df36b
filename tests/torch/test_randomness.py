"""Random numbers are taken where nothing in inference reads them, and refused by name where a result needs them."""

import pytest
import support
import torch
from torch import nn


class Unread(nn.Module):
    """What training adds, drawn outside of its branch."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        noise, bits = torch.randn_like(x), torch.randint(0, 2, (4,))
        chosen = torch.bernoulli(torch.full((4,), 0.5)) + torch.rand(4) + torch.randperm(4)
        y = self.layer(x)
        if self.training:
            y = y + noise * bits * chosen
        return y


class Read(nn.Module):
    def forward(self, x):
        return x + torch.randn_like(x)


def write(ir, model, sample, folder):
    if ir == "dynamo":
        support.export(model, [sample], folder / "model.pt2")
        return folder / "model.pt2"
    if ir == "ts":
        torch.jit.save(torch.jit.script(model), folder / "model.pt")
    else:
        torch.save(torch.fx.symbolic_trace(model), folder / "model.pt")
    return folder / "model.pt"


@pytest.mark.parametrize("ir", ["dynamo", "ts", "fx"])
def test_random_numbers(ir, tmp_path, generator):
    x = torch.randn(2, 4, generator=generator)
    file = support.write_inputs(tmp_path / "in.npz", [x])
    model = Unread().eval()
    support.must("tune", write(ir, model, x, tmp_path), "-i", file, "-o", tmp_path / "model.ait", *support.FAST)
    support.must("run", tmp_path / "model.ait", "-i", file, "-o", tmp_path / "out.npz")
    support.check_same(support.read_outputs(tmp_path / "out.npz"), [model(x)], support.FP32_BOUND, ir)
    refused = support.aitune("tune", write(ir, Read().eval(), x, tmp_path), "-i", file, "-o", tmp_path / "no.ait",
                             *support.FAST)
    assert refused.status == 1 and "randn_like" in refused.err and "random numbers" in refused.err, str(refused)
