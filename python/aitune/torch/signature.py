"""Calls of a module in one form, however they are written."""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

from aitune.errors import Corrupt, InvalidArgument
from aitune.torch.structure import python_number

__all__ = ["Signature"]

_PLAIN = (bool, int, float, str, type(None))


class Signature:
    """The parameters of a forward(). ``model(x, mask=m)`` and ``model(x, m)`` are the same call, and so is one that
    gives a parameter its default."""

    def __init__(self, forward: Callable[..., Any] | inspect.Signature, where: str) -> None:
        self._where = where
        self._signature = forward if isinstance(forward, inspect.Signature) else _signature_of(forward)

    def to_json(self) -> list[list[Any]]:
        """Plain data: name, kind and, if it has one that JSON knows, the default of each parameter."""
        rows: list[list[Any]] = []
        for parameter in self._signature.parameters.values():
            row: list[Any] = [parameter.name, int(parameter.kind)]
            if parameter.default is not inspect.Parameter.empty:
                # Another default than these cannot be told from what the caller gives, and is taken for None.
                row.append(parameter.default if isinstance(parameter.default, _PLAIN) else None)
            rows.append(row)
        return rows

    @staticmethod
    def from_json(rows: Any, where: str) -> Signature:
        """The inverse. Raises Corrupt for what to_json does not write."""
        kinds = {int(kind): kind for kind in inspect._ParameterKind}
        try:
            parameters = [
                inspect.Parameter(row[0], kinds[row[1]], default=row[2] if len(row) > 2 else inspect.Parameter.empty)
                for row in rows
            ]
            return Signature(inspect.Signature(parameters), where)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise Corrupt(f"these are no parameters: {error}", where) from error

    def normalise(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments by parameter, in the order of the signature, without defaults. Extra positional arguments are
        called "NAME.0", extra keyword arguments as they are. NumPy's scalars are numbers."""
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise InvalidArgument(f"the call does not fit forward{self._signature}: {error}", self._where) from error
        named: dict[str, Any] = {}
        parameters = self._signature.parameters
        # Defaults in front of further positional arguments keep their places.
        keep = any(parameters[name].kind is inspect.Parameter.VAR_POSITIONAL for name in bound.arguments)
        for name, value in bound.arguments.items():
            parameter = parameters[name]
            value = python_number(value)
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                named.update({f"{name}.{i}": item for i, item in enumerate(value)})
            elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
                named.update(value)
            elif keep or not _is_default(value, parameter.default):
                named[name] = value
        return named

    def extras(self, names: Iterable[str]) -> list[str]:
        """Those of the names of a normalised call that belong to ``**kwargs``."""
        parameters = self._signature.parameters
        kinds = {parameter.kind: parameter.name for parameter in parameters.values()}
        if inspect.Parameter.VAR_KEYWORD not in kinds:
            return []
        positional = kinds.get(inspect.Parameter.VAR_POSITIONAL)
        return [n for n in names if n not in parameters and (positional is None or n.rpartition(".")[0] != positional)]

    def with_extras(self, names: Iterable[str]) -> inspect.Signature:
        """The signature with what a call puts into ``**kwargs`` as parameters of their own: torch.export of PyTorch
        2.11 counts such arguments twice where sizes move. As it is where there are none, or not all can be parameters."""
        extras = self.extras(names)
        if not all(name.isidentifier() and not keyword.iskeyword(name) for name in extras):
            return self._signature
        kept = [p for p in self._signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        named = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in extras]
        return self._signature.replace(parameters=kept + named) if extras else self._signature

    def defaults(self) -> dict[str, Any]:
        """The defaults of the parameters that have one."""
        empty = inspect.Parameter.empty
        return {p.name: p.default for p in self._signature.parameters.values() if p.default is not empty}

    def call_form(self, named: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments as they are passed: by position as far as there is no gap, then by name."""
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        left = dict(named)
        by_position = True
        for name, parameter in self._signature.parameters.items():
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                extra = [key for key in left if key.startswith(f"{name}.")]
                args += [left.pop(key) for key in extra]
            elif name not in left:
                by_position = False
            elif parameter.kind is inspect.Parameter.KEYWORD_ONLY or not by_position:
                kwargs[name] = left.pop(name)
            else:
                args.append(left.pop(name))
        return tuple(args), kwargs | left


def _signature_of(forward: Callable[..., Any]) -> inspect.Signature:
    """What inspect.signature() says, and for methods of TorchScript, of which it knows nothing, their schema."""
    if not isinstance(forward, torch.ScriptMethod):
        return inspect.signature(forward)
    parameters = [
        inspect.Parameter(
            argument.name,
            inspect.Parameter.KEYWORD_ONLY if argument.kwarg_only else inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=argument.default_value if argument.has_default_value() else inspect.Parameter.empty,
        )
        for argument in forward.schema.arguments[1:]  # behind self
    ]
    return inspect.Signature(parameters)


def _is_default(value: Any, default: Any) -> bool:
    if value is default:
        return True
    return isinstance(value, _PLAIN) and type(value) is type(default) and bool(value == default)
