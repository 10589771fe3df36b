"""How good "about N s left" is: tunes models in a terminal of its own, reads what the progress line says, and compares it
with what was left of the stage in truth.

    bench/time_left.py MODEL.pt2 INPUT.npz [MODEL.pt2 INPUT.npz ...] [-- ARGUMENTS OF aitune tune]

Prints for each stage that was estimated the ratio of estimate to truth, and its share within a factor of two. The first
0.5 s of truth that are left at a stage's end are not asked for: the line says whole seconds.
"""

import os
import pty
import re
import statistics
import sys
import tempfile

AITUNE = os.path.join(os.environ.get("AITUNE_BIN", "build/release/bin"), "aitune")
LINE = re.compile(r"\[ *([0-9.]+) s\] ([^,\r\n]*?)(?: block\w* \d+ of \d+.*|, .*|\d+/\d+ .*)?$")
LEFT = re.compile(r"about ([0-9]+) s left")
LEAST = 0.5  # seconds of truth


def lines_of(command):
    """What the command writes to a terminal, line by line."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    text = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        text += part
        *whole, text = re.split(rb"\r\n|\r\x1b\[K|\n", text)
        yield from (line.decode(errors="replace") for line in whole)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status != 0:
        raise SystemExit(f"{' '.join(command)} ended with status {status}: {text.decode(errors='replace')}")


def stage_of(text):
    """ "tune fp32" of "tune fp32 block 1 of 3, about 2 s left 5/31 ..." """
    return re.sub(r"(,| +block\w*(\.\d+)? \d+ of \d+|  ?\d+/\d+ ).*$", "", text).strip()


def measure(model, inputs, arguments):
    """(stage, seconds into it, estimate, truth) of each line with an estimate."""
    with tempfile.TemporaryDirectory() as folder:
        command = [AITUNE, "tune", model, "-i", inputs, "-o", os.path.join(folder, "out.ait"), "--set",
                   "timing_cache_path=none", *arguments]
        begin, stage, waiting, rows = 0.0, "", [], []
        last = 0.0

        def end_stage(at):
            rows.extend((stage, t - begin, estimate, at - t) for t, estimate in waiting)
            waiting.clear()

        for line in lines_of(command):
            found = re.match(r"\[ *([0-9.]+) s\] (.*)", line)
            if not found:
                continue
            last, name = float(found[1]), stage_of(found[2])
            if name != stage:
                end_stage(last)
                begin, stage = last, name
            if left := LEFT.search(found[2]):
                waiting.append((last, float(left[1])))
        end_stage(last)
    return [row for row in rows if row[3] >= LEAST]


def main():
    cut = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    files, arguments = sys.argv[1:cut], sys.argv[cut + 1 :]
    if not files or len(files) % 2:
        raise SystemExit(__doc__)
    print(f"{'model':24} {'stage':12} {'took, s':>8} {'lines':>6} {'ratio: median':>14} {'least':>6} {'most':>6} {'within 2':>9}")
    for model, inputs in zip(files[::2], files[1::2]):
        rows = measure(model, inputs, arguments)
        for stage in dict.fromkeys(row[0] for row in rows):
            own = [row for row in rows if row[0] == stage]
            ratios = [max(estimate, LEAST) / truth for _, _, estimate, truth in own]
            within = sum(0.5 <= ratio <= 2 for ratio in ratios) / len(ratios)
            took = max(into + truth for _, into, _, truth in own)
            print(f"{os.path.basename(model):24} {stage:12} {took:8.1f} {len(own):6} {statistics.median(ratios):14.2f} "
                  f"{min(ratios):6.2f} {max(ratios):6.2f} {within:9.0%}")
            if os.environ.get("AITUNE_LINES"):
                for _, into, estimate, truth in own:
                    print(f"  {into:6.1f} s in: {estimate:4.0f} s said, {truth:5.1f} s in truth")


main()
