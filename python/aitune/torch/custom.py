"""Custom operators of PyTorch in tuned models: torch.library knows schema, kernel and shapes."""

from __future__ import annotations

import ast
import operator as operators_of_python
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any

import torch

from aitune import custom
from aitune.errors import InvalidArgument, Unavailable, Unsupported, a_kind
from aitune.torch.thread_flag import ThreadFlag

__all__ = ["compiler", "every_operator"]

_every_operator = ThreadFlag()


def every_operator() -> AbstractContextManager[None]:
    """While a model of PyTorch is tuned in this thread, all operators that PyTorch knows are found. Otherwise those alone that Python code of
    this process defines: a file must not reach what any library in the process can do."""
    return _every_operator.raised()


def compiler() -> ModuleType:
    """aitune._compiler, with the operators that are known."""
    from aitune import _compiler

    custom.connect(_compiler, compiles=True)
    return _compiler


def _overload(name: str) -> torch._ops.OpOverload:
    """Looked up for each call: a library that defines the operator may go, and its object is then a dangling one."""
    namespace, base, overload = name.split(".")
    try:
        found = getattr(getattr(getattr(torch.ops, namespace), base), overload)
    except AttributeError as error:
        raise Unavailable("its torch.library.Library is gone", name, "Keep the library") from error
    assert isinstance(found, torch._ops.OpOverload)
    return found


def _find(name: str) -> custom.Operator | None:
    namespace, base, overload = name.split(".")
    qualified = f"{namespace}::{base}"
    if not _every_operator.is_raised and qualified not in torch.library._defs:
        return None
    names = {schema.overload_name for schema in torch._C._jit_get_schemas_for_operator(qualified)}
    spelled = "" if overload == "default" else overload
    if spelled not in names:
        return None
    return TorchOperator(name, _overload(name), custom.operators.get(name))


custom.finders.append(_find)


def _torch_dtype(number: int) -> torch.dtype:
    dtype = getattr(torch, custom.DTYPE_NAMES[number])
    assert isinstance(dtype, torch.dtype)
    return dtype


def _tensor(number: int, memory: Any) -> torch.Tensor:
    """The elements where they lie."""
    return torch.utils.dlpack.from_dlpack(memory).view(_torch_dtype(number))


_NO_SIZE = 2**63 - 1


class TorchOperator:
    """An operator of torch.library. Where custom_op() gave a function, or a function and its shapes, those are used."""

    def __init__(self, name: str, overload: torch._ops.OpOverload, given: custom.Operator | None) -> None:
        self.name = name
        self.schema = str(overload._schema).split("::", 1)[1]
        self.given = given
        self.origin = given.origin if given is not None else f"torch.ops.{name}"

    def _call(self, values: Sequence[Any]) -> Any:
        overload = _overload(self.name)
        args, kwargs = [], {}
        for argument, value in zip(overload._schema.arguments, values, strict=True):
            if str(argument.type) in ("Device", "Optional[Device]") and isinstance(value, str):
                value = torch.device(value)
            if argument.kwarg_only:
                kwargs[argument.name] = value
            else:
                args.append(value)
        return overload(*args, **kwargs)

    def run(self, arguments: Sequence[Any], outputs: Sequence[Any]) -> None:
        """See Operator."""
        if self.given is not None:
            return self.given.run(arguments, outputs)

        def convert(value: Any) -> Any:
            if isinstance(value, list):
                return [convert(item) for item in value]
            if not isinstance(value, tuple):
                return value
            return _tensor(value[1], value[2]).clone() if value[0] == "tensor" else _torch_dtype(value[1])

        with torch.no_grad():
            result = self._call([convert(value) for value in arguments])
        results = custom.results_of(result, len(outputs), self.name, torch.Tensor, "a tensor")
        for index, (item, (_, number, memory)) in enumerate(zip(results, outputs, strict=True)):
            to = _tensor(number, memory)
            want = (custom.DTYPE_NAMES[number], tuple(to.shape))
            custom.check_result(index, (str(item.dtype).removeprefix("torch."), tuple(item.shape)), want, self.name)
            to.copy_(item)

    def infer(self, arguments: Sequence[Any]) -> Any:
        """See Operator."""
        if isinstance(self.given, custom.NumpyOperator) and self.given.shape is not None:
            return self.given.infer(arguments)
        problem: Exception | None = None
        # Sizes that have nothing to do with each other first; then sizes that may turn out to be equal.
        for same in (False, True):
            try:
                return _FakeCall(self.name, arguments, same).infer(self._call)
            except Exception as error:
                problem = problem or error
        assert problem is not None
        raise problem


