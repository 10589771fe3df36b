"""The ``aitune`` command, which comes along with the package: ``aitune …`` or ``python -m aitune …``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Becomes the command, with this process's arguments."""
    program = Path(__file__).parent / "bin" / "aitune"
    if not program.exists():
        print("aitune: this build of the package has no command line (it was built without the compiler)", file=sys.stderr)
        raise SystemExit(2)
    os.execv(program, ["aitune", *sys.argv[1:]])
