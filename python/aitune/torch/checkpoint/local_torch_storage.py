"""LocalTorchStorage: a folder of .ait files."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Literal

from aitune.errors import InvalidArgument, IoError, a_kind

__all__ = ["LocalTorchStorage", "place_in"]

_logger = logging.getLogger("aitune")
_SUFFIX = ".ait"
_WHERE = "LocalTorchStorage"


class LocalTorchStorage:
    """A folder that save() and load() find their files in.

    A tuned module is one file here, with checksums inside, which AITune's archive beside a folder is not. So two arguments
    change nothing, and are taken with a line that says so if they are not what they are by default.

    Args:
        base_folder: the folder; save() makes it.
        compress_checkpoint: ignored: the file is mapped as it is, never packed.
        overwrite_checkpoint_on_tune: save() replaces a file of the same name. Otherwise it is an error.
        remove_checkpoint_after_tune: there is nothing to remove: the file is all there is.
        sha_type: ignored: checksums are SHA-256.

    Raises:
        InvalidArgument: an argument has a wrong type or value.
    """

    def __init__(
        self,
        base_folder: str | os.PathLike[str] = "checkpoints",
        compress_checkpoint: bool = True,
        overwrite_checkpoint_on_tune: bool = True,
        remove_checkpoint_after_tune: bool = False,
        sha_type: Literal["256", "512"] = "256",
    ) -> None:
        if not isinstance(base_folder, (str, os.PathLike)):
            raise InvalidArgument(f"base_folder is {a_kind(base_folder)}", _WHERE, "Give a path")
        for name, value in (
            ("compress_checkpoint", compress_checkpoint),
            ("overwrite_checkpoint_on_tune", overwrite_checkpoint_on_tune),
            ("remove_checkpoint_after_tune", remove_checkpoint_after_tune),
        ):
            if not isinstance(value, bool):
                raise InvalidArgument(f"{name} is {value!r}", _WHERE, "Give True or False")
        if sha_type not in ("256", "512"):
            raise InvalidArgument(f"sha_type is {sha_type!r}", _WHERE, "Give '256'")
        if not compress_checkpoint:
            _logger.warning("compress_checkpoint is ignored: a tuned module is one file, which is not packed anyway")
        if sha_type != "256":
            _logger.warning("sha_type is ignored: checksums in the file are SHA-256")
        self.base_folder = Path(base_folder)
        self.overwrite = overwrite_checkpoint_on_tune

    def file(self, path: str | os.PathLike[str]) -> Path:
        """The file of this name: "model" and "model.ait" are the same one."""
        found = self.base_folder / path
        return found if found.suffix == _SUFFIX else found.with_name(found.name + _SUFFIX)

    def file_to_write(self, path: str | os.PathLike[str]) -> Path:
        """The same, where it may be written. Raises InvalidArgument if it is there and must stay, and IoError if there
        can be no such folder."""
        found = self.file(path)
        if not self.overwrite and found.exists():
            raise InvalidArgument(
                "there is such a file already", str(found), "Give another name, or overwrite_checkpoint_on_tune=True"
            )
        try:
            found.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise IoError(str(error), str(found.parent)) from error
        return found


def place_in(storage: LocalTorchStorage | None, path: str | os.PathLike[str], write: bool, where: str) -> Path:
    """The file that save() or load() means. Raises InvalidArgument for another storage."""
    if storage is None:
        return Path(path)
    if not isinstance(storage, LocalTorchStorage):
        raise InvalidArgument(
            f"storage is {a_kind(storage)}",
            where,
            "Give an aitune.torch.LocalTorchStorage, or none: a tuned module is one file, which is for you to copy",
        )
    return storage.file_to_write(path) if write else storage.file(path)
