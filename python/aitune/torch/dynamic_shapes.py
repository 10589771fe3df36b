"""Sizes that move: those that the user declares, and those that samples show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aitune.errors import InvalidArgument, a_kind

__all__ = ["Axis", "BatchDim", "DynamicDim", "DynamicShapes", "ShapeTable", "check_dynamic_shapes"]


@dataclass(frozen=True)
class DynamicDim:
    """A size from ``min`` to ``max``, both included; ``opt`` is what to be fastest at, ``max`` if left out. Dimensions
    of one name have the same size in every call."""

    name: str
    min: int
    max: int
    opt: int | None = None

    def __post_init__(self) -> None:
        opt = self.max if self.opt is None else self.opt
        if not 0 <= self.min <= opt <= self.max:
            raise InvalidArgument(
                f"min {self.min}, opt {opt} and max {self.max} are not in order", f"dimension '{self.name}'"
            )


class BatchDim(DynamicDim):
    """The dimension that counts the samples of a batch."""


DynamicShapes = Mapping["str | tuple[str | int, ...]", "tuple[int | DynamicDim, ...]"]
"""The whole shape of an input by its path: "x", "options.mask", or ("options", "mask")."""


def check_dynamic_shapes(shapes: object, where: str) -> None:
    """Raises InvalidArgument for what is no DynamicShapes."""
    if shapes is None:
        return
    example = "Give whole shapes by the path of a tensor: {'x': (BatchDim('batch', 1, 8), 3, 224, 224)}"
    if not isinstance(shapes, Mapping):
        raise InvalidArgument(f"dynamic_shapes is {a_kind(shapes)}", where, example)
    for path, shape in shapes.items():
        if not isinstance(path, (str, tuple)):
            raise InvalidArgument(f"a key of dynamic_shapes is {a_kind(path)}", where, example)
        if not isinstance(shape, (list, tuple)):
            raise InvalidArgument(f"dynamic_shapes gives '{_path_text(path)}' {a_kind(shape)}", where, example)
        for dim in shape:
            if isinstance(dim, bool) or not isinstance(dim, (int, DynamicDim)):
                problem = f"a dimension that dynamic_shapes gives '{_path_text(path)}' is {a_kind(dim)}"
                raise InvalidArgument(problem, where, "Give an int where the size stays, a DynamicDim or BatchDim where it moves")


@dataclass
class Axis:
    """One dimension of an input over all samples."""

    low: int
    high: int
    opt: int | None = None
    name: str = ""  # the user's
    declared: bool = False

    @property
    def moves(self) -> bool:
        return self.low != self.high


class ShapeTable:
    """What the samples of a graph show of its inputs' sizes, with what the user declares."""

    def __init__(self, paths: Sequence[str], dynamic_shapes: DynamicShapes | None, where: str) -> None:
        self._where = where
        self.paths = list(paths)
        self.axes: list[list[Axis]] = []
        self._seen: list[tuple[tuple[int, ...], ...]] = []  # shapes of all inputs, each set once
        self._declared = {_path_text(path): shape for path, shape in (dynamic_shapes or {}).items()}

    def add(self, shapes: Sequence[tuple[int, ...]]) -> bool:
        """Notes the shapes of one call. Returns whether they were new. Raises InvalidArgument if they do not fit what
        was declared."""
        key = tuple(tuple(shape) for shape in shapes)
        if key in self._seen:
            return False
        self._check_declared(key)
        self._seen.append(key)
        if not self.axes:
            self.axes = [[Axis(size, size) for size in shape] for shape in key]
            self._declare()
        for axes, shape in zip(self.axes, key, strict=True):
            for axis, size in zip(axes, shape, strict=True):
                axis.low, axis.high = min(axis.low, size), max(axis.high, size)
        return True

    def index(self, shapes: Sequence[tuple[int, ...]]) -> int:
        """Which of the sets of shapes these are."""
        return self._seen.index(tuple(tuple(shape) for shape in shapes))

    @property
    def moving(self) -> bool:
        return any(axis.moves for axes in self.axes for axis in axes)

    def example(self, candidates: Sequence[int]) -> int:
        """Which of these sets of shapes to export with: sizes of 0 and 1 are special to torch.export, so the one with
        the largest smallest moving size."""

        def smallest(index: int) -> int:
            sizes = [
                size
                for axes, shape in zip(self.axes, self._seen[index], strict=True)
                for axis, size in zip(axes, shape, strict=True)
                if axis.moves
            ]
            return min(sizes, default=0)

        return max(candidates, key=smallest)

    def group(self, tensor: int, axis: int) -> str:
        """A name for all dimensions that have had the same size in every call."""
        one = self.axes[tensor][axis]
        if one.name:
            return one.name
        column = tuple(shapes[tensor][axis] for shapes in self._seen)
        for t, axes in enumerate(self.axes):
            for a, other in enumerate(axes):
                if other.moves and not other.name and tuple(s[t][a] for s in self._seen) == column:
                    return f"d{t}_{a}"
        return f"d{tensor}_{axis}"

    def ranges(self) -> dict[str, dict[str, list[int | None]]]:
        """For the compiler, by position: what the user declared, and the ranges of all that moves. None: as the program
        or the samples say."""
        table: dict[str, dict[str, list[int | None]]] = {}
        for index, axes in enumerate(self.axes):
            if not any(axis.moves for axis in axes):
                continue
            row: dict[str, list[int | None]] = {
                "min_shape": [axis.low if axis.moves else None for axis in axes],
                "max_shape": [axis.high if axis.moves else None for axis in axes],
            }
            if any(axis.opt is not None for axis in axes):
                row["opt_shape"] = [_opt(axis) for axis in axes]
            table[str(index)] = row
        return table

    def describe(self, tensor: int) -> str:
        """ "[1..8, 3, 224]" """

        def size(axis: Axis) -> str:
            return f"{axis.low}..{axis.high}" if axis.moves else str(axis.low)

        return f"[{', '.join(map(size, self.axes[tensor]))}]"

    def _declare(self) -> None:
        for path, shape in self._declared.items():
            for axis, declared in zip(self.axes[self.paths.index(path)], shape, strict=True):
                if isinstance(declared, DynamicDim):
                    axis.low, axis.high, axis.name, axis.declared = declared.min, declared.max, declared.name, True
                    axis.opt = declared.max if declared.opt is None else declared.opt

    def _check_declared(self, shapes: tuple[tuple[int, ...], ...]) -> None:
        for path, declared in self._declared.items():
            if path not in self.paths:
                raise InvalidArgument(
                    f"dynamic_shapes names '{path}', which no recorded call has",
                    self._where,
                    f"The tensors of this call are: {', '.join(self.paths)}",
                )
            shape = shapes[self.paths.index(path)]
            if len(shape) != len(declared):
                raise InvalidArgument(
                    f"dynamic_shapes gives '{path}' {len(declared)} dimensions, the sample has {list(shape)}", self._where
                )
            for axis, (size, dim) in enumerate(zip(shape, declared, strict=True)):
                low, high = (dim.min, dim.max) if isinstance(dim, DynamicDim) else (dim, dim)
                if not low <= size <= high:
                    allowed = f"{low} to {high}" if low != high else str(low)
                    raise InvalidArgument(
                        f"dimension {axis} of '{path}' is {size} in a sample, dynamic_shapes allows {allowed}",
                        self._where,
                    )


def _opt(axis: Axis) -> int | None:
    if not axis.moves:
        return None
    return axis.high if axis.opt is None else axis.opt


def _path_text(path: str | tuple[str | int, ...]) -> str:
    if isinstance(path, str):
        return path
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) and text else f".{part}" if text else str(part)
    return text
