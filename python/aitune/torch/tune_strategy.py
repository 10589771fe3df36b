"""Strategies: which backends are tried, and which one stays. The names are those of NVIDIA AITune."""

from __future__ import annotations

import copy
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from aitune.errors import AituneError, InvalidArgument, ValidationError
from aitune.torch.backend import Backend, BuildResult, TorchEagerBackend, TorchTensorRTAotBackend
from aitune.torch.measuring import batches, check_result, median_milliseconds
from aitune.torch.recording import GraphRecord

__all__ = [
    "FirstWinsStrategy",
    "LatencyBudgetStrategy",
    "MaxThroughputStrategy",
    "MinLatencyStrategy",
    "OneBackendStrategy",
    "TuneStrategy",
]

_logger = logging.getLogger("aitune")


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

    def __init__(self, backends: Sequence[Backend], min_speedup_threshold_percent: float = 1.0) -> None:
        where = type(self).__name__
        if isinstance(backends, Backend) or not isinstance(backends, Sequence) or not backends:
            raise InvalidArgument(f"{backends!r} is no list of backends", where, "Give at least one")
        for backend in backends:
            if not isinstance(backend, Backend):
                raise InvalidArgument(
                    f"the backend is a {type(backend).__name__}", where, "Give objects, such as TorchTensorRTAotBackend()"
                )
        self._backends = list(backends)
        self._min_speedup = 1 + min_speedup_threshold_percent / 100
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

    def describe(self) -> str:
        """One line: the strategy and its backends."""
        return f"{type(self).__name__}({', '.join(backend.describe() for backend in self._backends)})"

    def clone(self) -> TuneStrategy:
        """A copy of its own."""
        return copy.deepcopy(self)

    @abstractmethod
    def tune(self, job: Job) -> BuildResult:
        """The backend that stays, ready to run. Its report says under "strategy" what was tried and why it stays."""

    def _build(self, backend: Backend, job: Job, baseline: BuildResult) -> BuildResult:
        """Builds and checks. Raises what was wrong."""
        result = job.build(backend)
        if self._check_correctness and not isinstance(backend, TorchEagerBackend):
            result.report["error_to_torch"] = check_result(result, baseline, job.record, f"module '{job.name}'")
        return result


def _baseline(job: Job) -> BuildResult:
    return job.build(TorchEagerBackend())


class OneBackendStrategy(TuneStrategy):
    """Exactly one backend, whose errors are those of tuning. It stays even if PyTorch is faster, unless
    enable_performance_validation() asks for more."""

    def __init__(self, backend: Backend | None = None, min_speedup_threshold_percent: float = 1.0) -> None:
        super().__init__([backend or TorchTensorRTAotBackend()], min_speedup_threshold_percent)
        self._check_performance = False

    def tune(self, job: Job) -> BuildResult:
        baseline = _baseline(job)
        result = self._build(self._backends[0], job, baseline)
        if not self._check_performance:
            return result
        return _first_faster([(self._backends[0], result)], job, baseline, self._min_speedup)


def _first_faster(
    built: Sequence[tuple[Backend, BuildResult]], job: Job, baseline: BuildResult, min_speedup: float
) -> BuildResult:
    """The first that is faster than PyTorch, or PyTorch."""
    tensors = job.record.samples[0].tensors
    baseline.milliseconds = median_milliseconds(baseline, tensors)
    rows = []
    for backend, result in built:
        result.milliseconds = median_milliseconds(result, tensors)
        speedup = baseline.milliseconds / max(result.milliseconds, 1e-9)
        rows.append({"backend": backend.describe(), "latency_ms": result.milliseconds, "speedup": speedup})
        if speedup >= min_speedup:
            result.report["strategy"] = rows
            return result
        _logger.warning("%s: %s is %.2f times as fast as PyTorch", job.name, backend.describe(), speedup)
    baseline.report["strategy"] = rows
    return baseline


class FirstWinsStrategy(TuneStrategy):
    """The first backend that builds, is right and is faster than PyTorch; PyTorch itself if there is none."""

    def __init__(
        self, backends: Sequence[Backend] | None = None, min_speedup_threshold_percent: float = 1.0
    ) -> None:
        super().__init__(backends or [TorchTensorRTAotBackend()], min_speedup_threshold_percent)

    def tune(self, job: Job) -> BuildResult:
        baseline = _baseline(job)
        rows: list[dict[str, Any]] = []
        for backend in self._backends:
            try:
                result = self._build(backend, job, baseline)
            except AituneError as error:
                _logger.warning("%s: %s: %s", job.name, backend.describe(), error)
                rows.append({"backend": backend.describe(), "problem": str(error)})
                continue
            if not self._check_performance:
                result.report["strategy"] = rows
                return result
            chosen = _first_faster([(backend, result)], job, baseline, self._min_speedup)
            rows += chosen.report["strategy"]
            if chosen is result:
                result.report["strategy"] = rows
                return result
        baseline.report["strategy"] = rows
        return baseline


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

    def row(self) -> dict[str, Any]:
        return {
            "backend": self.backend.describe(),
            "selected_batch_size": self.batch,
            "latency_ms": self.milliseconds,
            "throughput": self.throughput,
        }


