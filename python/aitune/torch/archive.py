"""What Python keeps in an .ait beside the plans: the structures of calls and results, as JSON."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from aitune.errors import AituneError, Corrupt, IoError, NotFound
from aitune.torch.recording import GraphKey
from aitune.torch.signature import Signature
from aitune.torch.structure import Structure
from aitune.torch.updates import Updates

__all__ = [
    "EXTRA_NAME",
    "Entry",
    "GraphMeta",
    "Recorded",
    "architecture_of",
    "read_entries",
    "read_recorded",
    "write_bundle",
]

EXTRA_NAME = "aitune/python.json"
BUNDLE_NAME = "extra/aitune/bundle.json"
_MANIFEST = "extra/aitune/manifest.json"
_MAX_BYTES = 64 << 20
_VERSION = 1
_TOP = "model"  # the folder that all entries are in, whatever the file is called


@dataclass
class GraphMeta:
    """How a graph is called and what it answers."""

    name: str  # of the module
    path: str  # of the module in the object that it was wrapped in; empty for a module by itself
    signature: Signature
    key: GraphKey
    output: Structure
    architecture: str = ""  # what architecture_of() says of the original; older files lack it
    updates: Updates = ()  # caches that are arguments and results; older files lack it, too

    def to_json(self) -> dict[str, Any]:
        """Plain data for json.dumps."""
        return {
            "version": _VERSION,
            "module": self.name,
            "path": self.path,
            "parameters": self.signature.to_json(),
            "inputs": self.key.structure.to_json(),
            "dtypes": [str(dtype) for dtype in self.key.dtypes],
            "ranks": list(self.key.ranks),
            "output": self.output.to_json(),
            "architecture": self.architecture,
            **({"updates": [[list(place) for place in pair] for pair in self.updates]} if self.updates else {}),
        }

    @staticmethod
    def from_json(data: Any, where: str) -> GraphMeta:
        """The inverse. Raises Corrupt for anything that to_json does not write."""
        if not isinstance(data, dict) or not isinstance(data.get("module"), str):
            raise Corrupt("there is no module in it", where)
        if data.get("version") != _VERSION:
            raise Corrupt(f"version {data.get('version')!r} is not {_VERSION}", where)
        dtypes, ranks = data.get("dtypes"), data.get("ranks")
        inputs = Structure.from_json(data.get("inputs"), where)
        output = Structure.from_json(data.get("output"), where)
        if not isinstance(dtypes, list) or not isinstance(ranks, list):
            raise Corrupt("dtypes or ranks are missing", where)
        if not len(dtypes) == len(ranks) == inputs.count() or not all(isinstance(rank, int) for rank in ranks):
            raise Corrupt("dtypes and ranks are not those of the inputs", where)
        key = GraphKey(inputs, tuple(_dtype(text, where) for text in dtypes), tuple(ranks))
        signature = Signature.from_json(data.get("parameters"), f"module '{data['module']}'")
        if not isinstance(path := data.get("path"), str):
            raise Corrupt("the path of the module is missing", where)
        if not isinstance(architecture := data.get("architecture", ""), str):
            raise Corrupt("the digest of the module's architecture is no text", where)
        updates = _updates(data.get("updates", []), inputs, output, where)
        return GraphMeta(data["module"], path, signature, key, output, architecture, updates)


def _updates(rows: Any, inputs: Structure, output: Structure, where: str) -> Updates:
    """Places of caches of the same class in results and arguments."""
    found = []
    for row in rows if isinstance(rows, list) else [None]:
        if not isinstance(row, list) or len(row) != 2:
            raise Corrupt("the places of caches are not as this version writes them", where)
        at, source = (_class_at(structure, place) for structure, place in zip((output, inputs), row, strict=True))
        if not at or at != source:
            raise Corrupt("there is no cache where one is said to be", where)
        found.append((tuple(row[0]), tuple(row[1])))
    return tuple(found)


def _class_at(structure: Structure, place: Any) -> str:
    """The class of the object in a place of the structure; empty if there is none."""
    for key in place if isinstance(place, list) else [None]:
        keys = list(structure.keys or range(len(structure.items)))
        if key not in keys:
            return ""
        structure = structure.items[keys.index(key)]
    return structure.class_name if structure.kind == "object" else ""


def architecture_of(module: torch.nn.Module, signature: Signature) -> str:
    """A digest of names, shapes and dtypes of a module's weights, and of the parameters of its forward(). Empty where
    weights have no shape yet."""
    tensors = {name: value for name, value in module.state_dict().items() if isinstance(value, torch.Tensor)}
    if any(torch.nn.parameter.is_lazy(value) for value in tensors.values()):
        return ""
    rows = [[name, list(tensors[name].shape), str(tensors[name].dtype)] for name in sorted(tensors)]
    return hashlib.sha256(json.dumps([rows, signature.to_json()]).encode()).hexdigest()


def _dtype(text: Any, where: str) -> torch.dtype:
    dtype = getattr(torch, text.removeprefix("torch."), None) if isinstance(text, str) else None
    if not isinstance(dtype, torch.dtype):
        raise Corrupt(f"{text!r} is no dtype", where)
    return dtype


@dataclass
class Entry:
    """A graph in a file: the bytes of an .ait of its own, which are the whole file where that holds one graph."""

    meta: GraphMeta | None  # None: the file was made without Python
    offset: int = 0
    size: int | None = None
    number: str = ""  # what the runtime calls it in a file of several


def read_entries(path: str | os.PathLike[str]) -> list[Entry]:
    """The graphs in a file that save() or the aitune command has written. Raises NotFound, IoError or Corrupt."""
    where = os.fspath(path)
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.partition("/")[2]: name for name in archive.namelist()}
            if BUNDLE_NAME in names:
                return _read_bundle(archive, names, where)
            entry = names.get("extra/" + EXTRA_NAME)
            if entry is None or _MANIFEST not in names:
                return [Entry(None)]  # the runtime says what else the file is
            text = _read(archive, entry)
            manifest = _parse(_read(archive, names[_MANIFEST]), where)
    except AituneError:
        raise
    except FileNotFoundError as error:
        raise NotFound("no such file", where, "Check the path") from error
    except PermissionError as error:
        raise IoError(str(error), where) from error
    except Exception as error:  # what zipfile raises for damaged files is of many kinds
        problem = str(error) or type(error).__name__
        raise Corrupt(problem, where, "Copy the file again from where it was made, or make it again") from error
    rows = manifest.get("entries")
    rows = rows if isinstance(rows, list) else []
    digests = [r.get("sha256") for r in rows if isinstance(r, dict) and r.get("name") == "extra/" + EXTRA_NAME]
    if digests != [hashlib.sha256(text).hexdigest()]:
        raise Corrupt(f"extra/{EXTRA_NAME} does not have the checksum that the manifest says", where)
    return [Entry(GraphMeta.from_json(_parse(text, where), f"{where}/extra/{EXTRA_NAME}"))]


def _parse(text: bytes, where: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Corrupt(f"no JSON: {error}", where) from error
    if not isinstance(data, dict):
        raise Corrupt("no JSON object", where)
    return data


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > _MAX_BYTES:
        raise ValueError(f"{name} is larger than {_MAX_BYTES} bytes")
    return archive.read(name)


# --- what a graph was tuned on -------------------------------------------------------------------------------------

_SAFETENSORS = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool, "C64": torch.complex64,
}


@dataclass
class Recorded:
    """What an .ait of one graph tells of its tuning."""

    ir: str
    # Of what a call gives, which the state in buffers is no part of: the program has its first values.
    shapes: list[list[str]]  # of the inputs: numbers, and formulas of symbols
    symbols: dict[str, tuple[int, int]]  # their ranges, where those have an end
    samples: list[list[torch.Tensor]]  # the inputs of each call, in order


def read_recorded(path: str | os.PathLike[str]) -> Recorded:
    """Reads it. Raises Corrupt."""
    where = os.fspath(path)
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.partition("/")[2]: name for name in archive.namelist()}
            manifest = _parse(_read(archive, names[_MANIFEST]), where)
            buffers = {row["input"] for row in manifest["modules"][0].get("written", ()) if row.get("buffer") is not None}
            inputs = [row for row in manifest["modules"][0]["inputs"] if row["name"] not in buffers]
            order = [row["name"] for row in inputs]
            samples = []
            for row in manifest["samples"]:
                tensors = _tensors(archive.read(names[row["inputs"]]))
                samples.append([tensors[name] for name in order])
            ranges = manifest["modules"][0]["symbols"]
            symbols = {name: (int(r["min"]), int(r["max"])) for name, r in ranges.items() if r["max"] is not None}
            return Recorded(manifest["config"]["ir"], [list(row["shape"]) for row in inputs], symbols, samples)
    except AituneError:
        raise
    except Exception as error:  # whatever is missing or of another type
        raise Corrupt(str(error) or type(error).__name__, where, "Make the file again") from error


def _tensors(data: bytes) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file."""
    (length,) = struct.unpack_from("<Q", data)
    found = {}
    for name, row in json.loads(data[8 : 8 + length]).items():
        if name == "__metadata__":
            continue
        begin, end = row["data_offsets"]
        flat = torch.empty(row["shape"], dtype=_SAFETENSORS[row["dtype"]])
        part = data[8 + length + begin : 8 + length + end]
        if len(part) != flat.numel() * flat.element_size():
            raise ValueError(f"{name} has {len(part)} bytes")
        if part:
            flat.view(-1).view(torch.uint8).copy_(torch.frombuffer(bytearray(part), dtype=torch.uint8))
        found[name] = flat
    return found


