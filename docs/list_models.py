"""Writes docs/models.md (`./dev models [NAME…]`): every model of tests/models, exported, tuned and compared with PyTorch.

Each NAME (all of them without) is exported with torch.export at batch 1, tuned in fp32, and run on inputs drawn afresh; what
comes out is kept in build/models/NAME.json, and the table is written from all of those. Needs what
tests/torch/requirements.txt and tests/models/requirements.txt name, and the built aitune.
"""

import json
import pathlib
import re
import sys
import tempfile
import warnings

import torch

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests/models"), str(ROOT / "tests/torch")]
import export_models  # noqa: E402
import support  # noqa: E402

KEPT = ROOT / "build/models"
# Answers matter here, not their speed.
QUICK = ["--set", "timing_cache_path=none", "--set", "optimization_level=0"]


def measure(name, folder):
    """The row of one model, as plain data."""
    generator = torch.Generator().manual_seed(torch.seed() % 2**32)
    model = export_models.make_model(name)
    torch.export.save(export_models.export(name, model, False, generator), folder / "model.pt2")
    draw = lambda: list(export_models.make_inputs(name, 1, generator).values())  # noqa: E731
    samples = support.write_inputs(folder / "in.npz", draw())
    report = support.must("tune", folder / "model.pt2", "-i", samples, "-o", folder / "model.ait", "--json", *QUICK).json()
    steps = support.must("bench", folder / "model.ait", "--seconds", "0.01", "--steps", "--json").json()
    inputs = draw()
    fresh = support.write_inputs(folder / "x.npz", inputs)
    support.must("run", folder / "model.ait", "-i", fresh, "-o", folder / "y.npz")
    with torch.no_grad():
        want = support.tensors_of(model(*[t.clone() for t in inputs]))
    error = support.check_same(support.read_outputs(folder / "y.npz"), want, float("inf"), name)
    return {"error": error, "nodes": report["nodes"], "compiled": report["compiled_share"], "fallbacks": report["fallbacks"],
            "time": steps["compiled_time_share"], "accepted": report["accepted_error"]}


def try_to_measure(name):
    with tempfile.TemporaryDirectory() as folder:
        try:
            return measure(name, pathlib.Path(folder))
        except Exception as problem:  # noqa: BLE001  whatever it is, it is what the table says
            lines = str(problem).strip().splitlines()
            operators = [line.strip() for line in lines if re.match(r"\s+\w+\.\S+ \(\d+ times?\)$", line)]
            return {"problem": ("not supported: " + ", ".join(operators) if operators else lines[-1])[:200]}


def table():
    rows = {name: json.loads((KEPT / f"{name}.json").read_text()) for name in names() if (KEPT / f"{name}.json").exists()}
    good = [r for r in rows.values() if "problem" not in r]
    nodes = sum(r["nodes"] for r in good)
    fallen = sum(round(r["nodes"] * (1 - r["compiled"])) for r in good)
    lines = ["# Models", "",
             "Written by `./dev models`. Each model is exported by `torch.export` at batch 1 and tuned in fp32; the error is the norm of the",
             "difference from PyTorch over the norm of PyTorch's outputs, the largest over the outputs, on inputs drawn afresh. Weights",
             "are random but for minilm. Nodes are those of the lowered graph. The share of the time is that of the steps in compiled",
             "blocks, in plans that were chosen by rule, not by timing. A model that makes more of the last bit of its inputs than",
             "1e-4 is held to what fp32 can give; the bound then stands behind its error.", "",
             f"{len(good)} of {len(rows)} models run; {fallen} of {nodes} nodes ({100 * fallen / max(nodes, 1):.2f} %) fall back.", "",
             "| model | error | nodes | compiled | of the time | falls back |", "|---|---|---|---|---|---|"]
    for name, row in rows.items():
        if "problem" in row:
            lines.append(f"| {name} | | | | | **{row['problem'].replace('|', '/')}** |")
        else:
            fallbacks = "; ".join(row["fallbacks"]).replace("|", "/")
            time = f"{100 * row['time']:.1f} %" if "time" in row else ""
            error = f"{row['error']:.1e}" + (f" (of {row['accepted']:.1e})" if row.get("accepted", 0) > 1e-4 else "")
            lines.append(f"| {name} | {error} | {row['nodes']} | {100 * row['compiled']:.1f} % | {time} | {fallbacks} |")
    (ROOT / "docs/models.md").write_text("\n".join(lines) + "\n")


def names():
    return [n for n in export_models.NAMES if n != "digits"] + export_models.MORE


def main():
    warnings.filterwarnings("ignore")
    KEPT.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or names():
        row = try_to_measure(name)
        (KEPT / f"{name}.json").write_text(json.dumps(row))
        print(name, row, flush=True)
    table()


if __name__ == "__main__":
    main()
