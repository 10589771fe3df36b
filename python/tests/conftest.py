"""Settings of the tests of the package. PYTHONPATH names the built package, build/release/python."""

import os
import zlib

import pytest

SEED = int(os.environ.get("AITUNE_SEED", int.from_bytes(os.urandom(3), "little")))


def pytest_report_header():
    import aitune

    return [f"AITUNE_SEED={SEED}", f"aitune: {os.path.dirname(aitune.__file__)}"]


@pytest.fixture(autouse=True)
def seeded(request):
    """Random numbers that differ from run to run and from test to test."""
    try:
        import torch
    except ImportError:
        return
    torch.manual_seed(SEED + zlib.crc32(request.node.name.encode()))
    torch.set_num_threads(2)


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """The user's timing cache stays as it is."""
    os.environ["AITUNE_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))
