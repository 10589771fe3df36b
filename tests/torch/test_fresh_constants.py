"""Tensors that a forward makes of constants and then writes into: torch.tensor([1., 2.]) is another one in every call."""

import pytest
import support
import torch
from torch import nn


class Filled(nn.Module):
    def forward(self, x):
        row = torch.tensor([1.0, 2.0, 3.0, 4.0])
        row += x[0]
        corner = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        corner[0, 0] = x[0, 0]
        corner[:, 1] = x[1, :2]
        places = torch.tensor([0, 1, 2])
        places[1] += 1
        return row * 2, corner @ x[:2], places, x[places]


class Unrolled(nn.Module):
    def forward(self, x):
        total = torch.zeros(4)
        for _ in range(2):
            row = torch.tensor([1.0, 2.0, 3.0, 4.0])
            row += x[0]
            total = total + row
        return total


class InBranches(nn.Module):
    def forward(self, x):
        row = torch.tensor([1.0, 2.0, 3.0, 4.0])
        if bool(x.sum() > 0):
            row += x[0]
        else:
            row[0] = 5.0
        total = torch.zeros(4)
        for _ in range(int((x > 0).sum())):
            step = torch.tensor([1.0, 2.0, 3.0, 4.0])
            step += x[0]
            total = total + step
        return row * 2, total


class Numbers(nn.Module):
    """Tensors without dimensions, under several names."""

    def forward(self, x):
        half = torch.tensor(0.5)
        other = torch.tensor(0.5)
        same = half
        half.add_(x.sum())
        shown = torch.tensor(2.0).view(1)
        shown.mul_(x.sum())
        place = torch.tensor(2)
        also = place
        before = x[place]
        place.add_(-1)
        pair = [torch.tensor(3), place]
        pair[0].mul_(2)
        return half, other, same, shown, before, also, place, x[also], pair[0]


@pytest.mark.parametrize("model", [Filled, Unrolled, InBranches, Numbers])
@pytest.mark.parametrize("sign", [1, -1])
def test_scripted(model, sign, tmp_path, generator):
    model = model()
    torch.jit.script(model).save(tmp_path / "model.pt")
    x = sign * torch.rand(3, 4, generator=generator)
    support.write_inputs(tmp_path / "in.npz", [x])
    support.must("tune", tmp_path / "model.pt", "-i", tmp_path / "in.npz", "-o", tmp_path / "model.ait", *support.FAST)
    for _ in range(2):  # and as before in the next call
        support.must("run", tmp_path / "model.ait", "-i", tmp_path / "in.npz", "-o", tmp_path / "out.npz")
        support.check_same(support.read_outputs(tmp_path / "out.npz"), support.tensors_of(model(x)), support.FP32_BOUND, "scripted")


class ByTracing(nn.Module):
    def forward(self, x):
        row = torch.zeros(4)
        row[1:3] = x[0, :2]
        scale = torch.tensor(1.0)
        scale *= x.sum()
        same = torch.tensor([1, 2, 3]).to(torch.int64)
        same += x.shape[0]
        return row + 1, scale, same


@pytest.mark.parametrize("how", ["traced", "fx"])
def test_a_traced_constant_begins_with_what_the_file_holds(how, tmp_path, generator):
    model, x = ByTracing(), torch.rand(3, 4, generator=generator)
    if how == "traced":
        torch.jit.trace(model, x, check_trace=False).save(tmp_path / "model.pt")
        wanted = torch.jit.load(tmp_path / "model.pt")(x)
    else:
        torch.save(torch.fx.symbolic_trace(model), tmp_path / "model.pt")
        wanted = torch.load(tmp_path / "model.pt", weights_only=False)(x)
    support.write_inputs(tmp_path / "in.npz", [x])
    tuned = support.must("tune", tmp_path / "model.pt", "-i", tmp_path / "in.npz", "-o", tmp_path / "model.ait", *support.FAST)
    assert "which tracing has made a constant" in tuned.err
    for _ in range(2):
        support.must("run", tmp_path / "model.ait", "-i", tmp_path / "in.npz", "-o", tmp_path / "out.npz")
        support.check_same(support.read_outputs(tmp_path / "out.npz"), support.tensors_of(wanted), support.FP32_BOUND, how)


class PartOfConstant(nn.Module):
    def forward(self, x):
        table = torch.zeros(2, 4)
        table[0].copy_(x[0])
        return table * x[:2]


def test_constants_that_share_memory_are_refused(tmp_path, generator):
    torch.save(torch.fx.symbolic_trace(PartOfConstant()), tmp_path / "model.pt")
    support.write_inputs(tmp_path / "in.npz", [torch.rand(3, 4, generator=generator)])
    tuned = support.aitune("tune", tmp_path / "model.pt", "-i", tmp_path / "in.npz", "-o", tmp_path / "model.ait", *support.FAST)
    assert tuned.status == 1 and "shares its memory" in tuned.err, str(tuned)
