"""Wrong input of every kind: one clear message, a status that is not 0, and no partial output."""

import errno
import hashlib
import io
import json
import os
import pickle
import random
import resource
import shutil
import signal
import subprocess
import zipfile

import numpy as np
import pytest
import support
import torch
from support import DIGITS, FAST, aitune
from torch import nn

INPUT, MACHINE = 1, 2  # exit statuses: something given is wrong; this machine cannot do it


@pytest.fixture
def work(tmp_path):
    """A folder with good inputs; what a test writes beside them is the test's own."""
    support.write_inputs(tmp_path / "in.npz", [torch.rand(2, 1, 8, 8)])
    return tmp_path


def refused(result, *words, status=INPUT, output=None):
    """One message that holds all `words`, the status, no output file and nothing left beside it."""
    errors = [line for line in result.err.splitlines() if line.startswith("aitune:")]
    assert result.status == status, str(result)
    assert len(errors) == 1, str(result)
    message = result.err[result.err.index("aitune:"):]
    for word in words:
        assert str(word) in message, f"'{word}' is not in: {message}"
    for bad in ("internal error", "terminate", "std::", "Traceback"):
        assert bad not in result.err, str(result)
    if output is not None:
        left = [p.name for p in output.parent.iterdir() if p.name.startswith(output.stem) or ".tmp" in p.name]
        assert left == [], f"left behind: {left}"
    return message


def tune(work, model, *words, samples="in.npz", output="model_out.ait", **options):
    return aitune("tune", model, "-i", work / samples, "-o", work / output, *FAST, *words, **options)


def refused_model(work, model, *words, status=INPUT, **options):
    return refused(tune(work, model, **options), *words, status=status, output=work / "model_out.ait")


# ---- files that are not what they should be

def test_missing_model(work):
    refused_model(work, work / "nothing.pt2", "nothing.pt2")


def test_folder_as_model(work):
    refused_model(work, work, work.name, "folder")
    refused(aitune("run", work), work.name, "folder")


@pytest.mark.parametrize("content", [b"", b"\0", b"hello, this is not a model\n" * 50, b"PK\5\6" + bytes(18)],
                         ids=["empty", "one byte", "text", "empty zip"])
def test_no_archive(work, content):
    (work / "bad.pt2").write_bytes(content)
    refused_model(work, work / "bad.pt2", "bad.pt2")
    (work / "bad.ait").write_bytes(content)
    for command in ("run", "bench", "inspect", "verify"):
        refused(aitune(command, work / "bad.ait"), "bad.ait")


def test_a_model_is_no_artifact_and_the_other_way_round(work):
    for command in ("run", "inspect", "verify"):
        refused(aitune(command, DIGITS), ".ait")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.98, 0.9999])
def test_truncated_model(work, share):
    data = DIGITS.read_bytes()
    (work / "bad.pt2").write_bytes(data[:int(len(data) * share)])
    refused_model(work, work / "bad.pt2", "bad.pt2")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.98, 0.9999])
def test_truncated_artifact(work, digits_ait, share):
    data = digits_ait.read_bytes()
    (work / "bad.ait").write_bytes(data[:int(len(data) * share)])
    for command in ("run", "inspect", "verify"):
        refused(aitune(command, work / "bad.ait"), "bad.ait")


def flip(data, position, bit=None):
    changed = bytearray(data)
    changed[position] ^= 1 << (random.randrange(8) if bit is None else bit)
    return bytes(changed)


@pytest.mark.parametrize("entry", ["data/weights/weight_6", "models/model.json", "data/sample_inputs/model.pt"])
def test_flipped_bit_in_model(work, generator, entry):
    random.seed(generator.initial_seed())
    start, size = support.entry_span(DIGITS, entry)
    (work / "bad.pt2").write_bytes(flip(DIGITS.read_bytes(), start + random.randrange(size)))
    refused_model(work, work / "bad.pt2", "bad.pt2", entry)


