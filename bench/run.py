"""Measures aitune beside ONNX Runtime, OpenVINO and PyTorch: the same model, the same inputs, both sides in one run.

Every peer is a process of its own; all are warm before anything is timed, and only one works at any moment. A round
times a block of calls of every peer, in opposite order on every other round: machines drift by more within a minute than
peers differ. The figure of a peer is the median of its rounds' medians; a ratio is the median of the rounds' ratios, so
that it compares neighbours in time. bench/README.md says more.
"""

import argparse
import json
import os
import pathlib
import platform
import select
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from peers import PEERS, PRECISIONS  # noqa: E402

BENCH = pathlib.Path(__file__).resolve().parent
ROOT = BENCH.parent
BIN = pathlib.Path(os.environ.get("AITUNE_BIN", ROOT / "build/release/bin"))
MODELS = ["resnet50", "mobilenet_v3_large", "bert"]
ALL_MODELS = ["resnet18", "resnet50", "mobilenet_v3_large", "efficientnet_b0", "convnext_tiny", "vit_b_16", "densenet121", "bert",
              "gpt2", "minilm", "digits"]
START_LIMIT_S = 600
COLD_PEERS = ["aitune", "aitune command", "onnxruntime", "openvino"]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=MODELS, help=f"of {' '.join(ALL_MODELS)}; or all")
    parser.add_argument("--precision", choices=["fp32", "bf16", "both"], default="fp32")
    parser.add_argument("--peers", help=f"comma-separated, of {', '.join(PEERS)}")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.8, help="of one block")
    parser.add_argument("--cold", type=int, default=0, metavar="N", help="also time N fresh processes of each peer to their first answer")
    parser.add_argument("--only-cold", action="store_true")
    parser.add_argument("--retune", action="store_true", help="tune again even if there is a file")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build/bench", help="for models and results")
    parser.add_argument("--json", type=pathlib.Path, help="where results go; FOLDER/results.json if left out")
    arguments = parser.parse_args()
    if arguments.models == ["all"]:
        arguments.models = ALL_MODELS
    return arguments


def say(text):
    print(text, file=sys.stderr, flush=True)


def environment(threads):
    return os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(BENCH)}


def on_cpus(threads):
    """Keeps a child on the first CPUs that this process may use."""
    cpus = sorted(os.sched_getaffinity(0))[:threads]
    return lambda: os.sched_setaffinity(0, cpus)


def tune(options, name, precision, retune):
    target = options.folder / f"{name}-{precision}.ait"
    if target.exists() and not retune:
        return None
    import numpy as np

    with np.load(options.folder / f"{name}_io.npz") as file:
        np.savez(options.folder / f"{name}_in.npz", **{n: file[n] for n in file.files if not n.startswith("out")})
    words = [BIN / "aitune", "tune", options.folder / f"{name}.pt2", "-i", options.folder / f"{name}_in.npz", "-o", target, "--json", "-q",
             "--precision", {"fp32": "fp32", "bf16": "fp32,bf16"}[precision], "--set", f"num_threads={options.threads}"]
    say(f"tuning {name} in {precision}")
    start = time.perf_counter()
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True, preexec_fn=on_cpus(options.threads))
    report = json.loads(done.stdout)
    return {"seconds": round(time.perf_counter() - start, 1), "chosen": report["chosen"]}


class Server:
    """A peer's process. `facts` is its first line."""

    def __init__(self, peer, options, name, precision):
        words = [sys.executable, "-m", "peers.server", peer, str(options.folder), name, precision, str(options.threads)]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
                                        env=environment(options.threads), preexec_fn=on_cpus(options.threads))
        self.medians = []
        self.facts = self.line(START_LIMIT_S) or {"peer": peer, "failure": "no answer"}

    def line(self, limit):
        """The next line of JSON; None if the process is gone or over the limit. Peers may print other things."""
        end = time.monotonic() + limit
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.process.stdout], [], [], left)[0]:
                break
            text = self.process.stdout.readline()
            if not text:
                break
            if text[:1] in (b"{", b"["):
                return json.loads(text)
        self.process.kill()
        return None

    def works(self):
        return "failure" not in self.facts

    def time_block(self, seconds, calls):
        self.process.stdin.write(f"{seconds} {calls}\n".encode())
        times = self.line(60 + 20 * seconds)
        if times is None:
            self.facts["failure"] = "it ended while it was timed"
        else:
            self.medians.append(statistics.median(times))

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()


def steady(options, name, precision, peers):
    servers = []
    for peer in peers:
        say(f"{name} {precision}: starting {peer}")
        servers.append(Server(peer, options, name, precision))
    try:
        for number in range(options.rounds):
            for server in servers if number % 2 == 0 else reversed(servers):
                if server.works():
                    server.time_block(options.seconds, 5)
                    time.sleep(0.05)  # threads of some peers spin for a while
    finally:
        for server in servers:
            server.close()
    return [row(server, servers[0]) for server in servers]