class _FakeCall:
    """One call of a fake implementation, with symbols of PyTorch's for the symbols in our sizes."""

    def __init__(self, name: str, arguments: Sequence[Any], same: bool) -> None:
        from torch._subclasses.fake_tensor import FakeTensorMode
        from torch.fx.experimental.symbolic_shapes import ShapeEnv

        self.name = name
        self.arguments = arguments
        self.same = same
        self.env = ShapeEnv()
        self.mode = FakeTensorMode(shape_env=self.env, allow_non_fake_inputs=True)
        self.symbols: dict[str, Any] = {}
        self.names: dict[Any, Any] = {}  # PyTorch's symbols to ours

    def infer(self, call: Callable[[Sequence[Any]], Any]) -> Any:
        from torch._dispatch.python import enable_python_dispatcher

        try:
            with self.mode, enable_python_dispatcher(), torch.no_grad():
                result = call([self._convert(value) for value in self.arguments])
        except Exception as error:
            raise self._failed(error) from error
        results = list(result) if isinstance(result, (tuple, list)) else [result]
        types = []
        for index, item in enumerate(results):
            dtype = str(item.dtype).removeprefix("torch.") if isinstance(item, torch.Tensor) else ""
            if dtype not in custom.DTYPE_NAMES:
                what = f"of dtype {item.dtype}" if dtype else a_kind(item)
                raise Unsupported(f"result {index} is {what}, and tensors of numbers are possible", self.name)
            types.append((custom.DTYPE_NAMES.index(dtype), [self._formula(size) for size in item.shape]))
        return types, self._equalities()

    def _failed(self, error: Exception) -> Exception:
        text = str(error).strip().splitlines()
        line = text[0] if text else type(error).__name__
        kind = type(error).__name__
        if kind == "UnsupportedOperatorException" or "fake impl" in line or "'Meta' backend" in line:
            return Unsupported(
                "nothing says which shapes its results have", self.name,
                f"Give PyTorch a fake implementation, torch.library.register_fake({self._qualified()!r}), or "
                f"aitune.custom_op({self._qualified()!r}, function, shape=...)",
            )
        return InvalidArgument(f"its fake implementation raised {kind}: {line}", self.name)

    def _qualified(self) -> str:
        namespace, base, _ = self.name.split(".")
        return f"{namespace}::{base}"

    def _convert(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._convert(item) for item in value]
        if not isinstance(value, tuple):
            return value
        if value[0] == "tensor":
            return torch.empty([self._size(size) for size in value[2]], dtype=_torch_dtype(value[1]))
        return _torch_dtype(value[1]) if value[0] == "dtype" else self._size(value)

    def _size(self, size: Any) -> Any:
        return self._evaluate(ast.parse(size[1], mode="eval").body) if isinstance(size, tuple) else size

    def _evaluate(self, tree: ast.expr) -> Any:
        binary: dict[type, Callable[[Any, Any], Any]] = {
            ast.Add: operators_of_python.add,
            ast.Sub: operators_of_python.sub,
            ast.Mult: operators_of_python.mul,
            ast.FloorDiv: operators_of_python.floordiv,
            ast.Pow: operators_of_python.pow,
        }
        named = {"Mod": operators_of_python.mod, "Min": torch.sym_min, "Max": torch.sym_max}
        match tree:
            case ast.Constant(value=int() as number):
                return number
            case ast.Name(id=name):
                return self._symbol(name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self._evaluate(operand)
            case ast.BinOp(left=left, op=symbol, right=right) if type(symbol) in binary:
                return binary[type(symbol)](self._evaluate(left), self._evaluate(right))
            case ast.Call(func=ast.Name(id=name), args=[left, right]) if name in named:
                return named[name](self._evaluate(left), self._evaluate(right))
        raise Unsupported("a size of an argument is too complicated", self.name)

    def _symbol(self, name: str) -> Any:
        import sympy  # type: ignore[import-untyped]
        from torch._dynamo.source import ConstantSource
        from torch.fx.experimental.symbolic_shapes import DimDynamic

        if name not in self.symbols:
            # A value that many numbers divide, so that checks of fake implementations hold.
            hint = 1680 if self.same else 1680 * (len(self.symbols) + 1)
            source = ConstantSource(f"size_{name}")
            symbol = self.env.create_symbol(hint, source, dynamic_dim=DimDynamic.DYNAMIC)
            self.names[symbol] = sympy.Symbol(name)
            self.symbols[name] = self.env.create_symintnode(symbol, hint=hint, source=source)
        return self.symbols[name]

    def _formula(self, size: Any) -> int | str:
        if isinstance(size, int):
            return size
        expression = size.node.expr
        if not expression.free_symbols <= set(self.names):
            raise Unsupported(
                "the values of its arguments decide the shapes of its results", self.name,
                "Make the result as large as it can be, and return how much of it counts",
            )
        return str(expression.xreplace(self.names))

    def _equalities(self) -> list[tuple[int | str, int | str]]:
        import sympy

        pairs: list[tuple[int | str, int | str]] = []
        for guard in self.env.guards:
            said = guard.expr.xreplace(self.names)
            if isinstance(said, sympy.Ne) and _NO_SIZE in said.args:
                continue  # PyTorch 2.5 asks it of every size
            if not isinstance(said, sympy.Eq):
                raise Unsupported(
                    f"its fake implementation decides by sizes: {said}", self.name,
                    "Give a shape function: aitune.custom_op(name, function, shape=...)",
                )
            pairs.append((str(said.lhs), str(said.rhs)))
        return pairs