@pytest.mark.parametrize("entry", ["manifest.json", "manifest.sha256", ".plan"])
def test_flipped_bit_in_what_loading_reads(work, digits_ait, generator, entry):
    random.seed(generator.initial_seed())
    start, size = support.entry_span(digits_ait, entry)
    (work / "bad.ait").write_bytes(flip(digits_ait.read_bytes(), start + random.randrange(size)))
    for command in ("run", "verify"):
        refused(aitune(command, work / "bad.ait"), "bad.ait")


@pytest.mark.parametrize("entry", ["data/weights/weight_6", "models/model.json", "0.inputs.safetensors", "0.outputs.safetensors"])
def test_verify_finds_a_flipped_bit_anywhere(work, digits_ait, generator, entry):
    random.seed(generator.initial_seed())
    start, size = support.entry_span(digits_ait, entry)
    (work / "bad.ait").write_bytes(flip(digits_ait.read_bytes(), start + random.randrange(size)))
    refused(aitune("verify", work / "bad.ait"), "bad.ait", entry)


def test_flipped_bits_anywhere_never_change_an_answer(work, digits_ait, generator):
    """Flips outside all contents (padding, time stamps) do no harm; all others are found."""
    random.seed(generator.initial_seed())
    support.must("run", digits_ait, "-i", work / "in.npz", "-o", work / "good.npz")
    data = digits_ait.read_bytes()
    for _ in range(30):
        position = random.randrange(len(data))
        (work / "bad.ait").write_bytes(flip(data, position))
        result = aitune("run", work / "bad.ait", "-i", work / "in.npz", "-o", work / "got.npz")
        if result.status == 0:
            assert (work / "got.npz").read_bytes() == (work / "good.npz").read_bytes(), f"byte {position}"
            (work / "got.npz").unlink()
        else:
            refused(result, "bad.ait", output=work / "got.npz")


def test_flipped_bits_anywhere_in_a_model(work, generator):
    random.seed(generator.initial_seed())
    data = DIGITS.read_bytes()
    for _ in range(25):
        position = random.randrange(len(data))
        (work / "bad.pt2").write_bytes(flip(data, position))
        result = tune(work, work / "bad.pt2", "--set", "engine=reference")
        if result.status != 0:
            refused(result, "bad.pt2", output=work / "model_out.ait")
        else:
            support.must("verify", work / "model_out.ait")
            (work / "model_out.ait").unlink()


def test_artifact_of_a_newer_format(work, digits_ait):
    with zipfile.ZipFile(digits_ait) as file:
        name = next(n for n in file.namelist() if n.endswith("manifest.json"))
        manifest = json.loads(file.read(name))
    assert manifest["format"]["major"] == 1
    manifest["format"]["major"] = 7
    text = json.dumps(manifest).encode()
    edits = {"extra/aitune/manifest.json": text, "extra/aitune/manifest.sha256": hashlib.sha256(text).hexdigest().encode()}
    support.rewrite_zip(digits_ait, work / "newer.ait", edits)
    for command in ("run", "inspect", "verify"):
        refused(aitune(command, work / "newer.ait"), "newer.ait", "7", status=MACHINE)


def test_rewritten_archive_is_fine(work, digits_ait):
    """The helper of these tests makes files that are right but for what a test changes."""
    support.must("verify", support.rewrite_zip(digits_ait, work / "same.ait"))


def test_model_of_a_newer_schema(work):
    with zipfile.ZipFile(DIGITS) as file:
        model = json.loads(file.read(next(n for n in file.namelist() if n.endswith("models/model.json"))))
    model["schema_version"]["major"] = 99
    support.rewrite_zip(DIGITS, work / "newer.pt2", {"models/model.json": json.dumps(model).encode()})
    refused_model(work, work / "newer.pt2", "newer.pt2", "99", status=MACHINE)


# ---- hostile archives

