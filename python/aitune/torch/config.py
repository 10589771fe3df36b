"""config: what holds for every tuning in this process. The names are those of NVIDIA AITune."""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from aitune.errors import InvalidArgument, Unavailable, a_kind

__all__ = ["AITuneConfig", "aitune_cache_dir", "check_device_name", "config", "is_count", "say_ignored", "unknown_field"]

_logger = logging.getLogger("aitune")

# Fields of AITune's without an effect here: the default, and why.
_IGNORED: dict[str, tuple[Any, str]] = {
    "min_num_samples": (100, "tuning takes the calls that there are"),
    "strict_mode": (True, "numbers and strings are part of what is compiled, so that other ones always make another graph"),
    "enable_transformers_integration": (True, "caches are arguments and results like all others"),
    "enable_diffusers_integration": (False, "diffusers' pipelines need none"),
}


def aitune_cache_dir() -> Path:
    """The folder of the timing cache and the engine cache: AITUNE_CACHE_DIR, or else aitune in the user's cache."""
    if own := os.environ.get("AITUNE_CACHE_DIR"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aitune"


def check_device_name(device: str | torch.device | None, where: str) -> None:
    """Raises InvalidArgument for what is no device, and Unavailable for all but the CPU."""
    if device is None:
        return
    try:
        kind = torch.device(device).type
    except (RuntimeError, TypeError) as error:
        raise InvalidArgument(f"there is no device {device!r}", where, "It is 'cpu', or left out") from error
    if kind != "cpu":
        raise Unavailable(
            f"there is no engine for device {device}", where, "aitune of this version compiles for the CPU: device='cpu'"
        )


def unknown_field(where: str, name: str, known: list[str]) -> InvalidArgument:
    """What is said of a misspelt name."""
    near = difflib.get_close_matches(name, known, 3)
    fix = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(known)}"
    return InvalidArgument(f"there is no field '{name}'", where, fix)


def say_ignored(where: str, name: str, value: Any, fields: Mapping[str, tuple[Any, str]]) -> None:
    """A line for a field that has no effect, with its default and why, if it is set to something else."""
    default, why = fields[name]
    if value != default:
        _logger.warning("%s.%s is ignored: %s", where, name, why)


def is_count(value: Any) -> bool:
    """Whether it is an integer from 1 on."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


class AITuneConfig:
    """The type of `aitune.torch.config`.

    Attributes:
        cache_dir: where timings and engines of earlier tunings are kept: AITUNE_CACHE_DIR of this process.
        max_num_samples_stored: how many calls of a graph are kept, which are compared with PyTorch's results. None: 32 of
            the same shapes, 128 in all, and no more than 256 MB.
        device_after_tuning: "cpu", or "meta": the weights of the original modules leave memory once they are tuned, but
            for those that PyTorch still runs with.
        tuning_data_output_path: where tune() writes its report, and snapshot_tuning_data() what is known so far.

    The other fields of AITune's may be set, which brings a line that says why they are ignored.
    """

    min_num_samples: int
    strict_mode: bool
    enable_transformers_integration: bool
    enable_diffusers_integration: bool

    def __init__(self) -> None:
        self._max_num_samples_stored: float | None = None
        self._device_after_tuning = "cpu"
        self._tuning_data_output_path: Path | None = None
        for name, (default, _) in _IGNORED.items():
            setattr(self, name, default)

    @property
    def cache_dir(self) -> Path:
        return aitune_cache_dir()

    @cache_dir.setter
    def cache_dir(self, value: str | os.PathLike[str]) -> None:
        os.environ["AITUNE_CACHE_DIR"] = os.fspath(_path("cache_dir", value))

    @property
    def max_num_samples_stored(self) -> float | None:
        return self._max_num_samples_stored

    @max_num_samples_stored.setter
    def max_num_samples_stored(self, value: float | None) -> None:
        if value is not None and not is_count(value) and value != float("inf"):
            raise InvalidArgument(f"it is {value!r}", "config.max_num_samples_stored", "Give a number from 1 on, or None")
        self._max_num_samples_stored = value

    @property
    def device_after_tuning(self) -> str:
        return self._device_after_tuning

    @device_after_tuning.setter
    def device_after_tuning(self, value: str | torch.device) -> None:
        if str(value) != "meta":
            check_device_name(value, "config.device_after_tuning")
        self._device_after_tuning = str(value)

    @property
    def tuning_data_output_path(self) -> Path:
        if self._tuning_data_output_path is not None:
            return self._tuning_data_output_path
        if own := os.environ.get("AITUNE_TUNING_DATA_PATH"):
            return Path(own)
        return aitune_cache_dir() / "tuning_data" / "report.json"

    @tuning_data_output_path.setter
    def tuning_data_output_path(self, value: str | os.PathLike[str]) -> None:
        self._tuning_data_output_path = _path("tuning_data_output_path", value)

    def to_dict(self) -> dict[str, Any]:
        """Every field by its name."""
        return {name: getattr(self, name) for name in (*_FIELDS, *_IGNORED)}

    def __setattr__(self, name: str, value: Any) -> None:
        """Raises InvalidArgument for what is no field."""
        if name in _IGNORED:
            if name == "min_num_samples" and not is_count(value):
                raise InvalidArgument(f"it is {value!r}", "config.min_num_samples", "Give an integer from 1 on")
            say_ignored("config", name, value, _IGNORED)
        elif not name.startswith("_") and name not in _FIELDS:
            raise unknown_field("config", name, [*_FIELDS, *_IGNORED])
        super().__setattr__(name, value)


_FIELDS = tuple(name for name, value in vars(AITuneConfig).items() if isinstance(value, property))


def _path(name: str, value: Any) -> Path:
    if not isinstance(value, (str, os.PathLike)):
        raise InvalidArgument(f"it is {a_kind(value)}", f"config.{name}", "Give a path")
    return Path(value)


config = AITuneConfig()
