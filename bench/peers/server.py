"""One peer on one model in a process of its own.

  python -m peers.server PEER FOLDER NAME PRECISION THREADS          serves until standard input ends
  python -m peers.server PEER FOLDER NAME PRECISION THREADS --cold   answers once

Protocol: when warm, one line of JSON {"peer", "error", "load_s", ...} or {"peer", "failure"}. Then for every line
"SECONDS CALLS" on standard input the model runs for that long and at least that often, and the milliseconds of every
call come back as one line of JSON. With --cold the first line comes right after the first answer.
"""

import importlib
import json
import os
import pathlib
import sys
import time

import numpy as np

from . import PEERS, Job


def read_io(folder, name):
    with np.load(folder / f"{name}_io.npz") as file:
        names = [n for n in file.files if not n.startswith("out")]
        return [file[n] for n in names], [file[n] for n in file.files if n.startswith("out")]


def largest_error(outputs, expected):
    """Largest norm of the difference over norm of PyTorch's eager fp32 output."""
    worst = 0.0
    for got, want in zip(outputs, expected, strict=True):
        got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
        worst = max(worst, float(np.linalg.norm(got - want) / max(np.linalg.norm(want), 1e-30)))
    return worst


def block(call, seconds, calls):
    times, start = [], time.perf_counter()
    while len(times) < calls or time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        call()
        times.append((time.perf_counter() - begin) * 1e3)
    return times


def main():
    peer, folder, name, precision, threads = sys.argv[1:6]
    cold, folder = "--cold" in sys.argv, pathlib.Path(folder)
    start = time.perf_counter()
    try:
        inputs, expected = read_io(folder, name)
        loaded = importlib.import_module(f"peers.{PEERS[peer]}").load(Job(folder, name, precision, int(threads), inputs, cold))
        answer = loaded.call()
        if cold:
            print(1, flush=True)
        line = {"peer": peer, "load_s": round(time.perf_counter() - start, 3), "error": largest_error(loaded.to_numpy(answer), expected),
                **{k: v for k, v in loaded.facts.items() if isinstance(v, str)}}
        if not cold:
            block(loaded.call, 1.0, 3)
    except Exception as error:  # whatever a peer cannot do is a fact about it
        line = {"peer": peer, "failure": f"{type(error).__name__}: {error}"[:300]}
    print(json.dumps(line), flush=True)
    if not cold and "failure" not in line:
        for request in sys.stdin:
            seconds, calls = request.split()
            loaded.call()
            print(json.dumps([round(ms, 4) for ms in block(loaded.call, float(seconds), int(calls))]), flush=True)
    os._exit(0)  # some peers take seconds to tear down


if __name__ == "__main__":
    main()
