"""Writes docs/operators.md: every operator of base/ops.def, and whether the CPU engine has a rule for it.

Names in the CPU engine's tables are read from its sources; a rule may still refuse a call, with a reason.
"""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[1]


def rows():
    """(family, [names]) in the order of the list."""
    families = []
    for line in (ROOT / "base/ops.def").read_text().splitlines():
        if line.startswith("// ") and not re.match(r"// (The one|Included|tests/ops)", line):
            families.append((line[3:], []))
        elif match := re.match(r'AITUNE_OP\(\w+, "([^"]+)"', line):
            families[-1][1].append(match.group(1))
    return [family for family in families if family[1]]


def named_in(folder, pattern):
    texts = [path.read_text() for path in sorted((ROOT / folder).glob(pattern))]
    return set(re.findall(r'"(aten\.[\w.]+)"', "\n".join(texts)))


def identified_in(*files):
    """Operators that sources name by identifier: OpId::aten_view_default, or aten_view_default."""
    names = dict(re.findall(r'AITUNE_OP\((\w+), "([^"]+)"', (ROOT / "base/ops.def").read_text()))
    text = "\n".join((ROOT / file).read_text() for file in files)
    return {names[word] for word in re.findall(r"\baten_\w+", text) if word in names}


def main():
    cpu = named_in("engines/cpu/compile", "rules_*.cpp")
    rewritten = named_in("compiler/passes", "decompose*.cpp") | identified_in(
        "compiler/passes/functionalise.cpp", "compiler/passes/views.cpp", "compiler/ops/aliasing.cpp")
    lines = ["# Operators", "", "Written by docs/list_operators.py from the sources. Every operator here is imported and has a reference kernel.",
             "**c**: the CPU engine compiles it. **r**: lowering rewrites it with others, or knows it as a view or an identity. In-place",
             "forms (a name that ends in `_`) become the form without.", ""]
    for family, names in rows():
        lines += [f"## {family[0].upper()}{family[1:]}", ""]
        marked = []
        for name in names:
            marks = "c" if name in cpu else "r" if name in rewritten else ""
            marked.append(f"`{name.removeprefix('aten.')}`" + (f" **{marks}**" if marks else ""))
        lines += [", ".join(marked), ""]
    (ROOT / "docs/operators.md").write_text("\n".join(lines).rstrip() + "\n")


if __name__ == "__main__":
    main()
