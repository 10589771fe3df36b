#!/usr/bin/env python3
"""Writes the seed corpora of the fuzz targets that read other people's formats: tests/fuzz/TARGET/NAME.

Plain Python suffices; seeds that need numpy or torch are left as they are where those are missing. The output depends on
nothing but this file and those libraries, so that running it again changes little.
"""

import collections
import hashlib
import io
import json
import pathlib
import pickle
import struct
import zipfile

ROOT = pathlib.Path(__file__).parent
DATE = (1980, 1, 1, 0, 0, 0)


def put(target, name, content):
    folder = ROOT / target
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)


def make_zip(entries, method=zipfile.ZIP_STORED, force_zip64=False):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name, DATE)
            info.compress_type = method
            with archive.open(info, "w", force_zip64=force_zip64) as file:
                file.write(content)
    return buffer.getvalue()


def make_npy(descr, shape, data, fortran=False, version=1):
    header = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}"
    prefix = 10 if version == 1 else 12
    header += " " * (-(prefix + len(header) + 1) % 64) + "\n"
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header.encode() + data


def make_safetensors(header, data):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def zip_seeds():
    entries = {"m/models/model.json": b"{}", "m/data/weights/w": b"\x01" * 16, "m/version": b"3\n"}
    put("zip_fuzz", "stored", make_zip(entries))
    put("zip_fuzz", "deflated", make_zip({"a": b"x" * 300, "b": b""}, zipfile.ZIP_DEFLATED))
    put("zip_fuzz", "zip64", make_zip({"a": b"xyz"}, force_zip64=True))
    put("zip_fuzz", "empty", make_zip({}))


# The class around forward() that torchscript_fuzz's archive has attributes for.
TORCHSCRIPT_HEAD = """class Pair(NamedTuple):
  left : Tensor
  count : int
class Net(Module):
  __parameters__ = ["w", ]
  __buffers__ = []
  training : bool
  w : Tensor
  scale : Final[float] = 0.5
  __annotations__["0"] = int
  def twice(self: __torch__.Net,
    x: Tensor,
    k: int=2) -> Tensor:
    return torch.mul(x, k)
  def forward(self: __torch__.Net,
    x: Tensor,
    y: Optional[Tensor]=None) -> Tensor:
"""
TORCHSCRIPT_BODIES = {
    "operators": """
w = self.w
y0 = torch.add((self).twice(torch.add(x, w), ), w, alpha=2)
a, b = torch.max(torch.matmul(y0, w), 1)
z = torch.cat([torch.unsqueeze(a, 0), torch.to(torch.unsqueeze(b, 0), 6)])
return torch.mul(z, self.scale)
""",
    "sizes": """
n = torch.mul((torch.size(x))[0], 2)
_0 = int(torch.floor_divide(ops.prim.NumToTensor(torch.size(x, 1)), CONSTANTS.c0))
return torch.add(torch.reshape(x, [n, -1]), torch.remainder(n, torch.add(_0, 3)))
""",
    "containers": """
a = annotate(List[int], [])
_0 = torch.append(a, 4)
d = annotate(Dict[str, int], {"k": 3})
torch._set_item(d, "k", torch.len(torch.keys(d)))
p = __torch__.Pair(x, d["k"])
b, c, = (1, torch.pop(a))
return torch.add(torch.mul(p.left, p.count), ((b, c)[1:])[0])
""",
    "branches": """
if torch.__isnot__(y, None):
  y1 = unchecked_cast(Tensor, y)
  z = torch.add(x, y1)
else:
  z = x
if torch.__and__(torch.gt(torch.size(x, 0), 1), torch.eq(self.word, "hi")):
  pass
else:
  ops.prim.RaiseException(torch.format("bad {}", torch.size(x)), "builtins.ValueError")
return z
""",
    "loops": """
n = 10
_0 = torch.gt(n, 3)
while _0:
  n1 = torch.sub(n, 2)
  _0, n = torch.gt(n1, 3), n1
z = x
for i in range(torch.__range_length(1, 9, 3)):
  z = torch.add(z, torch.__derive_index(i, 1, 3))
return torch.mul(z, n)
""",
    "regions": """
c = bool(torch.gt(torch.sum(x), 0))
_0 = uninitialized(Tensor)
if c:
  a, b, n = True, torch.relu(x), 1
else:
  a, b, n = False, _0, 2
if a:
  z = b
else:
  z = torch.neg(torch.mul(x, n))
return z
""",
    "trips": """
n = int(torch.sum(x))
z, p = x, (x, torch.neg(x))
_0 = torch.lt(0, n)
i = 0
while _0:
  u, v, = p
  i1 = torch.add(i, 1)
  if torch.eq(i1, 3):
    z1 = torch.add(z, i1)
  else:
    z1 = z
  _1 = torch.__and__(torch.lt(i1, n), bool(torch.gt(torch.max(z1), 0)))
  _0, i, z, p = _1, i1, z1, (v, u)
for j in range(torch.__range_length(1, n, 2)):
  z = torch.add(z, torch.__derive_index(j, 1, 2))
return torch.cat([z, (p)[0]])
""",
    "state": """
s = self.state
self.state = torch.relu(s)
v : Optional[Tensor] = s
return __torch__.scaled(x, factor=self.n)
""",
}
TORCHSCRIPT_TAIL = """def scaled(x: Tensor,
    shift: int=-4,
    factor: int=1) -> Tensor:
  return torch.sub(torch.mul(x, factor), shift)
"""