def row(server, first):
    """Facts and figures of one peer; `ratio` is the time of the first (aitune) over the peer's."""
    result = dict(server.facts)
    if server.works() and server.medians:
        result |= {"ms": round(statistics.median(server.medians), 4), "round_ms": [round(m, 4) for m in server.medians]}
        if first.works() and len(first.medians) == len(server.medians):
            result["ratio"] = round(statistics.median(a / b for a, b in zip(first.medians, server.medians, strict=True)), 4)
    return result


def cold_words(peer, options, name, precision):
    if peer == "aitune command":
        return [BIN / "aitune", "bench", options.folder / f"{name}-{precision}.ait", "--answer-once", "--threads", str(options.threads)]
    return [sys.executable, "-m", "peers.server", peer, str(options.folder), name, precision, str(options.threads), "--cold"]


def first_answer(peer, options, name, precision):
    """(seconds from exec to the first answer, peak memory in MB); None if there was no answer."""
    start = time.perf_counter()
    process = subprocess.Popen(cold_words(peer, options, name, precision), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
                               env=environment(options.threads), preexec_fn=on_cpus(options.threads))
    answered = process.stdout.read(1) == b"1"
    seconds = time.perf_counter() - start
    process.stdout.read()
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return (seconds, usage.ru_maxrss / 1024) if answered else None


def cold(options, name, precision, peers):
    results = {peer: [] for peer in peers}
    for number in range(options.cold + 1):  # round 0 fills caches
        for peer in peers if number % 2 == 0 else reversed(peers):
            answer = first_answer(peer, options, name, precision)
            if number > 0 and answer:
                results[peer].append(answer)
    rows = []
    for peer, answers in results.items():
        if answers:
            rows.append({"peer": peer, "cold_s": round(statistics.median(a[0] for a in answers), 4), "peak_mb": round(max(a[1] for a in answers)),
                         "round_s": [round(a[0], 4) for a in answers]})
        else:
            rows.append({"peer": peer, "failure": "no answer"})
    return rows


def cpu_name():
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
        return next(line.split(":")[1].strip() for line in text.splitlines() if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def print_steady(cells, precision):
    peers = [p for p in PEERS if any(r["peer"] == p for c in cells for r in c["steady"])]
    print(f"\nmilliseconds, batch 1, {precision}; in brackets: aitune's time over the peer's, below 1 aitune is faster\n")
    print("| model | " + " | ".join(peers) + " | largest error of aitune |\n|" + "---|" * (len(peers) + 2))
    for cell in cells:
        rows = {r["peer"]: r for r in cell["steady"]}
        texts = []
        for peer in peers:
            r = rows.get(peer, {})
            ratio = f" ({r['ratio']:.2f})" if peer != "aitune" and "ratio" in r else ""
            texts.append(f"{r['ms']:.3g}{ratio}" if "ms" in r else "failed" if r else "-")
        error = rows.get("aitune", {}).get("error")
        print(f"| {cell['model']} | {' | '.join(texts)} | {'-' if error is None else f'{error:.1e}'} |")


def print_cold(cells):
    print("\nseconds from exec to the first answer, batch 1; in brackets: peak memory in MB\n")
    print("| model | " + " | ".join(COLD_PEERS) + " |\n|" + "---|" * (len(COLD_PEERS) + 1))
    for cell in cells:
        rows = {r["peer"]: r for r in cell["cold"]}
        texts = [f"{rows[p]['cold_s']:.3f} ({rows[p]['peak_mb']})" if "cold_s" in rows.get(p, {}) else "failed" for p in COLD_PEERS]
        print(f"| {cell['model']}, {cell['precision']} | {' | '.join(texts)} |")


def main():
    options = parse_arguments()
    options.folder = options.folder.resolve()
    subprocess.run([sys.executable, str(BENCH / "export.py"), str(options.folder), *options.models], check=True)
    precisions = ["fp32", "bf16"] if options.precision == "both" else [options.precision]
    cells = []
    for precision in precisions:
        peers = [p for p in PRECISIONS[precision] if not options.peers or p in options.peers.split(",")]
        for name in options.models:
            if "aitune fp32" in peers and precision != "fp32" and not options.only_cold:
                tune(options, name, "fp32", retune=False)
            cell = {"model": name, "precision": precision, "threads": options.threads, "tuning": tune(options, name, precision, options.retune)}
            if not options.only_cold:
                cell["steady"] = steady(options, name, precision, peers)
            if options.cold or options.only_cold:
                options.cold = options.cold or 5
                cell["cold"] = cold(options, name, precision, COLD_PEERS if precision == "fp32" else [p for p in COLD_PEERS if p != "onnxruntime"])
            cells.append(cell)
            for failed in [r for r in cell.get("steady", []) + cell.get("cold", []) if "failure" in r]:
                say(f"{name} {precision}: {failed['peer']} failed: {failed['failure']}")
    result = {"cpu": cpu_name(), "cpus": options.threads, "rounds": options.rounds, "block_s": options.seconds, "cells": cells}
    target = options.json or options.folder / "results.json"
    target.write_text(json.dumps(result, indent=1))
    for precision in precisions:
        if some := [c for c in cells if c["precision"] == precision and "steady" in c]:
            print_steady(some, precision)
    if some := [c for c in cells if "cold" in c]:
        print_cold(some)
    say(f"\nwritten to {target}")


if __name__ == "__main__":
    main()
