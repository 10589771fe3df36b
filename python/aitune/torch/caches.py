"""Caches of transformers: objects that carry keys and values from call to call, taken apart into tensors.

transformers is never imported for it: a program that has such objects has loaded it.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch.jit._trace import is_tracing

from aitune.errors import Corrupt, Unsupported

__all__ = ["is_cache", "make_cache", "parts_of_cache", "renew_cache"]

_MODULE = "transformers.cache_utils"
_CLASSES = ("DynamicCache", "EncoderDecoderCache", "StaticCache")
_LAYERS = (
    "DynamicLayer",
    "DynamicSlidingWindowLayer",
    "LinearAttentionLayer",
    "LinearAttentionAndFullAttentionLayer",
    "StaticLayer",
    "StaticSlidingWindowLayer",
)
# Those of fixed size, whose tensors are written to.
_STATIC = ("StaticLayer", "StaticSlidingWindowLayer")
# What layers of linear attention and state space models hold, by the number of the state.
_STATES = (
    "conv_states",
    "recurrent_states",
    "is_conv_states_initialized",
    "is_recurrent_states_initialized",
    "has_previous_state",
    "conv_kernel_size",
)


def _class(name: str) -> Any:
    return getattr(sys.modules.get(_MODULE), name, None)


def is_cache(cls: Any) -> bool:
    """Whether the class is one of those that are known here."""
    return any(cls is _class(name) for name in _CLASSES)


def parts_of_cache(value: Any, result: bool) -> list[tuple[str, Any]] | None:
    """Names and values of what is in it, by layer. None for all other objects, and for caches with layers of other kinds,
    such as those that lie elsewhere between calls. What is a part does not depend on values in a `result`, whose structure is always the
    same; among arguments it tells graphs apart."""
    if type(value) is _class("EncoderDecoderCache"):
        return [
            ("self_attention_cache", value.self_attention_cache),
            ("cross_attention_cache", value.cross_attention_cache),
            ("is_updated", dict(value.is_updated)),
        ]
    if type(value) not in (_class("DynamicCache"), _class("StaticCache")) or getattr(value, "offloading", False):
        return None
    if not all(_is_known_layer(layer) for layer in getattr(value, "layers", [None])):  # older ones have none
        return None
    return [("layers", [_parts_of_layer(layer, result) for layer in value.layers])]


def _is_known_layer(layer: Any) -> bool:
    known = any(type(layer) is _class(name) for name in _LAYERS if _class(name) is not None)
    if known and type(layer).__name__ in _STATIC:  # older ones are told by the model how much is in them
        windowed = type(layer) is _class("StaticSlidingWindowLayer")
        counts = not windowed or hasattr(layer, "cumulative_length_int")
        return counts and isinstance(getattr(layer, "cumulative_length", None), torch.Tensor)
    return known and not getattr(layer, "record_past", False)


def _is_linear(layer: Any) -> bool:
    linear = _class("LinearAttentionLayer")
    return linear is not None and isinstance(layer, linear)


def _parts_of_layer(layer: Any, result: bool) -> Any:
    """Keys and values of a plain layer, or None if it has none yet; a dict for the other kinds."""
    pair = None if _is_empty(layer) else (layer.keys, layer.values)
    if type(layer) is _class("DynamicLayer"):
        return pair
    parts: dict[str, Any] = {"kind": type(layer).__name__}
    if pair is not None:
        parts["pair"] = pair
    if type(layer).__name__ in _STATIC:
        parts["length"] = layer.max_cache_len
        if pair is not None:
            parts["seen"] = layer.cumulative_length
    if type(layer) is _class("StaticSlidingWindowLayer") and pair is not None:
        if result:
            parts["count"] = _as_tensor(layer.cumulative_length_int)
        else:
            parts |= _fill_of_window(layer.cumulative_length_int, layer.max_cache_len)
    if type(layer) is _class("DynamicSlidingWindowLayer"):
        parts["window"] = layer.sliding_window
        # What a full window has seen is not what is in it. The calls that fill it up are of a kind of their own,
        # too: torch.export takes it for granted that a token more does, or does not.
        if pair is not None and (result or layer.cumulative_length != layer.keys.shape[-2]):
            parts["seen"] = _as_tensor(layer.cumulative_length)
        elif pair is not None and layer.keys.shape[-2] >= layer.sliding_window - 2:
            parts["fills_up"] = True
    if _is_linear(layer):
        for name in _STATES:
            parts[name] = list(getattr(layer, name).values())
    return parts


def _fill_of_window(count: int, length: int) -> dict[str, Any]:
    """How full a window of fixed size is: what the code of caches asks has one answer throughout each kind, so that the
    tokens that it has seen are a part where they may differ."""
    if count in (0, length - 1):
        return {"exactly": count}
    return {"full": count >= length, "count": _as_tensor(count)}


def _is_empty(layer: Any) -> bool:
    """Whether a layer has no keys and values (yet, or by its kind)."""
    return getattr(layer, "keys", None) is None


def make_cache(cls: Any, parts: dict[str, Any]) -> Any:
    """The inverse of parts_of_cache()."""
    if cls is _class("EncoderDecoderCache"):
        made = cls(parts["self_attention_cache"], parts["cross_attention_cache"])
        made.is_updated = dict(parts["is_updated"])
        return made
    layers = [_make_layer(pair) for pair in parts["layers"]]
    if cls is _class("StaticCache"):  # which makes its layers of a model's configuration
        made = cls.__new__(cls)
        _class("Cache").__init__(made, layers=layers)
        return made
    made = cls()
    made.layers = layers
    return made


def renew_cache(cache: Any, new: Any) -> None:
    """Lets a cache have what is in another one of its kind."""
    if type(cache) is _class("EncoderDecoderCache"):
        renew_cache(cache.self_attention_cache, new.self_attention_cache)
        renew_cache(cache.cross_attention_cache, new.cross_attention_cache)
        cache.is_updated = new.is_updated
    else:
        cache.layers = new.layers


def _make_layer(parts: Any) -> Any:
    kind = parts["kind"] if isinstance(parts, dict) else "DynamicLayer"
    pair = parts.get("pair") if isinstance(parts, dict) else parts
    if kind not in _LAYERS:
        raise Corrupt(f"there is no layer of caches '{kind}'", "cache")
    if kind == "DynamicSlidingWindowLayer":
        layer = _class(kind)(sliding_window=parts["window"])
    elif kind == "DynamicLayer":
        layer = _class(kind)()
    elif kind in _STATIC:
        return _make_static_layer(kind, parts)
    else:
        layer = _class(kind)(number_of_states=len(parts[_STATES[0]]))
        for name in _STATES:
            # Layers write to their states: those of the caller stay as they are.
            states = [s.clone() if isinstance(s, torch.Tensor) else s for s in parts[name]]
            setattr(layer, name, dict(enumerate(states)))
        held = [s for s in (*layer.conv_states.values(), *layer.recurrent_states.values()) if s is not None]
        if held:
            layer.dtype, layer.device = held[0].dtype, held[0].device
    if pair is not None:
        keys, values = pair
        layer.lazy_initialization(keys, values)
        layer.keys, layer.values = keys, values
    if kind == "DynamicSlidingWindowLayer" and pair is not None:
        layer.cumulative_length = _seen(parts) if "seen" in parts else pair[0].shape[-2]
    return layer


def _make_static_layer(kind: str, parts: dict[str, Any]) -> Any:
    window = {"sliding_window": parts["length"]} if kind == "StaticSlidingWindowLayer" else {}
    layer = _class(kind)(max_cache_len=parts["length"], **window)
    if "pair" not in parts:
        return layer
    tensors = (*parts["pair"], parts["seen"])
    if torch.compiler.is_compiling() or is_tracing():
        tensors = tuple(tensor.clone() for tensor in tensors)  # the layer writes to them, and programs have arguments
    layer.keys, layer.values, layer.cumulative_length = tensors
    layer.dtype, layer.device = layer.keys.dtype, layer.keys.device
    layer.batch_size, layer.num_heads = layer.keys.shape[:2]
    layer.k_head_dim, layer.v_head_dim = layer.keys.shape[-1], layer.values.shape[-1]
    layer.is_initialized = True
    if kind == "StaticSlidingWindowLayer":
        layer.cumulative_length_int = parts["exactly"] if "exactly" in parts else _count_of_window(parts)
    return layer


def _count_of_window(parts: dict[str, Any]) -> Any:
    if "full" not in parts:  # of a result
        return int(parts["count"])
    length = parts["length"]
    at_least, at_most = (length, None) if parts["full"] else (1, length - 2)
    return _number_seen(parts["count"], at_least, at_most)


def _as_tensor(number: Any) -> torch.Tensor:
    """torch.jit.trace has sizes as tensors."""
    return number.to(torch.int64) if isinstance(number, torch.Tensor) else torch.full((), number, dtype=torch.int64)


def _seen(parts: dict[str, Any]) -> Any:
    """How many tokens a full window has seen."""
    return _number_seen(parts["seen"], parts["window"], None)


def _number_seen(number: torch.Tensor, at_least: int, at_most: int | None) -> Any:
    """How many tokens a window has seen, where that is between these bounds."""
    if is_tracing():
        raise Unsupported("torch.jit.trace takes what a window of a cache has seen for a constant", "cache", "Use ir='dynamo'")
    seen = number.item()
    if not isinstance(seen, int):  # torch.export knows no value; the code of caches asks whether windows are full
        torch._check(seen >= at_least)
        if at_most is not None:
            torch._check(seen <= at_most)
    return seen