def torchscript_seeds():
    for name, body in TORCHSCRIPT_BODIES.items():
        lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
        put("torchscript_fuzz", name, (TORCHSCRIPT_HEAD + lines + TORCHSCRIPT_TAIL).encode())


def numpy_seeds():
    matrix = struct.pack("<6f", *range(6))
    put("npy_fuzz", "matrix", make_npy("<f4", (2, 3), matrix))
    put("npy_fuzz", "fortran", make_npy("<f4", (2, 3), matrix, fortran=True))
    put("npy_fuzz", "scalar", make_npy("<i8", (), bytes(8), version=2))
    put("npy_fuzz", "empty", make_npy("|b1", (0, 4), b"", version=3))
    put("npy_fuzz", "objects", make_npy("|O", (1,), pickle.dumps([1], protocol=4)))
    arrays = {"a.npy": make_npy("<f4", (2, 3), matrix), "b.npy": make_npy("|b1", (2,), b"\x01\x00")}
    put("npz_fuzz", "stored", make_zip(arrays, force_zip64=True))
    put("npz_fuzz", "deflated", make_zip(arrays, zipfile.ZIP_DEFLATED))


def safetensors_seeds():
    header = {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        "b": {"dtype": "BOOL", "shape": [1, 2], "data_offsets": [8, 10]},
    }
    put("safetensors_fuzz", "two", make_safetensors(header, bytes(9) + b"\x01"))
    put("safetensors_fuzz", "none", make_safetensors({}, b""))


def pickle_seeds():
    plain = collections.OrderedDict(
        a=[1, -1, 1 << 40, 2.5, True, None], b=("text", "\u00e9", b"bytes"), c={1: {2, 3}}, d=frozenset((4,))
    )
    plain["again"] = plain["a"]
    for protocol in range(6):
        put("pickle_fuzz", f"plain{protocol}", pickle.dumps(plain, protocol=protocol))
    put("pickle_fuzz", "call", b"cos\nsystem\n(S'true'\ntR.")
    put("pickle_fuzz", "cycle", b"]q\x01h\x01a.")


def manifest_seeds():
    tensor = {"name": "x", "dtype": "f32", "shape": ["s0", "4*s0 + 1"]}
    ranges = {"s0": {"min": 1, "max": 16}, "s1": {"min": 0, "max": None}}
    module = {"name": "main", "inputs": [tensor], "outputs": [tensor], "symbols": ranges}
    plan = {
        "entry": "data/aitune/plans/0.plan", "module": "main", "target": {"arch": "x86_64", "features": ["avx2", "odd"]},
        "precision": "fp32", "symbols": ranges, "head_bytes": 512, "head_sha256": "0" * 64,
    }
    manifest = {
        "format": {"major": 1, "minor": 0}, "aitune_version": "0.1.0", "name": "main", "portable": True, "modules": [module],
        "plans": [plan], "entries": [{"name": "version", "size": 2, "sha256": "f" * 64}],
        "samples": [{"module": "main", "inputs": "a", "outputs": "b"}], "bounds": {"fp32": 1e-4}, "config": {}, "measured": {"a": 1},
    }
    put("manifest_fuzz", "whole", json.dumps(manifest).encode())
    put("manifest_fuzz", "newer", json.dumps({"format": {"major": 7, "minor": 0}}).encode())


