"""Networks that write into parts of their tensors, as PyTorch code does: ZOO gets a case for each."""

import torch
from torch import nn
from zoo import case


@case((2, 5, 6), dynamic=({0: "batch"},))
class WritesThroughSlices(nn.Module):
    def forward(self, x):
        y = x.clone()
        y[:, 0] = 1
        y[:, 1:3, ::2] += x[:, 3:5, 1::2]
        y[..., -1].mul_(2)
        y[:, 2:4].clamp_(-0.5, 0.5)
        y.narrow(1, 3, 2).transpose(1, 2)[:, 2].copy_(x[:, :2, 0])
        return y, y.sum(1)


@case((2, 4, 4), (2, 4), dynamic=({0: "batch"}, {0: "batch"}))
class WritesThroughViews(nn.Module):
    def forward(self, x, v):
        y = x + 0
        y.diagonal(dim1=1, dim2=2).copy_(v)
        flat = y.view(-1, 16)
        flat[:, 3:7] = 0
        first, second = y.split(2, 1)
        first.add_(second)
        for row in second.unbind(1):
            row.neg_()
        y.permute(2, 0, 1)[0].fill_(7)
        return y, flat, first


@case((3, 6), dynamic=({0: "batch"},))
class WritesByMask(nn.Module):
    def forward(self, x):
        y = x.clone()
        y[x > 1] = 1.0
        y[:, torch.tensor([True, False, True, False, False, True])] = -3.0
        y.masked_fill_(x < -1, -1.0)
        z = torch.zeros_like(x)
        z[:, [4, 1]] = x[:, :2]
        z[0] += y[-1]
        return y, z


class KeyValueCache(nn.Module):
    """Writes its step into a cache that it gets, and gives it back."""

    def forward(self, cache, step):
        grown = cache.clone()
        grown[:, :, 3:4] = step
        return torch.softmax(grown @ step.transpose(-1, -2), -2), grown


case((2, 2, 8, 4), (2, 2, 1, 4), dynamic=({0: "batch"}, {0: "batch"}))(KeyValueCache)


@case((2, 3, 8), dynamic=({0: "batch"},))
class WritesIntoWeightsOfItsOwn(nn.Module):
    """As the attention of Swin v2: a part of a bias is zero, in a copy."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 12)

    def forward(self, x):
        bias = self.linear.bias.clone()
        bias[4:8].zero_()
        window = x.new_zeros((3, 12))
        count = 0
        for rows in (slice(0, -1), slice(-1, None)):
            for columns in (slice(0, -4), slice(-4, -2), slice(-2, None)):
                window[rows, columns] = count
                count += 1
        return nn.functional.linear(x, self.linear.weight, bias) + window


@case((2, 7, 5), dynamic=({0: "batch"},))
class StatisticsInPairs(nn.Module):
    def forward(self, x):
        var, mean = torch.var_mean(x, (1, 2), correction=0, keepdim=True)
        std, middle = torch.std_mean(x, -1)
        kind = torch.nn.functional.one_hot((x > 0).long().sum(-1), 6)
        return (x - mean) / torch.sqrt(var + 1e-5), std + middle, kind, x.mT @ x
