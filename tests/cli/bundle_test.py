"""A file with several modules on the command line: bundle_test.py BIN_FOLDER DIGITS.pt2"""

import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

from support import write_images

BIN, MODEL = sys.argv[1:]


def aitune(*words, status=0):
    done = subprocess.run([f"{BIN}/aitune", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout if status == 0 else done.stderr


def make_bundle(path, parts):
    """As ait.save writes pipelines."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for number, part in enumerate(parts):
            archive.write(part, f"model/data/aitune/modules/{number}.ait")


def test(folder):
    write_images(folder / "in.npy")
    parts = [folder / f"{name}.ait" for name in ("encoder", "decoder")]
    for part in parts:
        aitune("tune", MODEL, "-i", folder / "in.npy", "-o", part, "--name", part.stem, "--set", "timing_cache_path=none",
               "--set", "optimization_level=0", "-q")
    file = folder / "pipeline.ait"
    make_bundle(file, parts)

    text = aitune("inspect", file)
    assert "2 modules" in text and "module encoder" in text and "module decoder" in text, text
    assert [f["name"] for f in json.loads(aitune("inspect", file, "--json"))["files"]] == ["encoder", "decoder"]
    assert json.loads(aitune("inspect", file, "--module", "decoder", "--json"))["name"] == "decoder"
    assert json.loads(aitune("inspect", file, "--module", "1", "--decisions"))

    text = aitune("verify", file)
    assert "module 0 (encoder)" in text and "module 1 (decoder)" in text, text
    assert [m["name"] for m in json.loads(aitune("verify", file, "--json"))["modules"]] == ["encoder", "decoder"]
    aitune("verify", file, "--module", "encoder")

    aitune("run", file, "--module", "decoder", "-o", folder / "y.npz")
    aitune("bench", file, "--module", "decoder", "--seconds", "0.01", "--cold", "1")
    error = aitune("run", file, status=1)
    assert "several modules: 0 (encoder), 1 (decoder)" in error and "--module NAME" in error, error
    assert "no module 'head'" in aitune("run", file, "--module", "head", status=1)
    assert "no module 'head'" in aitune("run", parts[0], "--module", "head", status=1)

    aitune("extract", file, "--module", "1", "-o", folder / "one.ait")
    assert (folder / "one.ait").read_bytes() == parts[1].read_bytes()
    for words in (["compare", file, MODEL], ["report", file, "-o", folder / "r.html"], ["diff", file, parts[0]],
                  ["refit", file, MODEL, "-o", folder / "new.ait"], ["tune", file, "-o", folder / "new.ait"]):
        error = aitune(*words, status=2 if words[0] == "diff" else 1)
        assert "several modules" in error and "aitune extract" in error, (words, error)

    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    file.write_bytes(damaged)
    aitune("verify", file, status=1)


with tempfile.TemporaryDirectory() as name:
    test(pathlib.Path(name))
