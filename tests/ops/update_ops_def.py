#!/usr/bin/env python3
"""Fetches the schema text of every row of base/ops.def from PyTorch.

Run it in an environment with torch after adding a row such as
AITUNE_OP(aten_add_Tensor, "aten.add.Tensor", ""): identifier and schema are written anew from the name alone.
"""
import pathlib
import re

import torch

OPS_DEF = pathlib.Path(__file__).resolve().parents[2] / "base" / "ops.def"
ROW = re.compile(r'AITUNE_OP\(\w+,\s*"aten\.(\w+)\.(\w+)",\s*"[^\n]*"\)')


def row(match: re.Match) -> str:
    base, overload = match.group(1), match.group(2)
    schema = str(getattr(getattr(torch.ops.aten, base), overload)._schema).removeprefix("aten::")
    schema = schema.replace("\\", "\\\\").replace('"', '\\"')
    return f'AITUNE_OP(aten_{base}_{overload}, "aten.{base}.{overload}",\n          "{schema}")'


if __name__ == "__main__":
    OPS_DEF.write_text(ROW.sub(row, OPS_DEF.read_text()))