def test_entry_with_absurd_size(work):
    """A few bytes that claim to be many gigabytes, in every place that says so."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x/archive_format", "pt2")
        file.writestr("x/models/model.json", bytes(1000))
    data = bytearray(buffer.getvalue())
    for signature, at in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        data[data.rindex(signature) + at:][:4] = b"\xfe\xff\xff\x7f"
        start = data.rindex(signature) + at
        data[start:start + 4] = b"\xfe\xff\xff\x7f"
    (work / "bad.pt2").write_bytes(bytes(data))
    refused_model(work, work / "bad.pt2", "bad.pt2", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 30,) * 2))


def test_deflate_bomb_as_input(work):
    """200 MB of zeros in 200 kB, as an input of 256 bytes: found by its shape, not by running out of memory."""
    np.savez_compressed(work / "bomb.npz", image=np.zeros((800_000, 1, 8, 8), np.float32))
    assert (work / "bomb.npz").stat().st_size < 1 << 20
    refused_model(work, DIGITS, "image", samples="bomb.npz")


@pytest.mark.parametrize("name", ["../../escape", "/absolute", "x/../../escape", "x/a\0b", "x\\..\\escape", "x/" + "deep/" * 3000 + "y"])
def test_entry_names_that_lead_elsewhere(work, name):
    """Nothing is ever unpacked to a path, so such names are odd but harmless; they must not crash or write anything."""
    support.rewrite_zip(DIGITS, work / "bad.pt2")
    with zipfile.ZipFile(work / "bad.pt2", "a") as file:
        info = zipfile.ZipInfo("placeholder")
        info.filename = name
        file.writestr(info, b"escaped")
    before = sorted(p.name for p in work.parent.iterdir())
    result = tune(work, work / "bad.pt2", "--set", "engine=reference")
    assert sorted(p.name for p in work.parent.iterdir()) == before
    if result.status != 0:
        refused(result, "bad.pt2", output=work / "model_out.ait")
    else:
        support.must("verify", work / "model_out.ait")


def test_two_entries_of_one_name(work):
    support.rewrite_zip(DIGITS, work / "bad.pt2")
    with zipfile.ZipFile(work / "bad.pt2", "a") as file, pytest.warns(UserWarning):
        file.writestr(file.namelist()[0], b"again")
    refused_model(work, work / "bad.pt2", "bad.pt2")


def test_archive_without_the_program(work):
    support.rewrite_zip(DIGITS, work / "bad.pt2", drop=("models/model.json",))
    refused_model(work, work / "bad.pt2", "bad.pt2")


def test_archive_without_a_weight(work):
    support.rewrite_zip(DIGITS, work / "bad.pt2", drop=("data/weights/weight_6",))
    refused_model(work, work / "bad.pt2", "bad.pt2", "weight_6")


@pytest.mark.parametrize("text", [b"{", b"[]", b"null", b'{"graph_module": 3}', b"[" * 200_000, b'{"a":' * 100_000, b"\xff\xfe{}"],
                         ids=["cut", "list", "null", "wrong type", "deep list", "deep object", "no UTF-8"])
def test_model_json_that_is_none(work, text):
    support.rewrite_zip(DIGITS, work / "bad.pt2", {"models/model.json": text})
    refused_model(work, work / "bad.pt2", "bad.pt2", "model.json")


# ---- hostile pickles

class Evil:
    """Unpickling this runs a command."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def evil_torch_file(canary, protocol=2):
    """What torch.save would write for a list of one Evil."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps([Evil(f"touch {canary}")], protocol))
        file.writestr("archive/version", "3\n")
        file.writestr("archive/byteorder", "little")
    return buffer.getvalue()


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_pickle_that_calls_something(work, protocol):
    canary = work / "canary"
    support.rewrite_zip(DIGITS, work / "bad.pt2", {"data/sample_inputs/model.pt": evil_torch_file(canary, protocol)})
    result = tune(work, work / "bad.pt2")
    assert not canary.exists()
    assert result.status == 0 and "example inputs are no plain data" in result.err and "system" in result.err
    with zipfile.ZipFile(work / "model_out.ait") as archive:
        assert not any("sample_inputs" in name or b"touch " in archive.read(name) for name in archive.namelist())


def test_old_archive_with_a_pickle_that_calls_something(work):
    canary = work / "canary"
    old = support.ROOT / "compiler/import/dynamo/testdata/small_2_5.pt2"
    with zipfile.ZipFile(old) as file:
        pickled = [n for n in file.namelist() if n.endswith((".pt", "state_dict.pt", "weights.pt"))]
    top = {n: n.split("/", 1)[1] if "/" in n else n for n in pickled}
    with zipfile.ZipFile(work / "bad.pt2", "w") as new, zipfile.ZipFile(old) as file:
        for name in file.namelist():
            new.writestr(name, evil_torch_file(canary) if name in top else file.read(name))
    result = tune(work, work / "bad.pt2")
    assert not canary.exists()
    refused(result, "bad.pt2", "system", output=work / "model_out.ait")


# ---- models that are not supported

class Unsupported(nn.Module):
    def forward(self, x):
        y = torch._sample_dirichlet(x)
        y = y + torch._sample_dirichlet(x * 2)
        return y + torch._standard_gamma(x)


def test_all_unsupported_operators_at_once_with_source_lines(work):
    support.export(Unsupported(), [torch.rand(3)], work / "odd.pt2")
    message = refused_model(work, work / "odd.pt2", "_sample_dirichlet", "2 times", "_standard_gamma", "1 time", "test_bad_input.py:")
    with open(__file__) as file:
        line = next(i for i, text in enumerate(file, 1) if text.endswith("y = torch._sample_dirichlet(x)\n"))
    assert f"test_bad_input.py:{line}" in message


def test_tensors_on_several_devices_are_named(work):
    """Here they are of no matter, but their owner may have meant something by it."""
    support.export(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), [torch.rand(2, 4)], work / "plain.pt2")

    def moved(program):
        program["graph_module"]["graph"]["tensor_values"]["p_0_weight"]["device"] = {"type": "cuda", "index": 1}

    support.edit_program(work / "plain.pt2", work / "mixed.pt2", moved)
    result = support.must("tune", work / "mixed.pt2", "-i", support.write_inputs(work / "in.npz", [torch.rand(2, 4)]), "-o",
                          work / "mixed.ait", *FAST)
    assert "several devices: cpu (input), cuda:1 (p_0_weight)" in result.err


class MovesToCuda(nn.Module):
    def forward(self, x: torch.Tensor):
        return x.to("cuda") + torch.zeros(4)


@pytest.mark.parametrize("form", ["ts", "fx"])
def test_a_move_to_another_device_is_named(work, form):
    file = work / f"moves.{form}"
    if form == "ts":
        torch.jit.save(torch.jit.script(MovesToCuda()), file)
    else:
        torch.save(torch.fx.symbolic_trace(MovesToCuda()), file)
    inputs = support.write_inputs(work / "in.npz", {"x": torch.rand(2, 4)})
    result = support.must("tune", file, "-i", inputs, "-o", work / "moves.ait", *FAST)
    assert "moves a tensor to cuda" in result.err


@torch.library.custom_op("aitune_tests::twice", mutates_args=())
def twice(x: torch.Tensor) -> torch.Tensor:
    return x * 2


@twice.register_fake
def _(x):
    return torch.empty_like(x)


class UnsupportedOfEveryKind(nn.Module):
    """An ATen operator, a custom one, control flow with an operator inside, and a call whose result's size depends on data."""

    def forward(self, x):
        y = torch._standard_gamma(x) + torch._standard_gamma(x + 1)
        y = twice(y)
        return torch.cond(x.sum() > 0, lambda t: t.sin(), lambda t: t * torch.hash_tensor(t).to(torch.float32), (y,))


