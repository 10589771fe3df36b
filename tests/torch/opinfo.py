#!/usr/bin/env python3
"""Calls of our operators with the inputs of PyTorch's own OpInfo database, written as goldens are (tests/ops/golden_lib.py).

An OpInfo names a function of torch; what of our list it reaches is recorded by a TorchDispatchMode, and overloads of its own
name are called directly, since composite ones never reach the mode. Run as a program it replays what it recorded and prints
what disagrees: `opinfo.py [--all] [NAME...]`.
"""
import collections
import itertools
import json
import math
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import warnings

import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "ops"))
from golden_lib import DTYPES, Writer  # noqa: E402

BIN = pathlib.Path(os.environ.get("AITUNE_BIN", ROOT / "build/release/bin"))
LISTED = {name.removesuffix(".default")
          for name in re.findall(r'AITUNE_OP\(\w+, "aten\.([\w.]+)"', (ROOT / "base/ops.def").read_text())}
MAX_ELEMENTS = 4096
# LAPACK does not survive NaN everywhere, and PyTorch does not always look before it calls.
FRAGILE = re.compile(r"linalg\.eigvals|linalg\.eig\b")
# Results that PyTorch does not determine: memory as it was found, and random numbers.
UNDETERMINED = re.compile(r"empty|new_empty|rand|bernoulli|dropout|multinomial|normal|rrelu|resize|exponential|uniform")


def overload_name(func):
    return func._schema.name.removeprefix("aten::") + ("" if func._overloadname == "default" else "." + func._overloadname)


def is_small(values):
    tensors = [x for x in tree_leaves(values) if isinstance(x, torch.Tensor)]
    return all(t.dtype in DTYPES and t.layout == torch.strided and t.numel() <= MAX_ELEMENTS and t.device.type == "cpu"
               for t in tensors)


def storable(values):
    kinds = (torch.Tensor, torch.dtype, torch.device, torch.memory_format, str, float, bool, int, type(None))
    return all(isinstance(x, kinds) for x in tree_leaves(values))


def fits(func, args, kwargs):
    """Whether tensors stand where the schema has tensors, and integers where it has integers: eager calls take more."""
    given = {a.name: x for a, x in zip(func._schema.arguments, args)} | kwargs
    for a in func._schema.arguments:
        if a.name not in given:
            continue
        value, kind = given[a.name], str(a.type)
        if kind == "Tensor" and not isinstance(value, torch.Tensor):
            return False
        if "float" in kind and isinstance(value, torch.Tensor):
            return False
        if "int" in kind and any(isinstance(x, (bool, float, torch.Tensor)) for x in (value if isinstance(value, (list, tuple)) else [value])):
            return False
    return True


class Recorder(TorchDispatchMode):
    """Keeps calls of listed operators, at most `limit` of an overload, dtype and variant."""

    def __init__(self, limit):
        super().__init__()
        self.limit, self.seen, self.calls = limit, collections.Counter(), []
        self.source = ("", None, "")  # OpInfo, dtype, variant

    def is_full(self, func):
        return self.seen[overload_name(func), self.source[1], self.source[2]] >= self.limit

    def keep(self, func, args, kwargs, result):
        name = overload_name(func)
        key = (name, self.source[1], self.source[2])
        if name not in LISTED or UNDETERMINED.search(name) or self.seen[key] >= self.limit:
            return
        results = list(result) if isinstance(result, (list, tuple)) else [result]
        if not results or not all(isinstance(r, torch.Tensor) for r in results):
            return
        if not is_small((args, kwargs, results)) or not storable((args, kwargs)) or not fits(func, args, kwargs):
            return
        self.seen[key] += 1
        self.calls.append((self.source, name, args, kwargs, [r.detach().clone(memory_format=torch.contiguous_format) for r in results]))

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func.namespace != "aten" or overload_name(func) not in LISTED:
            return func(*args, **kwargs)
        if self.is_full(func):
            return func(*args, **kwargs)
        before = tree_map(lambda x: copy_of(x) if isinstance(x, torch.Tensor) else x, (args, kwargs))
        result = func(*args, **kwargs)
        self.keep(func, *before, result)
        return result


def copy_of(t):
    """The same strides in memory of its own."""
    if t.numel() > MAX_ELEMENTS or t.layout != torch.strided:
        return t
    return torch.as_strided(t.detach().contiguous().clone() if t.is_contiguous() else spread(t), t.shape, t.stride())


def spread(t):
    last = sum((n - 1) * s for n, s in zip(t.shape, t.stride())) if t.numel() else 0
    memory = torch.zeros(last + 1, dtype=t.dtype)
    if t.numel():
        torch.as_strided(memory, t.shape, t.stride()).copy_(t) if 0 not in t.stride() else memory.copy_(
            torch.as_strided(t, (last + 1,), (1,), t.storage_offset()))
    return memory


