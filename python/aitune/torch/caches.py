"""Caches of transformers: objects that carry keys and values from call to call, taken apart into tensors.

transformers is never imported for it: a program that has such objects has loaded it.
"""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["is_cache", "make_cache", "parts_of_cache"]

_MODULE = "transformers.cache_utils"
_CLASSES = ("DynamicCache", "EncoderDecoderCache")


def _class(name: str) -> Any:
    return getattr(sys.modules.get(_MODULE), name, None)


def is_cache(cls: Any) -> bool:
    """Whether the class is one of those that are known here."""
    return any(cls is _class(name) for name in _CLASSES)


def parts_of_cache(value: Any) -> list[tuple[str, Any]] | None:
    """Names and values of what is in it: a pair of tensors for each layer, None for a layer that has none yet. None for
    all other objects, and for caches with layers of other kinds, such as sliding windows."""
    if type(value) is _class("EncoderDecoderCache"):
        return [
            ("self_attention_cache", value.self_attention_cache),
            ("cross_attention_cache", value.cross_attention_cache),
            ("is_updated", dict(value.is_updated)),
        ]
    layer_class = _class("DynamicLayer")
    if type(value) is not _class("DynamicCache") or getattr(value, "offloading", False):
        return None
    layers = value.layers
    if any(type(layer) is not layer_class for layer in layers):
        return None
    return [("layers", [None if layer.keys is None else (layer.keys, layer.values) for layer in layers])]


def make_cache(cls: Any, parts: dict[str, Any]) -> Any:
    """The inverse of parts_of_cache()."""
    if cls is _class("EncoderDecoderCache"):
        made = cls(parts["self_attention_cache"], parts["cross_attention_cache"])
        made.is_updated = dict(parts["is_updated"])
        return made
    made = cls()
    made.layers = [_make_layer(pair) for pair in parts["layers"]]
    return made


def _make_layer(pair: Any) -> Any:
    layer = _class("DynamicLayer")()
    if pair is not None:
        keys, values = pair
        layer.lazy_initialization(keys, values)
        layer.keys, layer.values = keys, values
    return layer
