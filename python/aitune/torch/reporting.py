"""What a tuning has found out, as a file: snapshot_tuning_data, and the report that tune() leaves."""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
import os
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aitune._runtime import version
from aitune.errors import IoError
from aitune.torch.config import config
from aitune.torch.files import replacing
from aitune.torch.module import Module

__all__ = ["RunReport", "reporting", "snapshot_tuning_data"]

_logger = logging.getLogger("aitune")
_SCHEMA = 1


class RunReport:
    """One call of tune(): plain data that grows."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._data: dict[str, Any] = {
            "schema_version": _SCHEMA,
            "aitune_version": version(),
            "started_at": datetime.datetime.now(datetime.timezone.utc).isoformat(),
            "aitune_config": config.to_dict(),
            "duration_s": None,
            "exception": None,
            "modules": [],
        }

    @contextlib.contextmanager
    def module(self, module: Module) -> Iterator[None]:
        """A row for a module that is tuned meanwhile."""
        start, specs = time.monotonic(), module.graph_specs
        row: dict[str, Any] = {
            "module_name": module.name,
            "num_parameters": sum(parameter.numel() for parameter in module.parameters()),
            "duration_s": None,
            "exception": None,
            "graphs": [],
        }
        self._data["modules"].append(row)
        try:
            yield
        except BaseException as error:
            row["exception"] = _exception(error)
            raise
        finally:
            row["duration_s"] = time.monotonic() - start
        for spec, result in zip(specs, module.results(), strict=True):
            graph = {"graph_name": spec.name, "input_spec": spec.input_spec.describe(), "selected_backend": result.backend}
            row["graphs"].append({**graph, "report": result.report})

    def write(self, path: Path) -> None:
        """Writes what is known by now. Raises IoError."""
        self._data["duration_s"] = time.monotonic() - self._start
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise IoError(str(error), str(path)) from error
        with replacing(path) as file:
            file.write(json.dumps(self._data, indent=2, default=str).encode() + b"\n")

    def failed(self, error: BaseException) -> None:
        """Notes what ended the whole."""
        self._data["exception"] = _exception(error)


_running: list[RunReport] = []


@contextlib.contextmanager
def reporting() -> Iterator[RunReport]:
    """A report of what is tuned meanwhile, which is written at the end, whatever comes of it. A file that cannot be
    written is no error."""
    report = RunReport()
    _running.append(report)
    try:
        yield report
    except BaseException as error:
        report.failed(error)
        raise
    finally:
        _running.remove(report)
        try:
            report.write(config.tuning_data_output_path)
        except IoError as error:
            _logger.warning("the report of tuning is not written: %s", error)


def snapshot_tuning_data(path: str | os.PathLike[str] | None = None) -> Path | None:
    """Writes what the tuning that runs now has found out so far: from another thread, or from tune()'s `improved`.

    Args:
        path: the file, JSON; config.tuning_data_output_path if left out.

    Returns:
        The file; None if nothing is being tuned.

    Raises:
        IoError: the file cannot be written.
    """
    if not _running:
        return None
    target = config.tuning_data_output_path if path is None else Path(path)
    _running[-1].write(target)
    return target


def _exception(error: BaseException) -> dict[str, str]:
    return {
        "type": type(error).__name__,
        "message": str(error),
        "traceback": "".join(traceback.format_exception(error)),
    }
