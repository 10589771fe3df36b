"""``import aitune.torch.jit.enable``: modules that are made from now on are tuned when they are called."""

from __future__ import annotations

from aitune.torch.jit.patcher import patch_torch

patch_torch()
