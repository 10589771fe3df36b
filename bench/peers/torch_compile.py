"""torch.compile with frozen weights, static shapes."""

import torch
import torch._inductor.config

from .torch_eager import loaded, prepare


def load(job):
    model, inputs = prepare(job)
    torch._inductor.config.freezing = True
    return loaded(torch.compile(model, dynamic=False), inputs)
