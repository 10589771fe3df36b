"""What tuning shows while it runs: one line that is rewritten, in a terminal or in a notebook's cell."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["improved_plan", "improving", "others_silent", "showing", "tell"]

_logger = logging.getLogger("aitune")
_MOST_OFTEN = 0.1  # seconds between two lines
_NOTEBOOK_WIDTH = 100


class _Line:
    """A line with what is being done now, and for how long tuning has been running."""

    def __init__(self, write: Callable[[str], None], width: Callable[[], int]) -> None:
        self._write = write
        self._width = width
        self._start = time.monotonic()
        self._last = -1.0
        self._stage = ""
        self._shown = ""

    def show(self, name: str, kind: str, text: str, done: int, total: int, state: str = "") -> None:
        """`state`: block, best plan so far and time left, as far as they are known."""
        if kind == "stage":
            self._stage, text = text, ""
        now = time.monotonic()
        if kind != "stage" and now - self._last < _MOST_OFTEN:
            return
        self._last = now
        count = f" ({done} of {total})" if total > 0 else ""
        line = f"[{now - self._start:6.1f} s] {name}: {self._stage}{state}{count} {text}"
        self._shown = line[: max(self._width(), 1)]
        self._write(self._shown)

    def clear(self) -> None:
        """Before something else is written."""
        if self._shown:
            self._shown = ""
            self._write("")


_line: contextvars.ContextVar[_Line | None] = contextvars.ContextVar("aitune_progress", default=None)


def _notebook() -> Callable[[str], None] | None:
    """Writes into the output of the cell that runs now. None outside of notebooks."""
    shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or getattr(shell, "kernel", None) is None:
        return None
    from IPython import display

    show: Any = display.display
    handle: list[Any] = []

    def write(text: str) -> None:
        if handle:
            handle[0].update({"text/plain": text}, raw=True)
        else:
            handle.append(show({"text/plain": text}, raw=True, display_id=True))

    return write


def _terminal() -> Callable[[str], None] | None:
    if not sys.stderr.isatty():
        return None

    def write(text: str) -> None:
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()

    return write


def _terminal_width() -> int:
    """As it is now: a terminal that is full to the last column may begin another line."""
    return shutil.get_terminal_size().columns - 1


def _line_for_output() -> _Line | None:
    """None if there is neither a terminal nor a notebook."""
    if write := _notebook():
        return _Line(write, lambda: _NOTEBOOK_WIDTH)
    write = _terminal()
    return _Line(write, _terminal_width) if write else None


@contextlib.contextmanager
def showing() -> Iterator[None]:
    """Shows what tell() is told of meanwhile, if there is a terminal or a notebook to show it in, and the logger "aitune"
    does not say it anyway."""
    line = None if _logger.isEnabledFor(logging.INFO) else _line_for_output()
    token = _line.set(line)
    try:
        yield
    finally:
        _line.reset(token)
        if line is not None:
            line.clear()


_improved: contextvars.ContextVar[Callable[[str, Path], None] | None] = contextvars.ContextVar("aitune_improved", default=None)


@contextlib.contextmanager
def improving(improved: Callable[[str, Path], None] | None) -> Iterator[None]:
    """Lets better plans be told of meanwhile."""
    token = _improved.set(improved)
    try:
        yield
    finally:
        _improved.reset(token)


def improved_plan(name: str, path: Path) -> Callable[[], None] | None:
    """What the compiler calls when it has written a better plan for `name` to `path`; None if nobody asks."""
    improved = _improved.get()
    return None if improved is None else lambda: improved(name, path)


def tell(name: str) -> Callable[[str, str, int, int, str], None]:
    """Passes what the compiler reports about `name` on to the logger "aitune", and to the line if one is shown."""
    line = _line.get()

    def report(kind: str, text: str, done: int, total: int, state: str = "") -> None:
        if kind == "warning":
            if line is not None:
                line.clear()
            _logger.warning("%s: %s", name, text)
            return
        if kind == "stage":
            _logger.info("%s: %s", name, text)
        else:
            _logger.debug("%s: %s (%d of %d)", name, text, done, total)
        if line is not None:
            line.show(name, kind, text, done, total, state)

    return report


@contextlib.contextmanager
def others_silent() -> Iterator[None]:
    """Other loggers than aitune's say nothing meanwhile."""
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] != "aitune"]
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled
