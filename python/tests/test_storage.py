"""Where files of tuned modules lie: storage, device_map and what is silent while they are loaded."""

import logging

import pytest
import torch

import aitune
import aitune.torch as ait
from support import TOLERANCE, wrap


@pytest.fixture(scope="module")
def tuned():
    model = wrap(torch.nn.Linear(4, 4), name="small")
    ait.tune(model, torch.randn(2, 4))
    return model


def check(model, loaded):
    x = torch.randn(2, 4)
    torch.testing.assert_close(loaded(x), model(x), **TOLERANCE)


def test_a_folder_of_files(tmp_path, tuned, monkeypatch):
    monkeypatch.chdir(tmp_path)
    storage = ait.LocalTorchStorage(tmp_path / "new" / "ckpt")
    for path in ("model.ait", "model", "of/v1.5"):
        ait.save(tuned, path, storage=storage)
    assert sorted(str(f.relative_to(tmp_path)) for f in tmp_path.rglob("*") if f.is_file()) == [
        "new/ckpt/model.ait", "new/ckpt/of/v1.5.ait",
    ]
    check(tuned, ait.load("model", storage=storage))
    check(tuned, ait.load(torch.nn.Linear(4, 4), "of/v1.5", storage))
    ait.save(tuned, "again.ait", ait.LocalTorchStorage())
    check(tuned, ait.load(tmp_path / "checkpoints" / "again.ait"))


def test_a_file_that_must_stay(tmp_path, tuned):
    storage = ait.LocalTorchStorage(tmp_path, overwrite_checkpoint_on_tune=False)
    ait.save(tuned, "m", storage)
    before = (tmp_path / "m.ait").stat().st_mtime_ns
    with pytest.raises(aitune.InvalidArgument, match="m.ait: there is such a file already"):
        ait.save(tuned, "m.ait", storage)
    assert (tmp_path / "m.ait").stat().st_mtime_ns == before


def test_a_folder_that_cannot_be(tmp_path, tuned):
    (tmp_path / "file").touch()
    with pytest.raises(aitune.IoError, match="file"):
        ait.save(tuned, "m", ait.LocalTorchStorage(tmp_path / "file"))
    with pytest.raises(aitune.NotFound, match="m.ait: no such file"):
        ait.load("m", storage=ait.LocalTorchStorage(tmp_path))


def test_what_is_ignored_is_said(caplog):
    ait.LocalTorchStorage(remove_checkpoint_after_tune=True)
    assert not caplog.records
    ait.LocalTorchStorage(compress_checkpoint=False, sha_type="512")
    assert "compress_checkpoint is ignored" in caplog.text and "sha_type is ignored" in caplog.text


def test_wrong_arguments(tuned):
    class Elsewhere:
        pass

    for call, message in (
        (lambda: ait.LocalTorchStorage(3), "base_folder is an int"),
        (lambda: ait.LocalTorchStorage(compress_checkpoint=1), "compress_checkpoint is 1"),
        (lambda: ait.LocalTorchStorage(sha_type="1"), "sha_type is '1'. Give '256'"),
        (lambda: ait.save(tuned, "m", Elsewhere()), "save: storage is an Elsewhere"),
        (lambda: ait.load("m", storage="folder"), "load: storage is a str"),
    ):
        with pytest.raises(aitune.InvalidArgument, match=message):
            call()


def test_devices(tmp_path, tuned):
    ait.save(tuned, tmp_path / "m.ait")
    for devices in ({"small": "cpu"}, {"": torch.device("cpu")}, {}):
        check(tuned, ait.load(tmp_path / "m.ait", device_map=devices))
    with pytest.raises(aitune.Unavailable, match="device_map: there is no engine for device cuda:0"):
        ait.load(tmp_path / "m.ait", device_map={"small": "cuda:0"})
    with pytest.raises(aitune.InvalidArgument, match="device_map names 'unet', which is no module of the file. It holds: small"):
        ait.load(torch.nn.Linear(4, 4), tmp_path / "m.ait", device_map={"unet": "cpu"})


def test_devices_of_a_pipeline(tmp_path):
    pipe = {"a": wrap(torch.nn.Linear(4, 4), name="net"), "b": wrap(torch.nn.Linear(4, 4), name="net")}
    ait.tune(lambda x: pipe["b"](pipe["a"](x)), torch.randn(2, 4))
    ait.save(pipe, tmp_path / "m.ait")
    ait.load(pipe, tmp_path / "m.ait", device_map={"a": "cpu", "b": "cpu"})
    with pytest.raises(aitune.InvalidArgument, match="names '', which is no module of the file. It holds: a, b"):
        ait.load(pipe, tmp_path / "m.ait", device_map={"": "cpu"})


def test_others_are_silent(tmp_path, tuned, monkeypatch):
    ait.save(tuned, tmp_path / "m.ait")
    chatter, seen = logging.getLogger("chatter"), []

    def opened(*args, **kwargs):
        seen.append(chatter.disabled)
        return engine(*args, **kwargs)

    from aitune.torch import saving

    engine = saving.Engine
    monkeypatch.setattr(saving, "Engine", opened)
    ait.load(tmp_path / "m.ait", disable_external_logging=True)
    ait.load(tmp_path / "m.ait")
    assert seen == [True, False] and not chatter.disabled