def strange(sample):
    """NaN and infinities in the place of some elements."""
    def change(x):
        if not isinstance(x, torch.Tensor) or not x.dtype.is_floating_point or x.numel() == 0:
            return x
        x = x.detach().clone()
        flat = x.view(-1) if x.is_contiguous() else x.reshape(-1)
        for i, value in enumerate([math.nan, math.inf, -math.inf, 0.0, -0.0]):
            if flat.numel() > i:
                flat[(i * 7) % flat.numel()] = value
        return flat.view(x.shape)
    return sample.transform(change)


def direct_overloads(op):
    for base in (op.aten_name, op.aten_name + "_"):
        packet = getattr(torch.ops.aten, base, None)
        for overload in packet.overloads() if packet is not None else []:
            func = getattr(packet, overload)
            if overload_name(func) in LISTED:
                yield func


def call_directly(op, sample, recorder):
    for func in direct_overloads(op):
        if recorder.is_full(func):
            continue
        args = (sample.input, *sample.args)
        copies, kwargs = tree_map(lambda x: copy_of(x) if isinstance(x, torch.Tensor) else x, (args, dict(sample.kwargs)))
        before = tree_map(lambda x: copy_of(x) if isinstance(x, torch.Tensor) else x, (copies, kwargs))
        try:
            result = func(*copies, **kwargs)
        except (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError):
            continue
        recorder.keep(func, *before, result)


def samples_of(op, dtype, every):
    samples = list(itertools.islice(op.sample_inputs("cpu", dtype, requires_grad=False), 400 if every else 12))
    random.Random(len(samples)).shuffle(samples)
    small = [s for s in samples if is_small((s.input, s.args, s.kwargs))]
    return small if every else small[:4]


def record(names=(), every=False, shard=(0, 1)):
    """A Recorder with the calls of every OpInfo (or those whose names contain one of `names`; or each n-th of them)."""
    recorder = Recorder(limit=25 if every else 2)
    dtypes = [d for d in DTYPES if every or d in (torch.float32, torch.bfloat16, torch.int64, torch.bool)]
    for op in op_db[shard[0]::shard[1]]:
        if names and not any(n in op.name for n in names):
            continue
        torch.manual_seed(7)
        for dtype in [d for d in dtypes if d in op.supported_dtypes("cpu")]:
            try:
                samples = samples_of(op, dtype, every)
            except Exception:  # noqa: BLE001: a database entry that needs what is not here
                continue
            for variant in ("plain", "strided", "strange") if dtype.is_floating_point and not FRAGILE.match(op.name) else ("plain", "strided"):
                recorder.source = (op.formatted_name, dtype, variant)
                for sample in samples:
                    try:
                        changed = {"plain": lambda s: s, "strided": lambda s: s.noncontiguous(), "strange": strange}[variant](sample)
                        call_directly(op, changed, recorder)
                        with recorder:
                            op(changed.input, *changed.args, **changed.kwargs)
                    except Exception:  # noqa: BLE001: PyTorch refuses the input
                        continue
    return recorder


def write(recorder, folder):
    """calls.json and tensors.bin; the calls carry which OpInfo they came from."""
    writer = Writer()
    for source, name, args, kwargs, results in recorder.calls:
        if torch.channels_last_3d in tree_leaves((args, kwargs)):
            continue
        writer.calls.append({"op": name, "args": [writer.arg(a) for a in args], "kw": {k: writer.arg(v) for k, v in kwargs.items()},
                             "out": [writer.tensor(r) for r in results],
                             "from": f"{source[0]} {DTYPES[source[1]]} {source[2]}"})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "calls.json").write_text(json.dumps({"torch": torch.__version__, "tensors": writer.tensors, "calls": writer.calls}))
    (folder / "tensors.bin").write_bytes(bytes(writer.blob))


def replay(folder, engine):
    """[(status, operator, source, text)] of every call; status is ok, wrong, refused, or unsupported."""
    tool = BIN.parent / ("tests/ops/replay_calls" if engine == "reference" else "tests/conformance/replay_compiled")
    out = subprocess.run([tool], env={**os.environ, "AITUNE_GOLDENS": str(folder)}, capture_output=True, text=True, timeout=3000)
    if out.returncode != 0:
        raise RuntimeError(f"{tool} ended with {out.returncode}: {out.stderr[-2000:]}")
    return [tuple(line.split("\t", 3)) for line in out.stdout.splitlines()]


def main():
    warnings.simplefilter("ignore")
    names = [a for a in sys.argv[1:] if not a.startswith("--")]
    recorder = record(names, "--all" in sys.argv)
    folder = pathlib.Path(next((a.split("=", 1)[1] for a in sys.argv if a.startswith("--out=")), tempfile.mkdtemp()))
    write(recorder, folder)
    print(len(recorder.calls), "calls in", folder)
    for engine in ("reference", "cpu"):
        results = replay(folder, engine)
        counts = collections.Counter(r[0] for r in results)
        print(engine, dict(counts))
        shown = collections.Counter()
        for status, name, source, text in results:
            if status in ("wrong", "refused") and (shown[name] < 2 or "-v" in sys.argv):
                shown[name] += 1
                print(f"  {status} {name} [{source}]: {text[:300]}")


if __name__ == "__main__":
    main()