def test_unsupported_operators_of_every_kind_are_one_report(work):
    support.export(UnsupportedOfEveryKind(), [torch.rand(3)], work / "odd.pt2")
    message = refused_model(work, work / "odd.pt2", "3 operators are not supported", "_standard_gamma.default (2 times)",
                            "aitune_tests.twice.default (1 time)", "hash_tensor",
                            "custom operator", "run_decompositions")
    assert message.count("test_bad_input.py:") >= 2, message


@pytest.mark.parametrize("ir,word", [("ts", "TorchScript"), ("fx", "fx")])
def test_ir_that_the_file_is_not(work, ir, word):
    refused(tune(work, DIGITS, "--ir", ir), word, output=work / "model_out.ait")


# ---- inputs that do not fit

WRONG_INPUTS = {
    "name": ({"picture": torch.rand(2, 1, 8, 8)}, ["picture", "image"]),
    "too many": ({"image": torch.rand(2, 1, 8, 8), "1": torch.rand(2)}, ["1", "image"]),
    "twice": ({"image": torch.rand(2, 1, 8, 8), "0": torch.rand(2, 1, 8, 8)}, ["twice", "image"]),
    "dtype": ({"image": torch.rand(2, 1, 8, 8).double()}, ["image", "f64", "f32"]),
    "integers": ({"image": torch.ones(2, 1, 8, 8, dtype=torch.int64)}, ["image", "i64", "f32"]),
    "rank": ({"image": torch.rand(8, 8)}, ["image"]),
    "size": ({"image": torch.rand(2, 1, 8, 9)}, ["image", "9", "8"]),
    "channels": ({"image": torch.rand(2, 3, 8, 8)}, ["image", "3"]),
    "above the range": ({"image": torch.rand(257, 1, 8, 8)}, ["image", "257", "256"]),
    "empty batch": ({"image": torch.rand(0, 1, 8, 8)}, ["image", "0"]),
}


