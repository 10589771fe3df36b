"""Module: a module of PyTorch that records its calls, is tuned on them, and then answers them by what tuning made."""

from __future__ import annotations

import contextlib
import copy
import itertools
import re
import threading
import types
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from enum import Enum
from typing import Any

import torch

from aitune.errors import InvalidArgument, a_kind
from aitune.torch.backend import BuildResult
from aitune.torch.dynamic_shapes import DynamicShapes, check_dynamic_shapes
from aitune.torch.export import evaluating
from aitune.torch.module.sample_metadata import GraphSpec, SampleMetadata, input_metadata
from aitune.torch.module.standin import bound_forward, release_standins
from aitune.torch.module.strategies import StrategyChoice
from aitune.torch.recording import GraphKey, Recording, check_device, take_call
from aitune.torch.signature import Signature
from aitune.torch.state import tensors_kept
from aitune.torch.structure import count_differences, describe_difference
from aitune.torch.tune_strategy import Job, TuneStrategy
from aitune.torch.updates import put_back

__all__ = ["Module", "ModuleState", "original_forwards", "unwrap"]


class ModuleState(Enum):
    """What a Module does when it is called."""

    PASSTHROUGH = "passthrough"
    RECORDING = "recording"
    TUNED = "tuned"


_all_modules: weakref.WeakSet[Module] = weakref.WeakSet()

# As is_entry_name() in format/zip_writer.h has it.
_NO_FILE_NAME = re.compile(r"[\x00-\x1f\x7f\\]")


