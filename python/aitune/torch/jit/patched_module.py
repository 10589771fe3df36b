"""PatchedModule: a module that is watched while a program runs, and tuned when it was called often enough."""

from __future__ import annotations

import copy
import logging
import threading
import types
import weakref
from collections import Counter
from collections.abc import Callable
from enum import Enum
from typing import Any, ClassVar

import torch
from torch.fx import _symbolic_trace
from torch.jit._trace import is_tracing

from aitune.errors import InvalidArgument, Unsupported, in_words
from aitune.torch.jit.config import JITMode, config
from aitune.torch.module import Module, ModuleState, wrappers_of
from aitune.torch.module.standin import Standin, bound_forward, release_standins
from aitune.torch.module.strategies import StrategyChoice
from aitune.torch.module.wrapper_module import unwrap
from aitune.torch.tuning import tune_recorded

__all__ = ["FirstCall", "PatchedModule", "PatchedState", "left_alone"]

_logger = logging.getLogger("aitune")
_tuning, _first = threading.Lock(), threading.Lock()
# Newer versions of PyTorch warn of the older name.
_is_fx_tracing: Callable[[], bool] = getattr(_symbolic_trace, "is_fx_symbolic_tracing", _symbolic_trace.is_fx_tracing)
_calls = threading.local()


def _stack() -> list[PatchedModule]:
    """The watched modules that this thread is inside of."""
    if not hasattr(_calls, "stack"):
        _calls.stack = []
    stack: list[PatchedModule] = _calls.stack
    return stack


def left_alone(module: torch.nn.Module) -> bool:
    """Whether a call is not for us: somebody traces or compiles the module, or trains it."""
    if torch.compiler.is_compiling() or is_tracing() or _is_fx_tracing():
        return True
    return module.training and torch.is_grad_enabled()


class PatchedState(Enum):
    """What has become of a module."""

    RECORDING = "recording"
    TUNED = "tuned"
    EAGER = "eager"  # it stays in PyTorch
    SKIPPED = "skipped"  # jit_config says so
    DETACHED = "detached"  # it is inside of one that is tuned


