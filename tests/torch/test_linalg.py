"""torch.linalg in the three forms of models: exported (and with its operators decomposed), scripted, and traced by fx."""

import pytest
import support
import torch
from torch import nn


class Inverse(nn.Module):
    def forward(self, x, y):
        return torch.linalg.inv(x), torch.inverse(x) @ y, torch.linalg.inv_ex(x)[0]


class Systems(nn.Module):
    """Triangular factors have one answer; that of a system is compared as it is."""

    def forward(self, x, y):
        lower = torch.linalg.cholesky(x @ x.mT + torch.eye(4))
        packed, pivots = torch.linalg.lu_factor(x)
        return (torch.linalg.solve(x, y), torch.linalg.solve(x, y, left=True).sum(-1),
                torch.linalg.solve_triangular(lower, y, upper=False), torch.cholesky_solve(y, lower),
                torch.linalg.lu_solve(packed, pivots, y))


class Determinants(nn.Module):
    def forward(self, x, y):
        sign, logarithm = torch.linalg.slogdet(x)
        return torch.linalg.det(x), torch.det(x).abs() + 1, sign * logarithm, torch.logdet(x @ x.mT)


class SingularValues(nn.Module):
    """Signs of vectors are open, the product is not."""

    def forward(self, x, y):
        u, s, vh = torch.linalg.svd(y, full_matrices=False)
        old_u, old_s, old_v = torch.svd(y)
        return (u * s.unsqueeze(-2)) @ vh, s, torch.linalg.svdvals(y), (old_u * old_s.unsqueeze(-2)) @ old_v.mT


class Eigenvalues(nn.Module):
    def forward(self, x, y):
        symmetric = x + x.mT
        values, vectors = torch.linalg.eigh(symmetric)
        return (vectors * values.unsqueeze(-2)) @ vectors.mT, values, torch.linalg.eigvalsh(symmetric)


class GeneralEigenvalues(nn.Module):
    """Their order is open; sums of powers are not."""

    def forward(self, x, y):
        values, vectors = torch.linalg.eig(x)
        whole = (vectors * values.unsqueeze(-2)) @ torch.linalg.inv(vectors)
        return torch.view_as_real(whole), torch.view_as_real((torch.linalg.eigvals(x) ** 2).sum(-1))


class Orthogonal(nn.Module):
    def forward(self, x, y):
        q, r = torch.linalg.qr(y)
        return q, r, q.mT @ q


class PseudoInverses(nn.Module):
    def forward(self, x, y):
        return torch.linalg.pinv(y), torch.pinverse(y), torch.linalg.matrix_rank(y), torch.linalg.cond(x)


class LeastSquares(nn.Module):
    def forward(self, x, y):
        return torch.linalg.lstsq(x, y)[0]


class Norms(nn.Module):
    def forward(self, x, y):
        return (torch.linalg.matrix_norm(x), torch.linalg.matrix_norm(x, 1), torch.linalg.matrix_norm(x, 2),
                torch.linalg.matrix_norm(x, "nuc"), torch.linalg.matrix_norm(y, float("inf"), keepdim=True))


class Products(nn.Module):
    def forward(self, x, y):
        return (torch.linalg.matrix_power(x, 3), torch.matrix_power(x, 2), torch.linalg.matrix_power(x, -1),
                torch.linalg.multi_dot([x[0], x[1], y[0]]), torch.linalg.matrix_exp(x / 8), torch.linalg.vander(y[0, :, 0], N=4),
                torch.linalg.diagonal(x))