def tuning_seeds():
    tactics = {"gemm|avx512": {"nodes": ["y (fc)"], "tile": "14x2", "onednn": "", "candidates": 12, "us": 12.5}}
    decisions = {
        "version": 2, "aitune": "0.1.0", "name": "net", "config": {"ir": "dynamo"},
        "machine": {"cpu": "a CPU", "features": "x86_64 avx2", "threads": 2, "onednn": "none"}, "samples": ["00"],
        "program": "00", "chosen": "mixed", "precision": "bf16", "target": "avx512_bf16", "bound": 0.02, "f32_bound": 1e-4,
        "accurate": False, "exact_values": True, "f32_products": ["y"], "opt_shape": {"s0": 4}, "tactics": tactics,
        "special_plans": [{"sizes": {"s0": 4}, "tactics": tactics}], "lesser_cpus": [{"level": "avx2", "tactics": tactics}],
        "weights": [{"name": "w", "dtype": "f32", "shape": [2, 3], "sha256": "00"}], "measured": {"latency_ms": 1.5},
    }
    put("decisions_fuzz", "whole", json.dumps(decisions).encode())
    put("decisions_fuzz", "part", json.dumps({**decisions, "weights": [{"name": "w"}]}).encode())
    put("decisions_fuzz", "deep", b"[" * 1000)
    entry = ["gemm|avx512", "14x2", 12.5]
    digest = hashlib.sha256(json.dumps(entry, separators=(",", ":")).encode()).hexdigest()
    timings = {"gemm|avx512": {"choice": "14x2", "us": 12.5, "sha256": digest}}
    put("timing_cache_fuzz", "one", json.dumps({"version": 2, "timings": timings}).encode())
    put("timing_cache_fuzz", "deep", b"[" * 1000)
    settings = {
        "precisions": "enabled_precisions=fp32,bf16", "operators": "torch_executed_ops=aten.relu.default, aten.add.Tensor",
        "number": "max_relative_error=1e-3", "bool": "onednn=false", "integer": "num_threads=-99999999999999999999", "none": "nothing",
        "text": "torch_executed_ops=\xff\xfe",
    }
    for name, text in settings.items():
        put("settings_fuzz", name, text.encode("latin-1"))
    files = {
        "file.json": '{"enabled_precisions": ["fp32", "bf16"], "dryrun": true, "max_relative_error": 0.5, "device": null}',
        "twice.json": '{"portable": true, "portable": false}',
        "deep.json": "[" * 5000,
        "file.yaml": "# settings\nenabled_precisions: [fp32, bf16]\ntorch_executed_ops:\n  - aten.relu\n  - 'aten.add'\nportable: no\n",
        "aliases.yaml": "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
        "deep.yaml": "[" * 5000,
        "deep_block.yaml": "".join(" " * i + "-\n" for i in range(200)),
        "tags.yaml": "num_threads: !!python/object/apply:os.system ['true']\n",
        "documents.yaml": "---\nnum_threads: 3\n---\nnum_threads: 4\n",
    }
    for name, text in files.items():
        put("settings_fuzz", name, text.encode())


def archive_seeds():
    for file in ("small_2_5", "small_2_8", "constants", "symbols", "data_sizes", "control"):
        put("pt2_fuzz", file, (ROOT.parents[1] / f"compiler/import/dynamo/testdata/{file}.pt2").read_bytes())


def fx_seeds():
    for name in ("small", "small_protocol4", "nested"):
        archive = zipfile.ZipFile(ROOT.parents[1] / f"compiler/import/fx/testdata/{name}.pt")
        put("fx_fuzz", name, archive.read(f"{name}/data.pkl"))
    put("fx_fuzz", "modules", b"def forward(self, x):\n    linear = self.linear(x);  x = None\n    inner = self.inner(linear)\n"
        b"    buffer = self.buffer\n    add = inner + buffer;  inner = buffer = None\n    return {'a': (add, [linear])}\n")
    put("fx_fuzz", "functions", b"def forward(self, x, y = None):\n    size = x.size(0)\n    pow_1 = math_sqrt(size) ** -0.5\n"
        b"    cat = torch.cat([x, x * pow_1], dim = -1)\n    relu = torch.nn.functional.relu(cat, inplace = True)\n"
        b"    getitem = relu[(slice(None, None, None), slice(1, None, 2), None)]\n    relu += 1;  iadd = relu\n"
        b"    interpolate = torch.nn.functional.interpolate(getitem, scale_factor = 2.0)\n    x[0] = 1\n"
        b"    softmax = torch.nn.functional.softmax(iadd, dim = -1, _stacklevel = 3, dtype = torch.float64)\n"
        b"    split = softmax.split([3, 5], dim = 1)\n    getattr_1 = split[0].shape\n    return (interpolate, getattr_1[0] // 2 == 1, softmax.to(x.dtype))\n")


def torch_seeds():
    try:
        import torch
    except ImportError:
        print("torch is missing: its seeds stay as they are")
        return
    tensors = {
        "weight": torch.nn.Parameter(torch.arange(6.0).reshape(2, 3)),
        "view": torch.arange(12, dtype=torch.int16).reshape(3, 4).t()[1:],
        "flag": torch.tensor([True, False]),
        "dtype": torch.float32,
        "device": torch.device("cpu"),
        "size": torch.Size([1, 2]),
    }
    for protocol in (2, 4):
        buffer = io.BytesIO()
        torch.save(tensors, buffer, pickle_protocol=protocol)
        archive = zipfile.ZipFile(buffer)
        put("zip_fuzz", f"torch{protocol}", buffer.getvalue())
        put("pickle_fuzz", f"torch{protocol}", archive.read("archive/data.pkl"))


if __name__ == "__main__":
    zip_seeds()
    torchscript_seeds()
    numpy_seeds()
    safetensors_seeds()
    pickle_seeds()
    manifest_seeds()
    tuning_seeds()
    archive_seeds()
    fx_seeds()
    torch_seeds()
