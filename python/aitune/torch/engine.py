"""A tuned graph on tensors of PyTorch."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from aitune import _runtime
from aitune.errors import Corrupt
from aitune.torch.archive import Entry, GraphMeta
from aitune.torch.structure import rebuild

__all__ = ["Engine", "work_folder"]


_work: dict[int, Path] = {}  # by process: a fork has a folder of its own


def work_folder() -> Path:
    """A folder for files that live as long as the process needs them."""
    process = os.getpid()
    if process not in _work:
        _work[process] = Path(tempfile.mkdtemp(prefix="aitune-"))
        atexit.register(_in_process, process, shutil.rmtree, _work[process], True)
    return _work[process]


def _in_process(process: int, remove: Callable[..., None], *args: Any) -> None:
    """Forks leave alone what belongs to the process that they came from."""
    if os.getpid() == process:
        with contextlib.suppress(OSError):
            remove(*args)


class Engine:
    """One graph of a module: a loaded ``.ait`` with the structure of its calls. Many threads may run it at once.

    Args:
        path: the file.
        entry: which part of the file, and its structure; without one, results are a tensor or a tuple of them.
        owns_folder: the folder of the file is removed together with this.
        saved: the file that save() writes in its place, which is without weights perhaps.
    """

    def __init__(
        self, path: str | os.PathLike[str], entry: Entry, *, owns_folder: bool = False, saved: Path | None = None
    ) -> None:
        self.path = Path(path)
        self.saved = saved or self.path
        self.entry = entry
        self._loaded = _runtime.LoadedModule(os.fsencode(path), 0, True, entry.number, "", 0)
        self._module: weakref.ref[torch.nn.Module] | None = None
        self._written = self._loaded.states
        self._buffers = {state.input: self._own_buffer(state) for state in self._written if state.buffer is not None}
        self.input_names = [info.name for i, info in enumerate(self._loaded.inputs) if i not in self._buffers]
        self._dtypes = [getattr(torch, info.dtype) for info in self._loaded.outputs]
        if owns_folder:
            weakref.finalize(self, _in_process, os.getpid(), shutil.rmtree, self.path.parent, True)
        if entry.meta is not None:
            self._check(entry.meta)

    def _check(self, meta: GraphMeta) -> None:
        inputs, outputs = meta.key.structure.count(), meta.output.count()
        if len(self.input_names) != inputs:
            raise Corrupt(f"the plan has {len(self.input_names)} inputs, its calls {inputs}", str(self.path))
        # Behind the results a script has what its forward() stores in attributes.
        if len(self._dtypes) < outputs:
            raise Corrupt(f"the plan has {len(self._dtypes)} outputs, its calls {outputs}", str(self.path))

    def keep_state_in(self, module: torch.nn.Module) -> None:
        """Lets the buffers that the graph writes to be those of `module`, as long as it has such with values."""
        self._module = weakref.ref(module)

    def buffers(self) -> list[torch.Tensor]:
        """The buffers that the graph writes to, in the order of its inputs."""
        if not self._buffers:
            return []
        module = None if self._module is None else self._module()
        theirs = {} if module is None else dict(module.named_buffers())
        names = {state.input: state.buffer for state in self._written}
        return [_same_kind(theirs.get(names[index] or ""), own) for index, own in self._buffers.items()]

    def run(self, tensors: Sequence[torch.Tensor]) -> Any:
        """Runs the graph on the tensors of a call, and puts the results into the module's structure.

        What the module's forward() writes to, its buffers and perhaps arguments, is written to here, too. Calls of a
        graph with such buffers must not overlap."""
        given = [*tensors, *self.buffers()]  # buffers are the last inputs
        memory, shapes = self._loaded.run([_readable(tensor) for tensor in given], self._allocate)
        results = [m if m.shape == s else _cut(m, s) for m, s in zip(memory, shapes, strict=True)]
        for state in self._written:
            with torch.no_grad():
                given[state.input].copy_(results[state.output])
        outputs = {state.output for state in self._written}
        results = [result for index, result in enumerate(results) if index not in outputs]
        if self.entry.meta is not None:
            return rebuild(self.entry.meta.output, iter(results))
        return results[0] if len(results) == 1 else tuple(results)

    def _own_buffer(self, state: _runtime.StateInfo) -> torch.Tensor:
        info = self._loaded.inputs[state.input]
        memory = torch.frombuffer(bytearray(state.first_value or b"\0"), dtype=torch.uint8)
        shape = tuple(info.min_shape)
        dtype = getattr(torch, info.dtype)
        return memory.view(dtype).reshape(shape) if state.first_value else torch.empty(shape, dtype=dtype)

    def _allocate(self, index: int, shape: tuple[int, ...]) -> torch.Tensor:
        return torch.empty(shape, dtype=self._dtypes[index])


def _same_kind(theirs: torch.Tensor | None, own: torch.Tensor) -> torch.Tensor:
    """The module's buffer, if it can stand for the engine's own."""
    if theirs is None or theirs.device != own.device or theirs.dtype != own.dtype or theirs.shape != own.shape:
        return own
    return theirs


def _readable(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor as DLPack gives it away: without a gradient, and without conjugation that is still to come."""
    if tensor.requires_grad:
        tensor = tensor.detach()
    return tensor.resolve_conj().resolve_neg()


def _cut(memory: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Data decided a smaller size than there was memory for: what is there stands at the beginning."""
    count = 1
    for size in shape:
        count *= size
    return memory.reshape(-1)[:count].reshape(shape).clone()

