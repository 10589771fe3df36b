"""What the tests against PyTorch share: running the aitune command, exporting models, comparing numbers."""

import dataclasses
import json
import os
import pathlib
import struct
import subprocess
import zipfile
import zlib

import numpy as np
import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("AITUNE_BIN", ROOT / "build/release/bin")).resolve()
DIGITS = ROOT / "examples/quickstart/digits.pt2"
# Little searching, and every operator on the CPU engine that it takes: small graphs would stay on the reference engine.
# One plan for all shapes: test_profiles.py has the special ones.
FAST = ["--set", "timing_cache_path=none", "--set", "optimization_level=1", "--set", "min_block_size=1",
        "--set", "max_special_plans=0"]
FP32_BOUND, BF16_BOUND = 1e-4, 2e-2


@dataclasses.dataclass
class Result:
    """How one call of the command ended."""

    words: list
    status: int
    out: str
    err: str

    def json(self):
        return json.loads(self.out)

    def __str__(self):
        return f"$ {' '.join(self.words)}\nstatus {self.status}\n{self.out}{self.err}"


def aitune(*words, **options):
    """Runs `aitune WORDS...` and returns the Result, whatever it is."""
    words = [str(word) for word in words]
    done = subprocess.run([str(BIN / "aitune"), *words], capture_output=True, text=True, errors="replace", timeout=600,
                          check=False, **options)
    return Result(["aitune", *words], done.returncode, done.stdout, done.stderr)


def must(*words, **options):
    """Runs a command that has to succeed."""
    result = aitune(*words, **options)
    assert result.status == 0, str(result)
    return result


def has_bf16():
    return "avx512_bf16" in must("doctor", "--json").json()["features"]


def export(model, inputs, path, dynamic_shapes=None):
    """Exports in inference mode and writes the .pt2; returns the exported program."""
    model.eval()
    kwargs = inputs if isinstance(inputs, dict) else {}
    args = () if kwargs else tuple(inputs)
    with torch.no_grad():
        program = torch.export.export(model, args, kwargs, dynamic_shapes=dynamic_shapes, strict=False)
    torch.export.save(program, path)
    return program


def tensors_of(value):
    """All tensors of a result, in the order of the program's outputs."""
    return [leaf for leaf in torch.utils._pytree.tree_leaves(value) if isinstance(leaf, torch.Tensor)]


def write_inputs(path, inputs):
    """Tensors by name, or by position, as .npz; bfloat16, which numpy has not, as the bytes of ml_dtypes."""
    named = inputs if isinstance(inputs, dict) else {str(i): t for i, t in enumerate(inputs)}

    def array(tensor):
        return tensor.view(torch.int16).numpy().view("V2") if tensor.dtype == torch.bfloat16 else tensor.numpy()

    np.savez(path, **{name: array(tensor) for name, tensor in named.items()})
    return path


def read_outputs(path):
    with np.load(path) as file:
        return [file[name] for name in file.files]


def relative_error(got, expected):
    """Norm of the difference over norm of the reference; infinite where one is finite and the other is not."""
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    finite = np.isfinite(expected)
    if not np.array_equal(finite, np.isfinite(got)) or not np.array_equal(got[~finite], expected[~finite], equal_nan=True):
        return np.inf
    norm = np.linalg.norm(expected[finite])
    return np.linalg.norm((got - expected)[finite]) / (norm if norm > 0 else 1.0)


def check_same(got, expected, bound, where):
    """Shapes, dtypes and values of all outputs; returns the largest error."""
    assert len(got) == len(expected), where
    worst = 0.0
    for i, (have, want) in enumerate(zip(got, expected, strict=True)):
        want = want.detach()
        # numpy has no bfloat16: aitune stores such outputs as their bits
        if want.dtype == torch.bfloat16 and have.dtype != np.float32:
            have = torch.from_numpy(have.view(np.uint16).astype(np.int32) << 16).view(torch.float32).numpy()
        want = want.float().numpy() if want.dtype == torch.bfloat16 else want.numpy()
        assert have.shape == want.shape, f"{where}: output {i} has shape {have.shape}, PyTorch gives {want.shape}"
        if want.dtype.kind in "biu":
            assert have.dtype == want.dtype and np.array_equal(have, want), f"{where}: output {i} differs"
            continue
        error = relative_error(have, want)
        assert error <= bound, f"{where}: output {i} is off by {error:.2e}, allowed {bound:.0e}"
        worst = max(worst, error)
    return worst


def check_compiled(model, inputs, fresh, folder, dynamic=None, settings=(), ir="dynamo", bound=FP32_BOUND):
    """Tunes on `inputs`: everything is compiled, and on the `fresh` inputs gives what PyTorch gives. Returns the report."""
    if ir == "dynamo":
        file = folder / "model.pt2"
        torch.export.save(torch.export.export(model, tuple(inputs), dynamic_shapes=dynamic), file)
    else:
        file = folder / "model.pt"
        if ir == "ts":
            torch.jit.save(torch.jit.script(model), file)
        else:
            torch.save(torch.fx.symbolic_trace(model), file)
    samples = write_inputs(folder / "in.npz", list(inputs))
    report = must("tune", file, "-i", samples, "-o", folder / "model.ait", "--json", *FAST, *settings).json()
    assert report["fallbacks"] == [], report["fallbacks"]
    for x in fresh:
        must("run", folder / "model.ait", "-i", write_inputs(folder / "x.npz", list(x)), "-o", folder / "y.npz")
        with torch.no_grad():
            want = tensors_of(model(*x))
        check_same(read_outputs(folder / "y.npz"), want, bound, f"{type(model).__name__} {ir}")
    return report


def rewrite_zip(source, target, edits=None, drop=(), method=zipfile.ZIP_STORED):
    """Copies an archive as PyTorch lays it out (stored, data at multiples of 64), with entries of `edits` replaced or
    added and those of `drop` left out. Names are without the archive's top folder."""
    edits = dict(edits or {})
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", method) as new:
        top = old.namelist()[0].split("/")[0]
        entries = {name.removeprefix(top + "/"): old.read(name) for name in old.namelist()}
        entries.update(edits)
        for name, data in entries.items():
            if name in drop:
                continue
            info = zipfile.ZipInfo(f"{top}/{name}")
            info.compress_type = method
            start = new.fp.tell() + 30 + len(info.filename.encode()) + 4
            info.extra = struct.pack("<HH", 0x4246, -start % 64) + bytes(-start % 64)
            new.writestr(info, data)
    return target


def edit_program(source, target, edit):
    """A copy of the .pt2 `source` with its program changed by `edit`, which gets it as parsed JSON."""
    with zipfile.ZipFile(source) as archive:
        entry = next(name for name in archive.namelist() if name.endswith("models/model.json"))
        program = json.loads(archive.read(entry))
    edit(program)
    rewrite_zip(source, target, {entry.split("/", 1)[1]: json.dumps(program).encode()})


def entry_span(archive, suffix):
    """(first byte, bytes) of the data of the entry whose name ends with `suffix`."""
    with zipfile.ZipFile(archive) as file:
        info = next(i for i in file.infolist() if i.filename.endswith(suffix))
        file.fp.seek(info.header_offset + 26)
        name_size, extra_size = struct.unpack("<HH", file.fp.read(4))
        return info.header_offset + 30 + name_size + extra_size, info.compress_size


def crc32(data):
    return zlib.crc32(data) & 0xFFFFFFFF
