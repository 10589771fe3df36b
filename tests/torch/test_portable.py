"""An .ait is still a PyTorch program: torch.export.load opens it, and pickle_protocol means what it means there."""

import dataclasses
import io
import pickletools
import zipfile

import pytest
import support
import torch
from torch import nn
from zoo import Attention


class Convolutions(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
                                    nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.SiLU())
        self.register_buffer("offset", torch.arange(8.0).view(1, 8, 1, 1))

    def forward(self, image):
        return self.layers(image) + self.offset


def tune(tmp_path, program_path, inputs, *words):
    samples = support.write_inputs(tmp_path / "in.npz", inputs)
    support.must("tune", program_path, "-i", samples, "-o", tmp_path / "model.ait", *support.FAST, *words)
    return tmp_path / "model.ait"


def same_program(tmp_path, pt2, inputs, *words):
    before = torch.export.load(pt2)
    after = torch.export.load(tune(tmp_path, pt2, inputs, *words))
    with torch.no_grad():
        for want, got in zip(support.tensors_of(before.module()(*inputs)), support.tensors_of(after.module()(*inputs)),
                             strict=True):
            assert torch.equal(want, got)
    assert before.graph_signature == after.graph_signature
    assert {k: (str(v.lower), str(v.upper)) for k, v in before.range_constraints.items()} == \
        {k: (str(v.lower), str(v.upper)) for k, v in after.range_constraints.items()}
    assert before.state_dict.keys() == after.state_dict.keys()


def test_digits(tmp_path, generator):
    same_program(tmp_path, support.DIGITS, [torch.rand(5, 1, 8, 8, generator=generator)])


def test_convolutions(tmp_path, generator):
    model, image = Convolutions(), torch.randn(2, 3, 12, 12, generator=generator)
    support.export(model, [image], tmp_path / "model.pt2")
    same_program(tmp_path, tmp_path / "model.pt2", [image])


def test_transformer_block_with_dynamic_batch(tmp_path, generator):
    model, tokens = Attention(), torch.randn(3, 10, 32, generator=generator)
    support.export(model, [tokens], tmp_path / "model.pt2", ({0: torch.export.Dim("batch", min=1, max=16)},))
    same_program(tmp_path, tmp_path / "model.pt2", [tokens])


@dataclasses.dataclass
class Pair:
    left: torch.Tensor
    right: torch.Tensor


torch.export.register_dataclass(Pair, serialized_type_name="aitune_tests.Pair")


class TakesAPair(nn.Module):
    def forward(self, pair: Pair):
        return pair.left * 2 + pair.right


def test_example_inputs_of_a_class_of_the_users(tmp_path, generator):
    """Their pickle asks for a class: it does not get into the file, and neither does the program."""
    pair = Pair(torch.randn(2, 4, generator=generator), torch.randn(4, generator=generator))
    torch.export.save(torch.export.export(TakesAPair(), (pair,)), tmp_path / "model.pt2")
    inputs = support.write_inputs(tmp_path / "in.npz", {"pair.left": pair.left, "pair.right": pair.right})
    tuned = tmp_path / "model.ait"
    result = support.must("tune", tmp_path / "model.pt2", "-i", inputs, "-o", tuned, *support.FAST)
    assert "example inputs are no plain data" in result.err and "Pair" in result.err
    support.must("run", tuned, "-i", inputs, "-o", tmp_path / "y.npz")
    support.check_same(support.read_outputs(tmp_path / "y.npz"), [TakesAPair()(pair)], 1e-6, "pair")
    with zipfile.ZipFile(tuned) as archive:
        assert not any("sample_inputs" in name for name in archive.namelist())


def sample_pickle(ait):
    """The pickle inside data/sample_inputs/model.pt, which is itself an archive of torch.save."""
    with zipfile.ZipFile(ait) as outer:
        name = next(n for n in outer.namelist() if "/data/sample_inputs/" in n)
        with zipfile.ZipFile(io.BytesIO(outer.read(name))) as inner:
            return inner.read(next(n for n in inner.namelist() if n.endswith("data.pkl")))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickle_protocol(tmp_path, generator, protocol):
    image = torch.rand(2, 1, 8, 8, generator=generator)
    same_program(tmp_path, support.DIGITS, [image], "--pickle-protocol", protocol)
    operations = list(pickletools.genops(sample_pickle(tmp_path / "model.ait")))
    assert operations[0][0].name == "PROTO" and operations[0][1] == protocol
    assert max(op.proto for op, _, _ in operations) <= protocol
    args, kwargs = torch.export.load(tmp_path / "model.ait").example_inputs
    original_args, original_kwargs = torch.export.load(support.DIGITS).example_inputs
    assert torch.equal(args[0], original_args[0]) and kwargs == original_kwargs


def test_default_protocol_is_4(digits_ait):
    assert next(pickletools.genops(sample_pickle(digits_ait)))[1] == 4


def test_without_the_program(tmp_path, digits_ait, generator):
    image = torch.rand(2, 1, 8, 8, generator=generator)
    ait = tune(tmp_path, support.DIGITS, [image], "--set", "portable=false")
    assert ait.stat().st_size < digits_ait.stat().st_size
    support.must("verify", ait)
    with zipfile.ZipFile(ait) as file:
        assert not [n for n in file.namelist() if "/models/" in n or "/weights/" in n]


def test_entries_lie_where_mapping_wants_them(digits_ait):
    with zipfile.ZipFile(digits_ait) as file:
        for info in file.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            assert support.entry_span(digits_ait, info.filename)[0] % 64 == 0, info.filename