# --- several graphs in one file ---------------------------------------------------------------------------------------


def write_bundle(file: Any, graphs: Sequence[tuple[GraphMeta, str]]) -> None:
    """Writes a zip with an .ait for each graph, stored and aligned, so that they are used where they are mapped."""
    rows = []
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for index, (meta, path) in enumerate(graphs):
            entry = _part_name(index)
            rows.append({"entry": entry, "meta": meta.to_json()})
            info = zipfile.ZipInfo(f"{_TOP}/{entry}", (1980, 1, 1, 0, 0, 0))
            # Name and extra field end where the data begins: the latter fills up to a multiple of 64. A field has an
            # id and a length of two bytes each; the local header in front has 30 bytes, and 20 more for zip64.
            begin = file.tell() + 30 + len(info.filename.encode()) + 20
            info.extra = _padding(begin)
            with archive.open(info, "w", force_zip64=True) as to, open(path, "rb") as source:
                shutil.copyfileobj(source, to, 1 << 20)
        text = json.dumps({"version": _VERSION, "modules": rows}, separators=(",", ":"))
        archive.writestr(zipfile.ZipInfo(f"{_TOP}/{BUNDLE_NAME}", (1980, 1, 1, 0, 0, 0)), text)


def _part_name(number: int) -> str:
    return f"data/aitune/modules/{number}.ait"


