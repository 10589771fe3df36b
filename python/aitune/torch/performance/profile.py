"""profile: where the time of a pipeline goes, before tuning and after it."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from aitune._runtime import version
from aitune.errors import InvalidArgument, IoError, a_kind
from aitune.torch.performance.markdown import render
from aitune.torch.performance.regions import Watch, regions_of, watching

__all__ = ["PerformanceProfile", "profile"]

_SCHEMA = 1
_MAX_OPERATORS = 20


@dataclass(frozen=True)
class PerformanceProfile:
    """What profile() has measured.

    Attributes:
        data: plain data, for json.dumps: "runs", each with its time, that of each region, and what is left; "regions";
            "profiler", the operators that take longest.
        trace_file: the trace that was written.
    """

    data: dict[str, Any]
    trace_file: Path | None = None

    def markdown(self) -> str:
        """The same as a text to read."""
        return render(self.data)


def profile(
    obj: Any,
    input_data: Any,
    *,
    inference_function: Callable[..., Any] | None = None,
    warmup_runs: int = 3,
    measured_runs: int = 10,
    trace_file: str | Path | None = None,
) -> PerformanceProfile:
    """Runs a module, pipeline or function, and tells how much of its time is in Modules, in other modules, and outside of
    all. Times are taken without PyTorch's profiler, which makes operators slow; it counts them in as many runs after that.

    Args:
        obj: what holds the modules, and is called.
        input_data: of one call: a dict is keyword arguments, a tuple positional ones, None nothing; all else is the one
            argument.
        inference_function: called in the place of `obj`.
        warmup_runs: calls before the first one that is timed.
        measured_runs: calls that are timed.
        trace_file: where PyTorch's profiler writes what it saw, for chrome://tracing and Perfetto.

    Raises:
        InvalidArgument: what is called is no function, or a number of runs is out of range.
        IoError: the trace cannot be written.
    """
    function = obj if inference_function is None else inference_function
    if not callable(function):
        raise InvalidArgument(f"{a_kind(function)} cannot be called", "profile", "Give inference_function")
    for name, value, least in (("warmup_runs", warmup_runs, 0), ("measured_runs", measured_runs, 1)):
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise InvalidArgument(f"{name} is {value!r}", "profile", f"Give an integer from {least} on")
    args, kwargs = _call(input_data)
    trace = None if trace_file is None else Path(trace_file).expanduser().resolve()
    watch, runs = Watch(), []
    with watching(regions_of(obj), watch), torch.no_grad():
        for _ in range(warmup_runs):
            function(*args, **kwargs)
        watch.rows.clear()
        for index in range(measured_runs):
            watch.reset()
            start = time.perf_counter()
            function(*args, **kwargs)
            runs.append(_run(index, time.perf_counter() - start, watch))
        regions = list(watch.rows.values())
        operators = _operators(function, args, kwargs, measured_runs, trace)
    data = {
        "schema_version": _SCHEMA,
        "created_at": datetime.datetime.now(datetime.timezone.utc).isoformat(),
        "aitune_version": version(),
        "config": {
            "warmup_runs": warmup_runs,
            "measured_runs": measured_runs,
            "uses_inference_function": inference_function is not None,
        },
        "target": {"type": f"{type(obj).__module__}.{type(obj).__qualname__}"},
        "input": {"args_count": len(args), "kwargs": sorted(map(str, kwargs))},
        "runs": runs,
        "profiler": {"activities": ["CPU"], "key_averages": {"cpu_time_total": operators}},
        "regions": regions,
    }
    return PerformanceProfile(data, trace)


def _call(input_data: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if input_data is None:
        return (), {}
    if isinstance(input_data, Mapping):
        return (), dict(input_data)
    return (input_data, {}) if isinstance(input_data, tuple) else ((input_data,), {})


def _run(index: int, seconds: float, watch: Watch) -> dict[str, Any]:
    """A row of "runs"."""
    left = max(seconds - sum(watch.seconds.values()), 0.0)

    def times(part: float) -> dict[str, float]:
        return {"cpu_time_us": 1e6 * part, "cpu_time_fraction": part / max(seconds, 1e-12)}

    return {
        "run_index": index,
        "timing": {"wall_time_us": 1e6 * seconds, "cpu_time_us": 1e6 * seconds},
        "regions": [
            {"region_id": key, "calls": watch.calls[key], **times(part)} for key, part in watch.seconds.items()
        ],
        "residual": times(left),
    }


def _operators(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], runs: int, trace: Path | None
) -> dict[str, Any]:
    """What PyTorch's profiler says of so many runs; the first one in it does not count."""
    schedule = torch.profiler.schedule(wait=0, warmup=1, active=runs)
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], schedule=schedule, acc_events=True
    ) as profiler:
        for _ in range(1 + runs):
            function(*args, **kwargs)
            profiler.step()
    if trace is not None:
        try:
            trace.parent.mkdir(parents=True, exist_ok=True)
            profiler.export_chrome_trace(str(trace))
        except OSError as error:
            raise IoError(str(error), str(trace)) from error
    rows = [row for row in profiler.key_averages() if not row.key.startswith("ProfilerStep")]
    rows.sort(key=lambda row: -row.cpu_time_total)
    return {
        "sort_by": "cpu_time_total",
        "row_limit": _MAX_OPERATORS,
        "events": [
            {
                "key": row.key,
                "device_type": "CPU",
                "count": row.count,
                "self_cpu_time_total_us": float(row.self_cpu_time_total),
                "cpu_time_total_us": float(row.cpu_time_total),
            }
            for row in rows[:_MAX_OPERATORS]
        ],
    }
