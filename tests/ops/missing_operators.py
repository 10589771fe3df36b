#!/usr/bin/env python3
"""Compares base/ops.def with PyTorch's Core ATen opset and prims, and with the operators that Torch-TensorRT converts.

`missing_operators.py [aten_ops_converters.py ...]` prints what is absent and not left out for a reason, and ends with status 1
if there is any. The converters are read as text, of a checkout of pytorch/TensorRT. Run it in an environment with torch.
"""
import pathlib
import re
import sys

import torch
import torch._prims  # noqa: F401: registers the prims

ROOT = pathlib.Path(__file__).resolve().parents[2]
LISTED = set(re.findall(r'AITUNE_OP\(\w+, "(aten\.[\w.]+)"', (ROOT / "base/ops.def").read_text()))
# What the importer folds, drops, or imports as other operators.
IMPORTED = set(re.findall(r'"((?:aten|prims)\.\w+\.\w+)"', (ROOT / "compiler/import/dynamo/alternatives.cpp").read_text()))
IMPORTED |= {"aten." + name for name in re.findall(r"torch\.ops\.aten\.([\w.]+)", (ROOT / "compiler/import/dynamo/targets.cpp").read_text())}
LEFT_OUT = {
    "random numbers": r"aten\.(rand|randn|randperm)\.\w+|prims\.(normal|uniform)\.default",
    "writes to a tensor of the caller's, or gives it another size": r"aten\.\w+\.out|aten\.resize_\.default|prims\.resize\.default",
    "numbers in place of tensors, which a program of torch.export does not hold": r"prims\.(item|maximum_value|minimum_value|_make_token|_sink_tokens)\.default",
    "strides, which a graph does not have": r"aten\.sym_is_contiguous\.default",
    "what no operator of ATen computes": r"prims\.xor_sum\.default",
    "operators of Torch-TensorRT's own": r"tensorrt\.\w+\.default",
}


def core_and_prims():
    for name in torch._C._dispatch_get_all_op_names():
        namespace, _, rest = name.partition("::")
        if namespace not in ("aten", "prims"):
            continue
        base, _, overload = rest.partition(".")
        overload = overload or "default"
        op = getattr(getattr(getattr(torch.ops, namespace), base), overload)
        if namespace == "prims" or torch.Tag.core in op.tags:
            yield f"{namespace}.{base}.{overload}"


def converted(path):
    for name in set(re.findall(r"torch\.ops\.([\w.]+?)\.?(?![\w.])", pathlib.Path(path).read_text())):
        parts = name.split(".")
        if len(parts) == 3:
            yield name
        elif len(parts) == 2 and parts[0] == "aten":
            yield from (f"{name}.{o}" for o in getattr(torch.ops.aten, parts[1]).overloads() if "out" not in o)


def main():
    wanted = set(core_and_prims()).union(*(converted(path) for path in sys.argv[1:]))
    absent = wanted - LISTED - IMPORTED
    left_out = {name: why for name in absent for why, pattern in LEFT_OUT.items() if re.fullmatch(pattern, name)}
    missing = sorted(absent - set(left_out))
    print(f"{len(wanted)} operators: {len(wanted & LISTED)} listed, {len((wanted - LISTED) & IMPORTED)} imported as others, "
          f"{len(left_out)} left out, {len(missing)} missing")
    for why in sorted(set(left_out.values())):
        print(f"  {why}: {', '.join(sorted(n for n, w in left_out.items() if w == why))}")
    for name in missing:
        print("  missing:", name)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
