"""SampleMetadata: what the calls of a graph have in common, as AITune describes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from aitune.errors import InvalidArgument, a_kind
from aitune.torch.dynamic_shapes import ShapeTable
from aitune.torch.structure import Structure, flatten

__all__ = ["GraphSpec", "SampleMetadata", "TensorSpec", "input_metadata"]


@dataclass(frozen=True, eq=False)
class TensorSpec:
    """A tensor of a call. Two are equal if they have as many dimensions.

    Attributes:
        shape: sizes; "dim1", or the name that dynamic_shapes has for it, for a dimension that moves.
        min_shape, max_shape: the range of each.
        dtype: of the elements.
    """

    shape: tuple[int | str, ...]
    min_shape: tuple[int, ...]
    max_shape: tuple[int, ...]
    dtype: torch.dtype

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorSpec) and len(self.shape) == len(other.shape)

    def __hash__(self) -> int:
        return hash(len(self.shape))

    def __str__(self) -> str:
        return f"{str(self.dtype).removeprefix('torch.')}[{', '.join(map(str, self.shape))}]"


class SampleMetadata:
    """Where a call has tensors, with how many dimensions, and, if it is strict, what the rest of it is.

    It is a key of ``strategies``. Two are equal if tensors stand in the same places and have as many dimensions, and if
    what else they hold is equal. Make it by from_inputs(), or take it from ``model.graph_specs``.
    """

    def __init__(
        self, tensor_data: tuple[tuple[str, TensorSpec], ...], other_data: tuple[tuple[str, Any], ...], strict: bool
    ) -> None:
        self._tensors = tensor_data
        self._others = other_data
        self._strict = strict

    @staticmethod
    def from_inputs(inputs: Mapping[str, Any], strict: bool = False) -> SampleMetadata:
        """Of a call, whose arguments are given by the names of forward()'s parameters.

        Args:
            inputs: the arguments.
            strict: numbers, strings and the like count, too. Otherwise the tensors alone.

        Raises:
            InvalidArgument: `inputs` is no dict.
            Unsupported: an argument that cannot be taken apart.
        """
        if not isinstance(inputs, Mapping):
            raise InvalidArgument(
                f"inputs is {a_kind(inputs)}",
                "SampleMetadata.from_inputs",
                "Give the arguments of forward() by their names: {'x': tensor}",
            )
        structure, tensors = flatten(dict(inputs), "inputs")
        specs = [TensorSpec(tuple(t.shape), tuple(t.shape), tuple(t.shape), t.dtype) for t in tensors]
        return _described(structure, specs, strict)

    @property
    def tensor_data(self) -> tuple[tuple[str, TensorSpec], ...]:
        """The tensors, each behind its path: "x", "options.mask", "items[0]"."""
        return self._tensors

    @property
    def tensor_specs(self) -> list[TensorSpec]:
        """The tensors alone."""
        return [spec for _, spec in self._tensors]

    @property
    def other_data(self) -> tuple[tuple[str, Any], ...]:
        """What else there is, by path; nothing if it is not strict."""
        return self._others

    @property
    def strict(self) -> bool:
        """Whether what is no tensor counts."""
        return self._strict

    def describe(self) -> str:
        """One line: "x: float32[dim0, 3], flag=True"."""
        tensors = [f"{path}: {spec}" for path, spec in self._tensors]
        return ", ".join([*tensors, *(f"{path}={value!r}" for path, value in self._others)])

    def __repr__(self) -> str:
        return f"<SampleMetadata ({self.describe()})>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SampleMetadata):
            return NotImplemented
        return dict(self._tensors) == dict(other._tensors) and _typed(self._others) == _typed(other._others)

    def __hash__(self) -> int:
        return hash((frozenset(self._tensors), frozenset((path, repr(value)) for path, value in self._others)))

    def covers(self, graph: SampleMetadata, defaults: Mapping[str, Any]) -> bool:
        """Whether a graph is one of those that this describes: all with these tensors if it is not strict. Arguments
        that are given as they are by default count as left out, as in every call."""
        if dict(self._tensors) != dict(graph._tensors):
            return False
        own = [(p, v) for p, v in self._others if p not in defaults or _typed([(p, v)]) != _typed([(p, defaults[p])])]
        return not self._strict or _typed(own) == _typed(graph._others)


def _typed(rows: Any) -> dict[str, tuple[type, str]]:
    """Constants by path, so that they can be compared: 1, 1.0 and True are not the same, NaN and NaN are."""
    return {path: (type(value), repr(value)) for path, value in rows}


def _described(structure: Structure, specs: list[TensorSpec], strict: bool) -> SampleMetadata:
    tensors = tuple(zip(structure.paths(), specs, strict=True))
    return SampleMetadata(tensors, tuple(_constants(structure, "")) if strict else (), strict)


def _constants(structure: Structure, path: str) -> Iterator[tuple[str, Any]]:
    if structure.kind == "constant":
        yield path or "0", structure.value if structure.original is None else structure.original
    in_row = structure.kind in ("list", "tuple") and not structure.keys
    for key, item in zip(structure.keys or range(len(structure.items)), structure.items, strict=True):
        below = f"[{key}]" if in_row and path else f".{key}" if path else str(key)
        yield from _constants(item, path + below)


@dataclass(frozen=True)
class GraphSpec:
    """A graph of a module: calls that one engine serves.

    Attributes:
        name: in messages, reports and files.
        input_spec: its calls.
    """

    name: str
    input_spec: SampleMetadata

    def __str__(self) -> str:
        return f"{self.name}: {self.input_spec.describe()}"


def input_metadata(structure: Structure, dtypes: tuple[torch.dtype, ...], shapes: ShapeTable) -> SampleMetadata:
    """Of the calls of a graph, with the ranges of their sizes."""
    specs = [
        TensorSpec(
            tuple((axis.name or f"dim{place}") if axis.moves else axis.low for place, axis in enumerate(axes)),
            tuple(axis.low for axis in axes),
            tuple(axis.high for axis in axes),
            dtype,
        )
        for dtype, axes in zip(dtypes, shapes.axes, strict=True)
    ]
    return _described(structure, specs, strict=True)