@pytest.mark.parametrize("kind", WRONG_INPUTS)
def test_wrong_inputs(work, digits_ait, kind):
    tensors, words = WRONG_INPUTS[kind]
    support.write_inputs(work / "wrong.npz", tensors)
    refused_model(work, DIGITS, *words, samples="wrong.npz")
    result = aitune("run", digits_ait, "-i", work / "wrong.npz", "-o", work / "out_wrong.npz")
    refused(result, *words, output=work / "out_wrong.npz")
    refused(aitune("bench", digits_ait, "-i", work / "wrong.npz"), *words)


def test_missing_input(work):
    class Two(nn.Module):
        def forward(self, first, second):
            return first + second

    support.export(Two(), [torch.rand(3), torch.rand(3)], work / "two.pt2")
    support.write_inputs(work / "one.npz", {"first": torch.rand(3)})
    refused_model(work, work / "two.pt2", "second", samples="one.npz")


BROKEN_FILES = {
    "missing.npz": None,
    "empty.npz": b"",
    "empty.npy": b"",
    "empty.safetensors": b"",
    "text.npy": b"no numbers here",
    "text.npz": b"no numbers here",
    "huge.safetensors": (1 << 62).to_bytes(8, "little") + b"{}",
    "lies.safetensors": (60).to_bytes(8, "little") + b'{"0":{"dtype":"F32","shape":[1000000],"data_offsets":[0,4]}}' + bytes(4),
    "model.bin": b"an ending that says nothing",
}


@pytest.mark.parametrize("name", BROKEN_FILES)
def test_broken_input_file(work, digits_ait, name):
    if BROKEN_FILES[name] is not None:
        (work / name).write_bytes(BROKEN_FILES[name])
    refused_model(work, DIGITS, name, samples=name)
    refused(aitune("run", digits_ait, "-i", work / name), name)


def npy(header):
    text = header.encode() + b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize("header", [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 1, 8, 8), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1, 8, 8), }",
    "__import__('os').system('touch canary')",
    "{'descr': '<c8'",
], ids=["overflow", "objects", "negative", "no data", "code", "cut"])
def test_lying_npy(work, header):
    (work / "bad.npy").write_bytes(npy(header))
    refused_model(work, DIGITS, "bad.npy", samples="bad.npy", cwd=work)
    assert not (work / "canary").exists()


