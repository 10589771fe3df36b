"""Module, and what belongs to it."""

from __future__ import annotations

from aitune.torch.module.wrapper_module import (
    Module,
    ModuleState,
    all_modules,
    check_weights,
    find_modules,
    located_modules,
    named_module,
    original_forwards,
    part_of,
    place,
    unknown_call,
    wrappers_of,
)

__all__ = [
    "Module",
    "ModuleState",
    "all_modules",
    "check_weights",
    "find_modules",
    "located_modules",
    "named_module",
    "original_forwards",
    "part_of",
    "place",
    "unknown_call",
    "wrappers_of",
]
