"""Strategies: which backends are tried, and which one stays. The names are those of NVIDIA AITune."""

from __future__ import annotations

import copy
import itertools
import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from aitune.errors import AituneError, InvalidArgument, ValidationError, a_kind
from aitune.torch.autocast import computes_in_autocast, refuse_autocast
from aitune.torch.backend import Backend, BuildResult, TorchEagerBackend, TorchTensorRTAotBackend
from aitune.torch.measuring import batches, check_result, median_milliseconds
from aitune.torch.recording import GraphRecord
from aitune.torch.tracing import TRACING_ADVICE

__all__ = [
    "FirstWinsStrategy",
    "LatencyBudgetStrategy",
    "MaxThroughputStrategy",
    "MinLatencyStrategy",
    "OneBackendStrategy",
    "TuneStrategy",
]

_logger = logging.getLogger("aitune")

_DEFAULT_MIN_SPEEDUP = 1.0


@dataclass(frozen=True)
class Job:
    """What a strategy works on: a graph of a module, whose own forward() is `forward`."""

    module: torch.nn.Module
    forward: Callable[..., Any]
    record: GraphRecord
    name: str

    def build(self, backend: Backend) -> BuildResult:
        """What the backend makes of it."""
        result = backend.build(self.module, self.forward, self.record, self.name)
        assert isinstance(result, BuildResult)
        return result


class TuneStrategy(ABC):
    """Decides among backends for a graph of a module.

    Args:
        backends: those that are tried, in order.
        min_speedup_threshold_percent: how much faster than PyTorch a backend must be to stay, where that is asked.
    """

    def __init__(self, backends: Sequence[Backend], min_speedup_threshold_percent: float = _DEFAULT_MIN_SPEEDUP) -> None:
        where = type(self).__name__
        if isinstance(backends, Backend) or not isinstance(backends, Sequence) or not backends:
            raise InvalidArgument(f"{backends!r} is no list of backends", where, "Give at least one")
        for backend in backends:
            if not isinstance(backend, Backend):
                raise InvalidArgument(
                    f"the backend is {a_kind(backend)}", where, "Give objects, such as TorchTensorRTAotBackend()"
                )
        percent = min_speedup_threshold_percent
        if isinstance(percent, bool) or not isinstance(percent, (int, float)) or not 0 <= percent < math.inf:
            raise InvalidArgument(
                f"min_speedup_threshold_percent is {percent!r}", where, "Give a number from 0 on, such as 1 for 1 % faster"
            )
        self._backends = list(backends)
        self._min_speedup = 1 + percent / 100
        self._check_correctness = True
        self._check_performance = True

    def backends(self) -> list[Backend]:
        """Those that are tried, in order."""
        return list(self._backends)

    def enable_correctness_check(self, enable: bool = True) -> TuneStrategy:
        """Whether results are compared with PyTorch's on the samples."""
        self._check_correctness = enable
        return self

    def enable_performance_validation(self, enable: bool = True) -> TuneStrategy:
        """Whether a backend that is not faster than PyTorch gives way to it."""
        self._check_performance = enable
        return self

    def enable_find_max_batch_size(self, enable: bool = True) -> TuneStrategy:
        """AITune's search for the largest batch, which is not made here: False changes nothing, and True brings a line."""
        if enable:
            _logger.warning(
                "enable_find_max_batch_size is ignored: batches are as large as those of the samples, batch_sizes and "
                "dynamic_shapes"
            )
        return self

    def describe(self) -> str:
        """One line: the strategy and its backends."""
        return f"{type(self).__name__}({', '.join(backend.describe() for backend in self._backends)})"

    def clone(self) -> TuneStrategy:
        """A copy of its own."""
        return copy.deepcopy(self)

    @abstractmethod
    def tune(self, job: Job) -> BuildResult:
        """The backend that stays, ready to run. Its report has a row for each that was tried under "strategy": with
        "backend", "stays", "why", and what was measured; PyTorch has one where it was compared or stays."""

    def _build(self, backend: Backend, job: Job, baseline: BuildResult) -> BuildResult:
        """Builds and checks. Raises what was wrong."""
        result = job.build(backend)
        if self._check_correctness and not isinstance(backend, TorchEagerBackend):
            try:
                result.report["error_to_torch"] = check_result(result, baseline, job.record, f"module '{job.name}'")
            except ValidationError as error:
                sample = job.record.samples[0]
                if computes_in_autocast(job.module, lambda: baseline.run([t.clone() for t in sample.tensors])):
                    raise refuse_autocast(job.name) from error
                traced = result.traced_sample
                if traced is not None and not error.problem.endswith(f" on sample {traced}"):
                    raise ValidationError(error.problem, error.where, TRACING_ADVICE) from error
                raise
        return result