class PatchedModule:
    """A module that was called while tuning while a program runs is on, at most jit_config.max_depth_level deep.

    Attributes:
        name: classes from the outermost module on, "Pipeline.UNet".
        level: 0 for the outermost ones.
        state: what has become of it.
        call_count: recorded calls.
        children: those that it calls, as deep as they are watched.
    """

    history: ClassVar[list[str]] = []
    deferred_tuning_enabled: ClassVar[bool] = False
    _known: ClassVar[weakref.WeakKeyDictionary[torch.nn.Module, PatchedModule]] = weakref.WeakKeyDictionary()
    _names: ClassVar[Counter[str]] = Counter()

    def __init__(self, module: torch.nn.Module, parent: PatchedModule | None, state: PatchedState) -> None:
        self._module = weakref.ref(module)
        self._allowed = parent is None  # children have their turn when their parent cannot be tuned
        self._info = ""
        self._warned = False
        self.is_tuning = False  # no call is recorded meanwhile
        self.level: int = 0 if parent is None else parent.level + 1
        self.state = state
        self.call_count = 0
        self.children: list[PatchedModule] = []
        self.parameters = sum(parameter.numel() for parameter in module.parameters())
        name = type(module).__name__
        name = name if parent is None else f"{parent.name}.{name}"
        count = self._names[name]
        self._names[name] += 1
        self.name: str = f"{name}.{count}" if count else name
        if parent is not None:
            parent.children.append(self)
        self._known[module] = self
        self._note("new")

    def __str__(self) -> str:
        info = f" ({self._info})" if self._info else ""
        return f"{self.name} {self.parameters} parameters level={self.level} state={self.state.value}{info} call_count={self.call_count}"

    def _note(self, what: str) -> None:
        self.history.append(f"{what}: {self}")
        _logger.debug("%s", self.history[-1])

    # --- what there is ---

    @classmethod
    def heads(cls) -> list[PatchedModule]:
        """The outermost modules that are alive."""
        return [patched for patched in list(cls._known.values()) if patched.level == 0]

    @staticmethod
    def print_hierarchy(sink: Callable[[str], Any] = print) -> None:
        """A line for each module, below the one that calls it."""

        def show(patched: PatchedModule) -> None:
            sink(f"{'  ' * patched.level}{patched}")
            for child in patched.children:
                show(child)

        for head in PatchedModule.heads():
            show(head)

    @staticmethod
    def print_history(sink: Callable[[str], Any] = print) -> None:
        """What was done, in order."""
        sink("\n".join(PatchedModule.history))

    @classmethod
    def reset(cls) -> None:
        """Lets every module answer by itself again, and forgets all."""
        for module in list(cls._known):
            _unwrap(module)
        cls._known.clear()
        cls._names.clear()
        cls.history.clear()
        cls.deferred_tuning_enabled = False

    # --- what becomes of one ---

    @classmethod
    def at_first_call(cls, module: torch.nn.Module) -> None:
        """Decides whether a module is watched from now on."""
        parent = next(reversed(_stack()), None)
        level = 0 if parent is None else parent.level + 1
        parameters = sum(parameter.numel() for parameter in module.parameters())
        if level >= config.max_depth_level or parameters <= config.min_parameters:
            return
        if type(module).__name__ in config.skip_modules:
            cls(module, parent, PatchedState.SKIPPED)
            release_standins(module)
            return
        patched = cls(module, parent, PatchedState.RECORDING)
        try:
            _JitModule(module, patched).enable_recording()
        except Exception as error:
            patched.give_up(in_words(error))

    def recorded(self, wrapper: Module) -> None:
        """Behind each recorded call: tunes, if it is time."""
        self.call_count += 1
        if self._is_ready(wrapper):
            self._tune()

    def _is_ready(self, wrapper: Module) -> bool:
        if not self._allowed or self.state is not PatchedState.RECORDING or self.call_count == 0:
            return False
        if config.mode is JITMode.TUNE_DEFERRED:
            return self.deferred_tuning_enabled
        if self.call_count < config.min_samples:
            return False
        moves = (dim for spec in wrapper.graph_specs for t in spec.input_spec.tensor_specs for dim in t.shape)
        return config.min_samples == 1 or not config.batch_axis_required or any(isinstance(dim, str) for dim in moves)

    def _tune(self) -> None:
        """Tunes the module; where it cannot be, those that it calls."""
        if not _tuning.acquire(blocking=False):
            return  # another thread is at it; the next call comes
        try:
            todo = [self]
            while todo:
                current = todo.pop()
                module = current._module()
                wrapper = None if module is None else _wrapper(module)
                if module is None or wrapper is None:
                    continue
                release_standins(module)
                current.is_tuning = True
                problem = _tune_wrapper(wrapper)
                current.is_tuning = False
                if problem is None:
                    current._set(PatchedState.TUNED, ", ".join(result.backend for result in wrapper.results()))
                    current._detach_children()
                    continue
                current.give_up(problem)
                for child in current.children:
                    child._allowed = True
                    inside = child._module()
                    owner = None if inside is None else _wrapper(inside)
                    if owner is not None and child._is_ready(owner):
                        todo.append(child)
        finally:
            _tuning.release()

    def give_up(self, why: str) -> None:
        """Leaves the module in PyTorch."""
        module = self._module()
        if module is not None:
            _unwrap(module)
        self._set(PatchedState.EAGER, why)
        _logger.warning("%s stays in PyTorch: %s", self.name, why)

    def in_pytorch(self, why: str) -> None:
        """Says once that there are calls that the tuned module does not answer."""
        if not self._warned:
            self._warned = True
            _logger.warning("%s: calls of another kind run in PyTorch: %s", self.name, why)

    def _set(self, state: PatchedState, info: str = "") -> None:
        self.state, self._info = state, info
        self._note(state.value)

    def _detach_children(self) -> None:
        for child in self.children:
            if child.state is PatchedState.RECORDING:
                module = child._module()
                if module is not None:
                    _unwrap(module)
                child._set(PatchedState.DETACHED)
            child._detach_children()


