"""What stands in the place of a module's forward()."""

from __future__ import annotations

import types
from abc import ABC, abstractmethod
from typing import Any

import torch

__all__ = ["Standin", "bound_forward", "release_standins"]


class Standin(ABC):
    """What may stand in the place of a forward() until a module is called for the first time."""

    @abstractmethod
    def release(self) -> None:
        """Goes away, for good."""


def release_standins(module: torch.nn.Module) -> None:
    """Lets a module and all inside of it answer by their own forward()."""
    for part in module.modules():
        standin = part.__dict__.get("forward")
        if isinstance(standin, Standin):
            standin.release()


def bound_forward(module: torch.nn.Module) -> Any:
    """The forward() of a module's class."""
    return types.MethodType(type(module).forward, module)