def _padding(begin: int) -> bytes:
    length = -(begin + 4) % 64
    return b"\x41\x49" + length.to_bytes(2, "little") + bytes(length)


def _read_bundle(archive: zipfile.ZipFile, names: dict[str, str], where: str) -> list[Entry]:
    data = _parse(_read(archive, names[BUNDLE_NAME]), where)
    rows = data.get("modules")
    if data.get("version") != _VERSION or not isinstance(rows, list) or not rows:
        raise Corrupt("the list of modules is not as this version writes it", where)
    entries = []
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or row.get("entry") != _part_name(number) or row["entry"] not in names:
            raise Corrupt("the list of modules names an entry that is not there", where)
        info = archive.getinfo(names[row["entry"]])
        if info.compress_type != zipfile.ZIP_STORED:
            raise Corrupt(f"{row['entry']} is compressed", where)
        entries.append(Entry(GraphMeta.from_json(row.get("meta"), where), _data_offset(info, where), info.file_size, str(number)))
    return entries


def _data_offset(info: zipfile.ZipInfo, path: str) -> int:
    """Where an entry's bytes begin: behind its local header, and the name and extra field that have their lengths in
    there."""
    with open(path, "rb") as file:
        file.seek(info.header_offset)
        header = file.read(30)
    if len(header) != 30:
        raise Corrupt(f"{info.filename} lies outside of the file", path)
    name, extra = struct.unpack_from("<HH", header, 26)
    return info.header_offset + 30 + int(name) + int(extra)
