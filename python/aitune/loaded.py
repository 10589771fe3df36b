"""Tuned models on NumPy arrays and DLPack objects, without PyTorch."""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aitune import _runtime
from aitune.errors import InvalidArgument, Unavailable, a_kind

__all__ = ["Module", "TensorInfo", "load", "load_custom_ops", "verify_file"]

_NO_LIMIT = 2**63 - 1


@dataclass(frozen=True)
class TensorInfo:
    """What an input or output looks like.

    Attributes:
        name: as the program calls it.
        dtype: NumPy's and PyTorch's name, such as "float32" or "bfloat16".
        min_shape: smallest size of each dimension.
        max_shape: largest size of each dimension; equal to the smallest where it is fixed, None without a limit.
    """

    name: str
    dtype: str
    min_shape: tuple[int, ...]
    max_shape: tuple[int | None, ...]

    def __str__(self) -> str:
        def size(low: int, high: int | None) -> str:
            return str(low) if low == high else f"{low}..{'' if high is None else high}"

        return f"{self.name}: {self.dtype}[{', '.join(map(size, self.min_shape, self.max_shape))}]"


def _info(raw: _runtime.TensorInfo) -> TensorInfo:
    highest = tuple(None if size == _NO_LIMIT else size for size in raw.max_shape)
    return TensorInfo(raw.name, raw.dtype, tuple(raw.min_shape), highest)


def _numpy_dtype(name: str) -> np.dtype | None:
    """NumPy's dtype of this name; bfloat16 is that of ml_dtypes, None where that is missing."""
    if name != "bfloat16":
        return np.dtype(name)
    try:
        import ml_dtypes
    except ImportError:
        return None
    return np.dtype(ml_dtypes.bfloat16)


class Module:
    """A loaded ``.ait``. Any number of threads may call it at once; they run at the same time.

    What a model keeps in buffers between calls comes in and goes out: an input of that name, which may be left out of the
    first call, and an output of that name, to be given to the next. The module itself keeps nothing.

    Inputs are read where they lie: NumPy arrays, and objects with DLPack or the buffer protocol in host memory, with
    any strides. Results are fresh NumPy arrays.
    """

    def __init__(self, loaded: _runtime.LoadedModule, path: str) -> None:
        self._loaded = loaded
        self._path = path
        self._inputs = tuple(_info(raw) for raw in loaded.inputs)
        self._outputs = tuple(_info(raw) for raw in loaded.outputs)
        self._input_dtypes = tuple(_numpy_dtype(info.dtype) for info in self._inputs)
        self._output_dtypes = tuple(_numpy_dtype(info.dtype) for info in self._outputs)
        self._first_values = {
            self._inputs[state.input].name: self._first_value(state)
            for state in loaded.states
            if state.first_value is not None
        }

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """The inputs, in call order."""
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """The outputs, in the order in which they come."""
        return self._outputs

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the model on inputs in call order, by name, or both.

        Returns the output, or a tuple of all of them where there are several.

        Raises:
            InvalidArgument: an input is missing, unknown, or of another dtype or shape than the model takes.
        """
        results = self._run(self._ordered(args, kwargs))
        return results[0] if len(results) == 1 else tuple(results)

    def run(self, inputs: Mapping[str, Any] | Sequence[Any]) -> dict[str, np.ndarray]:
        """Runs the model on inputs by name or in call order; returns all outputs by name."""
        ordered = self._ordered((), inputs) if isinstance(inputs, Mapping) else self._ordered(tuple(inputs), {})
        return dict(zip((info.name for info in self._outputs), self._run(ordered), strict=True))

    def __repr__(self) -> str:
        inputs = ", ".join(map(str, self._inputs))
        outputs = ", ".join(map(str, self._outputs))
        return f"<aitune.Module {self._path!r}: ({inputs}) -> ({outputs})>"

    def _ordered(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Any]:
        names = [info.name for info in self._inputs]
        if len(args) > len(names):
            raise InvalidArgument(
                f"{len(args)} inputs came, the model has {len(names)}", self._path, self._what_it_takes()
            )
        by_name = dict(zip(names, args, strict=False))
        for name, value in kwargs.items():
            if name not in names:
                raise InvalidArgument(f"the model has no input '{name}'", self._path, self._what_it_takes())
            if name in by_name:
                raise InvalidArgument(f"input '{name}' is given twice", self._path)
            by_name[name] = value
        for name, value in self._first_values.items():
            by_name.setdefault(name, value)
        missing = [name for name in names if name not in by_name]
        if missing:
            raise InvalidArgument(f"input '{missing[0]}' is missing", self._path, self._what_it_takes())
        return [by_name[name] for name in names]

    def _first_value(self, state: _runtime.StateInfo) -> Any:
        """What a buffer that the model writes to holds before the first call."""
        info = self._inputs[state.input]
        dtype = np.dtype(np.uint16 if info.dtype == "bfloat16" else info.dtype)
        array = np.frombuffer(state.first_value or b"", dtype).reshape(info.min_shape)
        return (array, _runtime.BFLOAT16) if info.dtype == "bfloat16" else array

    def _what_it_takes(self) -> str:
        return "Its inputs are: " + (", ".join(map(str, self._inputs)) or "none")

    def _array(self, value: Any, index: int) -> Any:
        """A value as the runtime takes it: arrays as they are, Python's numbers and lists as arrays."""
        if isinstance(value, np.ndarray):
            if value.dtype.name == "bfloat16":  # DLPack and the buffer protocol of NumPy do not know it
                return (value.view(np.uint16), _runtime.BFLOAT16)
            if not value.dtype.isnative:
                return value.astype(value.dtype.newbyteorder("="))
            if any(stride % value.itemsize for stride in value.strides):
                return np.ascontiguousarray(value)
            return value
        if isinstance(value, (bool, int, float, complex, list, tuple, np.generic)):
            info = self._inputs[index]
            dtype = self._input_dtypes[index]
            if dtype is None:
                raise self._no_bfloat16(f"input '{info.name}'")
            try:
                return self._array(np.asarray(value, dtype=dtype), index)
            except (TypeError, ValueError) as error:
                raise InvalidArgument(
                    f"input '{info.name}' is no array of {info.dtype}: {error}", self._path
                ) from error
        return value

    def _run(self, inputs: list[Any]) -> list[np.ndarray]:
        for info, dtype in zip(self._outputs, self._output_dtypes, strict=True):
            if dtype is None:
                raise self._no_bfloat16(f"output '{info.name}'")

        def allocate(index: int, shape: tuple[int, ...]) -> Any:
            if self._outputs[index].dtype == "bfloat16":
                return (np.empty(shape, np.uint16), _runtime.BFLOAT16)
            return np.empty(shape, self._output_dtypes[index])

        arrays = [self._array(value, index) for index, value in enumerate(inputs)]
        memory, shapes = self._loaded.run(arrays, allocate)
        return [self._result(m, s, d) for m, s, d in zip(memory, shapes, self._output_dtypes, strict=True)]

    @staticmethod
    def _result(memory: Any, shape: tuple[int, ...], dtype: np.dtype | None) -> np.ndarray:
        array = memory[0].view(dtype) if isinstance(memory, tuple) else memory
        if array.shape == shape:
            return array
        # Data decided a smaller size than there was memory for: what is there stands at the beginning.
        return array.reshape(-1)[: int(np.prod(shape, dtype=np.int64))].reshape(shape).copy()

    def _no_bfloat16(self, what: str) -> Unavailable:
        return Unavailable(
            f"{what} is bfloat16, which NumPy does not have", self._path, "Install ml_dtypes: pip install ml_dtypes"
        )


