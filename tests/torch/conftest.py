"""Settings of the tests against PyTorch. Random inputs: the seed is printed, and AITUNE_SEED=N repeats a run."""

import os

import pytest
import support
import torch

SEED = int(os.environ.get("AITUNE_SEED", int.from_bytes(os.urandom(3), "little")))


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes minutes; runs with AITUNE_SLOW=1")


def pytest_report_header():
    return [f"AITUNE_SEED={SEED}", f"aitune: {support.BIN}"]


def pytest_collection_modifyitems(items):
    if os.environ.get("AITUNE_SLOW") == "1":
        return
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="takes minutes: AITUNE_SLOW=1 runs it"))


@pytest.fixture(scope="session", autouse=True)
def command_is_built():
    if not (support.BIN / "aitune-tune").exists():
        pytest.exit(f"there is no aitune-tune in {support.BIN}: build first (./dev build), or set AITUNE_BIN", 2)
    torch.set_num_threads(2)


@pytest.fixture
def generator(request):
    """Random numbers that differ from run to run and from test to test."""
    seed = SEED + sum(request.node.name.encode())
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="session")
def digits_ait(tmp_path_factory):
    """The digits network, tuned; not to be changed in place."""
    folder = tmp_path_factory.mktemp("digits")
    image = torch.rand(3, 1, 8, 8)
    support.write_inputs(folder / "in.npz", [image])
    support.must("tune", support.DIGITS, "-i", folder / "in.npz", "-o", folder / "digits.ait", *support.FAST)
    return folder / "digits.ait"
