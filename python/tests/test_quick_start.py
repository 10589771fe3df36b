"""The guide's Quick Start, word for word but for one import, on a model and data."""

import pathlib
import pickletools
import zipfile

import pytest
import torch
from support import OPENS_AIT

QUICK_START = """
from aitune.torch.backend import TorchTensorRTAotBackend, TorchTensorRTAotBackendConfig
from torch_tensorrt.dynamo import CompilationSettings
import aitune.torch as ait

# Configure backend
config = TorchTensorRTAotBackendConfig(
    ir="dynamo",
    compile_config=CompilationSettings(enabled_precisions={torch.float16}),
)
backend = TorchTensorRTAotBackend(config)

# Use in tuning
from aitune.torch.tune_strategy import OneBackendStrategy
strategy = OneBackendStrategy(backend=backend)

model = ait.Module(model, "my-model", strategy=strategy)
ait.tune(model, input_data)

# Save compiled model
ait.save(model, "model.ait")

# Later: Load and use
ait.load(model, "model.ait")
"""


def network():
    return torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 10))


@pytest.fixture
def quick_start(tmp_path, monkeypatch):
    """The variables of the script when it has run in an empty folder."""
    monkeypatch.chdir(tmp_path)
    net = network().eval()
    x = torch.randn(2, 1, 8, 8)
    with torch.no_grad():
        want = net(x)
    source = QUICK_START.replace("from torch_tensorrt.dynamo import", "from aitune.torch import")
    names = {"torch": torch, "model": net, "input_data": x}
    exec(source, names)
    return names, want


def test_as_printed(quick_start):
    names, want = quick_start
    torch.testing.assert_close(names["model"](names["input_data"]), want, rtol=1e-3, atol=1e-4)


def test_the_file_opens_everywhere(quick_start):
    import aitune
    import aitune.torch as ait

    names, want = quick_start
    x = names["input_data"]
    if OPENS_AIT:
        torch.testing.assert_close(torch.export.load("model.ait").module()(x), want)
    torch.testing.assert_close(ait.load("model.ait")(x), want, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(ait.load(network(), "model.ait")(x), want, rtol=1e-3, atol=1e-4)
    got = aitune.load("model.ait")(x.numpy())
    torch.testing.assert_close(torch.from_numpy(got), want, rtol=1e-3, atol=1e-4)
    aitune.verify_file("model.ait")


def pickles_of(path):
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            data = archive.read(name)
            if name.endswith(".pt"):
                inner = pathlib.Path("inner.pt")
                inner.write_bytes(data)
                with zipfile.ZipFile(inner) as nested:
                    yield from (nested.read(n) for n in nested.namelist() if n.endswith(".pkl"))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickle_protocol(protocol, tmp_path, monkeypatch):
    from support import FAST

    import aitune.torch as ait

    monkeypatch.chdir(tmp_path)
    config = ait.TorchTensorRTAotBackendConfig(compile_config=FAST, pickle_protocol=protocol)
    net = network().eval()
    x = torch.randn(2, 1, 8, 8)
    model = ait.Module(net, "pickled", strategy=ait.OneBackendStrategy(ait.TorchTensorRTAotBackend(config)))
    ait.tune(model, x)
    ait.save(model, "m.ait")
    found = 0
    for pickle in pickles_of("m.ait"):
        found += 1
        opcodes = list(pickletools.genops(pickle))
        assert opcodes[0][0].name == "PROTO" and opcodes[0][1] == protocol
        assert max(opcode.proto for opcode, _, _ in opcodes) <= protocol
    assert found > 0
    if OPENS_AIT:
        program = torch.export.load("m.ait")
        torch.testing.assert_close(program.module()(x), model(x), rtol=1e-3, atol=1e-4)
        assert program.example_inputs[0][0].shape == x.shape


def test_tuning_twice_gives_the_same_program_and_no_path(tmp_path):
    """What is in the file besides what was measured does not depend on when and where it was made."""
    import hashlib
    import json
    import tempfile

    from support import wrap

    import aitune.torch as ait

    net = network().eval()
    x = torch.randn(2, 1, 8, 8)
    digests = []
    for i in range(2):
        model = wrap(net)
        ait.tune(model, x)
        ait.save(model, tmp_path / f"{i}.ait")
        with zipfile.ZipFile(tmp_path / f"{i}.ait") as archive:
            names = [name for name in archive.namelist() if "manifest" not in name]
            entries = {name: archive.read(name) for name in names}
            decisions = next(name for name in names if name.endswith("/decisions.json"))
            entries[decisions] = json.dumps(json.loads(entries[decisions]) | {"measured": None}).encode()
            digests.append({name: hashlib.sha256(entry).hexdigest() for name, entry in entries.items()})
        assert (tempfile.gettempdir() + "/aitune-").encode() not in (tmp_path / f"{i}.ait").read_bytes()
    assert digests[0] == digests[1]
