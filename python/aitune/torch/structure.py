"""The structure of what a module takes and returns: tensors in containers, beside constants.

A structure is plain data: it goes into the ``.ait`` as JSON, and names classes without ever importing them.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from aitune.errors import Corrupt, InvalidArgument, Unsupported, with_article
from aitune.torch.caches import is_cache, make_cache, parts_of_cache

__all__ = [
    "Structure",
    "computed_numbers",
    "count_differences",
    "describe_difference",
    "flatten",
    "leaves_at",
    "plain",
    "python_number",
    "rebuild",
    "tensors_at",
    "tensors_only",
]

_MAX_DEPTH = 64
_PLAIN = (bool, int, float, str, type(None))
_MIN_INT, _MAX_INT = -(2**63), 2**63 - 1
_SIZE = "torch:Size"
# Constants that JSON does not have: they are compared by what repr() says.
_OPAQUE = (complex, bytes, torch.dtype, torch.device, torch.layout, torch.memory_format)


# Numbers that a graph computes are outputs of these dtypes.
_NUMBERS: dict[str, tuple[type, torch.dtype]] = {"int": (int, torch.int64), "float": (float, torch.float64)}


@dataclass(frozen=True)
class Structure:
    """One value. ``kind`` is "tensor", "number", "constant", "list", "tuple", "dict" or "object" (with named fields). A
    number is an int or float in a result that is computed from sizes that move: for the graph, a tensor without
    dimensions.

    Two structures are equal if a module that was traced with one can be called with the other.
    """

    kind: str
    keys: tuple[Any, ...] = ()  # of a dict; names of an object's fields
    items: tuple[Structure, ...] = ()
    value: Any = None  # of a constant; what repr() says if JSON does not have its type
    type_name: str = ""  # of a constant: 1, 1.0 and True are not the same; of a number
    class_name: str = ""  # "module:Qualified.Name" of an object, or of a dict or sequence that is not a plain one
    cls: type | None = dataclasses.field(default=None, compare=False)
    original: Any = dataclasses.field(default=None, compare=False)  # a constant that JSON does not have

    def paths(self, path: str = "") -> Iterator[str]:
        """Where the tensors and numbers are, in order: "x", "options.mask", "items[0]"."""
        if self.kind in ("tensor", "number"):
            yield path or "0"
        for key, item in zip(self.keys or range(len(self.items)), self.items, strict=True):
            if self.kind in ("list", "tuple") and not self.keys:
                yield from item.paths(f"{path}[{key}]" if path else str(key))
            else:
                yield from item.paths(f"{path}.{key}" if path else str(key))

    def count(self) -> int:
        """How many tensors and numbers there are."""
        return sum(1 for _ in self.paths())

    def has_constants(self) -> bool:
        """Whether there is anything but tensors and numbers in the containers."""
        return self.kind == "constant" or any(item.has_constants() for item in self.items)

    def numbers(self) -> list[bool]:
        """For each of paths(): whether it is a number."""
        if self.kind in ("tensor", "number"):
            return [self.kind == "number"]
        return [number for item in self.items for number in item.numbers()]

    def has_opaque(self) -> bool:
        """Whether there is a constant that JSON does not have."""
        return self.original is not None or any(item.has_opaque() for item in self.items)

    def is_builtin(self) -> bool:
        """Whether there are only lists, tuples (torch.Size is one), dicts, tensors and constants."""
        return self.class_name in ("", _SIZE) and all(item.is_builtin() for item in self.items)

    def to_json(self) -> Any:
        """Plain data for json.dumps."""
        if self.kind == "tensor":
            return "tensor"
        if self.kind == "number":
            return {"number": self.type_name}
        if self.kind == "constant":
            return {"constant": self.value, "type": self.type_name}
        data: dict[str, Any] = {self.kind: [item.to_json() for item in self.items]}
        if self.keys:
            data["keys"] = list(self.keys)
        if self.class_name:
            data["class"] = self.class_name
        return data

    @staticmethod
    def from_json(data: Any, where: str, depth: int = 0) -> Structure:
        """The inverse. Raises Corrupt for anything that to_json does not write."""
        if depth > _MAX_DEPTH:
            raise Corrupt("a structure is nested too deeply", where)
        if data == "tensor":
            return Structure("tensor")
        if isinstance(data, dict) and isinstance(data.get("number"), str) and data["number"] in _NUMBERS:
            return Structure("number", type_name=data["number"])
        if isinstance(data, dict) and "constant" in data:
            value, type_name = data["constant"], data.get("type")
            if isinstance(value, _PLAIN) and isinstance(type_name, str):
                return Structure("constant", value=value, type_name=type_name, original=_from_repr(type_name, value))
        if isinstance(data, dict):
            for kind in ("list", "tuple", "dict", "object"):
                items, keys, class_name = data.get(kind), data.get("keys", []), data.get("class", "")
                if not isinstance(items, list) or not isinstance(keys, list) or not isinstance(class_name, str):
                    continue
                if not all(isinstance(key, (str, int)) for key in keys) or len(keys) not in (0, len(items)):
                    continue
                children = tuple(Structure.from_json(item, where, depth + 1) for item in items)
                return Structure(kind, tuple(keys), children, class_name=class_name)
        raise Corrupt("a structure is neither a tensor, a constant nor a container", where)


def _from_repr(type_name: str, value: Any) -> Any:
    """A constant that JSON does not have, where it is one of a fixed list; None for all others."""
    if type_name in ("dtype", "layout", "memory_format") and isinstance(value, str):
        found = getattr(torch, value.removeprefix("torch."), None)
        return found if isinstance(found, _OPAQUE) else None
    if type_name in ("float", "float64") and value in ("nan", "inf", "-inf"):
        return float(value)
    return None


def python_number(value: Any) -> Any:
    """A scalar of NumPy's as the number of Python that it is; everything else as it is."""
    if not isinstance(value, np.generic):
        return value
    number = value.item()
    return number if isinstance(number, (bool, int, float, complex, str)) else value