def _baseline(job: Job) -> BuildResult:
    return job.build(TorchEagerBackend())


class OneBackendStrategy(TuneStrategy):
    """Exactly one backend, whose errors are those of tuning. It stays even if PyTorch is faster, unless
    enable_performance_validation() asks for more."""

    def __init__(self, backend: Backend | None = None, min_speedup_threshold_percent: float = _DEFAULT_MIN_SPEEDUP) -> None:
        super().__init__([backend or TorchTensorRTAotBackend()], min_speedup_threshold_percent)
        self._check_performance = False

    def tune(self, job: Job) -> BuildResult:
        if not self._check_performance and self._min_speedup != 1 + _DEFAULT_MIN_SPEEDUP / 100:
            _logger.warning(
                "%s: min_speedup_threshold_percent is ignored: OneBackendStrategy keeps what is right, unless "
                "enable_performance_validation() asks for more", job.name
            )
        baseline = _baseline(job)
        backend = self._backends[0]
        result = self._build(backend, job, baseline)
        if not self._check_performance:
            result.report["strategy"] = [_row(backend, True, "it is the only one")]
            return result
        row = _compare(backend, result, job, baseline, self._min_speedup)
        if not row["stays"]:
            return _pytorch_stays(job, baseline, [row])
        result.report["strategy"] = [row]
        return result


def _or_default(backends: Sequence[Backend] | None) -> Sequence[Backend]:
    return [TorchTensorRTAotBackend()] if backends is None else backends


def _row(backend: Backend, stays: bool, why: str, **measured: Any) -> dict[str, Any]:
    return {"backend": backend.describe(), "stays": stays, "why": why, **measured}


def _fails(backend: Backend, job: Job, error: AituneError) -> dict[str, Any]:
    """The row of a backend that does not build, or is wrong."""
    _logger.warning("%s: %s: %s", job.name, backend.describe(), error)
    return _row(backend, False, str(error))


def _times_as_fast(speedup: float, asked: float) -> str:
    why = f"it is {speedup:.2f} times as fast as PyTorch"
    return why if speedup >= asked else f"{why}, and {asked:.2f} times is asked for"


def _compare(
    backend: Backend, result: BuildResult, job: Job, baseline: BuildResult, min_speedup: float
) -> dict[str, Any]:
    """The row of a backend that stays if it is faster than PyTorch."""
    times = median_milliseconds([result, baseline], job.record.samples[0].tensors)
    result.milliseconds, baseline.milliseconds = times
    speedup = baseline.milliseconds / max(result.milliseconds, 1e-9)
    stays, why = speedup >= min_speedup, _times_as_fast(speedup, min_speedup)
    if not stays:
        _logger.warning("%s: %s: %s", job.name, backend.describe(), why)
    return _row(backend, stays, why, latency_ms=result.milliseconds, speedup=speedup)


def _pytorch_stays(job: Job, baseline: BuildResult, rows: list[dict[str, Any]]) -> BuildResult:
    measured = {"latency_ms": baseline.milliseconds} if baseline.milliseconds else {}
    rows.append(_row(TorchEagerBackend(), True, "no other is right and fast enough", **measured))
    baseline.report["strategy"] = rows
    _logger.info("%s: PyTorch stays", job.name)
    return baseline


