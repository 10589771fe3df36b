"""Buffers that a module writes to, while others call it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import torch

__all__ = ["tensors_kept"]


@contextlib.contextmanager
def tensors_kept(tensors: Iterable[torch.Tensor]) -> Iterator[None]:
    """Puts back what is written to the tensors meanwhile."""
    before = [(t, t._version, t.detach().clone()) for t in tensors if not (t.is_inference() or t.is_meta)]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, version, value in before:
                if tensor._version != version:
                    tensor.copy_(value)
