"""Attention whose mask leaves a row nothing: 0 in scaled_dot_product_attention, NaN where softmax is spelled out. The
samples that tuning sees have no such row."""

import pytest
import support
import torch
import torch.nn.functional as F
from torch import nn


class Fused(nn.Module):
    def forward(self, q, k, mask):
        return F.scaled_dot_product_attention(q, k, k, attn_mask=mask)


class SpeltOut(nn.Module):
    def forward(self, q, k, mask):
        scores = torch.matmul(q, k.transpose(-2, -1)) / 3
        if mask.dtype == torch.bool:
            scores = scores.masked_fill(~mask, float("-inf"))
        else:
            scores = scores + mask
        return torch.matmul(torch.softmax(scores, -1), k)


def masks(generator, kind, empty):
    mask = torch.rand(2, 1, 5, 7, generator=generator) > 0.4
    mask[..., 3] = True
    if empty:
        mask[0, :, 2] = False
        mask[1, :, 4] = False
    return mask if kind == "bool" else torch.where(mask, 0.0, float("-inf")) + torch.rand(7, generator=generator)


@pytest.mark.parametrize("settings", [[], ["--set", "decompose_attention=true"]], ids=["fused", "decomposed"])
@pytest.mark.parametrize("kind", ["bool", "float"])
@pytest.mark.parametrize("make", [Fused, SpeltOut])
def test_rows_without_any_score(make, kind, settings, tmp_path, generator):
    model = make().eval()
    q, k = torch.randn(2, 3, 5, 8, generator=generator), torch.randn(2, 3, 7, 8, generator=generator)
    samples = [(q, k, masks(generator, kind, empty)) for empty in (False, True)]
    support.export(model, samples[0], tmp_path / "model.pt2")
    files = [support.write_inputs(tmp_path / f"in{i}.npz", sample) for i, sample in enumerate(samples)]
    for given in (files[:1], files):
        words = [w for file in given for w in ("-i", file)]
        support.must("tune", tmp_path / "model.pt2", *words, "-o", tmp_path / "model.ait", *support.FAST, *settings)
        for sample, file in zip(samples, files, strict=True):
            support.must("run", tmp_path / "model.ait", "-i", file, "-o", tmp_path / "out.npz")
            support.check_same(support.read_outputs(tmp_path / "out.npz"), [model(*sample)], support.FP32_BOUND, kind)
