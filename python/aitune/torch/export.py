"""Saving a module of PyTorch in one of the three forms that the compiler reads."""

from __future__ import annotations

import contextlib
import copy
import inspect
import operator
import re
import traceback
import types
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch.export.graph_signature import InputKind, TensorArgument

from aitune.errors import AituneError, InvalidArgument, Unsupported, with_article
from aitune.torch.autocast import program_has_autocast, refuse_autocast
from aitune.torch.dynamic_shapes import ShapeTable
from aitune.torch.recording import GraphRecord, Sample
from aitune.torch.signature import Signature
from aitune.torch.structure import Structure, flatten, leaves_at, plain, rebuild, tensors_at, tensors_only
from aitune.torch.tracing import script_problem, tracing_noted, why_traced

__all__ = ["Exported", "IRType", "evaluating", "export", "naming_module"]

IRType = Literal["dynamo", "ts", "fx"]


@dataclass
class Exported:
    """A saved model."""

    path: Path
    ir: IRType
    names: list[str]  # of the inputs as the compiler takes them, one for each recorded tensor
    constants: list[tuple[str, torch.Tensor]] = field(default_factory=list)  # what comes with every sample
    traced_sample: int | None = None  # which one torch.jit.trace has seen, whose values Python's choices are fixed to
    warnings: list[str] = field(default_factory=list)


def export(
    module: torch.nn.Module, forward: Callable[..., Any], record: GraphRecord, ir: IRType, folder: Path, name: str
) -> Exported:
    """Saves `module` as it answers the calls of `record`.

    `forward` is its own forward(); it is in evaluation mode. Raises Unsupported, naming the line of the model and what to try, if PyTorch cannot
    export it.
    """
    if ir != "ts" and isinstance(module, torch.jit.ScriptModule):
        raise Unsupported(f"a model in TorchScript cannot be exported by ir='{ir}'", f"module '{name}'", "Use ir='ts'")
    if record.output.count() == 0:
        raise Unsupported(
            "the module returns no tensor", f"module '{name}'", "Return what it computes, or leave it out"
        )
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", name) or "model"
    with torch.no_grad(), warnings.catch_warnings(), _attributes_kept(module), _without_own_hooks(module):
        warnings.simplefilter("ignore")  # of the exporters about themselves
        if ir == "dynamo":
            return _export_dynamo(module, forward, record, folder / f"{stem}.pt2", name)
        if ir == "ts":
            return _export_torchscript(module, forward, record, folder / f"{stem}.pt", name)
        return _export_fx(module, forward, record, folder / f"{stem}.pt", name)


@contextlib.contextmanager
def evaluating(module: torch.nn.Module) -> Iterator[None]:
    """Switches to evaluation, and back."""
    training = [part for part in module.modules() if getattr(part, "training", False)]
    for part in training:
        part.training = False
    try:
        yield
    finally:
        for part in training:
            part.training = True


@contextlib.contextmanager
def _without_own_hooks(module: torch.nn.Module) -> Iterator[None]:
    """Hooks of the module itself, not of its children, run around what stands in the place of its forward(), so that
    they must not be in the graph. Those of torch.nn.utils stay: they make weights, and leave arguments alone."""
    before = {name: module.__dict__[name] for name in ("_forward_hooks", "_forward_pre_hooks")}
    for name, hooks in before.items():
        kept = {key: hook for key, hook in hooks.items() if type(hook).__module__.startswith("torch.nn.utils.")}
        module.__dict__[name] = OrderedDict(kept)
    try:
        yield
    finally:
        module.__dict__.update(before)