class Whitening(nn.Module):
    """What such operators are used for: the covariance's inverse root, between layers."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x, y):
        h = torch.tanh(self.first(x))
        centred = h - h.mean(1, keepdim=True)
        values, vectors = torch.linalg.eigh(centred.mT @ centred / 4 + 0.1 * torch.eye(4))
        root = (vectors * values.rsqrt().unsqueeze(-2)) @ vectors.mT
        return self.second(centred @ root)


MODELS = {m.__name__: m() for m in [Inverse, Systems, Determinants, SingularValues, Eigenvalues, GeneralEigenvalues, Orthogonal,
                                    PseudoInverses, LeastSquares, Norms, Products, Whitening]}


def inputs():
    torch.manual_seed(3)
    return torch.randn(3, 4, 4) + 3 * torch.eye(4), torch.randn(3, 4, 2)


def save_exported(model, sample, path):
    support.export(model, sample, path)


def save_decomposed(model, sample, path):
    with torch.no_grad():
        program = torch.export.export(model, sample, strict=False).run_decompositions()
    torch.export.save(program, path)


def save_scripted(model, sample, path):
    torch.jit.script(model).save(str(path))


def save_traced(model, sample, path):
    torch.save(torch.fx.symbolic_trace(model), path)


FORMS = {"exported": save_exported, "decomposed": save_decomposed, "scripted": save_scripted, "fx": save_traced}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", MODELS)
def test_agrees(name, form, tmp_path):
    model, sample = MODELS[name].eval(), inputs()
    with torch.no_grad():
        want = support.tensors_of(model(*sample))
    if name == "LeastSquares" and form in ("exported", "decomposed"):
        pytest.skip("torch.export has no shape for it")
    path = tmp_path / ("model.pt2" if form in ("exported", "decomposed") else "model.pt")
    FORMS[form](model, sample, path)
    samples = support.write_inputs(tmp_path / "in.npz", sample)
    support.must("tune", path, "-i", samples, "-o", tmp_path / "m.ait", *support.FAST)
    support.must("run", tmp_path / "m.ait", "-i", samples, "-o", tmp_path / "out.npz")
    support.check_same(support.read_outputs(tmp_path / "out.npz"), want, support.FP32_BOUND, f"{name}, {form}")


@pytest.mark.parametrize("save", [save_exported, save_decomposed])
@pytest.mark.parametrize("call", ["torch.linalg.inv(x)", "torch.linalg.solve(x, y)", "torch.linalg.cholesky(-x)"])
def test_singular_matrices_are_errors(call, save, tmp_path):
    class Model(nn.Module):
        def forward(self, x, y):
            return eval(call)  # noqa: S307: one of the three above

    good = (torch.eye(4) * (-1 if "cholesky" in call else 1)).expand(3, 4, 4).contiguous()
    sample = good, inputs()[1]
    save(Model().eval(), sample, tmp_path / "m.pt2")
    samples = support.write_inputs(tmp_path / "in.npz", sample)
    support.must("tune", tmp_path / "m.pt2", "-i", samples, "-o", tmp_path / "m.ait", *support.FAST)
    bad = good.clone()
    bad[1] = 0
    result = support.aitune("run", tmp_path / "m.ait", "-i", support.write_inputs(tmp_path / "bad.npz", (bad, sample[1])),
                            "-o", tmp_path / "out.npz")
    assert result.status != 0 and "batch element 1" in result.err, str(result)


@pytest.mark.parametrize("name", ["Systems", "SingularValues", "Eigenvalues", "PseudoInverses", "Whitening"])
def test_sizes_may_move(name, tmp_path):
    model, (x, y) = MODELS[name].eval(), inputs()
    batch = torch.export.Dim("batch", min=2, max=16)
    support.export(model, (x, y), tmp_path / "m.pt2", {"x": {0: batch}, "y": {0: batch}})
    support.must("tune", tmp_path / "m.pt2", "-i", support.write_inputs(tmp_path / "in.npz", (x, y)), "-o", tmp_path / "m.ait",
                 *support.FAST)
    fresh = torch.cat([x, x.flip(0) + 1]), torch.cat([y, -y])
    with torch.no_grad():
        want = support.tensors_of(model(*fresh))
    support.must("run", tmp_path / "m.ait", "-i", support.write_inputs(tmp_path / "x.npz", fresh), "-o", tmp_path / "out.npz")
    support.check_same(support.read_outputs(tmp_path / "out.npz"), want, support.FP32_BOUND, name)
