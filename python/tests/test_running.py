"""Tuned modules in use: threads, tensors of every layout, custom operators."""

import importlib.util
import pathlib
import shutil
import subprocess
import threading

import numpy as np
import pytest
import torch
from support import check_same, reference, wrap

import aitune
import aitune.torch as ait

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tuned():
    """A tuned convolution for every batch from 1 to 6, and the same in PyTorch."""
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Sigmoid()).eval()
    model = wrap(net, name="conv")
    ait.tune(model, [torch.randn(n, 3, 8, 8) for n in (1, 6)])
    return model, reference


def test_many_threads(tuned):
    model, _ = tuned
    failures = []

    def work(seed):
        generator = torch.Generator().manual_seed(seed)
        plain = torch.nn.Sequential(*model._original)
        for _ in range(30):
            x = torch.randn(int(torch.randint(1, 7, (1,), generator=generator)), 3, 8, 8, generator=generator)
            try:
                with torch.no_grad():
                    check_same(model(x), plain(x))
            except Exception as error:  # noqa: BLE001
                failures.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_layouts(tuned):
    model, plain = tuned
    x = torch.randn(4, 3, 8, 8)
    want = plain(model._original, x)
    wide = torch.zeros(4, 3, 8, 16)
    wide[..., ::2] = x
    for value in (
        x.to(memory_format=torch.channels_last),
        wide[..., ::2],
        x.clone().requires_grad_(),
        torch.nn.Parameter(x.clone()),
        x.permute(1, 0, 2, 3).contiguous().permute(1, 0, 2, 3),
    ):
        got = model(value)
        check_same(got, want)
        assert got.is_contiguous() and not got.requires_grad
    with torch.inference_mode():
        check_same(model(x + 0).clone(), want)


def test_results_are_fresh_and_inputs_stay(tuned):
    model, _ = tuned
    x = torch.randn(2, 3, 8, 8)
    kept = x.clone()
    first = model(x)
    second = model(x)
    assert first.data_ptr() != second.data_ptr()
    first.zero_()
    assert second.abs().sum() > 0
    check_same(x, kept)


def test_complex_and_small_tensors():
    class Turns(torch.nn.Module):
        def forward(self, z, scale, flags):
            return (torch.view_as_real(z) * scale, flags.logical_not(), scale.to(torch.float16))

    model = wrap(Turns())
    call = (torch.randn(3, dtype=torch.complex64), torch.tensor(2.0), torch.tensor([True, False]))
    ait.tune(model, (call, {}))
    for z in (call[0], call[0].conj()):
        got = model(z, *call[1:])
        check_same(got, reference(Turns(), z.resolve_conj(), *call[1:]))


def test_torch_tensors_without_aitune_torch(tuned, tmp_path):
    """aitune.load takes them through DLPack."""
    model, plain = tuned
    ait.save(model, tmp_path / "m.ait")
    loaded = aitune.load(tmp_path / "m.ait")
    x = torch.randn(2, 3, 8, 8)
    got = loaded(x)
    assert isinstance(got, np.ndarray)
    check_same(torch.from_numpy(got), plain(model._original, x))
    with pytest.raises(aitune.InvalidArgument, match=r"on device meta.*\.cpu\(\)"):
        loaded(x.to("meta"))


def test_sizes_that_data_decide(tmp_path):
    class Positive(torch.nn.Module):
        def forward(self, x):
            return x[x > 0] * 2

    model = wrap(Positive())
    x = torch.tensor([1.0, -1.0, 3.0, -2.0, 5.0])
    ait.tune(model, x)
    check_same(model(x), torch.tensor([2.0, 6.0, 10.0]))
    check_same(model(-x.abs()), torch.zeros(0))
    ait.save(model, tmp_path / "m.ait")
    np.testing.assert_array_equal(aitune.load(tmp_path / "m.ait")(x.numpy()), [2, 6, 10])


def test_custom_operators(tmp_path):
    compiler = shutil.which("cc") or pytest.skip("there is no C compiler")
    example = ROOT / "examples/custom_ops"
    library = tmp_path / "libmylib.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-I", ROOT / "include", "-o", library, example / "mylib.c", "-lm"], check=True)
    spec = importlib.util.spec_from_file_location("export_model", example / "export_model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    net = module.Network().eval()
    x = torch.randn(3, 8)
    model = wrap(net)
    ait.tune(model, x)  # with the functions of PyTorch
    check_same(model(x), reference(net, x))
    model = wrap(net, custom_ops=[library])
    ait.tune(model, x)
    check_same(model(x), reference(net, x))


def for_another_machine(path):
    """Rewrites the manifests of a file so that no plan in it fits."""
    import hashlib
    import io
    import json
    import zipfile

    with zipfile.ZipFile(path) as old:
        entries = [(name, old.read(name)) for name in old.namelist()]
    changed = {}
    for name, data in entries:
        if name.endswith("/extra/aitune/manifest.json"):
            manifest = json.loads(data)
            for plan in manifest["plans"]:
                plan["target"]["features"].append("of_the_future")
            text = json.dumps(manifest).encode()
            changed[name] = text
            changed[name.replace(".json", ".sha256")] = hashlib.sha256(text).hexdigest().encode()
        if name.endswith(".ait"):
            inner = path.parent / "inner.ait"
            inner.write_bytes(data)
            for_another_machine(inner)
            changed[name] = inner.read_bytes()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as new:
        for name, data in entries:
            info = zipfile.ZipInfo(name)
            begin = out.tell() + 30 + len(name) + 4
            length = -begin % 64
            info.extra = b"\x41\x49" + length.to_bytes(2, "little") + bytes(length)
            new.writestr(info, changed.get(name, data))
    path.write_bytes(out.getvalue())


@pytest.mark.parametrize("several", [False, True], ids=["one", "several"])
def test_rebuilding_for_this_machine(several, tmp_path):
    class Either(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 4)

        def forward(self, x, double=False):
            return {"y": self.layer(x) * 2 if double else self.layer(x)}

    net = Either().eval()
    x = torch.randn(2, 4)
    model = wrap(net)
    ait.tune(model, [((x,), {"double": double}) for double in ([False, True] if several else [False])])
    path = tmp_path / "m.ait"
    ait.save(model, path)
    for_another_machine(path)
    with pytest.raises(aitune.Incompatible, match="of_the_future|fits"):
        ait.load(path)
    rebuilt = ait.load(path, rebuild=True)
    check_same(rebuilt(x), reference(net, x))
    fresh = ait.load(Either(), path, rebuild=True)
    check_same(fresh(x, several), reference(net, x, several))
    ait.save(fresh, tmp_path / "again.ait")
    check_same(ait.load(tmp_path / "again.ait")(x), reference(net, x))
