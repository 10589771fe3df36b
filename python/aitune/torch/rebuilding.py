"""refit and repeat: files that were tuned before, built again without a search."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from aitune.errors import InvalidArgument, a_kind
from aitune.torch.archive import Entry, GraphMeta, Recorded, read_entries, read_recorded, write_bundle
from aitune.torch.custom import compiler, every_operator
from aitune.torch.dynamic_shapes import DynamicShapes, ShapeTable
from aitune.torch.export import Exported, evaluating, export, naming_module
from aitune.torch.files import replacing
from aitune.torch.module import Module, check_weights, named_module, original_forwards, part_of
from aitune.torch.progress import showing, tell
from aitune.torch.recording import GraphRecord, Sample
from aitune.torch.structure import rebuild
from aitune.torch.turns import own_turn

__all__ = ["refit", "repeat"]


def refit(file: str | os.PathLike[str], model: Any, path: str | os.PathLike[str]) -> None:
    """Puts other weights of the same shapes into an ``.ait``, with or without weights (``strip_engine_weights``), and
    writes the result to `path`. Nothing is timed: plans are built again as the file says that tuning chose them, and
    compared with the reference on the file's samples.

    Args:
        file: the ``.ait``.
        model: the model with the new weights: a Module, or a pipeline that holds the file's Modules; a module of PyTorch;
            a program of torch.export, or the path of a saved model, in the form that was tuned.
        path: the file to write; may be `file`.

    Raises:
        InvalidArgument: weights differ in shape or dtype, or the program is another; all are named.
        ValidationError: the plan is too far off with the new weights.
    """

    def build(part: str, source: str, made: str, _samples: Any) -> None:
        compiler().refit(part, source, made, tell("refit"))

    _build_again(file, model, path, build)


def repeat(
    decisions: str | os.PathLike[str], model: Any, path: str | os.PathLike[str], samples: Iterable[Any] | None = None
) -> None:
    """Builds what an earlier tuning decided once more, and writes it to `path`: the same file, byte for byte. Nothing is
    timed.

    Args:
        decisions: an ``.ait``, or a decision log that ``aitune inspect --decisions`` wrote.
        model: the model that was tuned: a Module, or the pipeline that holds the file's Modules; a module of PyTorch; a
            program of torch.export, or the path of a saved model. A decision log needs one of the last two.
        path: the file to write.
        samples: those that it was tuned on, each a tuple of inputs in call order or a dict by name; the ones in the
            ``.ait`` if left out.

    Raises:
        InvalidArgument: program, weights, samples or versions are others; all are named.
        Incompatible: this CPU lacks what a plan was made for.
    """
    given = None
    if samples is not None:
        given = [
            list(sample.items()) if isinstance(sample, Mapping) else [(str(i), x) for i, x in enumerate(sample)]
            for sample in samples
        ]

    def build(part: str, source: str, made: str, recorded: Any) -> None:
        compiler().repeat(part, source, made, recorded if given is None else given, tell("repeat"))

    _build_again(decisions, model, path, build)


_Build = Callable[[str, str, str, Any], None]
"""With the ``.ait`` of one graph, the saved model, the path to write, and the samples as that model takes them."""


def _build_again(file: str | os.PathLike[str], model: Any, path: str | os.PathLike[str], build: _Build) -> None:
    with own_turn(), showing(), tempfile.TemporaryDirectory(prefix="aitune-again-") as name:
        folder = Path(name)
        if isinstance(model, torch.export.ExportedProgram):
            source = folder / "model.pt2"
            torch.export.save(model, source)
            return build(os.fspath(file), str(source), os.fspath(path), None)
        if isinstance(model, (str, os.PathLike)):
            return build(os.fspath(file), os.fspath(model), os.fspath(path), None)
        made = []
        entries = read_entries(file)
        places = {(entry.meta.name, entry.meta.path) for entry in entries if entry.meta is not None}
        names = Counter(name for name, _ in places)
        for index, entry in enumerate(entries):
            if entry.meta is None:
                raise InvalidArgument(
                    "the file does not say how its module is called",
                    os.fspath(file),
                    "Give the model that was tuned as a saved file or as a program of torch.export",
                )
            found = _module_for(model, entry.meta, names[entry.meta.name] == 1, os.fspath(file))
            made.append((entry.meta, str(_build_part(file, entry, entry.meta, found, folder / str(index), build))))
        with replacing(Path(path)) as to:
            if len(entries) > 1 or entries[0].size is not None:
                write_bundle(to, made)
            else:
                with open(made[0][1], "rb") as only:
                    shutil.copyfileobj(only, to, 1 << 20)


_Found = contextlib.AbstractContextManager[tuple[torch.nn.Module, Any, DynamicShapes | None]]


def _build_part(
    file: str | os.PathLike[str], entry: Entry, meta: GraphMeta, found: _Found, folder: Path, build: _Build
) -> Path:
    """One graph of the file, from the module that it was made of."""
    folder.mkdir()
    part, made = folder / "part.ait", folder / "made.ait"
    with open(file, "rb") as whole, open(part, "wb") as to:
        whole.seek(entry.offset)
        to.write(whole.read(-1 if entry.size is None else entry.size))
    recorded = read_recorded(part)
    with found as (module, forward, dynamic_shapes):
        exported = export(module, forward, _record(meta, recorded, dynamic_shapes), recorded.ir, folder, meta.name)  # type: ignore[arg-type]
    with every_operator():
        samples = [_call(exported, tensors) for tensors in recorded.samples]
        with naming_module(exported.path, meta.name):
            build(str(part), str(exported.path), str(made), samples)
    return made


def _call(exported: Exported, tensors: list[torch.Tensor]) -> list[tuple[str, torch.Tensor]]:
    return [*zip(exported.names, tensors, strict=True), *exported.constants]


@contextlib.contextmanager
def _module_for(
    model: Any, meta: GraphMeta, only: bool, file: str
) -> Iterator[tuple[torch.nn.Module, Any, DynamicShapes | None]]:
    """The module that a graph was made of, its own forward() and what was declared of its sizes, ready to be
    exported. `only`: the file holds no other of that name."""
    wrapper = named_module(model, meta.name, meta.path, only, file)
    found: Any = model if wrapper is None else wrapper
    if wrapper is None and meta.path:
        for part in meta.path.split("."):
            found = part_of(found, part)
    if not isinstance(found, torch.nn.Module):
        raise InvalidArgument(
            f"there is no module '{meta.name}' in {a_kind(model)}", "model", "Give the pipeline that was tuned"
        )
    original: torch.nn.Module = found._original if isinstance(found, Module) else found
    shapes = found._dynamic_shapes if isinstance(found, Module) else None
    check_weights(original, f"module '{meta.name}'")
    with original_forwards(), evaluating(original), torch.no_grad():
        yield original, original.forward, shapes


def _record(meta: GraphMeta, recorded: Recorded, dynamic_shapes: DynamicShapes | None) -> GraphRecord:
    """The calls that the graph was tuned on, as they were recorded then."""
    table = ShapeTable(list(meta.key.structure.paths()), dynamic_shapes, f"module '{meta.name}'")
    record = GraphRecord(meta.key, table, meta.output, owner=meta.name, path=meta.path)
    for tensors in recorded.samples:
        shapes = [tuple(tensor.shape) for tensor in tensors]
        table.add(shapes)
        arguments = rebuild(meta.key.structure, iter(tensors))
        record.samples.append(Sample(arguments, tensors))
        record.sample_shapes.append(table.index(shapes))
    for shapes in _extremes(recorded):
        table.add(shapes)
    return record


def _extremes(recorded: Recorded) -> Iterator[list[tuple[int, ...]]]:
    """Shapes at the ends of the ranges that the file was tuned for, which the samples in it may not reach."""
    if not recorded.samples:
        return
    low = {name: ends[0] for name, ends in recorded.symbols.items()}
    sizes = [low] + [low | {name: recorded.symbols[name][1]} for name in low]
    for at in sizes if low else []:
        yield [
            tuple(at.get(size, own) for size, own in zip(shape, tensor.shape, strict=True))
            for shape, tensor in zip(recorded.shapes, recorded.samples[0], strict=True)
        ]
