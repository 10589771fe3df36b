"""Strategies: which backends are tried, and which one stays."""

from __future__ import annotations

import copy
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch

from aitune.errors import InvalidArgument
from aitune.torch.backend import Backend, BuildResult, TorchTensorRTAotBackend
from aitune.torch.recording import GraphRecord

__all__ = ["OneBackendStrategy", "TuneStrategy"]

_logger = logging.getLogger("aitune")


class TuneStrategy(ABC):
    """Decides among backends for a graph of a module."""

    @abstractmethod
    def tune(
        self, module: torch.nn.Module, forward: Callable[..., Any], record: GraphRecord, name: str, owner: str = ""
    ) -> BuildResult:
        """The backend that stays, ready to run."""

    @abstractmethod
    def backends(self) -> list[Backend]:
        """Those that are tried, in order."""

    def describe(self) -> str:
        """One line: the strategy and its backends."""
        return f"{type(self).__name__}({', '.join(backend.describe() for backend in self.backends())})"

    def clone(self) -> TuneStrategy:
        """A copy of its own."""
        return copy.deepcopy(self)


def _check_backend(backend: Any, where: str) -> Backend:
    if not isinstance(backend, Backend):
        raise InvalidArgument(
            f"the backend is a {type(backend).__name__}", where, "Give an object, such as TorchTensorRTAotBackend()"
        )
    return backend


class OneBackendStrategy(TuneStrategy):
    """Exactly one backend. If it fails, its error is the error of tuning."""

    def __init__(self, backend: Backend | None = None) -> None:
        self._backend = _check_backend(backend or TorchTensorRTAotBackend(), "OneBackendStrategy")

    def backends(self) -> list[Backend]:
        return [self._backend]

    def tune(
        self, module: torch.nn.Module, forward: Callable[..., Any], record: GraphRecord, name: str, owner: str = ""
    ) -> BuildResult:
        result = self._backend.build(module, forward, record, name, owner=owner)
        assert isinstance(result, BuildResult)
        return result
