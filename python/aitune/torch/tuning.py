"""tune, save and load."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from aitune.errors import AituneError, Incompatible, InvalidArgument
from aitune.torch import backend
from aitune.torch.archive import GraphMeta, architecture_of, read_entries, write_bundle
from aitune.torch.backend import BuildResult
from aitune.torch.config import aitune_cache_dir, check_device_name, config
from aitune.torch.dataset import calls_of
from aitune.torch.engine import Engine
from aitune.torch.export import evaluating
from aitune.torch.files import replacing
from aitune.torch.module import (
    Module,
    ModuleState,
    all_modules,
    find_modules,
    located_modules,
    named_module,
    original_forwards,
    part_of,
    place,
    unknown_call,
    wrappers_of,
)
from aitune.torch.progress import improving, showing
from aitune.torch.reporting import reporting
from aitune.torch.recording import check_device, take_call

__all__ = ["LoadedModule", "load", "save", "tune"]

_logger = logging.getLogger("aitune")


def tune(
    func: Callable[..., Any],
    dataset: Any = None,
    batch_sizes: Sequence[int] | None = None,
    max_num_batches_per_batch_size: int | None = None,
    device: str | torch.device | None = None,
    dry_run: bool = False,
    disable_external_logging: bool = False,
    clear_cache: bool = False,
    ignore_failing_modules: bool = False,
    release_weights: bool = False,
    improved: Callable[[str, Path], None] | None = None,
) -> str | None:
    """Tunes the Modules that `func` calls when it is run on the samples of `dataset`.

    Args:
        func: a Module, a pipeline that holds Modules, or a function that calls them.
        dataset: samples: a tensor, a dict of keyword arguments or a tuple of positional ones is one; a DataLoader, a
            Dataset, a list or any other iterable gives several. None: the calls that were recorded before.
        batch_sizes: samples have no batch dimension, and calls with batches of each of these sizes are made of them.
            None: every sample is a call as it is.
        max_num_batches_per_batch_size: how many calls are made at most (of each batch size).
        device: "cpu", or None for where the modules are.
        dry_run: nothing is built; returns, and logs, how each module would be cut and what would fall back. The same is
            done with modules whose settings say `dryrun`, which may be a path to write to, too.
        disable_external_logging: other loggers than aitune's are silent meanwhile.
        clear_cache: the timings of earlier tunings in the user's cache are removed before.
        ignore_failing_modules: a module that cannot be tuned stays as it is, with a warning, instead of an error.
        release_weights: the weights of the original modules leave memory once they are tuned, as with
            config.device_after_tuning = "meta".
        improved: called with the name of a graph and the path of an ``.ait`` whenever a better plan has been found for
            it, the first time after seconds. The file may be loaded or copied; it is there until `improved` returns.
            What it raises ends tuning.

    Raises:
        InvalidArgument: no sample, a sample that fails, a tensor on another device, no Module that is called; tuning
            inside of torch.autocast.
        Unsupported: a model that cannot be exported or compiled.
        ValidationError: no plan gives the reference's outputs.
    """
    check_device_name(device, "tune")
    _check_autocast()
    if clear_cache:
        (aitune_cache_dir() / "timings.json").unlink(missing_ok=True)
    raised: list[BaseException] = []  # by `improved`
    noting = _noting(improved, raised)
    silence = _others_silent() if disable_external_logging else contextlib.nullcontext()
    with silence, showing(), improving(noting), reporting() as report:
        candidates = _candidates(func, dataset)
        met = _record(func, dataset, candidates, batch_sizes, max_num_batches_per_batch_size)
        dry = [module for module in met if dry_run or module._wants_dry_run()]
        text = _dry_run(dry) if dry else None
        for module in met:
            if module in dry:
                continue
            try:
                _logger.info("%s: tuning with %s", module.name, module.strategy.describe())
                with report.module(module):
                    module._tune()
            except Exception as error:
                if not ignore_failing_modules or raised:
                    raise
                said = str(error) if isinstance(error, AituneError) else f"{type(error).__name__}: {error}"
                _logger.warning("%s stays as it is: %s", module.name, said)
                continue
            if release_weights or config.device_after_tuning == "meta":
                module._release_weights()
    return text


def _noting(
    improved: Callable[[str, Path], None] | None, raised: list[BaseException]
) -> Callable[[str, Path], None] | None:
    """The same function, which puts what it raises into the list, too."""
    if improved is None:
        return None

    def call(name: str, path: Path) -> None:
        try:
            improved(name, path)
        except BaseException as error:
            raised.append(error)
            raise

    return call


@contextlib.contextmanager
def _others_silent() -> Iterator[None]:
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] != "aitune"]
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled


def _check_autocast() -> None:
    if torch.is_autocast_enabled("cpu"):
        raise InvalidArgument(
            "torch.autocast is on",
            "tune",
            "Tune outside of it, and let CompilationSettings have enable_autocast=True, or enabled_precisions with "
            "torch.bfloat16 or torch.float16",
        )


def _candidates(func: Any, dataset: Any) -> list[Module]:
    """Which modules to look at: all that there are, since any may be called; or those that hold recorded calls."""
    if dataset is None:
        return find_modules(func)
    if not callable(func):
        raise InvalidArgument(
            f"a {type(func).__name__} cannot be called", "tune", "Give a Module, a pipeline or a function"
        )
    return all_modules()


@contextlib.contextmanager
def _recording(modules: Sequence[Module]) -> Iterator[None]:
    """Modules that are not tuned record; all are what they were afterwards."""
    states = [(module, module.state) for module in modules]
    for module, state in states:
        if state is not ModuleState.TUNED:
            module.clear_recording()
            module.enable_recording()
    try:
        yield
    finally:
        for module, state in states:
            module.__dict__["_state"] = state


def _record(
    func: Callable[..., Any],
    dataset: Any,
    modules: Sequence[Module],
    batch_sizes: Sequence[int] | None,
    max_batches: int | None,
) -> list[Module]:
    if not modules:
        raise InvalidArgument(
            "there is no module to tune", "tune", "Wrap the modules first: model = aitune.torch.Module(model, 'my-model')"
        )
    if dataset is not None:
        with _recording(modules), torch.no_grad():
            for name, args, kwargs in calls_of(dataset, batch_sizes, max_batches):
                try:
                    func(*args, **kwargs)
                except AituneError as error:
                    raise type(error)(error.problem, f"{name} of the dataset: {error.where}", error.fix) from error
                except Exception as error:
                    raise InvalidArgument(
                        f"the model fails on it: {type(error).__name__}: {error}",
                        f"{name} of the dataset",
                        "Leave that sample out, or give it in the form that the model takes",
                    ) from error
    met = [m for m in modules if m.state is not ModuleState.TUNED and m.recording.graphs]
    if not met and (tuned := [m for m in find_modules(func) if m.state is ModuleState.TUNED]):
        raise InvalidArgument(
            f"module '{tuned[0].name}' is tuned already", "tune", "Use enable_recording(force=True) to tune it again"
        )
    if not met:
        names = ", ".join(f"'{module.name}'" for module in modules)
        raise InvalidArgument(f"none of the modules was called: {names}", "tune", "Give a function that calls them")
    for module in met:
        if nan := module.recording.first_nan:
            call, path = nan
            _logger.warning(
                "%s: output '%s' has NaN in PyTorch itself on sample %d: tuning cannot tell there whether results are "
                "right. Leave such samples out if they are not meant",
                module.name, path, call,
            )
    return met


def _dry_run(modules: Sequence[Module]) -> str:
    """The texts of all graphs and backends: logged, and written where a backend's `dryrun` names a file."""
    texts: list[str] = []
    files: dict[str, list[str]] = {}
    for module in modules:
        for job, strategy in module._graphs():
            for backend in strategy.backends():
                with original_forwards(), evaluating(module._original), torch.no_grad():
                    text = backend.build(job.module, job.forward, job.record, job.name, dry_run=True)
                texts.append(f"module '{job.name}', {backend.describe()}\n{text}")
                _logger.info("%s", texts[-1])
                if isinstance(path := backend.wants_dry_run(), str):
                    files.setdefault(path, []).append(texts[-1])
    for path, parts in files.items():
        with replacing(Path(path)) as file:
            file.write("\n".join(parts).encode())
    return "\n".join(texts)


