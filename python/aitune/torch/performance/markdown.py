"""A performance profile as a text to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["render"]


def render(data: dict[str, Any]) -> str:
    """Markdown: what was run, the runs, the regions, their share of each run, operators."""
    config, given = data["config"], data["input"]
    overview = [
        ("Created", data["created_at"]),
        ("AITune version", data["aitune_version"]),
        ("Target", data["target"]["type"]),
        ("Warmup runs", config["warmup_runs"]),
        ("Measured runs", config["measured_runs"]),
        ("Positional arguments", given["args_count"]),
        ("Keyword arguments", ", ".join(given["kwargs"]) or "-"),
    ]
    runs = [
        (run["run_index"], _ms(run["timing"]["wall_time_us"]), _ms(run["timing"]["cpu_time_us"])) for run in data["runs"]
    ]
    regions = [(r["id"], r["kind"], r.get("wrapper_state", "-"), r["module_type"]) for r in data["regions"]]
    shares: list[Sequence[Any]] = []
    for run in data["runs"]:
        rows = [*run["regions"], {"region_id": "_(residual)_", "calls": "-", **run["residual"]}]
        for row in rows:
            share = f"{100 * row['cpu_time_fraction']:.1f}%"
            shares.append((run["run_index"], row["region_id"], row["calls"], _ms(row["cpu_time_us"]), share))
    operators = [
        (row["key"], row["count"], _ms(row["self_cpu_time_total_us"]), _ms(row["cpu_time_total_us"]))
        for row in data["profiler"]["key_averages"]["cpu_time_total"]["events"]
    ]
    parts = [
        "# Performance Profile",
        _table(("Field", "Value"), overview),
        "## Runs",
        _table(("Run", "Wall", "CPU"), runs),
        "## Regions",
        _table(("Region", "Kind", "State", "Module type"), regions) if regions else "No region was entered.",
        "## Per-Run Attribution",
        _table(("Run", "Region", "Calls", "CPU", "Share"), shares),
        "## Operators",
        _table(("Name", "Count", "Self CPU", "CPU total"), operators),
    ]
    return "\n\n".join(parts) + "\n"


def _ms(microseconds: float) -> str:
    return f"{microseconds / 1e3:.3f} ms"


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