def _class_name(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


def _is_namedtuple(value: Any) -> bool:
    return isinstance(value, tuple) and hasattr(type(value), "_fields")


def _is_model_output(value: Any) -> bool:
    """Dataclasses that are dicts of those fields that are not None: transformers' and diffusers' ModelOutput."""
    return isinstance(value, OrderedDict) and dataclasses.is_dataclass(value)


def _fields_of(value: Any, result: bool) -> list[tuple[Any, Any]] | None:
    """The named fields of an object that we can take apart and build again."""
    if _is_model_output(value):
        return list(value.items())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    if _is_namedtuple(value):
        return list(zip(type(value)._fields, value, strict=True))
    return parts_of_cache(value, result)


def flatten(
    value: Any, where: str = "", depth: int = 0, result: bool = False
) -> tuple[Structure, list[torch.Tensor]]:
    """Takes an argument or a `result` apart. Raises Unsupported, naming the place, for objects that are no containers, and
    InvalidArgument for integers beyond 64 bits."""
    if depth > _MAX_DEPTH:
        raise Unsupported("values are nested too deeply, or in themselves", where)
    if isinstance(value, torch.Tensor):
        return Structure("tensor"), [value]
    value = python_number(value)
    if isinstance(value, int) and not _MIN_INT <= value <= _MAX_INT:
        raise InvalidArgument(
            f"{value} is no integer of 64 bits, which is what a program can hold", where, "Pass a float, or a smaller number"
        )
    if isinstance(value, _PLAIN) and not (isinstance(value, float) and not math.isfinite(value)):
        return Structure("constant", value=value, type_name=type(value).__name__), []
    if isinstance(value, (float, *_OPAQUE)):  # NaN and Inf are not in JSON, either
        return Structure("constant", value=repr(value), type_name=type(value).__name__, original=value), []

    def children(pairs: Sequence[tuple[Any, Any]]) -> tuple[tuple[Structure, ...], list[torch.Tensor]]:
        parts, tensors = [], []
        for key, item in pairs:
            part, inside = flatten(item, f"{where}.{key}" if where else str(key), depth + 1, result)
            parts.append(part)
            tensors += inside
        return tuple(parts), tensors

    fields = _fields_of(value, result)
    cls = type(value)
    if fields is not None:
        parts, tensors = children(fields)
        return Structure("object", tuple(n for n, _ in fields), parts, class_name=_class_name(cls), cls=cls), tensors
    if isinstance(value, Mapping):
        pairs = list(value.items())
        for key, _ in pairs:
            if not isinstance(key, (str, int)):
                raise Unsupported(f"a dict has the key {key!r}: keys are strings or integers here", where)
        parts, tensors = children(pairs)
        name = "" if cls is dict else _class_name(cls)
        return Structure("dict", tuple(k for k, _ in pairs), parts, class_name=name, cls=cls), tensors
    if isinstance(value, (list, tuple)):
        parts, tensors = children(list(enumerate(value)))
        base = list if isinstance(value, list) else tuple
        if cls is torch.Size:
            name = _SIZE if result else ""  # a call with a tuple is the same
        else:
            name = "" if cls in (list, tuple) else _class_name(cls)
        return Structure(base.__name__, (), parts, class_name=name, cls=cls), tensors
    raise Unsupported(
        f"{with_article(f'{cls.__module__}.{cls.__qualname__}')} cannot be taken apart into tensors",
        where,
        "Pass and return tensors, numbers, None, lists, tuples, dicts and dataclasses"
        + (", and let the model run with a plain DynamicCache, or use_cache=False" if cls.__name__.endswith("Cache") else ""),
    )


def computed_numbers(structure: Structure) -> Structure:
    """The structure of a result whose numbers may depend on sizes that move: ints and floats are computed. Those of a
    cache's layers are its configuration."""
    if structure.kind == "constant" and structure.type_name in _NUMBERS:
        return Structure("number", type_name=structure.type_name)
    if not structure.items or (structure.cls is not None and is_cache(structure.cls)):
        return structure
    return dataclasses.replace(structure, items=tuple(computed_numbers(item) for item in structure.items))


def _number_as_tensor(structure: Structure, value: Any) -> torch.Tensor:
    """What an exporter can return for a number: torch.export has symbols there, torch.jit.trace has tensors."""
    dtype = _NUMBERS[structure.type_name][1]
    return value.to(dtype) if isinstance(value, torch.Tensor) else torch.full((), value, dtype=dtype)


def tensors_at(structure: Structure, value: Any) -> list[torch.Tensor]:
    """The tensors of a value that has this structure, where other parts may be anything: while a model is traced, sizes
    are no numbers. Numbers of the structure are tensors here, too."""
    return [
        _number_as_tensor(part, leaf) if part.kind == "number" else leaf for part, leaf in leaves_at(structure, value)
    ]


def leaves_at(structure: Structure, value: Any) -> list[tuple[Structure, Any]]:
    """The tensors and numbers of a result that has this structure, as they are there."""
    if structure.kind in ("tensor", "number"):
        return [(structure, value)]
    if structure.kind == "constant":
        return []
    if structure.kind == "object":
        fields = dict(_fields_of(value, result=True) or ())
        items = [fields[key] for key in structure.keys]
    elif structure.kind == "dict":
        items = [value[key] for key in structure.keys]
    else:
        items = list(value)
    pairs = zip(structure.items, items, strict=True)
    return [leaf for part, item in pairs for leaf in leaves_at(part, item)]


class Attributes(dict):  # type: ignore[type-arg]
    """Stands for an object whose class is not loaded here: a dict whose entries are attributes, too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def _find_class(structure: Structure) -> type | None:
    """The class of an object, if the program has loaded it: nothing is imported for a file's sake."""
    if structure.cls is not None or not structure.class_name:
        return structure.cls
    module, _, qualified = structure.class_name.partition(":")
    found: Any = sys.modules.get(module)
    for part in qualified.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type):
        return None
    is_container = dataclasses.is_dataclass(found) or is_cache(found) or issubclass(found, (dict, list, tuple))
    return found if is_container else None