@contextlib.contextmanager
def _attributes_kept(module: torch.nn.Module) -> Iterator[None]:
    """What forward() puts into attributes, and into containers that are attributes, goes again: while a model is
    exported, that is no tensor with values."""
    contents: dict[int, tuple[Any, Any]] = {}  # by identity: a container, and a copy
    for part in module.modules():
        if not isinstance(part, torch.jit.ScriptModule):
            _copy_containers(part.__dict__, contents)
    try:
        yield
    finally:
        for container, copied in contents.values():
            if isinstance(container, list):
                container[:] = copied
            else:
                container.clear()
                container.update(copied)


def _copy_containers(value: Any, contents: dict[int, tuple[Any, Any]]) -> None:
    # Subclasses may forbid to be changed, such as transformers' ModelOutput.
    if type(value) in (list, dict, OrderedDict, defaultdict, set) and id(value) not in contents:
        contents[id(value)] = value, copy.copy(value)
        for item in value.values() if isinstance(value, dict) else value:
            _copy_containers(item, contents)


@contextlib.contextmanager
def _replaced_forward(module: torch.nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    """Lets the module answer by another function for a while, so that names of its weights stay."""
    had = "forward" in module.__dict__
    before = module.__dict__.get("forward")
    module.__dict__["forward"] = forward
    try:
        yield
    finally:
        if had:
            module.__dict__["forward"] = before
        else:
            del module.__dict__["forward"]


def _plain_forward(forward: Callable[..., Any], record: GraphRecord) -> Callable[..., Any]:
    """forward() with dicts in place of dataclasses and the like, and without constant results, which programs cannot
    hold: arguments are made what they were, results are made plain."""
    structure = record.key.structure
    by_name = dict(zip(structure.keys, structure.items, strict=True))
    signature = Signature(forward, "forward")

    def answer(*args: Any, **kwargs: Any) -> Any:
        named = signature.normalise(args, kwargs)
        for key, item in by_name.items():
            if key in named or not item.count():  # a constant that was made None may be the default
                named[key] = rebuild(item, iter(_plain_tensors(item, named.get(key))))
        args, kwargs = signature.call_form(named)
        result = forward(*args, **kwargs)
        return tensors_only(record.output, iter(tensors_at(record.output, result)))

    answer.__signature__ = signature.with_extras(structure.keys)  # type: ignore[attr-defined]
    return answer


def _plain_tensors(structure: Structure, value: Any) -> list[torch.Tensor]:
    """The tensors of what plain() has made of a value of this structure."""
    if structure.kind == "tensor":
        return [value]
    items = list(value.values()) if isinstance(value, dict) else list(value) if structure.items else []
    pairs = zip(structure.items, items, strict=True)
    return [tensor for part, item in pairs for tensor in _plain_tensors(part, item)]


def _plain_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
    result = {}
    for key, value in arguments.items():
        structure, tensors = flatten(value)
        result[key] = plain(structure, iter(tensors))
    return result


# --- dynamo -----------------------------------------------------------------------------------------------------------


def _dims(shapes: ShapeTable, hint: bool) -> list[dict[int, Any]]:
    """For each tensor, which axes move and how far: as named dimensions, or as hints, with which torch.export finds
    the relations between sizes itself."""
    dims: dict[str, Any] = {}
    result: list[dict[int, Any]] = []
    for t, axes in enumerate(shapes.axes):
        row: dict[int, Any] = {}
        for a, axis in enumerate(axes):
            if not axis.moves:
                continue
            if hint:
                auto = torch.export.Dim.AUTO
                # PyTorch 2.5 has hints without a range.
                row[a] = auto(min=max(axis.low, 0), max=axis.high) if callable(auto) else auto
                continue
            name = shapes.group(t, a)
            if name not in dims:
                dims[name] = torch.export.Dim(re.sub(r"\W", "_", name), min=axis.low, max=axis.high)
            row[a] = dims[name]
        result.append(row)
    return result


def _dynamic_shapes(arguments: dict[str, Any], dims: list[dict[int, Any]]) -> Any:
    """The specification in the structure of the arguments."""
    rows = iter(dims)

    def fill(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return next(rows) or None
        if isinstance(value, dict):
            return {key: fill(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            filled = [fill(item) for item in value]
            return filled if isinstance(value, list) else tuple(filled)
        return None

    return {key: fill(value) for key, value in arguments.items()}


def _shapes_for_call(
    forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], dims: list[dict[int, Any]]
) -> Any:
    """Shapes as torch.export pairs them with the call: in a dict by parameter, in a tuple for *args."""
    signature = inspect.signature(forward)
    bound = signature.bind(*args, **kwargs)
    return _dynamic_shapes(dict(bound.arguments), dims) if bound.arguments else None


def _export_dynamo(
    module: torch.nn.Module, forward: Callable[..., Any], record: GraphRecord, path: Path, name: str
) -> Exported:
    sample = _without_single_items(record.example(), record)
    builtin = record.key.structure.keys == () or all(item.is_builtin() for item in record.key.structure.items)
    builtin = builtin and not record.key.structure.has_opaque()
    output = record.output
    is_plain = builtin and output.is_builtin() and not output.has_constants() and not any(output.numbers())
    is_plain = is_plain and not Signature(forward, name).extras(record.key.structure.keys)
    answer = forward if is_plain else _plain_forward(forward, record)
    arguments = rebuild(record.key.structure, iter(sample.tensors)) if is_plain else _plain_arguments(sample.arguments)
    args, kwargs = Signature(forward, name).call_form(arguments)

    def run(hint: bool) -> torch.export.ExportedProgram:
        shapes = None
        if record.shapes.moving:
            shapes = _shapes_for_call(answer, args, kwargs, _dims(record.shapes, hint))
        with _replaced_forward(module, answer):
            return torch.export.export(module, args, kwargs or None, dynamic_shapes=shapes, strict=False)

    try:
        try:
            program = run(hint=False)
        except Exception:
            if not record.shapes.moving:
                raise
            program = run(hint=True)  # sizes may hang together in ways that samples do not show
        if program_has_autocast(program):
            raise refuse_autocast(name)
        _check_moving(program, record, sample, name)
        _forget_counters(program)
        torch.export.save(program, path)
    except (InvalidArgument, Unsupported):
        raise
    except Exception as error:
        raise _cannot_export(error, "torch.export", module, name) from error
    return Exported(path, "dynamo", [str(i) for i in range(len(sample.tensors))])


def _forget_counters(program: torch.export.ExportedProgram) -> None:
    """Code that torch.fx has made, as of branches inside of branches, has a number that counts up while the process runs:
    without it the same model gives the same file."""
    for part in program.graph_module.modules():
        for node in part.graph.nodes if isinstance(part, torch.fx.GraphModule) else ():
            if isinstance(trace := node.meta.get("stack_trace"), str):
                node.meta["stack_trace"] = re.sub(r"(<eval_with_key>)\.\d+", r"\1", trace)


def _without_single_items(sample: Sample, record: GraphRecord) -> Sample:
    """torch.export takes a size of 1 for a constant: what there is once comes twice where that size moves."""
    tensors = list(sample.tensors)
    for t, axes in enumerate(record.shapes.axes):
        for a, axis in enumerate(axes):
            if axis.moves and axis.high >= 2 and tensors[t].shape[a] == 1:
                tensors[t] = torch.cat([tensors[t], tensors[t]], a)
    if all(new is old for new, old in zip(tensors, sample.tensors, strict=True)):
        return sample
    return Sample(rebuild(record.key.structure, iter(tensors)), tensors)


def _check_moving(
    program: torch.export.ExportedProgram, record: GraphRecord, sample: Sample, name: str
) -> None:
    """Names a size that moves in the samples and that the model fixes."""
    placeholders = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    tensors = [
        placeholders[spec.arg.name].meta["val"]
        for spec in program.graph_signature.input_specs
        if spec.kind is InputKind.USER_INPUT and isinstance(spec.arg, TensorArgument)
    ]
    shapes = [tensor.shape for tensor in sample.tensors]
    for path, axes, value, shape in zip(record.shapes.paths, record.shapes.axes, tensors, shapes, strict=False):
        for index, (axis, size) in enumerate(zip(axes, value.shape, strict=True)):
            fixed = size if isinstance(size, int) else size.node.maybe_as_int()
            if not axis.moves or fixed is None:
                continue
            special = shape[index] < 2  # what torch.export makes constants of
            why = "torch.export takes a size of 0 or 1 for a constant" if special else "its code depends on that size"
            fix = "or make the code of the model independent of it"
            raise InvalidArgument(
                f"dimension {index} of '{path}' moves from {axis.low} to {axis.high}, "
                f"but the model was exported with {fixed} alone, because {why}",
                f"module '{name}'",
                "Give a sample with a larger size there" if special else f"Give samples of one size there, {fix}",
            )


# --- TorchScript ------------------------------------------------------------------------------------------------------


class _Flat(torch.nn.Module):
    """A module with tensors for arguments, in a row, and tensors for results: what torch.jit.trace takes."""

    def __init__(self, module: torch.nn.Module, record: GraphRecord, signature: Signature) -> None:
        super().__init__()
        self.module = module
        self._record = record
        self._signature = signature
        self.fixed_numbers: list[int] = []  # which results the trace knows as plain numbers

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        named = rebuild(self._record.key.structure, iter(tensors))
        args, kwargs = self._signature.call_form(named)
        result = self.module(*args, **kwargs)
        leaves = leaves_at(self._record.output, result)
        self.fixed_numbers = [i for i, (_, leaf) in enumerate(leaves) if not isinstance(leaf, torch.Tensor)]
        return tuple(tensors_at(self._record.output, result))


def _export_torchscript(
    module: torch.nn.Module, forward: Callable[..., Any], record: GraphRecord, path: Path, name: str
) -> Exported:
    script_error: Exception | None = None
    problem: str | None = None
    if _can_be_scripted(record):
        try:
            torch.jit.save(torch.jit.script(module), str(path))
            return Exported(path, "ts", _script_names(record), _script_constants(record))
        except Exception as error:
            script_error, problem = error, script_problem(module, error)
    sample = record.example()
    flat = _Flat(module, record, Signature(forward, name))
    flat.training = False
    # What is a script inside keeps its conditions.
    is_script = isinstance(module, torch.jit.ScriptModule)
    noted = [] if is_script else [why_traced(problem)]
    try:
        with tracing_noted(noted):
            traced = torch.jit.trace(flat, tuple(sample.tensors), strict=False, check_trace=False)
        _check_fixed_numbers(flat, record, name)
        torch.jit.save(traced, str(path))
    except Unsupported:
        raise
    except Exception as error:
        raise _cannot_export(error, "torch.jit.trace", module, name) from (script_error or error)
    names = [str(i) for i in range(len(sample.tensors))]
    traced_sample = None if is_script else next(i for i, kept in enumerate(record.samples) if kept is sample)
    return Exported(path, "ts", names, traced_sample=traced_sample, warnings=noted)


def _check_fixed_numbers(flat: _Flat, record: GraphRecord, name: str) -> None:
    """Names a number in the result that torch.jit.trace takes for a constant, and that is another at other sizes:
    len(x) and float(x.shape[0]) are such numbers."""
    fixed = flat.fixed_numbers
    if not fixed:
        return
    calls = {shape: sample.tensors for shape, sample in zip(record.sample_shapes, record.samples, strict=True)}
    inputs = list(calls.values()) if len(calls) > 1 else [record.at_end(high) for high in (False, True)]
    try:
        answers = [flat(*(tensor.clone() for tensor in tensors)) for tensors in inputs]
    except Exception:  # the ends of declared ranges are our guess
        answers = []
    paths = list(record.output.paths())
    for index in fixed:
        if not answers or any(not torch.equal(answer[index], answers[0][index]) for answer in answers):
            raise Unsupported(
                f"torch.jit.trace takes the number '{paths[index]}' of the result for a constant",
                f"module '{name}'",
                "Use ir='dynamo', return x.shape[0] as it is, or give samples of several sizes if it is one",
            )


def _script_names(record: GraphRecord) -> list[str]:
    """Tensors in containers are "xs.0" and "d.key" there."""
    return [re.sub(r"\[(\w+)\]", r".\1", p) for p in record.shapes.paths]


def _can_be_scripted(record: GraphRecord) -> bool:
    """Whether the call can be told to a scripted module: numbers as arguments of their own, tensors in containers."""
    structure, output = record.key.structure, record.output
    if not structure.is_builtin() or not output.is_builtin() or output.has_constants():
        return False
    return all(
        isinstance(item.value, (bool, int, float)) if item.kind == "constant" else not item.has_constants()
        for item in structure.items
    )


def _script_constants(record: GraphRecord) -> list[tuple[str, torch.Tensor]]:
    """Numbers come as tensors of one element, which become constants of the graph."""
    structure = record.key.structure
    pairs = zip(structure.keys, structure.items, strict=True)
    return [
        (str(key), torch.tensor(item.value, dtype=torch.float64 if isinstance(item.value, float) else None))
        for key, item in pairs
        if item.kind == "constant"
    ]


# --- fx ---------------------------------------------------------------------------------------------------------------


class _Tracer(torch.fx.Tracer):
    """Follows the code of layers, too, that do more than their class says: by hooks, or with weights made of others."""

    def is_leaf_module(self, m: torch.nn.Module, module_qualified_name: str) -> bool:
        parametrized = torch.nn.utils.parametrize.is_parametrized(m) or type(m).__module__.startswith("torch.nn.utils.")
        hooks = m._forward_hooks or m._forward_pre_hooks
        return super().is_leaf_module(m, module_qualified_name) and not hooks and not parametrized


def _export_fx(
    module: torch.nn.Module, forward: Callable[..., Any], record: GraphRecord, path: Path, name: str
) -> Exported:
    structure = record.key.structure
    by_name = dict(zip(structure.keys, structure.items, strict=True))
    for key, item in by_name.items():
        if item.kind not in ("tensor", "constant"):
            raise Unsupported(
                f"argument '{key}' is {with_article(item.kind)}, and ir='fx' takes tensors alone", f"module '{name}'",
                "Use ir='dynamo'",
            )
    constants = {key: rebuild(item, iter(())) for key, item in by_name.items() if item.kind == "constant"}
    for key, parameter in inspect.signature(forward).parameters.items():
        if key not in by_name and parameter.default is not inspect.Parameter.empty:
            constants[key] = parameter.default
    try:
        torch.save(module if isinstance(module, torch.fx.GraphModule) else _traced(module, constants), path)
    except Exception as error:
        raise _cannot_export(error, "torch.fx.symbolic_trace", module, name) from error
    names = [key for key, item in by_name.items() if item.kind == "tensor"]
    return Exported(path, "fx", names)


def _traced(module: torch.nn.Module, constants: dict[str, Any]) -> torch.fx.GraphModule:
    graph = _Tracer().trace(module, concrete_args=constants or None)
    graph._tracer_cls = None
    graph_module = torch.fx.GraphModule(module, graph, type(module).__name__)
    _remove_constants(graph_module.graph, constants)
    graph_module.graph.set_codegen(torch.fx.graph.CodeGen())
    graph_module.recompile()
    return graph_module


def _remove_constants(graph: torch.fx.Graph, constants: Collection[str]) -> None:
    """What concrete_args leave of arguments: placeholders that nothing uses, or only an assertion on their value."""
    for node in reversed(list(graph.nodes)):
        is_check = node.target is torch._assert and "has been specialized" in str(node.args[1:])
        is_comparison = node.target is operator.eq and not node.users
        is_constant = node.op == "placeholder" and not node.users and re.sub(r"_\d+$", "", node.name) in constants
        if is_check or is_comparison or is_constant:
            graph.erase_node(node)


# --- errors -----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def naming_module(path: Path, name: str) -> Iterator[None]:
    """Errors of the compiler about the file at `path`, which nobody knows of and which is gone soon, name the module."""
    try:
        yield
    except AituneError as error:
        if str(path) not in str(error):
            raise
        # In an archive of torch.export, the place is no line of the user's.
        own = f"{re.escape(str(path))}(/models/[^:]*(: graph_module\\.graph)?|:(?=\\d))?"

        def named(text: str) -> str:
            for theirs, ours in _ADVICE_ON_FILES:
                text = text.replace(theirs, ours)
            return re.sub(own, lambda m: f"module '{name}'" + (", traced line " if m.group(1) == ":" else ""), text)

        raise type(error)(named(error.problem), named(error.where), named(error.fix)) from error


# What the compiler advises to who has saved a program, and what there is to do for a module.
_ADVICE_ON_FILES = (
    (
        "or try program.run_decompositions() before torch.export.save, which may do so",
        "wrap the parts of the model without them, or try ir='ts'",
    ),
)

_ADVICE = (
    (r"[Dd]ata.dependent|GuardOnDataDependent|control flow", "Use torch.where, torch.cond or torch._check there"),
    (r"not registered|is not supported.*input|pytree", "Pass and return tensors, lists, tuples, dicts and dataclasses"),
    (r"mutat|in-place|inplace", "Return the new value instead of writing to the module or its inputs"),
    (r"symbolically traced variables cannot be used", "Use ir='dynamo', which follows conditions on sizes"),
)


def _user_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """Where in the user's own code it happened, the innermost last."""
    frames = []
    own = Path(__file__).parent
    for frame in traceback.extract_tb(error.__traceback__):
        file = Path(frame.filename)
        if "torch" in file.parts and "site-packages" in file.parts or file.is_relative_to(own):
            continue
        if frame.filename.startswith("<") or frame.filename.endswith("contextlib.py"):
            continue
        frames.append(frame)
    return frames


def _cannot_export(error: Exception, exporter: str, module: torch.nn.Module, name: str) -> Unsupported:
    forward = None if isinstance(module, torch.jit.ScriptModule) else type(module).forward
    code = forward.__code__ if isinstance(forward, types.FunctionType) else None
    frames = _user_frames(error)
    # The frames from the module's forward on are the model's; those before it called tune().
    starts = [i for i, f in enumerate(frames) if code and f.filename == code.co_filename and f.name == "forward"]
    inside = frames[starts[0] :] if starts else []
    text = str(error).strip()
    line = text.splitlines()[0] if text else type(error).__name__
    where = f"module '{name}'"
    place = ""
    if inside:
        place = f" at {inside[-1].filename}:{inside[-1].lineno}: {inside[-1].line}"
    else:
        named = re.search(r'File "([^"]+)", line (\d+)', text)
        if named and "site-packages/torch/" not in named.group(1):
            place = f" at {named.group(1)}:{named.group(2)}"
    advice = next((fix for pattern, fix in _ADVICE if re.search(pattern, text)), "")
    if isinstance(module, torch.jit.ScriptModule):
        advice = "Let it take tensors and numbers and return tensors, or do not freeze it"
    elif not advice:
        others = {"torch.export": "ts", "torch.jit.trace": "dynamo", "torch.fx.symbolic_trace": "dynamo"}
        advice = f"Change that line, wrap a part of the model that can be exported, or try ir='{others[exporter]}'"
    return Unsupported(f"{exporter} cannot export the model{place}: {type(error).__name__}: {line}", where, advice)