def _tune_wrapper(wrapper: Module) -> str | None:
    """Tunes what was recorded. Returns why it stays in PyTorch, if it does."""
    wrapper.__dict__["_strategies"] = StrategyChoice(config.resolve_strategy(), None)
    try:
        tune_recorded(wrapper, config.dry_run)
    except Exception as error:
        return in_words(error)
    if config.dry_run:
        return "it was a dry run"
    if all(result.engine is None for result in wrapper.results()):
        return "no backend is right and fast enough"
    return None


def _wrapper(module: torch.nn.Module) -> _JitModule | None:
    return next((wrapper for wrapper in wrappers_of(module) if isinstance(wrapper, _JitModule)), None)


def _unwrap(module: torch.nn.Module) -> None:
    wrapper = _wrapper(module)
    if wrapper is not None:
        unwrap(wrapper)


class _JitModule(Module):
    """A Module that nobody sees: what it cannot do, PyTorch does."""

    by_itself = True

    def __init__(self, module: torch.nn.Module, patched: PatchedModule) -> None:
        super().__init__(module, patched.name)
        self.__dict__["_patched"] = patched

    @staticmethod
    def _release(module: torch.nn.Module) -> None:
        """Those inside are asked when they are called."""

    def _subject(self) -> tuple[torch.nn.Module, Callable[..., Any]]:
        """A copy: exporters put other weights into a module for a while, and the program may call it in other threads."""
        copied = copy.deepcopy(self._original)
        release_standins(copied)
        for part in copied.modules():
            if part.__dict__.get("forward") == bound_forward(part):
                del part.__dict__["forward"]
        return copied, copied.forward

    def _dispatch(self, *args: Any, **kwargs: Any) -> Any:
        if getattr(self._active, "inside", False) or self._patched.is_tuning or left_alone(self._original):
            return self._own_forward(*args, **kwargs)
        self._active.inside = True
        _stack().append(self._patched)
        try:
            if self._state is ModuleState.TUNED:
                return self._answer(args, kwargs)
            result, is_kept = self._watch(args, kwargs)
        finally:
            _stack().pop()
            self._active.inside = False
        if is_kept:
            self._patched.recorded(self)
        return result

    def _answer(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            return self._run_tuned(self._signature.normalise(args, kwargs))
        except (InvalidArgument, Unsupported) as error:
            if any(parameter.is_meta for parameter in self._original.parameters()):
                raise  # the weights are gone
            self._patched.in_pytorch(error.problem)
        return self._own_forward(*args, **kwargs)

    def _watch(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, bool]:
        """The result of a call in PyTorch, and whether it was recorded."""
        try:
            named = self._signature.normalise(args, kwargs)
        except InvalidArgument:
            return self._own_forward(*args, **kwargs), False  # which says what is wrong
        try:
            key, sample = self._recording.begin(named)
        except Exception as error:
            self._patched.give_up(in_words(error))
            return self._own_forward(*args, **kwargs), False
        result = self._own_forward(*args, **kwargs)
        try:
            with self._lock:
                self._recording.end(key, sample, named, result)
        except Exception as error:
            self._patched.give_up(in_words(error))
            return result, False
        return result, True


class FirstCall(Standin):
    """Stands in the place of a forward() until the module is called for the first time. To all who look at it, such as
    torch.jit.script, it is that method."""

    waiting: ClassVar[weakref.WeakSet[torch.nn.Module]] = weakref.WeakSet()

    def __init__(self, module: torch.nn.Module) -> None:
        self._module = module
        self.waiting.add(module)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return types.MethodType

    def __getattr__(self, name: str) -> Any:
        return getattr(bound_forward(self.__dict__["_module"]), name)

    def release(self) -> None:
        self.waiting.discard(self._module)
        if self._module.__dict__.get("forward") is self:
            del self._module.__dict__["forward"]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        module = self._module
        if left_alone(module):
            return bound_forward(module)(*args, **kwargs)
        with _first:
            if module.__dict__.get("forward") is self:  # no other thread was sooner
                self.release()
                PatchedModule.at_first_call(module)
        return module.forward(*args, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return FirstCall(memo.get(id(self._module), self._module))

    def __reduce__(self) -> Any:
        return bound_forward, (self._module,)
