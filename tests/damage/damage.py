#!/usr/bin/env python3
"""Flips, cuts and rewrites bytes of models, artifacts and inputs, and holds the command to its promise: it succeeds with
right outputs, or ends with status 1 or 2, one message, and nothing left behind. Never a crash, a hang or status 3.

    damage.py --bin build/release/bin --mend build/release/.../mend_ait --work FOLDER [--seed N] [--rounds N]
"""

import argparse
import json
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
DIGITS = ROOT / "examples/quickstart/digits.pt2"
FAST = ["--set", "timing_cache_path=none", "--set", "optimization_level=0", "--set", "min_block_size=1",
        "--set", "max_special_plans=0"]
SPECIAL = ["--set", "max_special_plans=1", "--set", "special_plan_gain=-1"]  # kept, however fast it is
MODEL_FAST = [*FAST, "--set", "engine=reference"]
TIMEOUT = 120  # a hang; far above what anything here takes


class Failure(Exception):
    pass


def damaged(data, spots=()):
    """A copy of `data` with one thing wrong. `spots` are (first, size) of parts that matter more than others."""
    data = bytearray(data)
    first, size = random.choice([(0, len(data)), *spots])
    at = first + random.randrange(max(1, size))
    at = min(at, len(data) - 1)
    kind = random.choice(["flip", "flip", "byte", "word", "zero", "ones", "cut", "insert", "drop", "move"])
    run = random.choice([1, 2, 4, 8, 64])
    if kind == "flip":
        data[at] ^= 1 << random.randrange(8)
    elif kind == "byte":
        data[at] = random.randrange(256)
    elif kind == "word":
        data[at:at + 4] = random.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, random.getrandbits(32)]).to_bytes(4, "little")
    elif kind == "zero":
        data[at:at + run] = bytes(len(data[at:at + run]))
    elif kind == "ones":
        data[at:at + run] = b"\xff" * len(data[at:at + run])
    elif kind == "cut":
        del data[at:]
    elif kind == "insert":
        data[at:at] = random.randbytes(run)
    elif kind == "drop":
        del data[at:at + run]
    else:
        data[at:at + run] = data[first:first + run]
    return bytes(data), f"{kind} at {at} ({run})"


