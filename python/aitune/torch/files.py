"""Files that take the place of others once they are complete."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from aitune.errors import IoError

__all__ = ["check_writable", "replacing"]


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of `target` once it is complete."""
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise _not_written(error, target) from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
    except OSError as error:
        raise _not_written(error, target) from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


class _NotNow(Exception):
    """Ends writing before anything is there."""


def check_writable(target: Path) -> None:
    """Raises IoError if a file cannot be written there, before the work on what it is to hold begins."""
    with contextlib.suppress(_NotNow), replacing(target):
        raise _NotNow


def _not_written(error: OSError, target: Path) -> IoError:
    why = error.strerror or str(error)
    return IoError(f"cannot write the file: {why}", str(target), "Check the path: its folder must exist")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