def rebuild(structure: Structure, tensors: Iterator[torch.Tensor]) -> Any:
    """Puts tensors into the structure that they were taken from."""
    return _rebuild(structure, tensors, _find_class)


def plain(structure: Structure, tensors: Iterator[torch.Tensor]) -> Any:
    """The same with dicts for objects, dicts, lists and tuples for their subclasses, and None for constants that JSON
    does not have."""
    return _rebuild(structure, tensors, lambda _: None, attributes=False)


def tensors_only(structure: Structure, tensors: Iterator[torch.Tensor]) -> Any:
    """Dicts, lists and tuples as plain() gives them, without constants: what every program can return."""
    if structure.kind in ("tensor", "number"):
        return next(tensors)
    kept = [item for item in structure.items if item.kind != "constant"]
    items = [tensors_only(item, tensors) for item in kept]
    if structure.kind in ("dict", "object"):
        keys = [key for key, item in zip(structure.keys, structure.items, strict=True) if item.kind != "constant"]
        return dict(zip(keys, items, strict=True))
    return items if structure.kind == "list" else tuple(items)


def _rebuild(
    structure: Structure,
    tensors: Iterator[torch.Tensor],
    find: Callable[[Structure], type | None],
    attributes: bool = True,
) -> Any:
    if structure.kind == "tensor":
        return next(tensors)
    if structure.kind == "number":
        return _NUMBERS[structure.type_name][0](next(tensors).item())
    if structure.kind == "constant":
        if structure.original is None:
            return structure.value
        return structure.original if attributes else None
    items = [_rebuild(item, tensors, find, attributes) for item in structure.items]
    cls = find(structure)
    if structure.kind == "object":
        named = dict(zip(structure.keys, items, strict=True))
        if cls is None:
            return Attributes(named) if attributes else named
        return _make_object(cls, named)
    if structure.kind == "dict":
        pairs = dict(zip(structure.keys, items, strict=True))
        if cls in (None, dict):
            return pairs
        try:
            return cls(pairs)
        except TypeError:  # a defaultdict, say, which begins with another argument
            return pairs
    if cls is torch.Size and structure.class_name and attributes:
        return torch.Size(items)
    if cls in (None, list, tuple, torch.Size):
        return items if structure.kind == "list" else tuple(items)
    return cls(items)


