"""patch_for_jit_tuning: modules that are made meanwhile are tuned when they are called."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

import torch

from aitune.torch.jit.config import config
from aitune.torch.jit.patched_module import FirstCall, PatchedModule

__all__ = ["jit_reset", "patch_for_jit_tuning", "patch_torch", "prepare_for_jit_tuning", "unpatch_torch"]

P = ParamSpec("P")
T = TypeVar("T")

_original_init: Any = torch.nn.Module.__init__
_depth = 0  # how many have asked for it

# What compilers and tracers make for themselves, our own modules, and containers, which are not called.
_EXCLUDED = (
    "aitune",
    "torch.jit",
    "torch._inductor",
    "torch._dynamo",
    "torch.fx",
    "torch.export",
    "torch_tensorrt",
    "torch.nn.modules.container.ModuleList",
    "torch.nn.modules.container.ModuleDict",
    "torch.nn.modules.container.ParameterList",
    "torch.nn.modules.container.ParameterDict",
)


@functools.wraps(_original_init)
def _init(self: torch.nn.Module, *args: Any, **kwargs: Any) -> None:
    _original_init(self, *args, **kwargs)
    if _is_watched(type(self)):
        self.__dict__["forward"] = FirstCall(self)


def _is_watched(cls: type) -> bool:
    name = f"{cls.__module__}.{cls.__qualname__}"
    excluded = (*_EXCLUDED, *config.patch_exclude)
    return not issubclass(cls, torch.jit.ScriptModule) and not any(name == p or name.startswith(p + ".") for p in excluded)


def patch_torch() -> None:
    """From now on, modules that are made are tuned when they are called."""
    global _depth
    _depth += 1
    torch.nn.Module.__init__ = _init  # type: ignore[method-assign]


def unpatch_torch() -> None:
    """The opposite. Modules that were made before are still tuned."""
    global _depth
    _depth = max(_depth - 1, 0)
    if _depth == 0:
        torch.nn.Module.__init__ = _original_init  # type: ignore[method-assign]


@contextlib.contextmanager
def prepare_for_jit_tuning() -> Iterator[None]:
    """Modules that are made meanwhile are tuned when they are called, also later."""
    patch_torch()
    try:
        yield
    finally:
        unpatch_torch()


def patch_for_jit_tuning(func: Callable[P, T]) -> Callable[P, T]:
    """The same for a function: modules that it makes are tuned when they are called::

        @ait.patch_for_jit_tuning
        def load():
            return torchvision.models.resnet50().eval()

    The outermost modules that the program calls are tuned as ``jit_config`` says, in the call after which there are samples
    enough. What cannot be tuned, and calls of another kind or size, run in PyTorch.
    """

    @functools.wraps(func)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        with prepare_for_jit_tuning():
            return func(*args, **kwargs)

    return wrapper


def jit_reset() -> None:
    """Ends it all: every module answers by itself again."""
    global _depth
    _depth = 0
    unpatch_torch()
    for module in list(FirstCall.waiting):
        standin = module.__dict__.get("forward")
        if isinstance(standin, FirstCall):
            standin.release()
    PatchedModule.reset()
