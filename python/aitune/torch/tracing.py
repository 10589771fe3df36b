"""What torch.jit.trace freezes in silence: the values of a model's code that depend on data."""

from __future__ import annotations

import contextlib
import linecache
import warnings
from collections.abc import Iterator
from pathlib import Path

from torch.jit._trace import TracerWarning

__all__ = ["TRACING_ADVICE", "tracing_noted", "why_traced"]

TRACING_ADVICE = (
    "The model was traced, so that conditions and numbers in its code are what they were on one sample: that is the likely "
    "cause. Use ir='dynamo', or write the lines that the warnings name in operations on tensors"
)


def why_traced(script_error: Exception | None) -> str:
    """A warning: why torch.jit.trace is used, with what that means."""
    lines = str(script_error or "").strip().splitlines()
    why = "the call cannot be told to torch.jit.script"
    if script_error is not None:
        why = f"torch.jit.script fails: {type(script_error).__name__}: {lines[0] if lines else ''}".rstrip(": .")
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
