"""Custom operators that are functions of Python."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from aitune import _runtime
from aitune.errors import InvalidArgument, Unavailable, Unsupported, a_kind

__all__ = ["Size", "TensorType", "custom_op"]

DTYPE_NAMES: list[str] = _runtime.dtype_names()
"""The dtypes, in the order of their numbers."""


class Size:
    """A size of a tensor while a model is compiled: a number, or a formula of the model's dynamic dimensions, "2*s0 + 1".

    Sizes and numbers are combined by ``+ - * // %``, ``minimum()`` and ``maximum()``. A formula has no value yet, so that nothing can
    be decided by it: ``a.must_be(b)`` has the runtime check it for every input. A number is one, for comparisons and for int().
    """

    def __init__(self, formula: int | str, equalities: list[tuple[int | str, int | str]]) -> None:
        self._formula = formula
        self._equalities = equalities

    def _combined(self, function: Callable[[int, int], int], text: str, left: Any, right: Any) -> Any:
        if not all(isinstance(side, (int, Size)) for side in (left, right)):
            return NotImplemented
        a, b = formula_of(left), formula_of(right)
        known = isinstance(a, int) and isinstance(b, int)
        return Size(function(a, b) if known else text.format(a, b), self._equalities)  # type: ignore[arg-type]

    def __add__(self, other: Any) -> Any:
        return self._combined(operator.add, "({}) + ({})", self, other)

    def __radd__(self, other: Any) -> Any:
        return self._combined(operator.add, "({}) + ({})", other, self)

    def __sub__(self, other: Any) -> Any:
        return self._combined(operator.sub, "({}) - ({})", self, other)

    def __rsub__(self, other: Any) -> Any:
        return self._combined(operator.sub, "({}) - ({})", other, self)

    def __mul__(self, other: Any) -> Any:
        return self._combined(operator.mul, "({}) * ({})", self, other)

    def __rmul__(self, other: Any) -> Any:
        return self._combined(operator.mul, "({}) * ({})", other, self)

    def __floordiv__(self, other: Any) -> Any:
        return self._combined(operator.floordiv, "({}) // ({})", self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return self._combined(operator.floordiv, "({}) // ({})", other, self)

    def __mod__(self, other: Any) -> Any:
        return self._combined(operator.mod, "Mod({}, {})", self, other)

    def __rmod__(self, other: Any) -> Any:
        return self._combined(operator.mod, "Mod({}, {})", other, self)

    def __neg__(self) -> Size:
        return 0 - self

    def minimum(self, other: int | Size) -> Size:
        """The smaller one of both."""
        return self._combined(min, "Min({}, {})", self, other)

    def maximum(self, other: int | Size) -> Size:
        """The larger one of both."""
        return self._combined(max, "Max({}, {})", self, other)

    def must_be(self, other: int | Size) -> None:
        """Says that both are equal: the model is refused where they certainly differ, and inputs for which they do."""
        self._equalities.append((self._formula, formula_of(other)))

    def _value(self) -> int:
        if isinstance(self._formula, int):
            return self._formula
        raise Unsupported(
            f"a shape function decides by the size {self._formula}, which is not known while the model is compiled", "",
            "Combine sizes by arithmetic, and use must_be() where they have to be equal",
        )

    def _compared(self, other: Any, function: Callable[[Any, Any], bool]) -> Any:
        if not isinstance(other, (int, Size)):
            return NotImplemented
        return function(self._value(), other._value() if isinstance(other, Size) else other)

    def __eq__(self, other: Any) -> Any:
        return self._compared(other, operator.eq)

    def __lt__(self, other: Any) -> Any:
        return self._compared(other, operator.lt)

    def __le__(self, other: Any) -> Any:
        return self._compared(other, operator.le)

    def __gt__(self, other: Any) -> Any:
        return self._compared(other, operator.gt)

    def __ge__(self, other: Any) -> Any:
        return self._compared(other, operator.ge)

    def __bool__(self) -> bool:
        return self._value() != 0

    def __index__(self) -> int:
        return self._value()

    __int__ = __index__
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Size({self._formula!r})"


def formula_of(size: int | Size) -> int | str:
    """A size as the compiler takes it."""
    return size._formula if isinstance(size, Size) else int(size)


@dataclass(frozen=True)
class TensorType:
    """What a shape function sees of a tensor, and says of a result.

    Attributes:
        dtype: NumPy's and PyTorch's name, such as "float32" or "bfloat16".
        shape: Sizes; of a result, numbers as well.
    """

    dtype: str
    shape: tuple[int | Size, ...]


class Operator(Protocol):
    """How a registered operator is called: arguments come as the extension modules give them (bindings/custom_ops.h)."""

    name: str
    schema: str
    origin: str

    def run(self, arguments: Sequence[Any], outputs: Sequence[Any]) -> None:
        """Fills the outputs."""

    def infer(self, arguments: Sequence[Any]) -> tuple[list[tuple[int, list[int | str]]], list[tuple[int | str, int | str]]]:
        """Types of the results, and pairs of sizes that must be equal."""


operators: dict[str, Operator] = {}
"""By whole name, "mylib.myop.default"."""

finders: list[Callable[[str], Operator | None]] = []
"""Who is asked for operators of which nothing is known."""

_modules: list[Any] = []  # the extension modules, each with a registry of its own
_registered: dict[tuple[int, str], str] = {}  # schemas, by module and name
_NO_SCHEMA = "unknown"


def whole_name(name: str) -> str:
    """ "mylib::myop" as "mylib.myop.default"."""
    match = re.fullmatch(r"(\w+)(?:::|\.)(\w+)(?:\.(\w+))?", name) if isinstance(name, str) else None
    if match is None:
        raise InvalidArgument(f"{name!r} is no name of an operator", "custom_op()", 'Write it as "namespace::name"')
    return f"{match[1]}.{match[2]}.{match[3] or 'default'}"


def add(op: Operator) -> None:
    """Makes an operator known to all modules; one that was known by this name is replaced."""
    before = operators.get(op.name)
    if op.schema == _NO_SCHEMA and before is not None and hasattr(before, "given"):
        before.given = op  # another function for what PyTorch knows
        return
    operators[op.name] = op
    try:
        for module in _modules:
            _register(module, op)
    except BaseException:
        if before is None:
            del operators[op.name]
        else:
            operators[op.name] = before
        raise


def connect(module: Any, *, compiles: bool) -> None:
    """Lets an extension module call the operators. The one that compiles takes those with a schema alone."""
    if module in _modules:
        return
    module.compiles = compiles
    module.run_custom_op = _run
    module.infer_custom_op = _infer
    module.find_custom_op = _find
    module.ask_for_custom_ops()
    _modules.append(module)
    for op in list(operators.values()):
        _register(module, op)


def _register(module: Any, op: Operator) -> None:
    if module.compiles and op.schema == _NO_SCHEMA:
        return
    key = (id(module), op.name)
    if key not in _registered:
        module.register_custom_op(op.name, op.schema, op.origin)
    elif module.compiles and _registered[key] != op.schema:
        raise InvalidArgument(
            f"{op.name} was used with the schema {_registered[key]} before, and now has {op.schema}",
            op.origin, "Give it another name, or start Python anew",
        )
    _registered[key] = op.schema


def _run(name: str, arguments: Sequence[Any], outputs: Sequence[Any]) -> None:
    operators[name].run(arguments, outputs)


def _infer(name: str, arguments: Sequence[Any]) -> Any:
    return operators[name].infer(arguments)


def _find(name: str) -> None:
    """Asked for a name that a module does not know."""
    known = operators.get(name)
    for finder in finders:
        if known is not None and known.schema != _NO_SCHEMA:
            break
        known = finder(name) or known
    if known is not None:
        add(known)


# --- functions on NumPy arrays ----------------------------------------------------------------------------------------


def _bfloat16() -> np.dtype:
    try:
        import ml_dtypes
    except ImportError:
        raise Unavailable(
            "bfloat16 is a dtype that NumPy does not have", "", "Install ml_dtypes: pip install ml_dtypes"
        ) from None
    return np.dtype(ml_dtypes.bfloat16)


def _numpy_dtype(number: int) -> np.dtype:
    name = DTYPE_NAMES[number]
    return _bfloat16() if name == "bfloat16" else np.dtype(name)


def _array(number: int, memory: Any) -> np.ndarray:
    """The elements where they lie."""
    return np.from_dlpack(memory).view(_numpy_dtype(number))


def _decoded(value: Any, tensor: Callable[[int, Any], Any], dtype: Callable[[int], Any]) -> Any:
    if isinstance(value, list):
        return [_decoded(item, tensor, dtype) for item in value]
    if isinstance(value, tuple):
        return tensor(value[1], value[2]) if value[0] == "tensor" else dtype(value[1])
    return value


def results_of(result: Any, count: int, name: str, kind: type, kind_name: str) -> list[Any]:
    """What a function returned, as a list of so many arrays."""
    results = list(result) if isinstance(result, (tuple, list)) else [result]
    if len(results) == 1 and isinstance(results[0], (tuple, list)):
        results = list(results[0])
    if len(results) != count:
        raise InvalidArgument(f"the function returned {len(results)} results, and {count} are expected", name)
    for index, item in enumerate(results):
        if not isinstance(item, kind):
            raise InvalidArgument(f"result {index} is {a_kind(item)} and not {kind_name}", name)
    return results


def check_result(index: int, got: tuple[str, tuple[int, ...]], want: tuple[str, tuple[int, ...]], name: str) -> None:
    """A result has the dtype and shape that the model was compiled with."""
    if got == want:
        return
    raise InvalidArgument(
        f"result {index} is {got[0]}{list(got[1])}, and the model was compiled with {want[0]}{list(want[1])}", name,
        "Make the function and its shape function (or fake implementation) agree",
    )


class NumpyOperator:
    """A function on NumPy arrays."""

    def __init__(self, name: str, function: Callable[..., Any], schema: str | None, shape: Callable[..., Any] | None):
        self.name = name
        self.schema = schema or _NO_SCHEMA
        self.function = function
        self.shape = shape
        self.origin = f"the Python function {getattr(function, '__qualname__', type(function).__name__)}"

    def run(self, arguments: Sequence[Any], outputs: Sequence[Any]) -> None:
        """See Operator."""
        values = [_decoded(value, lambda n, memory: _array(n, memory).copy(), _numpy_dtype) for value in arguments]
        results = results_of(self.function(*values), len(outputs), self.name, (np.ndarray, np.generic), "a NumPy array")  # type: ignore[arg-type]
        for index, (result, (_, number, memory)) in enumerate(zip(results, outputs, strict=True)):
            to = _array(number, memory)
            check_result(index, (result.dtype.name, result.shape), (to.dtype.name, to.shape), self.name)
            to[...] = result

    def infer(self, arguments: Sequence[Any]) -> Any:
        """See Operator."""
        if self.shape is None:
            for finder in finders:
                known = finder(self.name)
                if known is not None:
                    return known.infer(arguments)
            raise Unsupported(
                "nothing says which shapes its results have", self.name,
                "Give a shape function, aitune.custom_op(name, function, shape=...), or a fake implementation in PyTorch",
            )
        equalities: list[tuple[int | str, int | str]] = []

        def size(value: Any) -> Size:
            return Size(value[1] if isinstance(value, tuple) else value, equalities)

        def convert(value: Any) -> Any:
            if isinstance(value, list):
                return [convert(item) for item in value]
            if not isinstance(value, tuple):
                return value
            if value[0] == "tensor":
                return TensorType(DTYPE_NAMES[value[1]], tuple(size(item) for item in value[2]))
            return _numpy_dtype(value[1]) if value[0] == "dtype" else size(value)

        result = self.shape(*[convert(value) for value in arguments])
        results = [result] if isinstance(result, TensorType) else list(result)
        types = []
        for index, item in enumerate(results):
            if not isinstance(item, TensorType) or item.dtype not in DTYPE_NAMES:
                raise InvalidArgument(
                    f"the shape function gave {item!r} for result {index}", self.name,
                    "It returns an aitune.TensorType for each result, with the name of a dtype",
                )
            types.append((DTYPE_NAMES.index(item.dtype), [formula_of(extent) for extent in item.shape]))
        return types, equalities


def custom_op(
    name: str,
    function: Callable[..., Any] | None = None,
    *,
    schema: str | None = None,
    shape: Callable[..., Any] | None = None,
) -> Any:
    """Makes a function of Python the kernel of a custom operator, for models that are loaded or tuned afterwards.

    The function is called with the operator's arguments in the order of its schema, tensors as NumPy arrays of its own
    (which it may keep and change), and returns an array or a tuple of them. It may be called from any thread. Without a function, this is a
    decorator.

    Args:
        name: "mylib::myop", or "mylib::myop.overload".
        function: the kernel.
        schema: as PyTorch prints it, "myop(Tensor x, float alpha=1.0) -> Tensor". Needed for tuning alone, and found by itself where
            PyTorch knows the operator.
        shape: a function that is called with a TensorType in place of each tensor, and returns the TensorTypes of the results. Needed for
            tuning alone, and PyTorch's fake implementation where it is missing.

    Raises:
        InvalidArgument: the name or the schema cannot be used, or a library has an operator of this name.
    """
    if function is None:
        return lambda decorated: custom_op(name, decorated, schema=schema, shape=shape) and decorated
    for what, value in (("function", function), ("shape", shape)):
        if value is not None and not callable(value):
            raise InvalidArgument(f"the {what} is {a_kind(value)}, which cannot be called", "custom_op()")
    add(NumpyOperator(whole_name(name), function, schema, shape))
    return function


connect(_runtime, compiles=False)
