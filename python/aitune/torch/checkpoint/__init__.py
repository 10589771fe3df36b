"""Where files of tuned modules are kept."""

from __future__ import annotations

from aitune.torch.checkpoint.local_torch_storage import LocalTorchStorage

__all__ = ["LocalTorchStorage"]
