"""PyTorch without a compiler: the exported program, operator by operator."""

import torch

from . import Loaded, path_of


def tensors_of(value):
    return [leaf for leaf in torch.utils._pytree.tree_leaves(value) if isinstance(leaf, torch.Tensor)]


def prepare(job):
    """(model, inputs) in the job's precision."""
    torch.set_num_threads(job.threads)
    torch.set_grad_enabled(False)
    model = torch.export.load(path_of(job, ".pt2")).module()
    inputs = [torch.from_numpy(array) for array in job.inputs]
    if job.precision == "bf16":
        model = model.to(torch.bfloat16)
        inputs = [t.to(torch.bfloat16) if t.is_floating_point() else t for t in inputs]
    return model, inputs


def loaded(function, inputs):
    return Loaded(lambda: function(*inputs), lambda outputs: [t.float().numpy() if t.is_floating_point() else t.numpy() for t in tensors_of(outputs)],
                  {"version": torch.__version__})


def load(job):
    return loaded(*prepare(job))