class _ProfilingStrategy(TuneStrategy):
    """Builds all backends, measures all, and takes the best."""

    def __init__(
        self, backends: Sequence[Backend] | None = None, min_speedup_threshold_percent: float = 1.0
    ) -> None:
        super().__init__(backends or [TorchTensorRTAotBackend()], min_speedup_threshold_percent)

    @abstractmethod
    def _profile(self, backend: Backend, result: BuildResult, job: Job) -> _Profile | None:
        """The backend at the batch size that suits it; None if it suits nobody."""

    @abstractmethod
    def _value(self, profile: _Profile) -> float:
        """What is to be large."""

    def tune(self, job: Job) -> BuildResult:
        baseline = _baseline(job)
        rows: list[dict[str, Any]] = []
        found: list[_Profile] = []
        for backend in self._backends:
            try:
                profile = self._profile(backend, self._build(backend, job, baseline), job)
                if profile is None:
                    raise ValidationError(self._unsuitable(), f"module '{job.name}'")
            except AituneError as error:
                _logger.warning("%s: %s: %s", job.name, backend.describe(), error)
                rows.append({"backend": backend.describe(), "problem": str(error)})
                continue
            found.append(profile)
            rows.append(profile.row())
        best = max(found, key=self._value, default=None)
        if self._check_performance:
            own = self._profile(TorchEagerBackend(), baseline, job)
            if own is not None:
                rows.append(own.row())
                if best is None or self._value(best) < self._min_speedup * self._value(own):
                    best = own
        if best is None:
            problems = "; ".join(f"{row['backend']}: {row.get('problem', '')}" for row in rows)
            raise ValidationError(f"no backend is left: {problems}", f"module '{job.name}'")
        best.result.milliseconds = best.milliseconds
        best.result.report["strategy"] = rows
        best.result.report["selected_batch_size"] = best.batch
        _logger.info("%s: %s stays", job.name, best.backend.describe())
        return best.result

    def _unsuitable(self) -> str:
        return "it has no batch size that suits"


class MaxThroughputStrategy(_ProfilingStrategy):
    """The backend with the most samples in a second, at the batch size that gives them; PyTorch if it is that."""

    def _profile(self, backend: Backend, result: BuildResult, job: Job) -> _Profile | None:
        best: _Profile | None = None
        for batch, tensors in batches(job.record):
            profile = _Profile(backend, result, batch, median_milliseconds(result, tensors, 0.1))
            if best is not None and profile.throughput < 0.8 * best.throughput:
                break  # larger ones are no better
            if best is None or profile.throughput > best.throughput:
                best = profile
        return best

    def _value(self, profile: _Profile) -> float:
        return profile.throughput


class MinLatencyStrategy(_ProfilingStrategy):
    """The backend that answers soonest at the smallest batch; PyTorch if it is that."""

    def _profile(self, backend: Backend, result: BuildResult, job: Job) -> _Profile | None:
        batch, tensors = next(batches(job.record))
        return _Profile(backend, result, batch, median_milliseconds(result, tensors))

    def _value(self, profile: _Profile) -> float:
        return 1 / max(profile.milliseconds, 1e-9)


class LatencyBudgetStrategy(MaxThroughputStrategy):
    """The most samples in a second among the batch sizes that are answered within `latency_budget_ms`. An error if
    there is none."""

    def __init__(
        self,
        latency_budget_ms: float,
        backends: Sequence[Backend] | None = None,
        min_speedup_threshold_percent: float = 1.0,
    ) -> None:
        if isinstance(latency_budget_ms, bool) or not isinstance(latency_budget_ms, (int, float)) or latency_budget_ms <= 0:
            raise InvalidArgument(
                f"latency_budget_ms is {latency_budget_ms!r}", "LatencyBudgetStrategy", "Give milliseconds above 0"
            )
        super().__init__(backends, min_speedup_threshold_percent)
        self.latency_budget_ms = latency_budget_ms

    def _profile(self, backend: Backend, result: BuildResult, job: Job) -> _Profile | None:
        best: _Profile | None = None
        for batch, tensors in batches(job.record):
            profile = _Profile(backend, result, batch, median_milliseconds(result, tensors, 0.1))
            if profile.milliseconds > self.latency_budget_ms:
                break  # larger ones take longer
            if best is None or profile.throughput > best.throughput:
                best = profile
        return best

    def _unsuitable(self) -> str:
        return f"no batch size is answered within {self.latency_budget_ms} ms"