class FirstWinsStrategy(TuneStrategy):
    """The first backend that builds, is right and is faster than PyTorch; PyTorch itself if there is none."""

    def __init__(
        self, backends: Sequence[Backend] | None = None, min_speedup_threshold_percent: float = _DEFAULT_MIN_SPEEDUP
    ) -> None:
        super().__init__(_or_default(backends), min_speedup_threshold_percent)

    def tune(self, job: Job) -> BuildResult:
        baseline = _baseline(job)
        rows: list[dict[str, Any]] = []
        for backend in self._backends:
            try:
                result = self._build(backend, job, baseline)
            except AituneError as error:
                rows.append(_fails(backend, job, error))
                continue
            if self._check_performance:
                rows.append(_compare(backend, result, job, baseline, self._min_speedup))
            else:
                rows.append(_row(backend, True, "it is the first that builds and is right"))
            if rows[-1]["stays"]:
                result.report["strategy"] = rows
                return result
        return _pytorch_stays(job, baseline, rows)


@dataclass
class _Profile:
    """One backend at one batch size."""

    backend: Backend
    result: BuildResult
    batch: int
    milliseconds: float

    @property
    def throughput(self) -> float:
        """Samples in a second."""
        return 1e3 * self.batch / max(self.milliseconds, 1e-9)


class _ProfilingStrategy(TuneStrategy):
    """Builds all backends, measures all, and takes the best."""

    _budget = 0.1  # seconds for a backend at a batch size

    def __init__(
        self, backends: Sequence[Backend] | None = None, min_speedup_threshold_percent: float = _DEFAULT_MIN_SPEEDUP
    ) -> None:
        super().__init__(_or_default(backends), min_speedup_threshold_percent)

    def _batches(self, record: GraphRecord) -> Iterator[tuple[int, list[torch.Tensor]]]:
        """Batch sizes to measure at, from small to large."""
        return batches(record)

    @abstractmethod
    def _is_beyond(self, profile: _Profile, best: _Profile | None) -> bool:
        """Whether neither this batch size nor a larger one suits, where `best` is of a smaller one."""

    @abstractmethod
    def _value(self, profile: _Profile) -> float:
        """What is to be large."""

    @abstractmethod
    def _text(self, profile: _Profile) -> str:
        """The same in words."""

    def tune(self, job: Job) -> BuildResult:
        baseline = _baseline(job)
        rows: dict[int, dict[str, Any]] = {}  # by position in `tried`
        tried, built = list(self._backends), {}
        for index, backend in enumerate(self._backends):
            try:
                built[index] = self._build(backend, job, baseline)
            except AituneError as error:
                rows[index] = _fails(backend, job, error)
        if self._check_performance:
            built[len(tried)] = baseline
            tried.append(TorchEagerBackend())
        found = self._profiles(tried, built, baseline, job, rows)
        best = self._best(found, own=len(self._backends))
        if best is None:
            problems = "; ".join(f"{rows[i]['backend']}: {rows[i]['why']}" for i in sorted(rows))
            raise ValidationError(f"no backend is left: {problems}", f"module '{job.name}'")
        for index, profile in found.items():
            rows[index] = self._measured_row(profile, best, found.get(len(self._backends)))
        best.result.milliseconds = best.milliseconds
        best.result.report["strategy"] = [rows[index] for index in sorted(rows)]
        best.result.report["selected_batch_size"] = best.batch
        _logger.info("%s: %s stays", job.name, best.backend.describe())
        return best.result

    def _profiles(
        self,
        tried: Sequence[Backend],
        built: dict[int, BuildResult],
        baseline: BuildResult,
        job: Job,
        rows: dict[int, dict[str, Any]],
    ) -> dict[int, _Profile]:
        """What is built, each at the batch size that suits it; those that none suits get their row instead."""
        best: dict[int, _Profile] = {}
        left = dict(built)
        for batch, tensors in self._batches(job.record):
            for index, error in _failing(left, tensors).items():
                rows[index] = _fails(tried[index], job, error)
                del left[index]
                best.pop(index, None)
            times = median_milliseconds(list(left.values()), tensors, self._budget)
            for (index, result), milliseconds in zip(list(left.items()), times, strict=True):
                profile = _Profile(tried[index], result, batch, milliseconds)
                if self._is_beyond(profile, best.get(index)):
                    del left[index]
                elif index not in best or profile.throughput > best[index].throughput:
                    best[index] = profile
            if not left:
                break
        for index in built:
            if index not in best and index not in rows:
                rows[index] = _row(tried[index], False, self._unsuitable())
                if built[index] is not baseline:
                    _logger.warning("%s: %s: %s", job.name, tried[index].describe(), self._unsuitable())
        return best

    def _best(self, found: dict[int, _Profile], own: int) -> _Profile | None:
        """The best backend, or PyTorch, which is the one at `own`, if it is not better than that by enough."""
        best = max((p for i, p in found.items() if i != own), key=self._value, default=None)
        pytorch = found.get(own)
        if pytorch and (best is None or self._value(best) < self._min_speedup * self._value(pytorch)):
            return pytorch
        return best

    def _measured_row(self, profile: _Profile, best: _Profile, pytorch: _Profile | None) -> dict[str, Any]:
        why = f"it {self._text(profile)}"
        if profile is best:
            why += ", which is best" if profile is not pytorch else ": no other is better by enough"
        elif best is pytorch:
            why = _times_as_fast(self._value(profile) / max(self._value(best), 1e-12), self._min_speedup)
        else:
            why += f", and {best.backend.describe()} {self._text(best)}"
        return _row(
            profile.backend,
            profile is best,
            why,
            selected_batch_size=profile.batch,
            latency_ms=profile.milliseconds,
            throughput=profile.throughput,
        )

    def _unsuitable(self) -> str:
        return "it has no batch size that suits"


