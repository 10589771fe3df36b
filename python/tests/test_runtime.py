"""Loading and running without PyTorch: these tests also run in an environment that does not have it."""

import array
import json
import pathlib
import subprocess
import sys
import threading

import numpy as np
import pytest

import aitune

DATA = pathlib.Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def digits():
    return aitune.load(DATA / "small.ait")


def expected(x):
    return np.maximum(x @ np.arange(12, dtype=np.float32).reshape(4, 3) / 10 - 1, 0)


def test_no_torch_is_imported():
    code = "import sys, aitune; assert 'torch' not in sys.modules; aitune.load(sys.argv[1]); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, str(DATA / "small.ait")], check=True)
    code = "import sys, aitune; assert 'aitune._compiler' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    code = "import aitune; assert 'libLLVM' not in open('/proc/self/maps').read()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_command_comes_along(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    command = [sys.executable, "-m", "aitune"]
    shown = subprocess.run([*command, "inspect", DATA / "small.ait", "--json"], check=True, capture_output=True, text=True)
    assert json.loads(shown.stdout)["aitune_version"]
    assert subprocess.run([*command, "cache", "list", "--quiet"], check=False).returncode == 0  # it has the compiler
    wrong = subprocess.run([*command, "run", "no such file"], check=False, capture_output=True, text=True)
    assert wrong.returncode == 1 and wrong.stderr.startswith("aitune: ")


def test_what_a_module_says(digits):
    assert [str(info) for info in digits.inputs] == ["x: float32[1..8, 4]"]
    assert digits.inputs[0].min_shape == (1, 4) and digits.inputs[0].max_shape == (8, 4)
    assert [info.dtype for info in digits.outputs] == ["float32", "int64"]
    assert "small.ait" in repr(digits) and "x: float32[1..8, 4]" in repr(digits)
    assert aitune.__version__.count(".") == 2


def check(got, x):
    y, count = got
    np.testing.assert_allclose(y, expected(np.asarray(x)), rtol=1e-5, atol=1e-6)
    assert count.shape == () and count == (expected(np.asarray(x)) > 0).sum()


def test_by_position_and_by_name(digits):
    x = np.random.rand(3, 4).astype(np.float32)
    check(digits(x), x)
    check(digits(x=x), x)
    check(tuple(digits.run({"x": x}).values()), x)
    check(tuple(digits.run([x]).values()), x)
    assert list(digits.run([x])) == [info.name for info in digits.outputs]


class OnlyDLPack:
    """An object of some other library."""

    def __init__(self, values):
        self._values = values

    def __dlpack__(self, **kwargs):
        return self._values.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self._values.__dlpack_device__()


def test_arrays_of_every_kind(digits):
    x = np.random.rand(4, 4).astype(np.float32)
    readonly = x.copy()
    readonly.flags.writeable = False
    wide = np.zeros((4, 8), np.float32)
    wide[:, ::2] = x
    structured = np.zeros(16, [("pad", "u1"), ("value", "<f4")])
    structured["value"] = x.reshape(-1)
    odd = structured["value"].reshape(4, 4)  # strides that are no multiples of the elements
    unaligned = np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(np.float32).reshape(4, 4)
    for value in (
        x,
        readonly,
        wide[:, ::2],
        np.asfortranarray(x),
        x[::-1][::-1],
        np.ascontiguousarray(x[::-1])[::-1],
        odd,
        unaligned,
        x.astype(">f4"),
        OnlyDLPack(x),
        memoryview(x),
        x.tolist(),
    ):
        check(digits(value), x)
    check(digits(memoryview(array.array("f", [1, 2, 3, 4])).cast("B").cast("f", (1, 4))), [[1, 2, 3, 4]])


def test_inputs_are_not_copied_and_results_are_fresh(digits):
    x = np.random.rand(2, 4).astype(np.float32)
    first, _ = digits(x)
    kept = first.copy()
    x += 1
    second, _ = digits(x)
    assert not np.shares_memory(first, second) and first.flags.owndata
    np.testing.assert_array_equal(first, kept)
    check(digits(x), x)


def test_inputs_of_the_wrong_kind(digits):
    x = np.zeros((2, 4), np.float32)
    for call, message in (
        (lambda: digits("text"), "input 0 'x': a str came, which is no array"),
        (lambda: digits(None), "a NoneType came"),
        (lambda: digits(x.astype(np.float64)), "wrong dtype: expected f32"),
        (lambda: digits(x[:, :3]), "wrong size of dimension 1"),
        (lambda: digits(np.zeros((9, 4), np.float32)), "9"),
        (lambda: digits(x[0]), "wrong rank"),
        (lambda: digits(), "input 'x' is missing"),
        (lambda: digits(x, x), "2 inputs came, the model has 1"),
        (lambda: digits(y=x), "the model has no input 'y'"),
        (lambda: digits(x, x=x), "input 'x' is given twice"),
        (lambda: digits([[1, 2], [3]]), "input 'x' is no array of float32"),
        (lambda: digits(np.zeros((2, 4), np.complex64)), "wrong dtype"),
        (lambda: digits(np.zeros((2, 4), "U3")), "no array"),
    ):
        with pytest.raises(aitune.InvalidArgument) as caught:
            call()
        assert message in str(caught.value), str(caught.value)
        assert isinstance(caught.value, ValueError) and caught.value.code == "invalid_argument"


def test_files(tmp_path):
    with pytest.raises(aitune.NotFound, match="no such file") as caught:
        aitune.load(tmp_path / "missing.ait")
    assert isinstance(caught.value, FileNotFoundError) and isinstance(caught.value, aitune.AituneError)
    data = (DATA / "small.ait").read_bytes()
    x = np.ones((1, 4), np.float32)
    check(aitune.load(data)(x), x)
    check(aitune.load(memoryview(data))(x), x)
    (tmp_path / "cut.ait").write_bytes(data[:-100])
    with pytest.raises(aitune.Corrupt):
        aitune.load(tmp_path / "cut.ait")
    with pytest.raises(aitune.Corrupt):
        aitune.load(b"nothing")
    aitune.verify_file(DATA / "small.ait")
    at = data.index(b"0.inputs.safetensors") + 200
    (tmp_path / "bad.ait").write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    with pytest.raises(aitune.Corrupt):
        aitune.verify_file(tmp_path / "bad.ait")
    with pytest.raises(aitune.AituneError, match="module"):
        aitune.load(DATA / "small.ait", module="other")
    with pytest.raises(aitune.InvalidArgument, match="num_threads"):
        aitune.load(DATA / "small.ait", num_threads=-1)
    for option, value, message in (
        ("weight_budget", -3, "load: weight_budget is -3. Give bytes as an integer"),
        ("weight_budget", "4MB", "load: weight_budget is '4MB'. Give bytes as an integer, such as 4 << 20"),
        ("num_threads", 1.5, "load: num_threads is 1.5. Give 0 for as many"),
        ("module", 3, "load: module is 3. Give text"),
        ("precision", None, "load: precision is None. Give text"),
        ("path", 3, "load: the file is an int"),
    ):
        with pytest.raises(aitune.InvalidArgument, match=message):
            aitune.load(**{"path": DATA / "small.ait", option: value})
    with pytest.raises(aitune.InvalidArgument, match="zero byte"):
        aitune.load("a\0b")
    with pytest.raises(aitune.AituneError):
        aitune.load_custom_ops(tmp_path / "missing.so")


def test_many_threads(digits):
    failures = []

    def work(seed):
        generator = np.random.default_rng(seed)
        for _ in range(200):
            x = generator.random((int(generator.integers(1, 9)), 4), np.float32)
            try:
                check(digits(x), x)
            except Exception as error:  # noqa: BLE001
                failures.append(error)
                return

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_bfloat16(monkeypatch):
    model = aitune.load(DATA / "bf16.ait")
    assert model.inputs[0].dtype == model.outputs[0].dtype == "bfloat16"
    ml_dtypes = pytest.importorskip("ml_dtypes")
    x = np.arange(6, dtype=np.float32).reshape(2, 3).astype(ml_dtypes.bfloat16)
    y = model(x)
    assert y.dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(y.astype(np.float32), x.astype(np.float32) * 2)
    np.testing.assert_array_equal(model(x.tolist()), y)
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(aitune.Unavailable, match=r"is bfloat16, which NumPy does not have. Install ml_dtypes"):
        aitune.load(DATA / "bf16.ait")(x)


def test_torch_says_what_is_missing():
    try:
        import torch  # noqa: F401
    except ImportError:
        with pytest.raises(ImportError, match="torch"):
            import aitune.torch  # noqa: F401


def test_weights_may_stay_in_the_file():
    x = np.random.rand(3, 4).astype(np.float32)
    check(aitune.load(DATA / "small.ait", weight_budget=64)(x), x)
    with pytest.raises(aitune.Unsupported, match="the weights cannot stay in the file"):
        aitune.load((DATA / "small.ait").read_bytes(), weight_budget=64)
