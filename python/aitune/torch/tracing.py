"""What torch.jit.trace freezes in silence: the values of a model's code that depend on data."""

from __future__ import annotations

import contextlib
import linecache
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch.jit._trace import TracerWarning

__all__ = ["TRACING_ADVICE", "script_problem", "tracing_noted", "why_traced"]

TRACING_ADVICE = (
    "The model was traced, so that conditions and numbers in its code are what they were on one sample: that is the likely "
    "cause. Use ir='dynamo', or write the lines that the warnings name in operations on tensors"
)


# Why scripts of these classes failed. PyTorch keeps what it has compiled of a class that failed, and complains of nothing
# but that the next time.
_failures: dict[str, str] = {}


def script_problem(module: torch.nn.Module, error: Exception) -> str:
    """What torch.jit.script said of the module: the first time, if it failed before."""
    again = re.search(r"Can't redefine method: \w+ on class: (\S+)", str(error))
    if again:
        failed = re.sub(r"___torch_mangle_\d+\.", "", again.group(1))
        unknown = "it failed before in this process, and PyTorch does not say why again: a new process would tell"
        return _failures.get(failed, unknown)
    lines = str(error).strip().splitlines()
    problem = f"{type(error).__name__}: {lines[0] if lines else ''}".rstrip(": .")
    for part in module.modules():
        with contextlib.suppress(Exception):  # some classes have no name that PyTorch takes
            _failures[torch._jit_internal._qualified_name(type(part))] = problem
    return problem


def why_traced(problem: str | None) -> str:
    """A warning: why torch.jit.trace is used, with what that means. `problem` is torch.jit.script's, if it was tried."""
    why = "the call cannot be told to torch.jit.script" if problem is None else f"torch.jit.script fails: {problem}"
    return (
        f"traced, since {why}. What the model's code makes of data or sizes in Python, such as the way that an `if` takes, is "
        "fixed to what it was on one sample"
    )


@contextlib.contextmanager
def tracing_noted(lines: list[str]) -> Iterator[None]:
    """Adds a line for each thing that PyTorch warns of while it traces, with its place in the user's code."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TracerWarning)
        TracerWarning.ignore_lib_warnings()
        yield
    own = Path(__file__).parent
    for warning in caught:
        if not issubclass(warning.category, TracerWarning) or Path(warning.filename).is_relative_to(own):
            continue
        source = linecache.getline(warning.filename, warning.lineno).strip().rstrip(":")
        place = f"{warning.filename}:{warning.lineno}" + (f": {source}" if source else "")
        line = f"torch.jit.trace at {place}: {str(warning.message).partition('. ')[0]}"
        if line not in lines:
            lines.append(line)
