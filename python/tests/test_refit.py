"""ait.refit: other weights in a file that was tuned before."""

import zipfile

import pytest
import torch

import aitune
import aitune.torch as ait
from aitune import _compiler


def program(seed, width=8):
    torch.manual_seed(seed)
    net = torch.nn.Sequential(torch.nn.Linear(4, width), torch.nn.GELU(), torch.nn.Linear(width, 3)).eval()
    return net, torch.export.export(net, (torch.ones(2, 4),), strict=False)


def tune(exported, path, **settings):
    source = path.with_suffix(".pt2")
    torch.export.save(exported, source)
    texts = {"timing_cache_path": "none", "optimization_level": "1", "min_block_size": "1", **settings}
    samples = [[("0", torch.rand(2, 4))]]
    tuned = _compiler.Tuned(str(source), "net", "dynamo", list(texts.items()), "", 4, samples, lambda *_: None)
    tuned.save(str(path), [])


@pytest.mark.parametrize("strip", ["false", "true"])
def test_new_weights(tmp_path, strip):
    file, other = tmp_path / "net.ait", tmp_path / "other.ait"
    tune(program(1)[1], file, strip_engine_weights=strip)
    if strip == "true":
        with pytest.raises(aitune.Unavailable, match="without weights"):
            aitune.load(file)
    net, exported = program(2)
    ait.refit(file, exported, other)
    x = torch.rand(2, 4)
    torch.testing.assert_close(torch.from_numpy(aitune.load(other)(x.numpy())), net(x).detach())
    with pytest.raises(aitune.InvalidArgument, match=r"weight '0.weight' f32\[16,4\] was f32\[8,4\] when tuned"):
        ait.refit(file, program(2, 16)[1], tmp_path / "wrong.ait")
    assert not (tmp_path / "wrong.ait").exists()


def test_the_same_file_from_its_decisions(tmp_path):
    file, again, log = tmp_path / "net.ait", tmp_path / "again.ait", tmp_path / "log.json"
    exported = program(1)[1]
    torch.export.save(exported, tmp_path / "net.pt2")
    x = torch.rand(2, 4)
    settings = [("timing_cache_path", "none"), ("optimization_level", "2"), ("min_block_size", "1")]
    samples = [[("0", x)]]
    tuned = _compiler.Tuned(str(tmp_path / "net.pt2"), "net", "dynamo", settings, "", 4, samples, lambda *_: None)
    tuned.save(str(file), [("notes", "kept")])
    ait.repeat(file, tmp_path / "net.pt2", again)
    assert again.read_bytes() == file.read_bytes()
    with zipfile.ZipFile(file) as archive:
        log.write_bytes(archive.read("model/data/aitune/decisions.json"))
    ait.repeat(log, tmp_path / "net.pt2", again, samples=[(x,)])
    with zipfile.ZipFile(again) as archive:
        assert archive.read("model/data/aitune/decisions.json") == log.read_bytes()
    with pytest.raises(aitune.InvalidArgument, match="sample 0 is another one"):
        ait.repeat(log, tmp_path / "net.pt2", again, samples=[(x + 1,)])
    with pytest.raises(aitune.InvalidArgument, match="refit is for that"):
        ait.repeat(file, program(2)[1], again)
