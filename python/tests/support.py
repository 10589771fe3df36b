"""What several tests need."""

import copy

import torch

import aitune.torch as ait

# What torch.export.load of older versions reads has another layout, or stricter checks.
OPENS_AIT = tuple(int(n) for n in torch.__version__.split("+")[0].split(".")[:2]) >= (2, 10)
FAST = {"optimization_level": 0, "num_threads": 2}
TOLERANCE = {"rtol": 1e-3, "atol": 1e-4}


def strategy(ir="dynamo", **settings):
    config = ait.TorchTensorRTAotBackendConfig(ir=ir, compile_config=ait.CompilationSettings(**{**FAST, **settings}))
    return ait.OneBackendStrategy(ait.TorchTensorRTAotBackend(config))


def wrap(model, ir="dynamo", name="net", dynamic_shapes=None, **settings):
    return ait.Module(model.eval(), name, strategy=strategy(ir, **settings), dynamic_shapes=dynamic_shapes)


def check_same(got, want):
    """Equal types of containers, equal numbers in them."""
    assert type(got) is type(want), (type(got), type(want))
    if isinstance(want, torch.Tensor):
        assert got.dtype == want.dtype
        torch.testing.assert_close(got, want.detach(), **TOLERANCE)
    elif isinstance(want, dict):
        assert list(got) == list(want)
        for key in want:
            check_same(got[key], want[key])
    elif isinstance(want, (list, tuple)):
        assert len(got) == len(want)
        for a, b in zip(got, want):
            check_same(a, b)
    elif hasattr(want, "__dataclass_fields__"):
        for name in want.__dataclass_fields__:
            check_same(getattr(got, name), getattr(want, name))
    else:
        assert got == want


def reference(model, *args, **kwargs):
    """What PyTorch answers: a copy of a wrapped module is not wrapped."""
    with torch.no_grad():
        return copy.deepcopy(model)(*args, **kwargs)