def test_flipped_bit_in_npz(work, generator):
    random.seed(generator.initial_seed())
    start, size = support.entry_span(work / "in.npz", "0.npy")
    (work / "bad.npz").write_bytes(flip((work / "in.npz").read_bytes(), start + size - 1 - random.randrange(400)))
    refused_model(work, DIGITS, "bad.npz", samples="bad.npz")


# ---- settings and command lines

@pytest.mark.parametrize(("words", "said"), [
    (["--set", "nothing=1"], ["nothing", "optimization_level"]),
    (["--set", "optimization_level=9"], ["optimization_level", "0 to 5"]),
    (["--set", "optimization_level"], ["key=value"]),
    (["--set", "enabled_precisions=fp8"], ["fp8"]),
    (["--precision", "int4"], ["int4"]),
    (["--set", "engine=cuda"], ["cuda"]),
    (["--set", "portable=perhaps"], ["perhaps"]),
    (["--ir", "onnx"], ["onnx", "dynamo"]),
    (["--pickle-protocol", "1"], ["--pickle-protocol", "2 to 5"]),
    (["--pickle-protocol", "6"], ["--pickle-protocol", "2 to 5"]),
], ids=lambda value: " ".join(value) if value[0].startswith("--") else "")
def test_wrong_settings(work, words, said):
    refused(tune(work, DIGITS, *words), *said, output=work / "model_out.ait")


def test_required_compilation(work):
    """fmod stays on the reference engine, or is compiled by now; torch_executed_ops keeps an operator there by will."""
    result = tune(work, DIGITS, "--set", "require_full_compilation=true", "--set", "torch_executed_ops=aten.linear.default")
    refused(result, "aten.linear.default", output=work / "model_out.ait")


@pytest.mark.parametrize("words", [[], ["nothing"], ["tune"], ["run"], ["bench", "--seconds", "x", "m.ait"], ["run", "m.ait", "--odd"]])
def test_wrong_command_line(words):
    refused(aitune(*words), "--help")
    result = aitune(*words, "--json")
    assert result.json()["error"]["code"] == "invalid_argument" and result.status == result.json()["error"]["status"] == INPUT


def test_errors_as_json(work):
    result = aitune("run", work / "nothing.ait", "--json")
    error = result.json()["error"]
    assert result.status == INPUT and error["code"] == "not_found" and "nothing.ait" in error["message"]
    result = tune(work, work / "nothing.pt2", "--json")
    assert result.status == INPUT and result.json()["error"]["code"] == "not_found"


# ---- a disk without room

def test_output_that_cannot_be_written(work, digits_ait):
    refused(tune(work, DIGITS, output="no/such/folder/x.ait"), "no/such/folder")
    result = aitune("run", digits_ait, "-i", work / "in.npz", "-o", work / "no/such/folder.npz")
    refused(result, "no/such")
    (work / "folder.ait").mkdir()
    refused(tune(work, DIGITS, output="folder.ait"), "folder.ait", "folder")
    assert list((work / "folder.ait").iterdir()) == []


def test_output_over_the_model(work):
    shutil.copy(DIGITS, work / "mine.pt2")
    refused(tune(work, work / "mine.pt2", output="mine.pt2"), "mine.pt2", "the output would replace")
    assert (work / "mine.pt2").read_bytes() == DIGITS.read_bytes()


