#!/usr/bin/env python3
"""Ctrl-C and budgets of the command: what is in the file then is valid, and the next run goes on.

    anytime_test.py BIN_FOLDER DIGITS.pt2
"""

import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from support import write_images

SKIPPED = 77
PATIENCE = 300  # seconds; a hang, far above what anything here takes


def check(condition, what):
    if not condition:
        sys.exit(f"failed: {what}")


def interrupted(command, file, number):
    """The status and messages of the command, which gets the signal once there is a file."""
    default = {signal.SIGINT: signal.SIG_DFL, signal.SIGTERM: signal.SIG_DFL}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: [signal.signal(*pair) for pair in default.items()],
    )
    begin = time.monotonic()
    while not file.exists() and process.poll() is None and time.monotonic() - begin < PATIENCE:
        time.sleep(0.002)
    process.send_signal(number)
    _, messages = process.communicate(timeout=PATIENCE)
    return process.returncode, messages


def main():
    folder, model = map(pathlib.Path, sys.argv[1:3])
    aitune = str(folder / "aitune")
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        timings, inputs = place / "timings.json", place / "image.npy"
        write_images(inputs)
        tune = [aitune, "tune", str(model), "-i", str(inputs), "--set", f"timing_cache_path={timings}", "--set",
                "optimization_level=5", "--set", "min_block_size=1"]
        ended = 0
        for number in (signal.SIGINT, signal.SIGTERM):
            file = place / f"{number.name}.ait"
            status, messages = interrupted([*tune, "-o", str(file)], file, number)
            if status == 0:
                continue  # it was done before the signal came
            ended += 1
            check(status == 128 + number, f"status {status} after {number.name}: {messages}")
            check("interrupted" in messages and "best that was found so far" in messages, messages)
            subprocess.run([aitune, "verify", str(file)], check=True, stdout=subprocess.DEVNULL, timeout=PATIENCE)
            shown = json.loads(subprocess.run([aitune, "inspect", str(file), "--decisions"], check=True, timeout=PATIENCE,
                                              capture_output=True, text=True).stdout)
            check(shown["measured"]["stopped"] == "interrupted", "the log does not say it")
            again = place / "again.ait"
            subprocess.run([aitune, "tune", str(model), "-i", str(inputs), "-o", str(again), "--decisions", str(file)],
                           check=True, stdout=subprocess.DEVNULL, timeout=PATIENCE)  # the status is of this run
            check(again.read_bytes() == file.read_bytes(), "what was interrupted cannot be built again")
            timings.unlink(missing_ok=True)

        file = place / "budget.ait"
        done = subprocess.run([*tune, "-o", str(file), "--budget", "0.001s"], capture_output=True, text=True, timeout=PATIENCE)
        check(done.returncode == 0 and "ended with its budget" in done.stdout, done.stdout + done.stderr)
        for wrong in ("0", "-1s", "1x", "s", "60ss"):
            refused = subprocess.run([*tune, "-o", str(file), f"--budget={wrong}"], capture_output=True, text=True)
            check(refused.returncode == 1 and "--budget" in refused.stderr, f"--budget={wrong}: {refused.stderr}")

        same = place / "same.ait"
        subprocess.run([aitune, "tune", str(model), "-i", str(inputs), "-o", str(same), "--decisions", str(file)], check=True,
                       stdout=subprocess.DEVNULL, timeout=PATIENCE)
        check(same.read_bytes() == file.read_bytes(), "the file built from the log is another one")
        diff = [aitune, "diff", str(file)]
        check(subprocess.run([*diff, str(same)], stdout=subprocess.DEVNULL).returncode == 0, "they are not the same")
        other = place / "other.ait"
        subprocess.run([*tune, "-o", str(other), "--set", "min_block_size=2", "--budget", "0.001"], check=True,
                       stdout=subprocess.DEVNULL, timeout=PATIENCE)
        found = subprocess.run([*diff, str(other), "--json"], capture_output=True, text=True)
        check(found.returncode == 1, found.stderr)
        groups = {d["group"]: d for d in json.loads(found.stdout)["differences"]}
        check(groups["settings"]["what"] == "min_block_size", found.stdout)
        for missing in ([*diff, str(place / "none.ait")], diff, [*diff, str(model)]):
            check(subprocess.run(missing, capture_output=True).returncode == 2, f"{missing} is no trouble")
        if ended == 0:
            print("tuning was done before it could be interrupted")
            sys.exit(SKIPPED)


if __name__ == "__main__":
    main()
