"""What cases of operators are written with: makers of tensors, the list of cases, and the writer of calls."""
import json
import math
import pathlib

import torch

HERE = pathlib.Path(__file__).resolve().parent
OPS_DEF = HERE.parents[1] / "base" / "ops.def"
DTYPES = {torch.uint8: "u8", torch.int8: "i8", torch.int16: "i16", torch.int32: "i32", torch.int64: "i64",
          torch.float16: "f16", torch.bfloat16: "bf16", torch.float32: "f32", torch.float64: "f64", torch.bool: "bool",
          torch.complex64: "c64", torch.complex128: "c128"}
c64, c128 = torch.complex64, torch.complex128
f32, f64, f16, bf16 = torch.float32, torch.float64, torch.float16, torch.bfloat16
i64, i32, i16, i8, u8, b8 = torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool
FLOATS, INTS = [f32, f64, bf16, f16], [i64, i32, i16, i8, u8]
INF = math.inf


class Constant:
    """A tensor that the model holds, where an operator's result depends on its values."""

    def __init__(self, tensor):
        self.tensor = tensor


def flat_results(result):
    """Results one after another, lists among them too; one that PyTorch leaves out has no elements."""
    if isinstance(result, (list, tuple)):
        return [r for part in result for r in flat_results(part)]
    return [result]


class Writer:
    """Collects calls; tensors are stored once a distinct content."""

    def __init__(self):
        self.calls, self.tensors, self.blob, self.known = [], [], bytearray(), {}
        self.generator = torch.Generator()

    def tensor(self, t):
        t = t.resolve_conj().resolve_neg()
        storage = bytes(t.untyped_storage())
        base = t.storage_offset() * t.element_size()
        if t.is_contiguous():
            storage, base = storage[base:base + t.numel() * t.element_size()], 0
        key = (t.dtype, tuple(t.shape), t.stride(), base, storage)
        if key not in self.known:
            while len(self.blob) % 16:
                self.blob.append(0)
            self.known[key] = len(self.tensors)
            self.tensors.append([DTYPES[t.dtype], list(t.shape), list(t.stride()), len(self.blob) + base])
            self.blob += storage
        return self.known[key]

    def arg(self, a):
        if isinstance(a, Constant):
            return {"t": self.tensor(a.tensor), "const": True}
        if isinstance(a, torch.Tensor):
            return {"t": self.tensor(a)}
        if isinstance(a, torch.dtype):
            return {"dtype": DTYPES[a]}
        if isinstance(a, torch.device):
            return {"s": str(a)}
        if isinstance(a, torch.memory_format):
            return {"format": {torch.contiguous_format: 0, torch.preserve_format: 1, torch.channels_last: 2}[a]}
        if isinstance(a, str):
            return {"s": a}
        if isinstance(a, float):
            return {"f": repr(a)}
        if isinstance(a, (list, tuple)):
            return [self.arg(x) for x in a]
        return a  # None, bool, int

    def call(self, name, args, kwargs):
        library = torch.ops.torchvision if name.startswith("torchvision.") else torch.ops.aten
        base, _, overload = name.removeprefix("torchvision.").partition(".")
        op = getattr(getattr(library, base), overload or "default")
        entry = {"op": name, "args": [self.arg(a) for a in args], "kw": {k: self.arg(v) for k, v in kwargs.items()}}
        if base.endswith("_") and not isinstance(args[0], torch.Tensor):
            raise TypeError("only tensors are written to")
        args = [a.tensor if isinstance(a, Constant) else a for a in args]
        result = op(*[a.clone() if base.endswith("_") and i == 0 else a for i, a in enumerate(args)], **kwargs)
        if isinstance(result, int):  # of item: a size, which we keep as an extent
            result = torch.zeros(result, 0, dtype=u8)
        results = flat_results(result)
        results = [torch.zeros(0, dtype=next(t.dtype for t in results if t is not None)) if r is None else r for r in results]
        if base.startswith(("empty", "new_empty")):
            results = [torch.zeros_like(r) for r in results]
        entry["out"] = [self.tensor(r.detach().contiguous()) for r in results]
        self.calls.append(entry)


W = Writer()
CASES = {}


def cases(names):
    """Registers a generator of (args, kwargs) for some operators; `name` and `may_fail` are passed to it."""
    def register(function):
        for name in names.split():
            CASES.setdefault(name, []).append(function)
        return function
    return register


def R(*shape, dtype=f32, scale=2.0):
    """Random elements: normal, or small integers."""
    if dtype == b8:
        return torch.rand(shape, generator=W.generator) < 0.5
    if dtype.is_floating_point or dtype.is_complex:
        return (torch.randn(shape, generator=W.generator, dtype=dtype if dtype.is_complex else None) * scale).to(dtype)
    return torch.randint(0 if dtype == u8 else -7, 8, shape, generator=W.generator).to(dtype)


def U(*shape, dtype=f32, low=0.1, high=2.0):
    return (torch.rand(shape, generator=W.generator) * (high - low) + low).to(dtype)


def I(high, *shape, dtype=i64, low=0):
    return torch.randint(low, high, shape, generator=W.generator).to(dtype)


def distinct(*shape, dtype=f32):
    """No two elements equal, so that orders and positions are unique."""
    n = math.prod(shape)
    return (torch.randperm(n, generator=W.generator).to(dtype) - n // 2).reshape(shape)


def strange(dtype=f32):
    return torch.tensor([0.0, -0.0, 1.0, -1.0, INF, -INF, math.nan, 0.5, -2.5, 3.0, 88.0, -104.0], dtype=dtype)


def layouts(dtype=f32, make=R):
    """The same kind of tensor in several layouts and sizes."""
    yield make(2, 3, 5, dtype=dtype)
    yield make(5, 4, dtype=dtype).t()
    yield make(3, 8, dtype=dtype)[:, 1::3]
    yield make(1, 4, dtype=dtype).expand(3, 4)
    yield make(dtype=dtype)
    yield make(0, 3, dtype=dtype)


def C(*args, **kwargs):
    return args, kwargs
