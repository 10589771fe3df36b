"""What a thread is in the middle of."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["ThreadFlag"]


class ThreadFlag(threading.local):
    """False, in each thread by itself, but while that thread is inside of raised()."""

    is_raised = False

    @contextmanager
    def raised(self) -> Iterator[None]:
        """Nests; what was before holds again behind it."""
        before = self.is_raised
        self.is_raised = True
        try:
            yield
        finally:
            self.is_raised = before
