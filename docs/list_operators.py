"""Writes docs/operators.md from base/ops.def and the table of the conformance test (`./dev operators` makes both).

The test runs every call that PyTorch answered (tests/ops/goldens) through the CPU engine; the reference engine passes all
of them, which ops_test holds.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]


def families():
    """(family, [names]) in the order of the list."""
    found = []
    for line in (ROOT / "base/ops.def").read_text().splitlines():
        if line.startswith("// ") and not re.match(r"// (The one|Included|tests/ops)", line):
            found.append((line[3:], []))
        elif (match := re.match(r'AITUNE_OP\(\w+, "([^"]+)"', line)) and not match.group(1).startswith("aitune."):
            found[-1][1].append(match.group(1))
    return [family for family in found if family[1]]


def read_table(path):
    """name -> (calls, compiled, wrong, [reasons])"""
    rows = {}
    for line in pathlib.Path(path).read_text().splitlines():
        head, *reasons = line.split(" | ")
        name, calls, compiled, wrong = head.split()
        rows[name] = (int(calls), int(compiled), int(wrong), sorted({short(name, reason) for reason in reasons}))
    return rows


def short(name, reason):
    """"aten.mm.default: cpu: why" as "why", with the operator where lowering made another one of it."""
    op, _, why = reason.partition(": cpu: ")
    return why if op == name else f"{op.removeprefix('aten.')}: {why}"


def main():
    table = read_table(sys.argv[1])
    calls, compiled = sum(r[0] for r in table.values()), sum(r[1] for r in table.values())
    lines = ["# Operators", "",
             "Written by `./dev operators`. Every operator here is imported, has a shape rule and, but for the random ones, a reference kernel that agrees",
             f"with PyTorch on every recorded call. Of {calls} calls, each alone in a graph, the CPU engine compiles {compiled}; the others run",
             "on the reference engine, for the reason that stands beside them.", ""]
    for family, names in families():
        lines += [f"## {family[0].upper()}{family[1:]}", "", "| operator | calls | compiled | left to the reference |", "|---|---|---|---|"]
        for name in names:
            if name not in table:
                lines.append(f"| `{name.removeprefix('aten.')}` | | | |")
                continue
            count, own, _, reasons = table[name]
            lines.append(f"| `{name.removeprefix('aten.')}` | {count} | {own} | {'; '.join(reasons)} |")
        lines.append("")
    (ROOT / "docs/operators.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