class Module(torch.nn.Module):
    """A module that can be tuned, in the place of the one that it wraps.

    It has the parameters, buffers, children and attributes of the original, under their own names. The original's
    forward() goes through it, too, so that a pipeline which holds the original needs no change.

    Args:
        module: what to tune.
        name: its name in messages, reports and files; the name of its class if left out.
        strategy: which backends to try; TorchTensorRTAotBackend alone if left out.
        strategies: one for each graph instead, in the order in which their calls come, or by their SampleMetadata.
        dynamic_shapes: sizes that may come beyond those that the samples show, by the path of an input:
            ``{"x": (BatchDim("batch", 1, 8), 3, 224, 224)}``.
    """

    by_itself = False  # whether it came to be, and is tuned, without the user's doing

    def __init__(
        self,
        module: torch.nn.Module,
        name: str | None = None,
        strategy: TuneStrategy | None = None,
        strategies: Sequence[TuneStrategy] | Mapping[SampleMetadata, TuneStrategy] | None = None,
        dynamic_shapes: DynamicShapes | None = None,
    ) -> None:
        if not isinstance(module, torch.nn.Module):
            raise InvalidArgument(
                f"{a_kind(module)} cannot be tuned", "aitune.torch.Module", "Give a torch.nn.Module"
            )
        if name is not None and not isinstance(name, str):
            raise InvalidArgument(f"the name is {a_kind(name)}", "aitune.torch.Module", "Give text, or leave it out")
        if name and (_NO_FILE_NAME.search(name) or any(part in ("", "..") for part in name.split("/"))):
            raise InvalidArgument(
                f"files cannot hold the name {name[:100]!r}",
                "aitune.torch.Module",
                "Leave out control characters, backslashes, '..' and slashes at the ends",
            )
        choice = StrategyChoice(strategy, strategies)
        check_dynamic_shapes(dynamic_shapes, f"module '{name or type(module).__name__}'")
        if isinstance(module, Module):
            module = module._original
        self._release(module)
        for wrapper in wrappers_of(module):  # this one takes its place
            unwrap(wrapper)
        super().__init__()
        state = self.__dict__
        state["_original"] = module
        for shared in ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"):
            state[shared] = getattr(module, shared)
        state["training"] = getattr(module, "training", False)  # torch.jit.freeze removes it
        state["_name"] = name or type(module).__name__
        state["_path"] = ""  # in the object that wrap() was given
        state["_strategies"] = choice
        state["_dynamic_shapes"] = dynamic_shapes
        state["_state"] = ModuleState.PASSTHROUGH
        state["_recording"] = Recording(state["_name"], dynamic_shapes)
        state["_tuned"] = {}
        state["_lock"] = threading.Lock()
        state["_own_forward"] = module.forward
        state["_signature"] = Signature(module.forward, f"module '{state['_name']}'")
        state["_active"] = threading.local()
        _install(self)
        _all_modules.add(self)

    @staticmethod
    def _release(module: torch.nn.Module) -> None:
        """Takes away what waits for a first call, here and inside: from now on the Module looks after it."""
        release_standins(module)

    # --- the face of the original ---

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            original = self.__dict__.get("_original")
            if original is None:  # it is being made
                raise
            return getattr(original, name)

    def __getitem__(self, key: Any) -> Any:
        return self._original[key]

    def __len__(self) -> int:
        return len(self._original)

    def __bool__(self) -> bool:
        return True

    def __deepcopy__(self, memo: dict[int, Any]) -> Module:
        """A copy with weights of its own, which answers by the same engines."""
        copied = Module(copy.deepcopy(self._original, memo), self._name, dynamic_shapes=self._dynamic_shapes)
        copied.__dict__["_strategies"] = self._strategies
        copied.__dict__["_tuned"], copied.__dict__["_state"] = dict(self._tuned), self._state
        memo[id(self)] = copied
        return copied

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(f"module '{self._name}' is not for pickling: use aitune.torch.save, or pickle the original")

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the original, whose forward() leads to what tuning made."""
        return self._original(*args, **kwargs)

    def train(self, mode: bool = True) -> Module:
        self._original.train(mode)
        self.__dict__["training"] = mode
        return self

    def extra_repr(self) -> str:
        return f"name={self._name!r}, state={self._state.value}"

    @property
    def name(self) -> str:
        """The name in messages, reports and files."""
        return self._name

    @property
    def state(self) -> ModuleState:
        """What a call does."""
        return self._state

    @property
    def strategy(self) -> TuneStrategy:
        """Which backends tuning tries; the first where there are several."""
        return self._strategies.all()[0]

    @property
    def reports(self) -> list[dict[str, Any]]:
        """What tuning found out, one for each graph."""
        return [result.report for result in self._tuned.values()]

    # --- states ---

    def enable_recording(self, force: bool = False) -> None:
        """Keeps what comes and goes in the calls that follow, to be tuned on. A tuned module is asked for `force`."""
        self._leave_tuned(force)
        self.__dict__["_state"] = ModuleState.RECORDING

    def enable_passthrough(self, force: bool = False) -> None:
        """Runs the original in the calls that follow."""
        self._leave_tuned(force)
        self.__dict__["_state"] = ModuleState.PASSTHROUGH

    def clear_recording(self) -> None:
        """Forgets the recorded calls."""
        self.__dict__["_recording"] = Recording(self._name, self._dynamic_shapes)

    def _leave_tuned(self, force: bool) -> None:
        if self._state is ModuleState.TUNED:
            if not force:
                raise InvalidArgument("the module is tuned already", f"module '{self._name}'", "Use force=True to undo")
            self._tuned.clear()
            self.clear_recording()

    @property
    def recording(self) -> Recording:
        """The recorded calls."""
        return self._recording

    @property
    def graph_specs(self) -> list[GraphSpec]:
        """The recorded graphs: kinds of calls, which are keys of `strategies`."""
        records = list(self._recording.graphs.values())
        return [
            GraphSpec(
                self._name if len(records) == 1 else f"{self._name}.{index}",
                input_metadata(record.key.structure, record.key.dtypes, record.shapes),
            )
            for index, record in enumerate(records)
        ]

    def results(self) -> list[BuildResult]:
        """What answers the calls of each graph of a tuned module."""
        return list(self._tuned.values())

    def _graphs(self) -> list[tuple[Job, TuneStrategy]]:
        """The recorded graphs, and how each is to be tuned."""
        specs = self.graph_specs
        strategies = self._strategies.of(specs, self._signature, self._name)
        module, forward = self._subject()
        graphs = []
        for record, spec, strategy in zip(self._recording.graphs.values(), specs, strategies, strict=True):
            record.owner, record.path = self._name, self._path
            graphs.append((Job(module, forward, record, spec.name), strategy))
        return graphs

    def _subject(self) -> tuple[torch.nn.Module, Callable[..., Any]]:
        """What is tuned, and its own forward()."""
        return self._original, self._own_forward

    def _tune(self) -> None:
        """Tunes every recorded graph. Raises what the strategy raises; the module stays as it was then."""
        results: dict[GraphKey | None, BuildResult] = {}
        for job, strategy in self._graphs():
            buffers = tensors_kept(job.module.buffers())
            with original_forwards(), evaluating(job.module), torch.no_grad(), buffers:
                result = results[job.record.key] = strategy.tune(job)
            result.updates = job.record.updates
            if result.engine is not None:
                result.engine.keep_state_in(self._original)  # and not in a copy that was tuned
        self._adopt(results)
        self.clear_recording()  # samples may be large

    def _wants_dry_run(self) -> bool:
        """Whether a backend's configuration asks for one."""
        return any(backend.wants_dry_run() for strategy in self._strategies.all() for backend in strategy.backends())

    def _adopt(self, results: Mapping[GraphKey | None, BuildResult]) -> None:
        """From now on, calls are answered by these. The key None takes tensors in any structure."""
        self.__dict__["_tuned"] = dict(results)
        self.__dict__["_state"] = ModuleState.TUNED

    def _release_weights(self) -> str:
        """Lets the original's weights leave memory, unless PyTorch needs them still: then returns why."""
        if why := self._needs_weights():
            return why
        self._original.to("meta")
        return ""

    def _needs_weights(self) -> str:
        """Which calls, of this or of another Module, PyTorch answers with these weights; empty if it answers none."""
        if names := self._graphs_in_pytorch():
            return f"PyTorch answers the calls of {', '.join(names)}"
        parts = set(self._original.modules())
        for other in all_modules():
            runs = other._state is not ModuleState.TUNED or other._graphs_in_pytorch()
            if other is not self and runs and not parts.isdisjoint(other._original.modules()):
                return f"module '{other.name}', which has parts of it, runs in PyTorch"
        return ""

    def _graphs_in_pytorch(self) -> list[str]:
        results = self.results()
        names = [self._name] if len(results) == 1 else [f"{self._name}.{index}" for index in range(len(results))]
        return [name for name, result in zip(names, results, strict=True) if result.engine is None]

    def _dispatch(self, *args: Any, **kwargs: Any) -> Any:
        """What the original's forward() leads to."""
        state = self._state
        if state is ModuleState.PASSTHROUGH or getattr(self._active, "inside", False):
            return self._own_forward(*args, **kwargs)
        self._active.inside = True
        try:
            named = self._signature.normalise(args, kwargs)
            return self._run_tuned(named) if state is ModuleState.TUNED else self._record(named, args, kwargs)
        finally:
            self._active.inside = False

    def _record(self, named: Mapping[str, Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        check_weights(self._original, f"module '{self._name}'")  # some operators answer without them
        key, sample = self._recording.begin(named)
        result = self._own_forward(*args, **kwargs)
        with self._lock:
            self._recording.end(key, sample, named, result)
        return result

    def _run_tuned(self, named: Mapping[str, Any]) -> Any:
        where = f"module '{self._name}'"
        key, tensors = take_call(named, where)
        result = self._tuned.get(key) or self._tuned.get(None)
        if result is None:
            check_device(tensors, list(key.structure.paths()), where)
            raise unknown_call([k for k in self._tuned if k is not None], key, where)
        for tensor in tensors:
            if tensor.device.type != "cpu":
                check_device(tensors, list(key.structure.paths()), where)
        return put_back(result.run(tensors), named, result.updates)


def check_weights(module: torch.nn.Module, where: str) -> None:
    """Raises InvalidArgument for weights on the device meta, which have no values."""
    tensors = itertools.chain(module.named_parameters(), module.named_buffers())
    name = next((name for name, tensor in tensors if tensor.is_meta), None)
    if name is not None:
        raise InvalidArgument(
            f"its weights are not in memory: '{name}' is on the device meta, where release_weights=True, "
            "config.device_after_tuning and a model that is made there have them",
            where,
            "Give a module that has its weights, such as the model loaded once more",
        )


def unknown_call(tuned: list[GraphKey], came: GraphKey, where: str) -> InvalidArgument:
    """What is new in a call that no graph was tuned for, beside the one that is most like it."""
    advice = "Give calls of this kind as samples of tune(), too"
    if not tuned:
        return InvalidArgument("the module was not tuned for such a call: nothing was tuned", where, advice)
    known = min(tuned, key=lambda key: _distance(key, came))
    if known.structure != came.structure:
        difference = describe_difference(known.structure, came.structure)
        return InvalidArgument(f"the module was not tuned for such a call: {difference}", where, advice)
    pairs = zip(known.structure.paths(), known.dtypes, came.dtypes, known.ranks, came.ranks, strict=True)
    path, dtype, new_dtype, rank, new_rank = next(row for row in pairs if row[1] != row[2] or row[3] != row[4])
    problem = f"tensor '{path}' has {new_rank} dimensions, it had {rank} when the module was tuned"
    if dtype != new_dtype:
        problem = f"tensor '{path}' is {new_dtype}, it was {dtype} when the module was tuned"
    return InvalidArgument(problem, where, advice)


def _distance(known: GraphKey, came: GraphKey) -> int:
    if known.structure != came.structure:
        return count_differences(known.structure, came.structure)
    tensors = zip(known.dtypes, came.dtypes, known.ranks, came.ranks, strict=True)
    return sum((dtype != new_dtype) + (rank != new_rank) for dtype, new_dtype, rank, new_rank in tensors)


class _Forward:
    """What stands in the place of an original's forward()."""

    def __init__(self, wrapper: Module) -> None:
        self.wrapper = wrapper
        self.__wrapped__ = wrapper._own_forward
        self.__name__ = "forward"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.wrapper._dispatch(*args, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """A copy of the original answers by itself."""
        original: torch.nn.Module = self.wrapper._original
        return bound_forward(memo.get(id(original), original))

    def __reduce__(self) -> Any:
        return bound_forward, (self.wrapper._original,)


def _install(module: Module) -> None:
    """Leads the original's forward() through the wrapper."""
    module._original.__dict__["forward"] = _Forward(module)


def _uninstall(module: Module) -> None:
    original: torch.nn.Module = module._original
    own = module._own_forward
    if getattr(own, "__self__", None) is original and getattr(own, "__func__", None) is type(original).forward:
        original.__dict__.pop("forward", None)
    else:
        original.__dict__["forward"] = own


def unwrap(module: Module) -> None:
    """Lets the original answer by its own forward() for good."""
    _uninstall(module)
    _all_modules.discard(module)


@contextlib.contextmanager
def original_forwards() -> Iterator[None]:
    """Every wrapped module answers by its own forward() for a while: exporters look at it."""
    modules = list(_all_modules)
    for module in modules:
        _uninstall(module)
    try:
        yield
    finally:
        for module in modules:
            if module in _all_modules:  # still
                _install(module)


def find_modules(value: Any) -> list[Module]:
    """The wrapped modules inside of a module or a pipeline, in the order in which they are met."""
    return [module for _, module in located_modules(value)]


def located_modules(value: Any) -> list[tuple[str, Module]]:
    """The same with the path that leads to each: attributes, keys and positions."""
    return _locate(value, "", 0, set())


def _locate(value: Any, path: str, depth: int, seen: set[int]) -> list[tuple[str, Module]]:
    if id(value) in seen or depth > _MAX_DEPTH:
        return []
    seen.add(id(value))
    found: list[tuple[str, Module]] = []
    if isinstance(value, Module):
        found.append((path, value))
        seen.add(id(value._original))
    elif isinstance(value, torch.nn.Module):
        found += [(path, wrapper) for wrapper in wrappers_of(value) if id(wrapper) not in seen]
        seen.update(id(wrapper) for _, wrapper in found)
    for key, child in _parts(value):
        found += _locate(child, f"{path}.{key}" if path else str(key), depth + 1, seen)
    return found


_MAX_DEPTH = 16


def _parts(value: Any) -> Iterable[tuple[Any, Any]]:
    """Keys and values of what an object holds that may be, or hold, a module."""
    if isinstance(value, torch.nn.Module):
        return list(value._modules.items())
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, (list, tuple)):
        return enumerate(value)
    if isinstance(value, types.MethodType):
        return [("__self__", value.__self__)]
    opaque = (type, types.ModuleType, types.FunctionType, torch.Tensor)
    return list(vars(value).items()) if hasattr(value, "__dict__") and not isinstance(value, opaque) else ()


def named_module(owner: Any, name: str, path: str, only: bool, where: str) -> Module | None:
    """The Module of that name, where a file holds no other so called (`only`); or else the one at `path`. None if there
    is none; raises InvalidArgument if there are several and the path tells nothing."""
    found = {at: module for at, module in located_modules(owner) if module.name == name}
    if only and len(found) == 1:
        return next(iter(found.values()))
    if path not in found and len(found) > 1:
        raise InvalidArgument(
            f"there are {len(found)} modules '{name}' in {a_kind(owner)}, at {', '.join(found)}: the file "
            "does not say which is meant",
            where,
            "Load it into that module alone, or give each Module a name of its own and save again",
        )
    return found.get(path)


def place(parent: Any, key: Any, module: Module) -> None:
    """Puts the Module where its original was. Tuples, functions and methods keep the original, whose forward() leads to
    the Module, too."""
    if isinstance(parent, (MutableMapping, list)):
        parent[int(key) if isinstance(parent, list) else key] = module
    elif not isinstance(parent, (tuple, types.FunctionType, types.MethodType)):
        setattr(parent, str(key), module)


def wrappers_of(original: torch.nn.Module) -> list[Module]:
    """The Module that wraps this one, if there is one."""
    forward = original.__dict__.get("forward")
    return [forward.wrapper] if isinstance(forward, _Forward) else []


def all_modules() -> list[Module]:
    """Every module that the user has wrapped and that is alive."""
    return [module for module in _all_modules if not module.by_itself]


def part_of(owner: Any, key: str) -> Any:
    """What an attribute, key or position of an object is; None if there is none."""
    if isinstance(owner, Mapping):
        return owner.get(key)
    if isinstance(owner, (list, tuple)):
        return owner[int(key)] if key.isdecimal() and int(key) < len(owner) else None
    return getattr(owner, key, None)
