"""What a terminal shows in the end: terminal_test.py BIN_FOLDER DIGITS.pt2

Results stand on lines of their own, and nothing is left of the line that shows the progress."""

import os
import pathlib
import pty
import sys
import tempfile

from support import write_images

BIN, MODEL = sys.argv[1:]


def on_terminal(*words):
    """Status and everything that the program writes, stdout and stderr, on one terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(f"{BIN}/aitune", ["aitune", *map(str, words)])
    written = b""
    try:
        while part := os.read(terminal, 65536):
            written += part
    except OSError:  # the program has ended
        pass
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), written.decode()


def screen(written):
    """The lines that are left: a carriage return goes to the first column, what comes next is written over."""
    lines = []
    for row in written.replace("\r\n", "\n").split("\n"):
        shown = ""
        for piece in row.split("\r"):
            text = piece.removeprefix("\033[K")
            shown = text if text != piece else text + shown[len(text):]
        lines.append(shown)
    return [line for line in lines if line]


def test(folder):
    write_images(folder / "in.npy")
    file = folder / "m.ait"
    quick = ["--set", "timing_cache_path=none", "--set", "optimization_level=0"]
    for words in (
        ["tune", MODEL, "-i", folder / "in.npy", "-o", file, *quick],
        ["tune", MODEL, "-i", folder / "in.npy", "--dryrun"],
        ["report", file, "-o", folder / "r.html"],
        ["compare", file, MODEL],
        ["refit", file, MODEL, "-o", folder / "n.ait"],
    ):
        status, written = on_terminal(*words)
        assert status == 0 and " s] " in written, (words, status, written)
        shown = screen(written)
        assert shown and not [line for line in shown if " s] " in line], (words, shown)


with tempfile.TemporaryDirectory() as place:
    test(pathlib.Path(place))
print("ok")