def altered(data, first, size):
    """A copy with a few bytes changed in place: the structure around them holds, so that checksums can be mended."""
    data = bytearray(data)
    for _ in range(random.choice([1, 1, 2, 5])):
        at = first + random.randrange(size)
        kind = random.randrange(5)
        if kind == 0:
            data[at] ^= 1 << random.randrange(8)
        elif kind == 1:
            data[at] = random.randrange(256)
        else:  # where numbers of descriptions lie
            width = random.choice([4, 8])
            at = min(first + (at - first) // width * width, first + size - width)
            old = int.from_bytes(data[at:at + width], "little")
            new = random.choice([0, 1, old + 1, old - 1, old * 2, old + 64, old // 2, 2**31 - 1, 2**width * 8 - 1, random.getrandbits(31)])
            data[at:at + width] = (new % 2**(8 * width)).to_bytes(width, "little")
    return bytes(data), f"altered in {first}+{size}"


def entry_span(path, suffix):
    """(first byte, bytes) of the data of the entry whose name ends with `suffix`."""
    with zipfile.ZipFile(path) as file:
        info = next(i for i in file.infolist() if i.filename.endswith(suffix))
        file.fp.seek(info.header_offset + 26)
        name_size, extra_size = struct.unpack("<HH", file.fp.read(4))
        return info.header_offset + 30 + name_size + extra_size, info.compress_size


def zip_spots(path):
    """Local headers, the directory and its end: the structure of an archive."""
    with zipfile.ZipFile(path) as file:
        spots = [(i.header_offset, 30 + len(i.filename)) for i in file.infolist()]
        size = path.stat().st_size
        return [*random.sample(spots, min(3, len(spots))), (file.start_dir, size - file.start_dir), (size - 40, 40)]


class Bench:
    def __init__(self, options):
        self.aitune, self.mend = options.bin / "aitune", options.mend
        self.work, self.rounds = options.work, options.rounds
        self.tried = self.refused = 0
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        self.good = self.work / "good"
        self.good.mkdir()
        self.box = self.work / "box"

    def call(self, *words):
        try:
            done = subprocess.run([self.aitune, *map(str, words)], capture_output=True, timeout=TIMEOUT, check=False, cwd=self.box)
        except subprocess.TimeoutExpired as error:
            raise Failure(f"{words}: no end within {TIMEOUT} s") from error
        return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")

    def must(self, *words):
        status, out, err = self.call(*words)
        if status != 0:
            raise Failure(f"{words}: status {status}\n{out}{err}")
        return out

    def fresh_box(self):
        shutil.rmtree(self.box, ignore_errors=True)
        self.box.mkdir()

    def judge(self, what, words, output=None, expected=None, allowed=(1, 2)):
        """Runs the command in the box, whose files are all known but for `output`."""
        before = {p.name for p in self.box.iterdir()}
        status, out, err = self.call(*words)
        after = {p.name for p in self.box.iterdir()} - before
        self.tried += 1
        story = f"{what}: {' '.join(map(str, words))}\nstatus {status}\n{out}{err}"
        if status == 0:
            if output and after != {output.name}:
                raise Failure(f"{story}\nleft: {after}")
            if expected is not None and output.read_bytes() != expected:
                raise Failure(f"{story}\nthe outputs are wrong")
        elif status in allowed:
            self.refused += 1
            messages = [line for line in err.splitlines() if line.startswith("aitune:")]
            if len(messages) != 1 or "internal error" in err or len(messages[0]) < 25:
                raise Failure(f"{story}\nnot one clear message")
            if after:
                raise Failure(f"{story}\nleft behind: {after}")
        else:
            raise Failure(f"{story}\nthe status is none of 0, {allowed}")
        if output and output.exists():
            output.unlink()
        return status

    # ---- the good files

    def prepare(self):
        self.fresh_box()
        numbers = [random.random() for _ in range(2 * 64)]
        raw = struct.pack(f"<{len(numbers)}f", *numbers)
        header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1, 8, 8), }"
        header += " " * (-(10 + len(header) + 1) % 64) + "\n"
        npy = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + raw
        (self.good / "in.npy").write_bytes(npy)
        for name, method in (("in.npz", zipfile.ZIP_STORED), ("deflated.npz", zipfile.ZIP_DEFLATED)):
            with zipfile.ZipFile(self.good / name, "w", method) as file:
                file.writestr("image.npy", npy)
        directory = json.dumps({"image": {"dtype": "F32", "shape": [2, 1, 8, 8], "data_offsets": [0, len(raw)]}}).encode()
        (self.good / "in.safetensors").write_bytes(struct.pack("<Q", len(directory)) + directory + raw)
        self.must("tune", DIGITS, "-i", self.good / "in.npz", "-o", self.good / "good.ait", *FAST)
        # One operator on the reference engine: several blocks, so that `verify` has one to name.
        self.must("tune", DIGITS, "-i", self.good / "in.npz", "-o", self.good / "blocks.ait", *FAST,
                  "--set", "torch_executed_ops=aten.relu.default")
        # A special plan for the sample's batch beside the general one: it is what runs here.
        self.must("tune", DIGITS, "-i", self.good / "in.npz", "-o", self.good / "special.ait", *FAST, *SPECIAL)
        self.must("run", self.good / "good.ait", "-i", self.good / "in.npz", "-o", self.good / "expected.npz")

    # ---- the tests

    def inputs(self, name):
        data = (self.good / name).read_bytes()
        spots = [(0, 100), (0, 12)] if not name.endswith("npz") else zip_spots(self.good / name)
        # Elements of archives have checksums; elsewhere other numbers are just other numbers.
        expected = (self.good / "expected.npz").read_bytes() if name.endswith("npz") else None
        for _ in range(self.rounds):
            self.fresh_box()
            bad, what = damaged(data, spots)
            (self.box / name).write_bytes(bad)
            self.judge(what, ["run", self.good / "good.ait", "-i", name, "-o", "out.npz"], self.box / "out.npz", expected)

    def artifacts(self):
        path = self.good / "good.ait"
        data = path.read_bytes()
        plan, size = entry_span(path, ".plan")
        spots = [*zip_spots(path), entry_span(path, "manifest.json"), (plan, 120), (plan, size)]
        expected = (self.good / "expected.npz").read_bytes()
        for i in range(2 * self.rounds):
            self.fresh_box()
            bad, what = damaged(data, spots)
            (self.box / "bad.ait").write_bytes(bad)
            self.judge(what, ["run", "bad.ait", "-i", self.good / "in.npz", "-o", "out.npz"], self.box / "out.npz", expected)
            self.judge(what, [("verify", "inspect")[i % 2], "bad.ait"])

    def models(self):
        data = DIGITS.read_bytes()
        spots = [*zip_spots(DIGITS), *(entry_span(DIGITS, e) for e in ("models/model.json", "sample_inputs/model.pt"))]
        for _ in range(self.rounds // 2):
            self.fresh_box()
            bad, what = damaged(data, spots)
            (self.box / "bad.pt2").write_bytes(bad)
            self.judge(what, ["tune", "bad.pt2", "-i", self.good / "in.npz", "-o", "out.ait", *MODEL_FAST], self.box / "out.ait")

    def mended(self, name, suffix, part=None):
        """Other contents with right checksums: refused for what they say, or run without harm. Not machine code: whose
        checksum holds, it is trusted, and altered it may do anything, for any time."""
        data = (self.good / name).read_bytes()
        first, size = entry_span(self.good / name, suffix)
        if suffix.endswith(".plan"):
            offset, length = struct.unpack_from("<QQ", data, first + 16 + 24 * ("description", "code", "constants").index(part))
            first, size = first + offset, length
        for _ in range(self.rounds):
            self.fresh_box()
            bad, what = altered(data, first, size)
            (self.box / "altered.ait").write_bytes(bad)
            if subprocess.run([self.mend, self.box / "altered.ait", self.box / "bad.ait"], capture_output=True, check=False).returncode != 0:
                continue
            where = f"{name} {suffix} {part or ''}, {what}"
            self.judge(where, ["run", "bad.ait", "-i", self.good / "in.npz", "-o", "out.npz"], self.box / "out.npz")
            self.judge(where, ["inspect", "bad.ait"])
            self.judge(where, ["verify", "bad.ait"])

    def verify_names_the_block(self):
        """All weights of one block off, checksums right: verify says which block it is."""
        path = self.good / "blocks.ait"
        data = bytearray(path.read_bytes())
        first, _ = entry_span(path, ".plan")
        offset, size = struct.unpack_from("<QQ", data, first + 16 + 48)
        start = first + offset + size - 2048  # the last layers' weights
        for at in range(start, first + offset + size, 4):
            data[at:at + 4] = struct.pack("<f", 3 * random.random())
        self.fresh_box()
        (self.box / "altered.ait").write_bytes(data)
        subprocess.run([self.mend, self.box / "altered.ait", self.box / "bad.ait"], check=True)
        status, _, err = self.call("verify", "bad.ait")
        if status != 2 or "first block that is off is" not in err:
            raise Failure(f"verify did not name the block: status {status}\n{err}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--mend", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    options.bin, options.mend, options.work = options.bin.resolve(), options.mend.resolve(), options.work.resolve()
    print(f"seed {options.seed}", flush=True)
    random.seed(options.seed)
    bench = Bench(options)
    bench.prepare()
    bench.verify_names_the_block()
    tests = [(bench.inputs, n) for n in ("in.npy", "in.npz", "deflated.npz", "in.safetensors")]
    tests += [(bench.artifacts,), (bench.models,)]
    for name in ("good.ait", "blocks.ait"):
        tests += [(bench.mended, name, ".plan", part) for part in ("description", "constants")]
    tests += [(bench.mended, "special.ait", ".special0.plan", "description"), (bench.mended, "special.ait", ".plan", "constants"),
              (bench.mended, "special.ait", "manifest.json")]
    tests += [(bench.mended, "good.ait", entry) for entry in ("manifest.json", "0.inputs.safetensors", "0.outputs.safetensors")]
    failed = 0
    for test, *words in tests:
        tried, refused = bench.tried, bench.refused
        try:
            test(*words)
        except Failure as failure:
            failed += 1
            keep = options.work / f"failure{failed}"
            shutil.copytree(bench.box, keep)
            print(f"FAILED {test.__name__} {' '.join(words)} (seed {options.seed}; files in {keep})\n{failure}")
        print(f"{test.__name__} {' '.join(words)}: {bench.tried - tried} calls, {bench.refused - refused} refused", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
