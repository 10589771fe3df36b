"""Caches that a module changes and returns: whoever passed one finds it changed, as with PyTorch."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from aitune.errors import Unsupported
from aitune.torch.caches import is_cache, renew_cache
from aitune.torch.structure import Structure, flatten

__all__ = ["Updates", "find_updates", "put_back"]

Place = tuple["str | int", ...]
Updates = tuple[tuple[Place, Place], ...]
"""Where a result has a cache, and where the arguments have the same object."""


def find_updates(
    named: Mapping[str, Any], structure: Structure, before: Sequence[torch.Tensor], result: Any, where: str
) -> Updates:
    """Looks at a call that PyTorch has answered. `structure` and `before` are what the arguments were. Raises Unsupported
    for a cache that was changed and is not returned."""
    passed = list(_caches(dict(named), ()))
    if not passed:
        return ()
    found = [(at, source) for at, cache in _caches(result, ()) for source, other in passed if cache is other]
    returned = {source for _, source in found}
    if not returned:
        after, tensors = flatten(dict(named))
        if after != structure or not all(map(torch.equal, tensors, before)):
            raise Unsupported(
                "the module changes a cache that it was given, and does not return it", where, "Return it, or copy it before"
            )
    return tuple(found)


def put_back(result: Any, named: Mapping[str, Any], updates: Updates) -> Any:
    """The result with the caller's own caches, which have what was computed."""
    for at, source in updates:
        passed: Any = named
        for key in source:
            passed = _item(passed, key)
        new = result
        for key in at:
            new = _item(new, key)
        renew_cache(passed, new)
        result = _with(result, at, passed)
    return result


def _parts(value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, (list, tuple)):
        yield from enumerate(value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))


def _caches(value: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    if is_cache(type(value)):
        yield place, value
        return
    for key, item in _parts(value):
        yield from _caches(item, (*place, key))


def _item(value: Any, key: Any) -> Any:
    return value[key] if isinstance(value, (Mapping, list, tuple)) else getattr(value, key)


def _with(value: Any, place: Place, new: Any) -> Any:
    """The value with something else in a place."""
    if not place:
        return new
    key, rest = place[0], place[1:]
    item = _with(_item(value, key), rest, new)
    if isinstance(value, tuple):
        items = [item if index == key else old for index, old in enumerate(value)]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, (Mapping, list)):
        value[key] = item  # type: ignore[index]
    else:
        object.__setattr__(value, str(key), item)  # frozen, perhaps
    return value
