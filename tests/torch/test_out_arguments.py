"""Results that go into tensors which are given for them (out=), and questions about dtypes, in all forms of models."""

import pytest
import support
import torch
from torch import nn


class Out(nn.Module):
    def forward(self, x, y):
        larger = torch.empty_like(x)
        torch.maximum(x, y, out=larger)
        double = torch.zeros_like(x, dtype=torch.float64)
        torch.add(x, y, alpha=2, out=double)
        joined = x.new_zeros(3, 8)
        torch.cat([x, y], dim=1, out=joined)
        both = x.new_zeros(2, 3, 4)
        torch.mul(x, y, out=both[0])
        torch.clamp(x, 0.0, 1.0, out=both[1])
        sums = x.new_zeros(3)
        torch.sum(x, dim=1, out=sums)
        product = x.new_zeros(3, 3)
        same = torch.matmul(x, y.t(), out=product)
        return larger, double, joined, both, sums, product, same


class TwoResults(nn.Module):
    def forward(self, x, y):
        values, places = x.new_zeros(3), x.new_zeros(3, dtype=torch.long)
        if torch.jit.is_scripting():
            torch.sort(x[:, 0], values=values, indices=places)
        else:
            torch.sort(x[:, 0], out=(values, places))
        return values, places, values + y[:, 0]


class Dtypes(nn.Module):
    def forward(self, x, y):
        wide = torch.promote_types(torch.float32, torch.float64)
        if torch.can_cast(torch.int32, torch.float32):
            x = x + 1
        return x.to(torch.result_type(x, y)) * 2, (y > 0).to(wide)


class Resized(nn.Module):
    def forward(self, x, y):
        larger = torch.empty(0)
        torch.maximum(x, y, out=larger)
        return larger


def save(model, inputs, form, path):
    if form == "exported":
        return support.export(model, inputs, path)
    if form == "fx":
        return torch.save(torch.fx.symbolic_trace(model), path)
    return (torch.jit.script(model) if form == "scripted" else torch.jit.trace(model, inputs)).save(path)


FORMS = ["exported", "scripted", "traced", "fx"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("model", [Out, TwoResults, Dtypes])
def test_against_pytorch(model, form, tmp_path, generator):
    inputs = (torch.rand(3, 4, generator=generator), torch.rand(3, 4, generator=generator))
    model, file = model(), tmp_path / ("model.pt2" if form == "exported" else "model.pt")
    save(model, inputs, form, file)
    support.write_inputs(tmp_path / "in.npz", inputs)
    support.must("tune", file, "-i", tmp_path / "in.npz", "-o", tmp_path / "model.ait", *support.FAST)
    support.must("run", tmp_path / "model.ait", "-i", tmp_path / "in.npz", "-o", tmp_path / "out.npz")
    support.check_same(support.read_outputs(tmp_path / "out.npz"), support.tensors_of(model(*inputs)), support.FP32_BOUND, form)


@pytest.mark.parametrize("form", FORMS)
def test_a_tensor_that_would_change_its_size_is_refused(form, tmp_path, generator):
    inputs = (torch.rand(3, 4, generator=generator), torch.rand(3, 4, generator=generator))
    file = tmp_path / ("model.pt2" if form == "exported" else "model.pt")
    save(Resized(), inputs, form, file)
    support.write_inputs(tmp_path / "in.npz", inputs)
    tuned = support.aitune("tune", file, "-i", tmp_path / "in.npz", "-o", tmp_path / "model.ait", *support.FAST)
    assert tuned.status == 1 and "would change its size" in tuned.err and "without out=" in tuned.err, str(tuned)


class ShapeAsTensor(nn.Module):
    def forward(self, x):
        sizes = torch._shape_as_tensor(x)
        return sizes, x * sizes[0]


def test_a_shape_as_a_tensor(tmp_path, generator):
    torch.jit.trace(ShapeAsTensor(), torch.rand(3, 4)).save(tmp_path / "model.pt")
    words = []
    for rows in (3, 7):
        words += ["-i", support.write_inputs(tmp_path / f"in{rows}.npz", [torch.rand(rows, 4, generator=generator)])]
    support.must("tune", tmp_path / "model.pt", *words, "-o", tmp_path / "model.ait", *support.FAST)
    x = torch.rand(5, 4, generator=generator)
    support.write_inputs(tmp_path / "in.npz", [x])
    support.must("run", tmp_path / "model.ait", "-i", tmp_path / "in.npz", "-o", tmp_path / "out.npz")
    support.check_same(support.read_outputs(tmp_path / "out.npz"), support.tensors_of(ShapeAsTensor()(x)), support.FP32_BOUND, "traced")