def test_artifact_tuned_onto_itself(work, digits_ait):
    shutil.copy(digits_ait, work / "mine.ait")
    support.must("tune", work / "mine.ait", "-o", work / "mine.ait", *FAST)
    support.must("verify", work / "mine.ait")


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_interrupted_tuning_leaves_a_whole_file(work, digits_ait, sign):
    """The one that was there, or the best so far; and nothing beside it."""
    shutil.copy(digits_ait, work / "kept.ait")
    for delay in (0.02, 0.1, 0.3, 0.6, 1.0, 1.5):
        words = [support.BIN / "aitune", "tune", DIGITS, "-i", work / "in.npz", "-o", work / "kept.ait", *FAST]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            process.send_signal(sign)
        process.wait()
        assert sorted(p.name for p in work.iterdir()) == ["in.npz", "kept.ait"]
        support.must("verify", work / "kept.ait")


def test_many_savers_of_one_path(work):
    words = [str(support.BIN / "aitune"), "tune", str(DIGITS), "-i", str(work / "in.npz"), "-o", str(work / "one.ait"), *FAST]
    processes = [subprocess.Popen(words, stdout=subprocess.DEVNULL) for _ in range(4)]
    assert [p.wait() for p in processes] == [0] * 4
    assert sorted(p.name for p in work.iterdir()) == ["in.npz", "one.ait"]
    support.must("verify", work / "one.ait")


def test_several_outputs_are_all_written_or_none(work, digits_ait):
    (work / "out.1.npz").mkdir()
    np.savez(work / "list.npz", image=np.zeros((3, 2, 1, 8, 8), np.float32))
    refused(aitune("run", digits_ait, "-i", work / "list.npz", "-o", work / "out.npz"), "out.1.npz")
    assert sorted(p.name for p in work.iterdir()) == ["in.npz", "list.npz", "out.1.npz"]


