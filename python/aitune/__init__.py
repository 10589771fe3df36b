"""aitune: PyTorch models compiled ahead of time.

``aitune.load("model.ait")`` opens a tuned model and runs it on NumPy arrays, or on whatever else speaks DLPack. It needs
no PyTorch. ``aitune.torch`` tunes modules of PyTorch and runs them on its tensors.
"""

from __future__ import annotations

from aitune.custom import Size, TensorType, custom_op
from aitune.errors import (
    AituneError,
    Corrupt,
    Incompatible,
    InternalError,
    InvalidArgument,
    IoError,
    NotFound,
    Unavailable,
    Unsupported,
    ValidationError,
)
from aitune.loaded import Module, TensorInfo, load, load_custom_ops, verify_file
from aitune._runtime import version as _version

__version__: str = _version()

__all__ = [
    "AituneError",
    "Corrupt",
    "Incompatible",
    "InternalError",
    "InvalidArgument",
    "IoError",
    "Module",
    "NotFound",
    "Size",
    "TensorInfo",
    "TensorType",
    "Unavailable",
    "Unsupported",
    "ValidationError",
    "custom_op",
    "load",
    "load_custom_ops",
    "verify_file",
]
