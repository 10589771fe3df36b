"""Writes docs/models.md (`./dev models [NAME…]`): every model of tests/models, exported, tuned and compared with PyTorch.

Each NAME (all of them without) is exported with torch.export at batch 1, or scripted, tuned in fp32, and run on inputs drawn afresh; what
comes out is kept in build/models/NAME.json, and the table is written from all of those. Needs what
tests/torch/requirements.txt and tests/models/requirements.txt name, and the built aitune.
"""

import json
import pathlib
import re
import sys
import tempfile
import warnings

import numpy as np
import torch

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests/models"), str(ROOT / "tests/torch")]
import export_models  # noqa: E402
import scripted  # noqa: E402
import support  # noqa: E402

KEPT = ROOT / "build/models"
# Answers matter here, not their speed.
QUICK = ["--set", "timing_cache_path=none", "--set", "optimization_level=0"]


def tune(model, samples, folder, settings=()):
    """Tunes in fp32 and times the steps: what the table says but the error."""
    report = support.must("tune", model, "-i", samples, "-o", folder / "model.ait", "--json", *QUICK, *settings).json()
    steps = support.must("bench", folder / "model.ait", "--seconds", "0.01", "--steps", "--json").json()
    return {"nodes": report["nodes"], "compiled": report["compiled_share"], "fallbacks": report["fallbacks"],
            "time": steps["compiled_time_share"], "accepted": report["accepted_error"]}


def measure(name, folder):
    """The row of a model that is exported, as plain data."""
    generator = torch.Generator().manual_seed(torch.seed() % 2**32)
    model = export_models.make_model(name)
    torch.export.save(export_models.export(name, model, False, generator), folder / "model.pt2")
    draw = lambda: list(export_models.make_inputs(name, 1, generator).values())  # noqa: E731
    row = tune(folder / "model.pt2", support.write_inputs(folder / "in.npz", draw()), folder)
    inputs = draw()
    fresh = support.write_inputs(folder / "x.npz", inputs)
    support.must("run", folder / "model.ait", "-i", fresh, "-o", folder / "y.npz")
    with torch.no_grad():
        want = support.tensors_of(model(*[t.clone() for t in inputs]))
    return row | {"error": support.check_same(support.read_outputs(folder / "y.npz"), want, float("inf"), name)}


def measure_scripted(name, folder):
    """The row of a scripted model."""
    generator = torch.Generator().manual_seed(torch.seed() % 2**32)
    with torch.no_grad():
        model = scripted.SCRIPTED[name](folder)
        row = tune(model.path, support.write_inputs(folder / "in.npz", model.draw(generator)), folder, model.settings)
        inputs = model.draw(generator)
        taken = support.must("inspect", folder / "model.ait", "--json").json()["modules"][0]["inputs"]
        names = {i["name"] for i in taken}
        given = {n.replace(".", "_"): t for n, t in inputs.items() if n.replace(".", "_") in names or n.isdigit()}
        fresh = support.write_inputs(folder / "x.npz", given)
        support.must("run", folder / "model.ait", "-i", fresh, "-o", folder / "y.npz")
        want = model.answer(inputs)
    with np.load(folder / "y.npz") as out:
        got = [out[n] for n in (want if isinstance(want, dict) else out.files[:1])]
    want = list(want.values()) if isinstance(want, dict) else want
    row["accepted"] = 0  # of detectors, the bound is no bound
    return row | {"error": support.check_same(got, want, float("inf"), name)}


def try_to_measure(name):
    with tempfile.TemporaryDirectory() as folder:
        try:
            return (measure_scripted if name in scripted.SCRIPTED else measure)(name, pathlib.Path(folder))
        except Exception as problem:  # noqa: BLE001  whatever it is, it is what the table says
            lines = str(problem).strip().splitlines()
            operators = [line.strip() for line in lines if re.match(r"\s+\w+\.\S+ \(\d+ times?\)$", line)]
            return {"problem": ("not supported: " + ", ".join(operators) if operators else lines[-1])[:200]}


def by_reason(fallbacks):
    """"op (3x): why" lines with those that share a reason together."""
    groups = {}
    for line in fallbacks:
        operator, reason = line.split(": ", 1)
        reason = re.sub(r"block of \d+ smaller", "blocks smaller", reason)
        groups.setdefault(reason, []).append(operator.removesuffix(".default").replace(".default ", " "))
    return "; ".join(f"{reason}: {', '.join(operators)}" for reason, operators in groups.items())


def table():
    rows = {name: json.loads((KEPT / f"{name}.json").read_text()) for name in names() if (KEPT / f"{name}.json").exists()}
    good = [r for r in rows.values() if "problem" not in r]
    nodes = sum(r["nodes"] for r in good)
    fallen = sum(round(r["nodes"] * (1 - r["compiled"])) for r in good)
    lines = ["# Models", "",
             "Written by `./dev models`. Each model is exported by `torch.export` at batch 1, or scripted where the last column says so,",
             "and tuned in fp32; the error is the norm of the",
             "difference from PyTorch over the norm of PyTorch's outputs, the largest over the outputs, on inputs drawn afresh. Weights",
             "are random but for minilm. Nodes are those of the lowered graph. The share of the time is that of the steps in compiled",
             "blocks, in plans that were chosen by rule, not by timing. A model that makes more of the last bit of its numbers than",
             "1e-4 is held to what fp32 can give; the bound then stands behind its error. Of scripted detectors the error is that of",
             "the scores; tests/torch/test_real_scripts.py compares the boxes.", "",
             f"{len(good)} of {len(rows)} models run; {fallen} of {nodes} nodes ({100 * fallen / max(nodes, 1):.2f} %) fall back.", "",
             "| model | error | nodes | compiled | of the time | falls back | |", "|---|---|---|---|---|---|---|"]
    for name, row in rows.items():
        form = "scripted" if name in scripted.SCRIPTED else ""
        if "problem" in row:
            lines.append(f"| {name} | | | | | **{row['problem'].replace('|', '/')}** | {form} |")
        else:
            fallbacks = by_reason(row["fallbacks"]).replace("|", "/")
            time = f"{100 * row['time']:.1f} %" if "time" in row else ""
            error = f"{row['error']:.1e}" + (f" (of {row['accepted']:.1e})" if row.get("accepted", 0) > 1e-4 else "")
            lines.append(f"| {name} | {error} | {row['nodes']} | {100 * row['compiled']:.1f} % | {time} | {fallbacks} | {form} |")
    (ROOT / "docs/models.md").write_text("\n".join(lines) + "\n")


def names():
    return [n for n in export_models.NAMES if n != "digits"] + export_models.MORE + list(scripted.SCRIPTED)


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
