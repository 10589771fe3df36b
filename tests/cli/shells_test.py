"""The completions in the shells that they are for: shells_test.py SHELL FOLDER, which has what make_cli_docs wrote.

zsh runs in a terminal of its own, gets keys, and tells what was on the line; fish is asked what it offers. Status 77: the
shell is not installed.
"""

import os
import pty
import select
import shutil
import subprocess
import sys
import tempfile
import time

COMMANDS = "tune run bench inspect verify refit cache report diff compare doctor".split()

# What is typed before the tab, and what the command then gets.
TYPED = [
    ("aitune tu", "tune"),
    ("aitune tune --outp", "tune --output"),
    ("aitune tune --set optim", "tune --set optimization_level="),
    ("aitune tune --set decompose_a", "tune --set decompose_attention="),
    ("aitune tune digi", "tune digits.pt2"),
    ("aitune tune digits.pt2 -o out.ait --dry", "tune digits.pt2 -o out.ait --dryrun"),
    ("aitune tune digits.pt2 -i digi", "tune digits.pt2 -i digits.pt2"),
    ("aitune bench digits.pt2 --st", "bench digits.pt2 --steps"),
    ("aitune cache pr", "cache prune"),
    ("aitune cache list --engine-cache-d", "cache list --engine-cache-dir"),
    ("aitune compare digits.pt2 digi", "compare digits.pt2 digits.pt2"),
]


class Zsh:
    """An interactive zsh without the user's files, whose `aitune` prints its arguments."""

    def __init__(self, folder, work):
        environment = {"PATH": os.environ["PATH"], "TERM": "dumb", "HOME": work, "LC_ALL": "C"}
        pid, self.terminal = pty.fork()
        if pid == 0:
            os.chdir(work)
            os.execvpe("zsh", ["zsh", "-f", "-i"], environment)
        self.pid = pid
        self.ask(f"PS1=; unsetopt prompt_sp zle_bracketed_paste; fpath=({folder} $fpath)")
        self.ask("autoload -Uz compinit; compinit -u -D; zstyle ':completion:*' menu no; bindkey '^I' complete-word")
        self.ask("aitune() { print -r -- \"<GOT:$*>\" }")

    def read(self, end, seconds=20):
        text, until = "", time.monotonic() + seconds
        while end not in text:
            ready, _, _ = select.select([self.terminal], [], [], max(0, until - time.monotonic()))
            if not ready:
                raise SystemExit(f"zsh did not answer: {text!r}")
            text += os.read(self.terminal, 65536).decode(errors="replace")
        return text

    def ask(self, line):
        os.write(self.terminal, f"{line}; print -r -- '<DO''NE>'\n".encode())
        self.read("<DONE>")

    def completed(self, typed):
        os.write(self.terminal, f"{typed}\t".encode())
        time.sleep(0.05)
        os.write(self.terminal, b"\n")
        return self.read(">\r\n").rpartition("<GOT:")[2].partition(">")[0].strip()

    def close(self):
        os.write(self.terminal, b"\x03\nexit\n")
        os.waitpid(self.pid, 0)


def zsh(folder, work):
    subprocess.run(["zsh", "-n", os.path.join(folder, "_aitune")], check=True)
    shell = Zsh(folder, work)
    failed = []
    for typed, wanted in TYPED + [(f"aitune {command[:-1]}", command) for command in COMMANDS]:
        if (got := shell.completed(typed)) != wanted:
            failed.append(f"'{typed}' and a tab gave '{got}', and '{wanted}' was expected")
    shell.close()
    return failed


def fish(folder, work):
    environment = {"PATH": os.environ["PATH"], "HOME": work, "LC_ALL": "C.UTF-8"}
    script = os.path.join(folder, "aitune.fish")

    def offered(typed):
        asked = subprocess.run(
            ["fish", "--no-config", "-c", f"source {script}; complete -C '{typed}'"],
            capture_output=True, text=True, check=True, cwd=work, env=environment,
        )
        return [line.partition("\t")[0] for line in asked.stdout.splitlines()]

    failed = []
    for typed, wanted in TYPED:
        if (got := offered(typed)) != [wanted.rpartition(" ")[2]]:
            failed.append(f"after '{typed}' came {got}, and '{wanted}' was expected")
    if missing := sorted(set(COMMANDS) - set(offered("aitune "))):
        failed.append(f"{missing} are not offered")
    for command in COMMANDS:
        if "--json" not in offered(f"aitune {command} --"):
            failed.append(f"{command} does not offer --json")
    return failed


def main():
    shell, folder = sys.argv[1], os.path.abspath(sys.argv[2])
    if not shutil.which(shell):
        print(f"{shell} is not installed")
        return 77
    with tempfile.TemporaryDirectory() as work:
        open(os.path.join(work, "digits.pt2"), "w").close()
        failed = {"zsh": zsh, "fish": fish}[shell](folder, work)
    print("\n".join(failed))
    return 1 if failed else 0


sys.exit(main())
