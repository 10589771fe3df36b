"""Regions: the parts of a pipeline whose time is told, and the clocks at their doors."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from aitune.torch.inspecting import modules_in
from aitune.torch.module import Module, ModuleState, all_modules, wrappers_of
from aitune.torch.saving import LoadedModule

__all__ = ["Region", "Watch", "regions_of", "watching"]

_MAX_DEPTH = 8


@dataclass(frozen=True)
class Region:
    """A Module, or a module outside of all Modules, with the methods by which a pipeline may enter it.

    Attributes:
        name: that of the Module, or the path in the object that is profiled.
        target: the module of PyTorch.
        module: the Module, if it is one, also without an original.
    """

    name: str
    target: torch.nn.Module
    module: Module | LoadedModule | None = None

    @property
    def id(self) -> str:
        """ "aot_module:unet" or "untuned_module:vae"."""
        return f"{'untuned' if self.module is None else 'aot'}_module:{self.name}"

    def to_json(self, method: str) -> dict[str, Any]:
        """Plain data, for the region itself or one of its methods, ".decode"."""
        cls = type(self.target)
        kind = "untuned_module" if self.module is None else "aot_managed_module"
        row = {"id": self.id + method, "name": self.name + method, "kind": kind}
        row["module_type"] = f"{cls.__module__}.{cls.__qualname__}"
        if self.module is not None:
            row["wrapper_state"] = self.module.state.value if isinstance(self.module, Module) else ModuleState.TUNED.value
        return row


def regions_of(obj: Any) -> list[Region]:
    """Every Module that there is, and in `obj` those without an original, and the outermost modules that hold none."""
    managed = all_modules()
    inside = {id(part) for module in managed for part in module._original.modules()} | {id(m) for m in managed}
    regions = [Region(module.name, module._original, module) for module in managed]
    covered: set[int] = set()
    for info in modules_in(obj, _MAX_DEPTH):  # outer ones come first
        found = info.module
        if isinstance(found, LoadedModule):
            regions.append(Region(found.name, found, found))
            continue
        if info.depth == 0 or id(found) in inside or id(found) in covered or wrappers_of(found):
            continue
        parts = list(found.modules())
        holds_one = any(isinstance(part, (Module, LoadedModule)) or wrappers_of(part) for part in parts)
        if not holds_one and not isinstance(found, (torch.nn.ModuleList, torch.nn.ModuleDict)):
            regions.append(Region(info.name, found))
            covered.update(map(id, parts))
    return regions


@dataclass
class Watch:
    """Adds up the time in regions, in one thread. A region inside of another one is a part of that."""

    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)  # what is told of each that was ever entered
    _marks: list[Any] = field(default_factory=list)  # of PyTorch's profiler, for the regions that we are in
    _start: float = 0.0
    _thread: int = field(default_factory=threading.get_ident)

    def reset(self) -> None:
        """Before another run."""
        self.seconds, self.calls = {}, {}

    def enter(self, key: str) -> None:
        """At the door of a region."""
        if threading.get_ident() != self._thread:
            return
        self._marks.append(torch.autograd.profiler.record_function(key))
        self._marks[-1].__enter__()
        if len(self._marks) == 1:
            self._start = time.perf_counter()

    def leave(self, region: Region, method: str = "") -> None:
        """At the same door, on the way out."""
        if threading.get_ident() != self._thread:
            return
        elapsed = time.perf_counter() - self._start
        self._marks.pop().__exit__(None, None, None)
        if not self._marks:
            key = region.id + method
            self.rows.setdefault(key, region.to_json(method))
            self.seconds[key] = self.seconds.get(key, 0.0) + elapsed
            self.calls[key] = self.calls.get(key, 0) + 1


@contextlib.contextmanager
def watching(regions: list[Region], watch: Watch) -> Iterator[None]:
    """Lets the watch see calls of the regions meanwhile. They have their names in PyTorch's profiler, too."""
    with contextlib.ExitStack() as stack:
        for region in regions:
            _watch_calls(region, watch, stack)
            if region.module is None and not isinstance(region.target, torch.jit.ScriptModule):
                for name, method in _methods(type(region.target)):
                    if name not in region.target.__dict__:
                        region.target.__dict__[name] = _watched(region, name, method, watch)
                        stack.callback(region.target.__dict__.pop, name, None)
        yield


def _watch_calls(region: Region, watch: Watch, stack: contextlib.ExitStack) -> None:
    def before(_module: Any, _args: Any) -> None:
        watch.enter(region.id)

    def after(_module: Any, _args: Any, _result: Any) -> None:
        watch.leave(region)

    # Modules of TorchScript forbid these methods, and run hooks all the same.
    stack.callback(torch.nn.Module.register_forward_pre_hook(region.target, before, prepend=True).remove)
    stack.callback(torch.nn.Module.register_forward_hook(region.target, after, always_call=True).remove)


def _methods(cls: type) -> list[tuple[str, types.FunctionType]]:
    """Methods that a class of modules has beside those of every module, such as decode() and generate()."""
    found: dict[str, types.FunctionType] = {}
    for owner in cls.__mro__:
        if owner in (torch.nn.Module, object):
            continue
        for name, value in vars(owner).items():
            if isinstance(value, types.FunctionType) and not (name.startswith("__") or hasattr(torch.nn.Module, name)):
                found.setdefault(name, value)
    return list(found.items())


def _watched(region: Region, name: str, method: Callable[..., Any], watch: Watch) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        watch.enter(f"{region.id}.{name}")
        try:
            return method(self, *args, **kwargs)
        finally:
            watch.leave(region, f".{name}")

    return types.MethodType(call, region.target)
