"""One tuning at a time: exporters of PyTorch put other functions in the place of its own while they run."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Iterator

__all__ = ["own_turn"]

_logger = logging.getLogger("aitune")
_lock = threading.RLock()


@contextlib.contextmanager
def own_turn() -> Iterator[None]:
    """Waits until no other thread tunes or exports; the one that does may do it inside of itself. Ctrl-C ends waiting."""
    lock = _lock
    if not lock.acquire(blocking=False):
        _logger.info("waiting for the tuning that runs in another thread")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _renew() -> None:
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_renew)  # the thread that has it is not in the child
