"""Trying what a backend has made: is it right, and how fast is it?"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from aitune.errors import InvalidArgument, ValidationError
from aitune.torch.backend import BuildResult
from aitune.torch.recording import GraphRecord, Sample
from aitune.torch.state import tensors_kept
from aitune.torch.structure import Structure, tensors_at

__all__ = ["batches", "check_result", "median_milliseconds"]

# Plans are compared with the reference engine by much closer bounds when they are tuned; this compares the whole with
# PyTorch, whatever precisions the user has allowed.
_MAX_ERROR = 5e-2
# Seconds: OpenMP's threads wait for a few milliseconds before they sleep.
_REST = 0.003
_TURN = 0.01
_ADVICE = (
    "What the module keeps between calls in Python, or draws at random, must be an argument; choices among values that "
    "are nearly equal pass with enable_correctness_check(False). Anything else is a bug of aitune: please report it"
)


def median_milliseconds(
    results: Sequence[BuildResult], tensors: list[torch.Tensor], budget: float = 0.2
) -> list[float]:
    """The median time of a run of each. They take turns, so that what else the machine does hits all alike, for as
    many rounds as fit in `budget` seconds for each, at least three."""
    tensors = [tensor.clone() for tensor in tensors]  # which the module may write to
    for result in results:
        result.run(tensors)
    times: list[list[float]] = [[] for _ in results]
    until = time.perf_counter() + budget * len(results)
    rounds = 0
    while rounds < 3 or (time.perf_counter() < until and rounds < 200):
        rounds += 1
        for result, row in zip(results, times, strict=True):
            row += _turn(result, tensors, min(row, default=0.0))
    return [statistics.median(row) * 1e3 for row in times]


def _turn(result: BuildResult, tensors: list[torch.Tensor], shortest: float) -> list[float]:
    """The times of some runs in a row, but for the first, if they are short: threads of whoever ran before still wait
    for work, and take the processors; one's own must be woken, which takes tens of milliseconds on a busy machine. So a
    first run alone counts only where it is not much longer than the `shortest` of earlier turns."""
    time.sleep(_REST)
    times: list[float] = []
    begin = time.perf_counter()
    while len(times) < 2 or time.perf_counter() - begin < _TURN:
        start = time.perf_counter()
        result.run(tensors)
        times.append(time.perf_counter() - start)
        if _TURN < times[0] < 1.5 * shortest:
            return times
    return times[1:]


def check_result(result: BuildResult, baseline: BuildResult, record: GraphRecord, where: str) -> float:
    """Compares with PyTorch on every sample. Returns the largest relative error; raises ValidationError beyond 5e-2,
    for another shape or dtype, for NaN or Inf where PyTorch has none, and for other integers or truth values."""
    worst = 0.0
    output = record.output
    # Once more the first, which a module answers in another way if it keeps state.
    for index, sample in [*enumerate(record.samples), (0, record.samples[0])]:
        state = [] if result.engine is None else result.engine.buffers()
        with tensors_kept(state):
            expected = _expected(baseline, sample, output, f"{where}, sample {index}")
        with tensors_kept(state):
            got = tensors_at(output, result.run([tensor.clone() for tensor in sample.tensors]))
        for path, number, a, b in zip(output.paths(), output.numbers(), got, expected, strict=True):
            problem = _difference(a, b)
            # torch.jit.trace divides sizes in float32.
            if number and not torch.allclose(a, b, rtol=1e-6 if a.is_floating_point() else 0, atol=0):
                problem = f"is {a.item()} and not {b.item()}"
            if isinstance(problem, str):
                raise ValidationError(f"output '{path}' {problem} on sample {index}", where, _ADVICE)
            worst = max(worst, problem)
    return worst


def _expected(baseline: BuildResult, sample: Sample, output: Structure, where: str) -> list[torch.Tensor]:
    """PyTorch's results."""
    try:
        return tensors_at(output, baseline.run([t.clone() for t in sample.tensors]))
    except Exception as error:
        raise InvalidArgument(
            f"the model fails when it is called with it again: {type(error).__name__}: {error}",
            where,
            "Let it answer equal calls in the same way",
        ) from error


def _difference(got: torch.Tensor, expected: torch.Tensor) -> float | str:
    if got.shape != expected.shape or got.dtype != expected.dtype:
        return f"is {got.dtype}{list(got.shape)} and not {expected.dtype}{list(expected.shape)}"
    if expected.numel() == 0:
        return 0.0
    if not (expected.is_floating_point() or expected.is_complex()):
        differ = int((got != expected).sum())
        return f"has other integers than PyTorch's in {differ} of {expected.numel()} elements" if differ else 0.0
    finite = expected.isfinite()
    if not got[finite].isfinite().all() or (got.isnan() & ~expected.isnan()).any():
        return "has NaN or Inf where PyTorch has none"
    wide = torch.complex128 if expected.is_complex() else torch.float64
    a, b = got[finite].to(wide), expected[finite].to(wide)
    error = float((a - b).norm() / b.norm().clamp_min(1e-30)) if a.numel() else 0.0
    if error > _MAX_ERROR and float((a - b).abs().max()) > 1e-5:
        return f"differs from PyTorch's by a relative error of {error:.1e}"
    return error


def batches(record: GraphRecord) -> Iterator[tuple[int, list[torch.Tensor]]]:
    """Batch sizes to try, with inputs of that size: the powers of two in the range of the batch dimension and its
    bounds; or the samples as they are, where none moves."""
    table = record.shapes
    moving = [(t, a) for t, axes in enumerate(table.axes) for a, axis in enumerate(axes) if axis.moves]
    if not moving:
        for sample in record.samples[:1]:
            yield _batch_of(sample.tensors), sample.tensors
        return
    batch = next((place for place in moving if place[1] == 0), moving[0])
    group = table.group(*batch)
    places = [place for place in moving if table.group(*place) == group]
    axis = table.axes[batch[0]][batch[1]]
    low, high = max(axis.low, 1), axis.high
    sizes = sorted({low, high, *(2**n for n in range(21) if low <= 2**n <= high)})
    for size in sizes:
        tensors = list(record.samples[0].tensors)
        for t, a in places:
            index = torch.arange(size) % max(tensors[t].shape[a], 1)
            tensors[t] = tensors[t].index_select(a, index).contiguous()
        yield size, tensors


def _batch_of(tensors: list[torch.Tensor]) -> int:
    sized: Any = next((t for t in tensors if t.dim() > 0), None)
    return 1 if sized is None else max(int(sized.shape[0]), 1)