def _make_object(cls: type, named: dict[str, Any]) -> Any:
    if is_cache(cls):
        return make_cache(cls, named)
    if not dataclasses.is_dataclass(cls):
        return cls(**named)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    made = cls(**{name: value for name, value in named.items() if name in fields and fields[name].init})
    for name, value in named.items():
        if name in fields and not fields[name].init:
            object.__setattr__(made, name, value)
    return made


def count_differences(expected: Structure, came: Structure) -> int:
    """How far two structures are apart: 1 for another constant, 2 for each part of another kind, 3 for each that one of
    them lacks."""
    if expected == came:
        return 0
    if expected.kind != came.kind or expected.class_name != came.class_name:
        return 2
    if expected.kind == "constant":
        return 1
    x = dict(zip(expected.keys or range(len(expected.items)), expected.items, strict=True))
    y = dict(zip(came.keys or range(len(came.items)), came.items, strict=True))
    # At least 1, for another order.
    return max(3 * len(x.keys() ^ y.keys()) + sum(count_differences(x[key], y[key]) for key in x.keys() & y.keys()), 1)


def describe_difference(expected: Structure, came: Structure, path: str = "") -> str:
    """The first place where a call differs from what was recorded, in words."""

    def name(s: Structure) -> str:
        if s.kind == "constant":
            return repr(s.value if s.original is None else s.original)
        return s.class_name.partition(":")[2] if s.class_name else with_article(s.kind)

    if expected.kind != came.kind or expected.class_name != came.class_name:
        return f"'{path}' is {name(came)}, it was {name(expected)} when the module was tuned"
    if expected.kind == "constant":
        return f"'{path}' is {name(came)}, it was {name(expected)} when the module was tuned"
    if expected.keys != came.keys:
        gone = [str(key) for key in expected.keys if key not in came.keys]
        new = [str(key) for key in came.keys if key not in expected.keys]
        parts = [f"without {', '.join(gone)}"] * bool(gone) + [f"with {', '.join(new)}"] * bool(new)
        return f"{f'{path!r} comes ' if path else 'it is called '}{' and '.join(parts) or 'in another order'}"
    if len(expected.items) != len(came.items):
        return f"'{path}' has {len(came.items)} elements, it had {len(expected.items)} when the module was tuned"
    for key, x, y in zip(expected.keys or range(len(expected.items)), expected.items, came.items, strict=True):
        if x != y:
            return describe_difference(x, y, f"{path}.{key}" if path else str(key))
    return "nothing"
