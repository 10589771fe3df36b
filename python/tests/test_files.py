"""Files that cannot be written: an error that names the path alone, before the work begins."""

import pytest
import torch
from support import strategy, wrap

import aitune
import aitune.torch as ait


@pytest.mark.parametrize("name", ["missing/file", "."])
def test_a_path_that_cannot_be_written(tmp_path, name):
    path = tmp_path / name
    model = wrap(torch.nn.Linear(4, 4), "dynamo")
    ait.tune(model, torch.randn(2, 4))
    with pytest.raises(aitune.IoError, match="cannot write the file: .*. Check the path: its folder must exist") as caught:
        ait.save(model, path)
    assert caught.value.where == str(path) and "Errno" not in str(caught.value)
    assert sorted(file.name for file in tmp_path.iterdir()) == []


def test_a_dry_run_looks_first(tmp_path, caplog):
    path = tmp_path / "missing" / "plan.txt"
    model = ait.Module(torch.nn.Linear(4, 4), "net", strategy=strategy(dryrun=str(path)))
    caplog.set_level("INFO", "aitune")
    with pytest.raises(aitune.IoError, match="cannot write the file"):
        ait.tune(model, torch.randn(2, 4))
    assert "exporting" not in caplog.text
