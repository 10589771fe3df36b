"""Where the time of a pipeline goes."""

from __future__ import annotations

from aitune.torch.performance.profile import PerformanceProfile, profile

__all__ = ["PerformanceProfile", "profile"]