def _failing(built: dict[int, BuildResult], tensors: list[torch.Tensor]) -> dict[int, AituneError]:
    """Those that cannot run on these inputs, and why."""
    failing: dict[int, AituneError] = {}
    for index, result in built.items():
        try:
            result.run(tensors)
        except AituneError as error:
            failing[index] = error
    return failing


class MaxThroughputStrategy(_ProfilingStrategy):
    """The backend with the most samples in a second, at the batch size that gives them; PyTorch if it is that."""

    def _is_beyond(self, profile: _Profile, best: _Profile | None) -> bool:
        return best is not None and profile.throughput < 0.8 * best.throughput

    def _value(self, profile: _Profile) -> float:
        return profile.throughput

    def _text(self, profile: _Profile) -> str:
        return f"gives {profile.throughput:.4g} samples in a second"


class MinLatencyStrategy(_ProfilingStrategy):
    """The backend that answers soonest at the smallest batch; PyTorch if it is that."""

    _budget = 0.2

    def _batches(self, record: GraphRecord) -> Iterator[tuple[int, list[torch.Tensor]]]:
        return itertools.islice(batches(record), 1)

    def _is_beyond(self, profile: _Profile, best: _Profile | None) -> bool:
        return False

    def _value(self, profile: _Profile) -> float:
        return 1 / max(profile.milliseconds, 1e-9)

    def _text(self, profile: _Profile) -> str:
        return f"takes {profile.milliseconds:.3g} ms"


class LatencyBudgetStrategy(MaxThroughputStrategy):
    """The most samples in a second among the batch sizes that are answered within `latency_budget_ms`. An error if
    there is none."""

    def __init__(
        self,
        latency_budget_ms: float,
        backends: Sequence[Backend] | None = None,
        min_speedup_threshold_percent: float = _DEFAULT_MIN_SPEEDUP,
    ) -> None:
        if isinstance(latency_budget_ms, bool) or not isinstance(latency_budget_ms, (int, float)) or not latency_budget_ms > 0:
            raise InvalidArgument(
                f"latency_budget_ms is {latency_budget_ms!r}", "LatencyBudgetStrategy", "Give milliseconds above 0"
            )
        super().__init__(backends, min_speedup_threshold_percent)
        self.latency_budget_ms = latency_budget_ms

    def _is_beyond(self, profile: _Profile, best: _Profile | None) -> bool:
        return profile.milliseconds > self.latency_budget_ms

    def _unsuitable(self) -> str:
        return f"no batch size is answered within {self.latency_budget_ms} ms"
