"""save and load: tuned modules as files."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from aitune.errors import Incompatible, InvalidArgument, a_kind
from aitune.torch import backend
from aitune.torch.archive import GraphMeta, architecture_of, read_entries, write_bundle
from aitune.torch.backend import BuildResult
from aitune.torch.checkpoint.local_torch_storage import LocalTorchStorage, place_in
from aitune.torch.config import check_device_name
from aitune.torch.engine import Engine
from aitune.torch.files import replacing
from aitune.torch.module import Module, find_modules, located_modules, named_module, part_of, place, unknown_call, wrappers_of
from aitune.torch.progress import others_silent
from aitune.torch.recording import check_device, take_call
from aitune.torch.updates import put_back

__all__ = ["LoadedModule", "load", "save"]


def save(module: Any, path: str | os.PathLike[str], storage: LocalTorchStorage | None = None) -> None:
    """Writes a tuned module, or all tuned modules of a pipeline, as an ``.ait``, atomically.

    A module with one graph, which is the rule, gives a file that PyTorch opens, too: ``torch.export.load(path)``.
    Several graphs or modules lie in the file as one ``.ait`` each, under ``data/aitune/modules/``. With a `storage`, the
    path is a name in its folder.

    Raises InvalidArgument if nothing is tuned, IoError if the file cannot be written.
    """
    graphs: list[tuple[GraphMeta, str]] = []
    files: list[Engine] = []
    located = located_modules(module)
    names = Counter(owner.name for _, owner in located)
    for at, owner in located:
        for result in owner._tuned.values():
            if result.engine is None:
                raise InvalidArgument(
                    f"module '{owner.name}' runs in {result.backend}, which has no file", "save", "Use another backend"
                )
            files.append(result.engine)
            if (meta := result.engine.entry.meta) is not None:
                # The path tells modules of one name apart, and where they belong in a pipeline that is not wrapped.
                meta = dataclasses.replace(meta, path=at or meta.path)
                graphs.append((meta, str(result.engine.saved)))
    if isinstance(module, LoadedModule):
        files = module._engines
    if not files:
        raise InvalidArgument("nothing is tuned", "save", "Call tune() before save()")
    target = place_in(storage, path, True, "save")
    whole = {engine.saved for engine in files}
    if len(whole) == 1 and (len(files) == 1 or files[0].entry.size is not None):
        if files[0].entry.size is None and graphs and names[graphs[0][0].name] > 1:
            raise InvalidArgument(
                f"there are {names[graphs[0][0].name]} modules '{graphs[0][0].name}', and one of them is tuned: "
                "its file would not say which",
                "save",
                "Give each Module a name of its own, or save that one alone",
            )
        source = whole.pop()
        with replacing(target) as file, open(source, "rb") as original:
            shutil.copyfileobj(original, file, 1 << 20)
        return
    if len(graphs) != len(files) or any(engine.entry.size is not None for engine in files):
        raise InvalidArgument(
            "these modules were loaded from files of several kinds", "save", "Save the modules one by one"
        )
    with replacing(target) as file:
        write_bundle(file, graphs)


class LoadedModule(torch.nn.Module):
    """A tuned module from a file, without its original: it answers the calls that it was tuned for."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        super().__init__()
        meta = engines[0].entry.meta
        self.name = meta.name if meta is not None else engines[0].path.stem
        self._signature = None if meta is None else meta.signature
        self._engines = list(engines)
        self._by_key = {e.entry.meta.key: e for e in engines if e.entry.meta is not None}
        self.eval()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the graph for this kind of call. Raises InvalidArgument if there is none."""
        where = f"module '{self.name}'"
        if self._signature is None:
            names = self._engines[0].input_names
            named = dict(zip(names, args, strict=False)) | kwargs
            missing = [name for name in names if name not in named]
            if missing or len(args) > len(names) or len(named) > len(names):
                raise InvalidArgument("the call does not fit the model", where, f"Its inputs are: {', '.join(names)}")
            return self._engines[0].run([named[name] for name in names])
        named = self._signature.normalise(args, kwargs)
        key, tensors = take_call(named, where)
        check_device(tensors, list(key.structure.paths()), where)
        engine = self._by_key.get(key)
        if engine is None:
            raise unknown_call(list(self._by_key), key, where)
        return put_back(engine.run(tensors), named, engine.entry.meta.updates if engine.entry.meta else ())

    def extra_repr(self) -> str:
        return f"name={self.name!r}, file={str(self._engines[0].path)!r}"


def load(
    module: Any,
    path: str | os.PathLike[str] | None = None,
    storage: LocalTorchStorage | None = None,
    device_map: Mapping[str, str | torch.device] | None = None,
    disable_external_logging: bool = False,
    *,
    rebuild: bool = False,
) -> Any:
    """Loads an ``.ait``.

    ``load(model, "model.ait")`` lets a Module, a module of PyTorch or the modules of a pipeline answer by what is in the
    file, and returns it, a module of PyTorch as a Module. ``load("model.ait")`` returns a module without an original.

    Args:
        module: the module or pipeline; or the path, where `path` is left out.
        path: the file; a name in the folder of `storage`, if there is one.
        storage: where the file is.
        device_map: the device of each module, by its name, or its path in the pipeline; "" for the only one. It is "cpu".
        disable_external_logging: other loggers than aitune's are silent meanwhile.
        rebuild: a file whose plans do not fit this machine is compiled again from the program inside.

    Raises:
        NotFound, IoError, Corrupt, Unsupported, Unavailable, Incompatible: as the message says.
        InvalidArgument: the file holds another module, or none that device_map names.
    """
    if path is None and not isinstance(module, (str, os.PathLike)):
        raise InvalidArgument("there is no path", "load", "Call load(model, path) or load(path)")
    file = place_in(storage, module if path is None else path, False, "load")
    with others_silent() if disable_external_logging else contextlib.nullcontext():
        groups = _engines_of(file, rebuild)
        _check_device_map(device_map, groups, file)
        return _load_alone(groups, file) if path is None else _load_into(module, groups, file)


_Groups = dict[tuple[str, str], list[Engine]]
"""The graphs of each module in a file, by its name and path."""


def _check_device_map(device_map: Mapping[str, str | torch.device] | None, groups: _Groups, file: Path) -> None:
    known = {name for key in groups for name in key if name} | ({""} if len(groups) == 1 else set())
    for name, device in (device_map or {}).items():
        if name not in known:
            raise InvalidArgument(
                f"device_map names '{name}', which is no module of the file", str(file), f"It holds: {_names(groups)}"
            )
        check_device_name(device, "device_map")


def _names(groups: _Groups) -> str:
    return ", ".join(path or name for name, path in groups)


def _load_alone(groups: _Groups, file: Path) -> LoadedModule:
    if len(groups) > 1:
        raise InvalidArgument(
            f"the file holds {len(groups)} modules: {', '.join(name for name, _ in groups)}",
            str(file),
            "Load it into the pipeline: load(pipeline, path)",
        )
    return LoadedModule(next(iter(groups.values())))


def _load_into(module: Any, groups: _Groups, path: Path) -> Any:
    wrappers = find_modules(module)
    names = Counter(name for name, _ in groups)
    targets: list[tuple[Module, list[Engine]]] = []
    for (name, at), engines in groups.items():
        target = named_module(module, name, at, names[name] == 1, os.fspath(path))
        if target is None and at:
            target = _wrap_at(module, at, name)
        if target is None and len(groups) == 1:
            # A module by itself, under another name perhaps.
            target = wrappers[0] if len(wrappers) == 1 else None
            if target is None and isinstance(module, torch.nn.Module):
                target = Module(module, name)
                module = target
        if target is None:
            raise InvalidArgument(
                f"there is no module '{name}' in {a_kind(module)}",
                os.fspath(path),
                f"Wrap the one that it was tuned for, as before tuning: ait.Module(module, '{name}')",
            )
        _check_architecture(target, engines, os.fspath(path))
        targets.append((target, engines))
    for target, engines in targets:
        _adopt(target, engines)
    if isinstance(module, torch.nn.Module) and not isinstance(module, Module):
        return next(iter(wrappers_of(module)), module)
    return module


def _engines_of(path: Path, rebuild: bool) -> _Groups:
    """The graphs in a file. Raises InvalidArgument where they do not tell modules apart."""
    groups: _Groups = {}
    for entry in read_entries(path):
        try:
            engine = Engine(path, entry)
        except Incompatible:
            if not rebuild:
                raise
            engine = backend.compile_again(path, entry)
        place_of = (entry.meta.name, entry.meta.path) if entry.meta else (engine.path.stem, "")
        groups.setdefault(place_of, []).append(engine)
    for (name, _), engines in groups.items():
        if len({None if engine.entry.meta is None else engine.entry.meta.key for engine in engines}) < len(engines):
            raise InvalidArgument(
                f"the file holds several modules '{name}', and does not say which is which",
                os.fspath(path),
                "Give each Module a name of its own, and save the pipeline again",
            )
    return groups


def _check_architecture(module: Module, engines: Sequence[Engine], where: str) -> None:
    here = architecture_of(module._original, module._signature)
    for engine in engines:
        meta = engine.entry.meta
        if meta is not None and here and meta.architecture and meta.architecture != here:
            raise InvalidArgument(
                f"the file holds another module: '{meta.name}' does not have the weights (names, shapes, dtypes) and "
                f"the arguments of '{module.name}', {a_kind(module._original)}",
                where,
                "Load it into the module that was tuned, or without one: load(path)",
            )


def _adopt(module: Module, engines: Sequence[Engine]) -> None:
    for engine in engines:
        engine.keep_state_in(module._original)
    module._adopt(
        {
            None if meta is None else meta.key: BuildResult("a file", engine.run, engine, updates=meta.updates if meta else ())
            for engine in engines
            for meta in [engine.entry.meta]
        }
    )


def _wrap_at(owner: Any, path: str, name: str) -> Module | None:
    """Wraps what the path leads to, by attributes, keys and positions. None if that is no module."""
    *parents, last = path.split(".")
    found = owner
    for part in parents:
        found = part_of(found, part)
    original = part_of(found, last)
    if not isinstance(original, torch.nn.Module):
        return None
    wrapped = original if isinstance(original, Module) else Module(original, name)
    wrapped.__dict__["_path"] = path
    place(found, last, wrapped)
    return wrapped
