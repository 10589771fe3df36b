"""jit_config: which modules are tuned while a program runs, and when. The names are those of NVIDIA AITune."""

from __future__ import annotations

import enum
import os
from typing import Any

import torch

from aitune.errors import InvalidArgument
from aitune.torch.config import check_device_name, is_count, say_ignored, unknown_field
from aitune.torch.tune_strategy import FirstWinsStrategy, TuneStrategy

__all__ = ["Config", "JITMode", "config"]

_WHERE = "jit_config"
_IGNORED: dict[str, tuple[Any, str]] = {
    "dry_run_failure_probability": (0.2, "a dry run says what would be, and plays no dice"),
    "detect_graph_breaks": (False, "a module whose code data decide cannot be exported, and its parts are tuned instead"),
    "cache_dir": (None, "what is tuned lies in a temporary folder, and goes with the process"),
}


class JITMode(enum.Enum):
    """When modules are tuned: as soon as they were called often enough, or in the first call after jit.tune.deferred()."""

    TUNE_EAGER = "tune_eager"
    TUNE_DEFERRED = "tune_deferred"


class Config:
    """The type of `aitune.torch.jit_config`.

    Attributes:
        mode: when modules are tuned.
        dry_run: nothing is tuned; the log says how modules would be cut.
        device: "cpu", or None for where the modules are.
        min_samples: how many calls are recorded before.
        batch_axis_required: with more than one, and until a size of the inputs has moved.
        max_depth_level: 1 for the outermost modules alone; with 2, those that they call are tuned where they cannot be.
        min_parameters: only modules with more parameters are tuned.
        skip_modules: names of classes that are left alone, with all inside of them.
        patch_exclude: classes ("package.Class") and packages that are never looked at.
        strategy: for all modules; FirstWinsStrategy if left out.

    Other fields of AITune's may be set, which brings a line that says why they are ignored.
    """

    mode: JITMode
    dry_run: bool
    dry_run_failure_probability: float
    device: str | torch.device | None
    min_samples: int
    batch_axis_required: bool
    max_depth_level: int
    min_parameters: int
    detect_graph_breaks: bool
    skip_modules: list[str]
    patch_exclude: tuple[str, ...]
    cache_dir: str | os.PathLike[str] | None
    strategy: TuneStrategy | None

    def __init__(self) -> None:
        self.reset_to_defaults()

    def reset_to_defaults(self) -> None:
        """What holds when nobody has set anything."""
        self.mode = JITMode.TUNE_EAGER
        self.dry_run = False
        self.device = None
        self.min_samples = 1
        self.batch_axis_required = True
        self.max_depth_level = 1
        self.min_parameters = 0
        self.skip_modules = []
        self.patch_exclude = ()
        self.strategy = None
        for name, (default, _) in _IGNORED.items():
            setattr(self, name, default)

    def resolve_strategy(self) -> TuneStrategy:
        """A strategy for one module."""
        return FirstWinsStrategy() if self.strategy is None else self.strategy.clone()

    def __setattr__(self, name: str, value: Any) -> None:
        """Raises InvalidArgument for what is no field, or a wrong value."""
        if name not in type(self).__annotations__:
            raise unknown_field(_WHERE, name, list(type(self).__annotations__))
        if name == "device":
            check_device_name(value, f"{_WHERE}.device")
        elif name in _IGNORED:
            say_ignored(_WHERE, name, value, _IGNORED)
        elif takes := _takes(name, value):
            raise InvalidArgument(f"it is {value!r}", f"{_WHERE}.{name}", f"Give {takes}")
        super().__setattr__(name, value)


def _takes(name: str, value: Any) -> str:
    """What a field takes, if it does not take this value."""
    if name == "mode":
        return "" if isinstance(value, JITMode) else "a JITMode: TUNE_EAGER or TUNE_DEFERRED"
    if name in ("dry_run", "batch_axis_required"):
        return "" if isinstance(value, bool) else "True or False"
    if name in ("min_samples", "max_depth_level"):
        return "" if is_count(value) else "an integer from 1 on"
    if name == "min_parameters":
        return "" if is_count(value) or value == 0 else "an integer from 0 on"
    if name == "strategy":
        return "" if value is None or isinstance(value, TuneStrategy) else "a TuneStrategy, or None"
    is_list = isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)
    return "" if is_list else "a list of names"


config = Config()
