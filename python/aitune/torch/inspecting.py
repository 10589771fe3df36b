"""inspect and wrap: which modules of a pipeline are worth tuning."""

from __future__ import annotations

import time
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from aitune.errors import InvalidArgument, Unsupported, a_kind
from aitune.torch.dataset import calls_of, run_sample
from aitune.torch.module import Module, place
from aitune.torch.module.sample_metadata import SampleMetadata
from aitune.torch.structure import flatten
from aitune.torch.tune_strategy import TuneStrategy

__all__ = ["InspectedModulesInfo", "ModuleInfo", "inspect", "modules_in", "wrap"]


@dataclass
class ModuleInfo:
    """A module that was called.

    Attributes:
        module: the module.
        name: its path in the object that was inspected, "unet" or "model.encoder"; its class for the object itself.
        depth: how many steps the path has.
        execution_count: calls.
        total_execution_time: of all calls, in seconds, with everything that it calls.
        input_types, output_types: "x: float32[1, 3, 224, 224]", each kind of call once.
        parent: what the module is an attribute, item or entry of; None for the object itself.
    """

    module: torch.nn.Module
    name: str
    depth: int = 0
    execution_count: int = 0
    total_execution_time: float = 0.0
    input_types: list[str] = field(default_factory=list)
    output_types: list[str] = field(default_factory=list)
    parent: Any = None
    key: Any = None

    @property
    def module_type(self) -> type[torch.nn.Module]:
        """The class of the module."""
        return type(self.module)

    @property
    def average_execution_time(self) -> float:
        """In seconds."""
        return self.total_execution_time / self.execution_count if self.execution_count else 0.0

    @property
    def num_parameters(self) -> int:
        """Of the module and all inside of it."""
        return sum(parameter.numel() for parameter in self.module.parameters())

    @property
    def num_layers(self) -> int:
        """Direct children."""
        return len(list(self.module.children()))

    @property
    def precisions(self) -> set[torch.dtype]:
        """Dtypes of the parameters."""
        return {parameter.dtype for parameter in self.module.parameters()}


class InspectedModulesInfo:
    """The modules that were called, the outermost ones."""

    def __init__(self, modules: Sequence[ModuleInfo], total_execution_time: float, number_of_batches: int) -> None:
        self._modules = sorted(modules, key=lambda info: -info.total_execution_time)
        self.total_execution_time = total_execution_time
        self.number_of_batches = number_of_batches

    def get_modules(self, min_execution_ratio: float | None = None, limit: int | None = None) -> list[ModuleInfo]:
        """The slowest first: at most `limit`, and those that take at least this share of the whole time."""
        if min_execution_ratio is not None and not 0 <= min_execution_ratio <= 1:
            raise InvalidArgument(f"min_execution_ratio is {min_execution_ratio}", "get_modules", "It is from 0 to 1")
        least = (min_execution_ratio or 0) * self.total_execution_time
        return [info for info in self._modules if info.total_execution_time >= least][:limit]

    def __str__(self) -> str:
        head = ("module", "calls", "total (s)", "average (s)", "% of all", "parameters", "layers", "precisions", "takes")
        rows = [head]
        for info in self._modules:
            share = 100 * info.total_execution_time / self.total_execution_time if self.total_execution_time else 0
            rows.append(
                (
                    info.name,
                    str(info.execution_count),
                    f"{info.total_execution_time:.4f}",
                    f"{info.average_execution_time:.4f}",
                    f"{share:.1f}",
                    str(info.num_parameters),
                    str(info.num_layers),
                    ", ".join(sorted(str(dtype) for dtype in info.precisions)),
                    "; ".join(info.input_types),
                )
            )
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        lines = []
        for row in rows:
            cells = [c.rjust(w) if 0 < i < 7 else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
            lines.append("  ".join(cells).rstrip())
        lines.insert(1, "-" * len(lines[0]))
        whole = f"{self.total_execution_time:.4f} s in {self.number_of_batches} calls"
        return "\n".join([*lines, whole])

    def describe(self) -> None:
        """Prints the table."""
        print(self)


def _children(value: Any) -> Iterator[tuple[Any, Any]]:
    """Key and value of what an object holds."""
    if isinstance(value, torch.nn.Module):
        yield from value._modules.items()
    elif isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, (list, tuple)):
        yield from enumerate(value)
    elif isinstance(value, types.FunctionType):
        names = value.__code__.co_freevars
        for name, cell in zip(names, value.__closure__ or (), strict=True):
            try:
                yield name, cell.cell_contents
            except ValueError:
                continue
        yield from ((name, value.__globals__[name]) for name in value.__code__.co_names if name in value.__globals__)
    elif isinstance(value, types.MethodType):
        yield "self", value.__self__
    elif hasattr(value, "__dict__") and not isinstance(value, (type, types.ModuleType, torch.Tensor)):
        yield from vars(value).items()


def _tree(value: Any, path: str, depth: int, parent: Any, key: Any, seen: set[int], max_depth: int) -> list[ModuleInfo]:
    """All modules in an object, each followed by what is inside of it."""
    if id(value) in seen or depth > max_depth:
        return []
    seen.add(id(value))
    found = []
    if isinstance(value, torch.nn.Module):
        found.append(ModuleInfo(value, path or type(value).__name__, depth, parent=parent, key=key))
    elif depth > 0 and isinstance(value, (types.FunctionType, types.MethodType)):
        return []
    for name, child in _children(value):
        found += _tree(child, f"{path}.{name}" if path else str(name), depth + 1, value, name, seen, max_depth)
    return found


