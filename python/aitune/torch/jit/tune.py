"""deferred: tuning begins when the program says so."""

from __future__ import annotations

from aitune.errors import InvalidArgument
from aitune.torch.jit.config import JITMode, config
from aitune.torch.jit.patched_module import PatchedModule

__all__ = ["deferred"]


def deferred() -> None:
    """With JITMode.TUNE_DEFERRED: every watched module is tuned behind its next call. Raises InvalidArgument in another
    mode."""
    if config.mode is not JITMode.TUNE_DEFERRED:
        raise InvalidArgument(
            f"jit_config.mode is {config.mode}", "jit.tune.deferred", "Set it to JITMode.TUNE_DEFERRED before"
        )
    PatchedModule.deferred_tuning_enabled = True