def save(module: Any, path: str | os.PathLike[str]) -> None:
    """Writes a tuned module, or all tuned modules of a pipeline, as an ``.ait``, atomically.

    A module with one graph, which is the rule, gives a file that PyTorch opens, too: ``torch.export.load(path)``.
    Several graphs or modules lie in the file as one ``.ait`` each, under ``data/aitune/modules/``.

    Raises InvalidArgument if nothing is tuned.
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
                # The path tells modules of one name apart.
                meta = dataclasses.replace(meta, path=at) if names[owner.name] > 1 else meta
                graphs.append((meta, str(result.engine.saved)))
    if isinstance(module, LoadedModule):
        files = module._engines
    if not files:
        raise InvalidArgument("nothing is tuned", "save", "Call tune() before save()")
    target = Path(path)
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
        key, tensors = take_call(self._signature.normalise(args, kwargs), where)
        check_device(tensors, list(key.structure.paths()), where)
        engine = self._by_key.get(key)
        if engine is None:
            raise unknown_call(list(self._by_key), key, where)
        return engine.run(tensors)

    def extra_repr(self) -> str:
        return f"name={self.name!r}, file={str(self._engines[0].path)!r}"


def load(module: Any, path: str | os.PathLike[str] | None = None, *, rebuild: bool = False) -> Any:
    """Loads an ``.ait``.

    ``load(model, "model.ait")`` lets a Module, a module of PyTorch or the modules of a pipeline answer by what is in the
    file, and returns it, a module of PyTorch as a Module. ``load("model.ait")`` returns a module without an original.
    With `rebuild`, a file whose plans do not fit this machine is compiled again from the program inside.

    Raises:
        NotFound, IoError, Corrupt, Unsupported, Unavailable, Incompatible: as the message says.
        InvalidArgument: the file holds another module.
    """
    if path is None:
        if not isinstance(module, (str, os.PathLike)):
            raise InvalidArgument("there is no path", "load", "Call load(model, path) or load(path)")
        groups = _engines_of(module, rebuild)
        if len(groups) > 1:
            raise InvalidArgument(
                f"the file holds {len(groups)} modules: {', '.join(name for name, _ in groups)}",
                os.fspath(module),
                "Load it into the pipeline: load(pipeline, path)",
            )
        return LoadedModule(next(iter(groups.values())))
    groups = _engines_of(path, rebuild)
    wrappers = find_modules(module)
    names = Counter(name for name, _ in groups)
    targets: list[tuple[Module, list[Engine]]] = []
    for (name, at), engines in groups.items():
        target = named_module(module, name, at, names[name] == 1, os.fspath(path))
        if target is None and at:
            target = _wrap_at(module, at, name, os.fspath(path))
        if target is None and len(groups) == 1:
            # A module by itself, under another name perhaps.
            target = wrappers[0] if len(wrappers) == 1 else None
            if target is None and isinstance(module, torch.nn.Module):
                target = Module(module, name)
                module = target
        if target is None:
            raise InvalidArgument(f"there is no module '{name}' in a {type(module).__name__}", os.fspath(path))
        _check_architecture(target, engines, os.fspath(path))
        targets.append((target, engines))
    for target, engines in targets:
        _adopt(target, engines)
    if isinstance(module, torch.nn.Module) and not isinstance(module, Module):
        return next(iter(wrappers_of(module)), module)
    return module


def _engines_of(path: str | os.PathLike[str], rebuild: bool) -> dict[tuple[str, str], list[Engine]]:
    """The graphs of each module in a file, by its name and path. Raises InvalidArgument where they do not tell modules
    apart."""
    groups: dict[tuple[str, str], list[Engine]] = {}
    for entry in read_entries(path):
        try:
            engine = Engine(path, entry)
        except Incompatible:
            if not rebuild:
                raise
            engine = backend.compile_again(Path(path), entry)
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
                f"the arguments of '{module.name}', a {type(module._original).__name__}",
                where,
                "Load it into the module that was tuned, or without one: load(path)",
            )


def _adopt(module: Module, engines: Sequence[Engine]) -> None:
    for engine in engines:
        engine.keep_state_in(module._original)
    module._adopt(
        {
            None if engine.entry.meta is None else engine.entry.meta.key: BuildResult("a file", engine.run, engine)
            for engine in engines
        }
    )


def _wrap_at(owner: Any, path: str, name: str, where: str) -> Module:
    """Wraps what the path leads to, by attributes, keys and positions."""
    *parents, last = path.split(".")
    found = owner
    for part in parents:
        found = part_of(found, part)
    original = part_of(found, last)
    if not isinstance(original, torch.nn.Module):
        raise InvalidArgument(f"there is no module '{path}' in a {type(owner).__name__}", where)
    wrapped = original if isinstance(original, Module) else Module(original, name)
    wrapped.__dict__["_path"] = path
    place(found, last, wrapped)
    return wrapped