def test_standard_output_that_is_full(work, digits_ait):
    with open("/dev/full", "w") as full:
        for words in (["doctor"], ["inspect", digits_ait], ["verify", digits_ait, "--json"]):
            done = subprocess.run([support.BIN / "aitune", *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
            assert done.returncode == MACHINE and "standard output" in done.stderr, done.stderr


def test_output_of_an_unknown_kind(work, digits_ait):
    refused(aitune("run", digits_ait, "-i", work / "in.npz", "-o", work / "out.csv"), "out.csv", output=work / "out.csv")


def limited(size):
    """A limit on the size of files, reported as an error of write() as a full disk is."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


@pytest.mark.parametrize("size", [0, 1000, 100_000])
def test_no_room_while_saving(work, digits_ait, size):
    target = work / "kept.ait"
    shutil.copy(digits_ait, target)
    before = target.read_bytes()
    result = aitune("tune", DIGITS, "-i", work / "in.npz", "-o", target, *FAST, "--set", "engine=reference",
                    preexec_fn=lambda: limited(size))
    refused(result, "kept.ait", status=MACHINE)
    assert target.read_bytes() == before
    assert sorted(p.name for p in work.iterdir()) == ["in.npz", "kept.ait"]


def mounted(folder, size):
    if os.geteuid() != 0:
        return False
    return subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, check=False).returncode == 0


def test_full_disk(work, digits_ait):
    disk = work / "disk"
    disk.mkdir()
    if not mounted(disk, 400 << 10):
        pytest.skip("needs the right to mount a small file system")
    try:
        shutil.copy(digits_ait, disk / "kept.ait")
        before = (disk / "kept.ait").read_bytes()
        result = aitune("tune", DIGITS, "-i", work / "in.npz", "-o", disk / "kept.ait", *FAST, "--set", "engine=reference")
        refused(result, "kept.ait", os.strerror(errno.ENOSPC), status=MACHINE)
        assert (disk / "kept.ait").read_bytes() == before
        assert [p.name for p in disk.iterdir()] == ["kept.ait"]
        support.must("verify", disk / "kept.ait")
    finally:
        subprocess.run(["umount", disk], check=True)


# ---- numbers that a low precision cannot hold

class Overflow(nn.Module):
    """Weights that float32 holds and bfloat16 rounds to infinity."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(64, 64, bias=False)
        nn.init.constant_(self.linear.weight, 3.4e38)

    def forward(self, x):
        return self.linear(x)


class Cancellation(nn.Module):
    """The difference of nearly equal products: all digits of bfloat16 cancel."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(64, 64), nn.Linear(64, 64)
        self.two.weight.data.copy_(self.one.weight.data + 1e-5 * torch.randn(64, 64))

    def forward(self, x):
        return self.one(x) - self.two(x) - (self.one.bias - self.two.bias)


@pytest.mark.parametrize(("model", "scale"), [(Overflow, 1e-4), (Cancellation, 1.0)])
def test_low_precision_that_fails_falls_back_and_says_so(work, model, scale):
    if not support.has_bf16():
        pytest.skip("this CPU has no AVX512_BF16")
    x = torch.rand(4, 64) * scale
    module = model()
    support.export(module, [x], work / "hard.pt2")
    support.write_inputs(work / "x.npz", [x])
    result = support.must("tune", work / "hard.pt2", "-i", work / "x.npz", "-o", work / "hard.ait", *FAST, "--precision", "fp32,bf16",
                          "--set", "max_relative_error=0.005", "--json")
    report = result.json()
    assert report["chosen"] == "fp32" and any("bf16 was given up" in w for w in report["warnings"])
    assert "bf16 was given up" in result.err


def test_non_finite_input_passes_through(work, digits_ait):
    """NaN in, NaN out: that is no error."""
    support.write_inputs(work / "nan.npz", [torch.full((1, 1, 8, 8), float("nan"))])
    output = support.must("run", digits_ait, "-i", work / "nan.npz", "--json").json()["samples"][0]["outputs"][0]
    assert output["finite"] is False


class Autocast(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 4)

    def forward(self, x):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=False):
            return self.layer(x)


def test_autocast_of_a_device_that_no_tensor_is_on(work):
    """As a machine with a GPU writes it: on, and without effect on tensors of the CPU."""
    model, x = Autocast().eval(), torch.randn(2, 8)
    torch.export.save(torch.export.export(model, (x,)), work / "off.pt2")
    support.write_inputs(work / "in.npz", [x])
    with zipfile.ZipFile(work / "off.pt2") as file:
        name = next(n for n in file.namelist() if n.endswith("models/model.json"))
        program = json.loads(file.read(name))
    region = next(n for n in program["graph_module"]["graph"]["nodes"] if "autocast" in n["target"])
    device, _, enabled = (given["arg"] for given in region["inputs"][:3])
    assert enabled == {"as_bool": False}
    enabled["as_bool"] = True
    support.rewrite_zip(work / "off.pt2", work / "cpu.pt2", {name.split("/", 1)[1]: json.dumps(program)})
    refused_model(work, work / "cpu.pt2", "torch.autocast is on")

    device["as_string"] = "cuda"
    support.rewrite_zip(work / "off.pt2", work / "cuda.pt2", {name.split("/", 1)[1]: json.dumps(program)})
    support.must("tune", work / "cuda.pt2", "-i", work / "in.npz", "-o", work / "m.ait", *FAST)
    support.must("run", work / "m.ait", "-i", work / "in.npz", "-o", work / "out.npz")
    support.check_same(support.read_outputs(work / "out.npz"), [model.layer(x)], support.FP32_BOUND, "cuda")


class BakedIn(torch.nn.Module):
    def forward(self, x):
        return x.view(int(x.shape[0]), 12) * 2


def test_a_trace_of_one_size_says_where(tmp_path):
    torch.jit.trace(BakedIn(), torch.rand(2, 3, 4)).save(tmp_path / "model.pt")
    samples = [word for n in (2, 4) for word in ("-i", support.write_inputs(tmp_path / f"in{n}.npz", [torch.rand(n, 3, 4)]))]
    refused = support.aitune("tune", tmp_path / "model.pt", *samples, "-o", tmp_path / "model.ait", *support.FAST)
    assert refused.status == 1 and "the model needs" in refused.err and "test_bad_input.py" in refused.err, str(refused)
