"""Calls of a module, kept for tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from aitune.errors import InvalidArgument
from aitune.torch.config import config
from aitune.torch.dynamic_shapes import DynamicShapes, ShapeTable
from aitune.torch.structure import Structure, computed_numbers, flatten, tensors_at
from aitune.torch.updates import Updates, find_updates

__all__ = ["GraphKey", "Recording", "Sample", "check_device", "take_call"]

# What is kept unless config.max_num_samples_stored says how many: at most so many calls of the same shapes, so many in all, and so many bytes; two whatever their size.
_MAX_OF_A_SHAPE = 32
_MAX_KEPT = 128
_MAX_BYTES = 256 << 20
_MIN_KEPT = 2
# The compiler runs each sample on its slow reference engine, and is content with a few of different shapes.
_MAX_FOR_COMPILER = 8


@dataclass(frozen=True)
class GraphKey:
    """What calls have in common that one graph serves: structure, constants, dtypes and ranks."""

    structure: Structure
    dtypes: tuple[torch.dtype, ...]
    ranks: tuple[int, ...]


@dataclass
class Sample:
    """One call."""

    arguments: dict[str, Any]  # by parameter, copies
    tensors: list[torch.Tensor]  # those in them, in the order of the structure

    def bytes(self) -> int:
        """The size of the tensors."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self.tensors)


@dataclass
class GraphRecord:
    """The calls of one graph."""

    key: GraphKey
    shapes: ShapeTable
    output: Structure
    updates: Updates = ()
    samples: list[Sample] = field(default_factory=list)
    sample_shapes: list[int] = field(default_factory=list)  # by sample: which set of shapes of `shapes` it has
    calls: int = 0
    owner: str = ""  # the name of the module
    path: str = ""  # where the module is in the object that wrap() was given

    def keep(self, sample: Sample) -> None:
        """Keeps a call, as far as there is room."""
        shape = self.shapes.index([tuple(t.shape) for t in sample.tensors])
        if config.max_num_samples_stored is not None:
            if len(self.samples) >= config.max_num_samples_stored:
                return
        elif len(self.samples) >= _MIN_KEPT:
            if len(self.samples) >= _MAX_KEPT or self.sample_shapes.count(shape) >= _MAX_OF_A_SHAPE:
                return
            if sum(kept.bytes() for kept in self.samples) + sample.bytes() > _MAX_BYTES:
                return
        self.sample_shapes.append(shape)
        self.samples.append(sample)

    def of_different_shapes(self) -> list[int]:
        """Which samples suffice where nothing depends on the values: one of each set of shapes, or two in all."""
        chosen: list[int] = []
        seen: set[int] = set()
        for index, shape in enumerate(self.sample_shapes):
            if len(chosen) < (_MIN_KEPT if shape in seen else _MAX_FOR_COMPILER):
                chosen.append(index)
            seen.add(shape)
        return chosen

    def at_end(self, high: bool) -> list[torch.Tensor]:
        """Tensors of a call with the largest or smallest sizes: parts of the first sample come again or are cut."""
        tensors = list(self.samples[0].tensors)
        for t, axes in enumerate(self.shapes.axes):
            for a, axis in enumerate(axes):
                index = torch.arange(axis.high if high else axis.low) % max(tensors[t].shape[a], 1)
                tensors[t] = tensors[t].index_select(a, index)
        return tensors

    def example(self) -> Sample:
        """The call to export with."""
        chosen = self.of_different_shapes()
        shape = self.shapes.example([self.sample_shapes[index] for index in chosen])
        return self.samples[self.sample_shapes.index(shape)]


def check_device(tensors: Sequence[torch.Tensor], paths: Sequence[str], where: str) -> None:
    """Raises InvalidArgument for a tensor that is not in the CPU's memory."""
    for tensor, path in zip(tensors, paths, strict=True):
        if tensor.device.type != "cpu":
            raise InvalidArgument(
                f"tensor '{path}' is on device {tensor.device}",
                where,
                "aitune of this version compiles for the CPU: move the model and its inputs there with .cpu()",
            )
        if tensor.layout is not torch.strided:
            raise InvalidArgument(f"tensor '{path}' has the layout {tensor.layout}", where, "Use .to_dense()")


def take_call(named: Mapping[str, Any], where: str) -> tuple[GraphKey, list[torch.Tensor]]:
    """The graph that a call belongs to, and its tensors."""
    structure, tensors = flatten(dict(named), where)
    key = GraphKey(structure, tuple(t.dtype for t in tensors), tuple(t.dim() for t in tensors))
    return key, tensors


def _has_nan(tensor: torch.Tensor) -> bool:
    return (tensor.is_floating_point() or tensor.is_complex()) and bool(tensor.isnan().any())


def _copy(value: Any, copies: dict[int, torch.Tensor]) -> Any:
    """The same containers with copies of the tensors."""
    import copy

    memo = dict(copies)
    return copy.deepcopy(value, memo)


class Recording:
    """All calls of a module, by graph."""

    def __init__(self, name: str, dynamic_shapes: DynamicShapes | None) -> None:
        self._name = name
        self._dynamic_shapes = dynamic_shapes
        self.graphs: dict[GraphKey, GraphRecord] = {}
        self.calls = 0
        self.first_nan: tuple[int, str] | None = None  # the call, and the path of the output

    def begin(self, named: Mapping[str, Any]) -> tuple[GraphKey, Sample]:
        """Copies the arguments before the module may change them."""
        key, tensors = take_call(named, f"module '{self._name}'")
        check_device(tensors, list(key.structure.paths()), f"module '{self._name}'")
        copies = {id(t): t.detach().clone() for t in tensors}
        return key, Sample(_copy(dict(named), copies), [copies[id(t)] for t in tensors])

    def end(self, key: GraphKey, sample: Sample, named: Mapping[str, Any], result: Any) -> None:
        """Keeps the call, now that the module has answered it. `named` is what begin() got."""
        output, tensors = flatten(result, f"the result of module '{self._name}'", result=True)
        check_device(tensors, list(output.paths()), f"the result of module '{self._name}'")
        record = self.graphs.get(key)
        if record is None:
            shapes = ShapeTable(list(key.structure.paths()), self._dynamic_shapes, f"module '{self._name}'")
            updates = find_updates(named, key.structure, sample.tensors, result, f"module '{self._name}'")
            record = GraphRecord(key, shapes, output, updates)
        record.shapes.add([tuple(t.shape) for t in sample.tensors])
        if record.shapes.moving:
            record.output, output = computed_numbers(record.output), computed_numbers(output)
        if record.output != output:
            from aitune.torch.structure import describe_difference

            raise InvalidArgument(
                "the structure of the result changes from call to call: "
                + describe_difference(record.output, output, "result").replace("when the module was tuned", "before"),
                f"module '{self._name}'",
                "Let calls that answer in another way differ in a constant argument",
            )
        self.graphs[key] = record
        record.calls += 1
        record.keep(sample)
        if self.first_nan is None:
            answers = zip(output.paths(), tensors_at(output, result), strict=True)
            with_nan = [path for path, t in answers if _has_nan(t)]
            self.first_nan = (self.calls, with_nan[0]) if with_nan else None
        self.calls += 1
