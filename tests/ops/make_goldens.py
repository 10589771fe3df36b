#!/usr/bin/env python3
"""Runs every operator of base/ops.def in PyTorch and writes calls and results to goldens/.

goldens/calls.json lists the calls: operator, arguments (a tensor is {"t": number}), and the numbers of the results;
and the tensors: dtype, shape, strides and first byte in goldens/tensors.bin. Run it in an environment with torch.
Without arguments all operators are written; `make_goldens.py add.Tensor` prints the calls of one and writes nothing.
The calls themselves are made by the files of cases/.
"""
import importlib
import itertools
import json
import re
import sys
import zlib

import torch

from golden_lib import CASES, HERE, OPS_DEF, W


def names_in_list():
    rows = re.findall(r'"(aten|torchvision)\.(\w+)\.(\w+)"', OPS_DEF.read_text())
    return [("torchvision." if library == "torchvision" else "") + a + ("" if b == "default" else "." + b)
            for library, a, b in rows]


def random_names():
    """What has no answer to compare with: base/ops.cpp has the table."""
    table = re.search(r"kRandom = [^;]*;", (OPS_DEF.parent / "ops.cpp").read_text()).group()
    by_identifier = dict(re.findall(r'AITUNE_OP\((\w+), "aten\.([\w.]+)"', OPS_DEF.read_text()))
    return {by_identifier[i].removesuffix(".default") for i in re.findall(r"aten_\w+", table)}


def other_forms():
    """An operator without cases of its own takes some of its plain spelling's, or of its functional form's."""
    spellings = dict(re.findall(r'{"aten\.([\w.]+)", "aten\.([\w.]+)"}', (OPS_DEF.parent / "ops.cpp").read_text()))
    plain = lambda name: name.removesuffix(".default")
    spellings = {plain(a): plain(b) for a, b in spellings.items()}
    for name in names_in_list():
        base, dot, overload = name.partition(".")
        functional = base.removesuffix("_") + dot + overload
        target = spellings.get(name) or spellings.get(functional, functional)
        if name not in CASES and target in CASES:
            yield name, [lambda _, f=f, t=target: itertools.islice(f(t), 3) for f in CASES[target][:2]]


def main():
    only = sys.argv[1:]
    for file in sorted((HERE / "cases").glob("*.py")):
        importlib.import_module(f"cases.{file.stem}")
    CASES.update(dict(other_forms()))
    missing, random = [], random_names()
    for name in names_in_list():
        if only and name not in only:
            continue
        W.generator.manual_seed(zlib.crc32(name.encode()))  # the same whatever else is in the list
        before = len(W.calls)
        for function in CASES.get(name, []):
            for args, kwargs in function(name):
                try:
                    W.call(name, args, kwargs)
                except (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError, KeyError) as error:
                    if only:  # a dtype or layout that PyTorch refuses is no case
                        print("skipped:", name, str(error).splitlines()[0])
        if len(W.calls) == before and name not in random:
            missing.append(name)
    unknown = sorted(set(CASES) - set(names_in_list()))
    if unknown or (missing and not only):
        sys.exit(f"no case: {missing}; cases for unknown operators: {unknown}")
    if only:
        for call in W.calls:
            print(call)
        return
    out = HERE / "goldens"
    out.mkdir(exist_ok=True)
    dump = lambda rows: ",\n".join(json.dumps(r, separators=(",", ":")) for r in rows)
    header = json.dumps(torch.__version__)
    (out / "calls.json").write_text(
        '{"torch":%s,\n"tensors":[\n%s],\n"calls":[\n%s]}\n' % (header, dump(W.tensors), dump(W.calls)))
    (out / "tensors.bin").write_bytes(bytes(W.blob))
    print(len(W.calls), "calls,", len(W.tensors), "tensors,", len(W.blob), "bytes")


if __name__ == "__main__":
    main()
