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


class Written(nn.Module):
    """The same, drawn into tensors; what is drawn into a result counts where it is written over."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        noise = torch.empty_like(x).normal_() + torch.zeros(4).uniform_(-1.0, 1.0) + torch.ones(4).exponential_()
        kept = torch.zeros(4).bernoulli_(0.3) + torch.zeros(4).bernoulli_(torch.full((4,), 0.5))
        more = torch.zeros(4).random_() + torch.zeros(4).random_(5) + torch.ones(4).geometric_(0.5)
        last = torch.ones(4).cauchy_() + torch.ones(4).log_normal_() + torch.poisson(torch.ones(4))
        y = self.layer(x)
        if self.training:
            y = y + noise * kept + more + last + torch.normal(y, torch.ones(4))
        z = y.clone()
        z.normal_()
        z.copy_(y * 2)
        return y + z


class Read(nn.Module):
    def forward(self, x):
        return x + torch.randn_like(x)


class ReadInPlace(nn.Module):
    def forward(self, x):
        return x + torch.empty_like(x).normal_()


def write(ir, model, sample, folder):
    if ir == "dynamo":
        support.export(model, [sample], folder / "model.pt2")
        return folder / "model.pt2"
    if ir == "ts":
        torch.jit.save(torch.jit.script(model), folder / "model.pt")
    else:
        torch.save(torch.fx.symbolic_trace(model), folder / "model.pt")
    return folder / "model.pt"


def must_agree(file, model, x, folder):
    inputs = support.write_inputs(folder / "in.npz", [x])
    support.must("tune", file, "-i", inputs, "-o", folder / "model.ait", *support.FAST)
    support.must("run", folder / "model.ait", "-i", inputs, "-o", folder / "out.npz")
    support.check_same(support.read_outputs(folder / "out.npz"), [model(x)], support.FP32_BOUND, str(file))


def must_refuse(file, name, x, folder):
    inputs = support.write_inputs(folder / "in.npz", [x])
    refused = support.aitune("tune", file, "-i", inputs, "-o", folder / "no.ait", *support.FAST)
    assert refused.status == 1 and name in refused.err and "random numbers" in refused.err, str(refused)


@pytest.mark.parametrize("kind", [Unread, Written])
@pytest.mark.parametrize("ir", ["dynamo", "ts", "fx"])
def test_random_numbers_that_nothing_reads(ir, kind, tmp_path, generator):
    x = torch.randn(2, 4, generator=generator)
    model = kind().eval()
    must_agree(write(ir, model, x, tmp_path), model, x, tmp_path)


@pytest.mark.parametrize("kind,name", [(Read, "randn_like"), (ReadInPlace, "normal_")])
@pytest.mark.parametrize("ir", ["dynamo", "ts", "fx"])
def test_random_numbers_that_a_result_needs(ir, kind, name, tmp_path, generator):
    x = torch.randn(2, 4, generator=generator)
    must_refuse(write(ir, kind().eval(), x, tmp_path), name, x, tmp_path)


class InBranches(nn.Module):
    """Data decide the branch; what it draws is read in it, or comes out of it, and is left there."""

    def forward(self, x):
        noise = x
        if bool(x.sum() > 0):
            drawn = torch.randn_like(x)
            noise = torch.rand_like(x) + drawn
            y = x * 2
        else:
            torch.zeros(4).uniform_()
            y = x - 1
        if self.training:
            y = y + noise
        return y


class ReadFromBranch(nn.Module):
    def forward(self, x):
        if bool(x.sum() > 0):
            x = x + torch.empty_like(x).uniform_()
        return x


class Cond(nn.Module):
    def forward(self, x):
        def drawn(v):
            noise = torch.randn_like(v)
            return v * 2, noise

        def plain(v):
            return v - 1, v.clone()

        return torch.cond(x.sum() > 0, drawn, plain, (x,))[0]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("ir,kind", [("ts", InBranches), ("dynamo", Cond)])
def test_random_numbers_in_branches(ir, kind, sign, tmp_path, generator):
    x = sign * torch.rand(2, 4, generator=generator)
    model = kind().eval()
    must_agree(write(ir, model, x, tmp_path), model, x, tmp_path)


def test_random_numbers_that_leave_a_branch(tmp_path):
    x = torch.rand(2, 4)
    must_refuse(write("ts", ReadFromBranch().eval(), x, tmp_path), "uniform", x, tmp_path)