def modules_in(obj: Any, max_depth: int) -> list[ModuleInfo]:
    """All modules in a module, pipeline or function, each followed by what is inside of it."""
    return _tree(obj, "", 0, None, None, set(), max_depth)


def _types(value: Any) -> str:
    structure, tensors = flatten(value)
    names = structure.paths()
    return ", ".join(
        f"{name}: {str(t.dtype).removeprefix('torch.')}{list(t.shape)}" for name, t in zip(names, tensors, strict=True)
    )


_MAX_KINDS = 4  # of calls are described


class _Watch:
    """Counts and times the calls of one module."""

    def __init__(self, info: ModuleInfo) -> None:
        self.info = info
        self._started: list[float] = []
        # Modules of TorchScript forbid these methods, and run hooks all the same.
        self._hooks = [
            torch.nn.Module.register_forward_pre_hook(info.module, self._before, with_kwargs=True),
            torch.nn.Module.register_forward_hook(info.module, self._after, with_kwargs=True),
        ]

    def stop(self) -> None:
        for hook in self._hooks:
            hook.remove()

    def reset(self) -> None:
        self.info.execution_count, self.info.total_execution_time = 0, 0.0

    def _before(self, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        _note(dict(enumerate(args)) | kwargs, self.info.input_types)
        self._started.append(time.perf_counter())

    def _after(self, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        elapsed = time.perf_counter() - self._started.pop()
        self.info.execution_count += 1
        self.info.total_execution_time += elapsed
        _note(result, self.info.output_types)


def _note(value: Any, known: list[str]) -> None:
    """Adds the types of a value to those that are known, if they are new."""
    if len(known) >= _MAX_KINDS:
        return
    try:
        text = _types(value)
    except Unsupported:
        text = type(value).__name__
    if text not in known:
        known.append(text)


def inspect(
    obj: Any,
    dataset: Any,
    inference_function: Callable[..., Any] | None = None,
    number_of_iterations: int = 10,
    warmup_iterations: int = 5,
    min_depth: int = 0,
    max_depth: int = 5,
) -> InspectedModulesInfo:
    """Runs a module, pipeline or function on samples, and lists the modules that are worth tuning: the outermost ones
    that are called, with calls, time, shapes and parameters.

    Args:
        obj: what holds the modules, and is called.
        dataset: samples, as for tune().
        inference_function: called in the place of `obj`.
        number_of_iterations: calls that are timed; samples come again until there are as many.
        warmup_iterations: calls before that.
        min_depth: modules nearer to `obj` are left out: 1 lists the parts of a module.
        max_depth: modules further inside are left out.

    Raises:
        InvalidArgument: what is called is no function, no sample, or a sample that fails.
    """
    function = obj if inference_function is None else inference_function
    if not callable(function):
        raise InvalidArgument(f"{a_kind(function)} cannot be called", "inspect", "Give inference_function")
    infos = modules_in(obj, max_depth)
    if inference_function is not None:
        infos = infos or modules_in(inference_function, max_depth)
    watches = [_Watch(info) for info in infos if info.depth >= min_depth]
    try:
        calls = list(calls_of(dataset, None, max(number_of_iterations, warmup_iterations, 1)))
        total = 0.0
        with torch.no_grad():
            for i in range(warmup_iterations):
                run_sample(function, *calls[i % len(calls)])
            for watch in watches:
                watch.reset()
            for i in range(number_of_iterations):
                start = time.perf_counter()
                run_sample(function, *calls[i % len(calls)])
                total += time.perf_counter() - start
    finally:
        for watch in watches:
            watch.stop()
    return InspectedModulesInfo(_outermost([watch.info for watch in watches]), total, number_of_iterations)


def _outermost(infos: Sequence[ModuleInfo]) -> list[ModuleInfo]:
    """Those that were called and have parameters, and lie inside of no other such one."""
    chosen: list[ModuleInfo] = []
    covered: set[int] = set()
    for info in infos:  # outer ones come first
        if info.execution_count == 0 or info.num_parameters == 0 or id(info.module) in covered:
            continue
        chosen.append(info)
        covered.update(id(part) for part in info.module.modules())
    return chosen


def wrap(
    obj: Any,
    modules: Sequence[ModuleInfo],
    strategy: TuneStrategy | None = None,
    strategies: Sequence[TuneStrategy] | Mapping[SampleMetadata, TuneStrategy] | None = None,
) -> Any:
    """Makes the modules that inspect() has found tunable. Returns `obj`, or the Module that stands for it if it is one
    of them."""
    fix = "Give what inspect() lists: wrap(pipeline, inspect(pipeline, data).get_modules())"
    if not isinstance(modules, (list, tuple)):
        raise InvalidArgument(f"modules is {a_kind(modules)}", "wrap", fix)
    for info in modules:
        if not isinstance(info, ModuleInfo):
            raise InvalidArgument(f"one of modules is {a_kind(info)}", "wrap", fix)
    result = obj
    for info in modules:
        wrapped = Module(info.module, info.name, strategy.clone() if strategy else None, strategies)
        wrapped.__dict__["_path"] = info.name if info.depth else ""
        if info.module is obj:
            result = wrapped
        else:
            place(info.parent, info.key, wrapped)
    return result