def load(
    path: str | os.PathLike[str] | bytes | bytearray | memoryview,
    *,
    num_threads: int = 0,
    verify_checksums: bool = True,
    module: str = "",
    precision: str = "",
    weight_budget: int = 0,
) -> Module:
    """Opens an ``.ait`` and picks the plan that fits this machine.

    Args:
        path: the file, which must not be written to as long as the module lives; or its bytes.
        num_threads: threads of a run, 0 for as many as it was tuned for.
        verify_checksums: False trusts the file system; the plan is verified all the same.
        module: which module of the file, by name or number ("0"); the first if empty.
        precision: "fp32" or "bf16"; what tuning preferred if empty.
        weight_budget: bytes of the weights that may be in memory at a time; the others stay in the file and are read when
            they are wanted. 0: no limit, or, for a file tuned with enable_weight_streaming, what two steps in a row need.

    Raises:
        InvalidArgument: an option has a wrong type or is out of range.
        NotFound, IoError, Corrupt, Unsupported, Unavailable, Incompatible: as the message says.
    """
    num_threads = _count("num_threads", num_threads, "0 for as many as the model was tuned for, or the number of threads")
    weight_budget = _count("weight_budget", weight_budget, "bytes as an integer, such as 4 << 20, or 0 for no limit")
    for name, text, takes in (("module", module, "encoder"), ("precision", precision, "bf16")):
        if not isinstance(text, str):
            raise InvalidArgument(f"{name} is {text!r}", "load", f"Give text, such as '{takes}'")
    options = (num_threads, bool(verify_checksums), module, precision, weight_budget)
    if not isinstance(path, (str, bytes, bytearray, memoryview, os.PathLike)):
        raise InvalidArgument(f"the file is {a_kind(path)}", "load", "Give the path of an .ait, or its bytes")
    if isinstance(path, (bytes, bytearray, memoryview)):
        return Module(_runtime.LoadedModule.from_memory(np.frombuffer(path, np.uint8), *options), "memory")
    file = os.fspath(path)
    return Module(_runtime.LoadedModule(os.fsencode(file), *options), file)


def _count(name: str, value: object, takes: str) -> int:
    try:
        count = -1 if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        count = -1
    if not 0 <= count <= _NO_LIMIT:
        raise InvalidArgument(f"{name} is {value!r}", "load", f"Give {takes}")
    return count


def load_custom_ops(path: str | os.PathLike[str]) -> None:
    """Loads a library of custom operators into the process, for models that are loaded or tuned afterwards."""
    _runtime.load_custom_ops(os.fsencode(path))
    name = os.fspath(path)
    if name not in custom_ops:
        custom_ops.append(name)


custom_ops: list[str] = []
"""Libraries that were loaded, which tuning needs, too."""


def verify_file(path: str | os.PathLike[str]) -> None:
    """Compares everything in the file with the checksums in it, and raises Corrupt naming all that differs."""
    _runtime.verify_file(os.fsencode(path))
