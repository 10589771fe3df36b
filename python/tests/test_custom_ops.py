"""Custom operators that are functions of Python."""

import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from support import check_same, reference, wrap

import aitune
import aitune.torch as ait


@torch.library.custom_op("aitune_test::fold", mutates_args=())
def fold(x: torch.Tensor, y: torch.Tensor, scale: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    return (x[..., 0::2] + x[..., 1::2]) * scale, (x[..., 0::2] - x[..., 1::2]) * y


@fold.register_fake
def _(x, y, scale=1.0):
    assert x.shape[-1] % 2 == 0
    half = x.new_empty((*x.shape[:-1], x.shape[-1] // 2))
    return half, half + y


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(8, 8)

    def forward(self, x):
        low, high = torch.ops.aitune_test.fold(torch.relu(self.linear(x)), x[:, :4], 0.5)
        return low * 2 + high


PLAIN = """
import sys
import numpy as np
import aitune

try:
    aitune.load(sys.argv[1])
except aitune.Unsupported as error:
    assert "aitune_test.fold.default" in str(error) and "aitune.custom_op(" in str(error), error
else:
    raise SystemExit("it was loaded without its operator")

@aitune.custom_op("aitune_test::fold")
def fold(x, y, scale):
    x += 0  # the arrays are the function's own
    return (x[..., 0::2] + x[..., 1::2]) * np.float32(scale), (x[..., 0::2] - x[..., 1::2]) * y

np.save(sys.argv[3], aitune.load(sys.argv[1])(np.load(sys.argv[2])))
assert "torch" not in sys.modules
"""

WITH_TORCH = """
import sys
sys.path.insert(0, {folder!r})
import numpy as np
import test_custom_ops
import torch
import aitune.torch as ait
np.save(sys.argv[3], ait.load(sys.argv[1])(torch.from_numpy(np.load(sys.argv[2]))).numpy())
"""


@pytest.mark.parametrize("ir", ["dynamo", "ts", "fx"])
def test_operators_of_torch_library(ir, tmp_path):
    model = wrap(Network(), ir=ir)
    ait.tune(model, [torch.randn(n, 8) for n in (1, 3, 5)])
    for n in (1, 2, 4, 5):
        x = torch.randn(n, 8)
        check_same(model(x), reference(model, x))
    ait.save(model, tmp_path / "m.ait")
    x = torch.randn(4, 8)
    np.save(tmp_path / "x.npy", x.numpy())
    folder = str(__import__("pathlib").Path(__file__).parent)
    for program in (PLAIN, WITH_TORCH.format(folder=folder)):
        command = [sys.executable, "-c", program, tmp_path / "m.ait", tmp_path / "x.npy", tmp_path / "y.npy"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        np.testing.assert_allclose(np.load(tmp_path / "y.npy"), reference(model, x).numpy(), rtol=1e-3, atol=1e-4)


def test_the_program_inside_is_compiled_again(tmp_path):
    from test_running import for_another_machine

    model = wrap(Network())
    ait.tune(model, torch.randn(3, 8))
    ait.save(model, tmp_path / "m.ait")
    for_another_machine(tmp_path / "m.ait")
    x = torch.randn(3, 8)
    check_same(ait.load(tmp_path / "m.ait", rebuild=True)(x), reference(model, x))


library = torch.library.Library("aitune_test2", "DEF")
library.define("mix(Tensor[] xs, int? width=None, *, ScalarType? dtype=None, str how='sum') -> Tensor")
library.define("count(Tensor x, bool[] flags) -> Tensor[]")
library.define("blind(Tensor x) -> Tensor")
library.define("sized(Tensor x) -> Tensor")
library.define("paired(Tensor x, Tensor y) -> Tensor")


def mix(xs, width=None, *, dtype=None, how="sum"):
    assert how == "sum", how
    return sum(x[:, :width] for x in xs).to(dtype or xs[0].dtype)


library.impl("mix", mix, "CompositeExplicitAutograd")
library.impl("count", lambda x, flags: [(x > 0).sum(0) if f else (x <= 0).sum(0) for f in flags], "CPU")
library.impl("count", lambda x, flags: [x.new_empty(x.shape[1:], dtype=torch.int64) for _ in flags], "Meta")
library.impl("blind", lambda x: x * 2, "CPU")
library.impl("sized", lambda x: x[x > 0], "CPU")
torch.library.register_fake("aitune_test2::sized", lambda x: x.new_empty(torch.library.get_ctx().new_dynamic_size()))
library.impl("paired", lambda x, y: torch.cat([x, y], 1), "CPU")


@torch.library.register_fake("aitune_test2::paired")
def _(x, y):
    torch._check(x.shape[0] == y.shape[0])
    return x.new_empty((x.shape[0], x.shape[1] + y.shape[1]))


class Function(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *args):
        return self.function(*args)


def tuned(function, *samples, **settings):
    model = wrap(Function(function), **settings)
    ait.tune(model, list(samples))
    return model


def test_arguments_of_every_kind():
    def call(x, y):
        ops = torch.ops.aitune_test2
        return ops.mix([x, y], 3, dtype=torch.float64), ops.mix([x]), *ops.count(y, [True, False, True])

    model = tuned(call, *(((torch.randn(n, 4), torch.randn(n, 4)), {}) for n in (2, 5)))
    for n in (2, 3, 5):
        x, y = torch.randn(n, 4), torch.randn(n, 4)
        check_same(model(x, y), reference(model, x, y))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.int64, torch.bool, torch.complex64])
def test_dtypes(dtype):
    model = tuned(lambda x: torch.ops.aitune_test2.mix([x, x], 2) if dtype != torch.bool else torch.ops.aitune_test2.mix([x]),
                  torch.ones(2, 3, dtype=dtype))
    x = torch.randint(0, 2, (2, 3)).to(dtype)
    check_same(model(x), reference(model, x))


def test_bfloat16_without_pytorch(tmp_path):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    seen = []
    with torch.library._scoped_library("aitune_test3", "DEF") as scoped:
        scoped.define("twice(Tensor x) -> Tensor")
        scoped.impl("twice", lambda x: x * 2, "CPU")
        scoped.impl("twice", lambda x: torch.empty_like(x), "Meta")
        aitune.custom_op("aitune_test3::twice", lambda x: seen.append(x) or x * np.asarray(2, x.dtype))
        model = tuned(lambda x: torch.ops.aitune_test3.twice(x), torch.ones(2, dtype=torch.bfloat16))
        check_same(model(torch.ones(2, dtype=torch.bfloat16)), torch.full((2,), 2, dtype=torch.bfloat16))
    assert seen and all(x.dtype == ml_dtypes.bfloat16 for x in seen)


def test_a_shape_function_in_place_of_a_fake_implementation():
    samples = [torch.randn(n, 4) for n in (1, 3)]
    with pytest.raises(aitune.Unsupported, match="nothing says which shapes.*register_fake"):
        tuned(lambda x: torch.ops.aitune_test2.blind(x + 1), *samples, ir="ts")
    aitune.custom_op("aitune_test2::blind", lambda x: x * 2, shape=lambda x: aitune.TensorType(x.dtype, x.shape))
    model = tuned(lambda x: torch.ops.aitune_test2.blind(x + 1), *samples, ir="ts")
    for n in (1, 2, 3):
        x = torch.randn(n, 4)
        check_same(model(x), (x + 1) * 2)


def test_sizes_in_shape_functions():
    def shape(x, scale):
        rows, width = x.shape
        rows.must_be(width)
        if "s" in repr(rows).removeprefix("Size"):  # and not a plan for one shape
            with pytest.raises(aitune.Unsupported, match="decides by the size"):
                bool(rows > 3)
        else:
            assert rows == int(width) and rows >= 2 and rows < 4 and list(range(rows))
        return aitune.TensorType("float64", ((2 * rows + 1 - 1) // 2, -(-width), 4 % rows.maximum(5), (rows % 2).minimum(0)))

    with torch.library._scoped_library("aitune_test4", "DEF") as scoped:
        scoped.define("spread(Tensor x, int scale) -> Tensor")
        scoped.impl("spread", lambda x, scale: x.new_zeros((*x.shape, 4, 0), dtype=torch.float64) * scale, "CPU")
        scoped.impl("spread", lambda x, scale: x.new_empty((*x.shape, 4, 0), dtype=torch.float64), "Meta")
        aitune.custom_op("aitune_test4::spread", lambda x, scale: np.zeros((*x.shape, 4, 0)) * scale, shape=shape)
        model = tuned(lambda x: torch.ops.aitune_test4.spread(x, 2).sum(-1), *(torch.randn(n, n) for n in (2, 3)))
        check_same(model(torch.randn(3, 3)), torch.zeros(3, 3, 4, dtype=torch.float64))


def test_sizes_that_have_to_be_equal():
    model = tuned(lambda x, y: torch.ops.aitune_test2.paired(x, y),
                  *(((torch.randn(n, 2), torch.randn(n, 3)), {}) for n in (2, 4)), ir="ts")
    check_same(model(torch.ones(3, 2), torch.ones(3, 3)), torch.ones(3, 5))
    with pytest.raises(aitune.InvalidArgument):
        model(torch.ones(3, 2), torch.ones(2, 3))


def test_results_as_large_as_data_decide():
    with pytest.raises(aitune.Unsupported, match="values of its arguments decide"):
        tuned(lambda x: torch.ops.aitune_test2.sized(x), torch.randn(5))


class Trouble(Exception):
    pass


@pytest.fixture
def changing():
    """An operator whose function can be replaced."""
    with torch.library._scoped_library("aitune_test5", "DEF") as scoped:
        scoped.define("f(Tensor x) -> Tensor")
        scoped.impl("f", lambda x: x + 1, "CPU")
        scoped.impl("f", lambda x: torch.empty_like(x), "Meta")
        aitune.custom_op("aitune_test5::f", lambda x: x + np.float32(1))
        yield tuned(lambda x: torch.ops.aitune_test5.f(x) * 2, torch.randn(3))


def test_a_library_that_is_gone():
    def define(value):
        scoped = torch.library._scoped_library("aitune_test6", "DEF")
        made = scoped.__enter__()
        made.define("f(Tensor x) -> Tensor")
        made.impl("f", lambda x: x + value, "CPU")
        made.impl("f", lambda x: torch.empty_like(x), "Meta")
        return scoped

    scoped = define(1)
    model = tuned(lambda x: torch.ops.aitune_test6.f(x) * 2, torch.randn(3))
    check_same(model(torch.zeros(3)), torch.full((3,), 2.0))
    scoped.__exit__(None, None, None)
    with pytest.raises(aitune.Unavailable, match="aitune_test6.f.default.*is gone"):
        model(torch.zeros(3))
    scoped = define(2)
    check_same(model(torch.zeros(3)), torch.full((3,), 4.0))
    scoped.__exit__(None, None, None)


def raising(error):
    def function(x):
        raise error

    return function


@pytest.mark.parametrize("function, kind, text", [
    (raising(Trouble("no such thing")), aitune.InvalidArgument, "raised Trouble: no such thing"),
    (raising(NotImplementedError()), aitune.Unsupported, "raised NotImplementedError"),
    (raising(aitune.Unavailable("the scanner is off")), aitune.Unavailable, "the scanner is off"),
    (raising(ValueError("long" * 1000 + "é" * 1000)), aitune.InvalidArgument, "longlong"),
    (lambda x: x[:2], aitune.InvalidArgument, r"result 0 is float32\[2\], and the model was compiled with float32\[3\]"),
    (lambda x: x.astype(np.float64), aitune.InvalidArgument, "result 0 is float64"),
    (lambda x: (x, x), aitune.InvalidArgument, "returned 2 results, and 1 are expected"),
    (lambda x: None, aitune.InvalidArgument, "is None and not a NumPy array"),
])
def test_failures_of_functions(changing, function, kind, text):
    aitune.custom_op("aitune_test5::f", function)
    with pytest.raises(kind, match=text) as caught:
        changing(torch.ones(3))
    assert "aitune_test5.f.default" in str(caught.value)
    assert caught.value.__cause__ is not None
    aitune.custom_op("aitune_test5::f", lambda x: x + np.float32(3))
    check_same(changing(torch.ones(3)), torch.full((3,), 8.0))


def test_ctrl_c_in_a_function_is_itself(changing):
    aitune.custom_op("aitune_test5::f", raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        changing(torch.ones(3))


def test_threads(changing):
    failures = []

    def work(value):
        for _ in range(50):
            if not torch.equal(changing(torch.full((3,), value)), torch.full((3,), (value + 1) * 2)):
                failures.append(value)

    threads = [threading.Thread(target=work, args=(float(i),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_arrays_may_be_kept(changing):
    kept = []
    aitune.custom_op("aitune_test5::f", lambda x: kept.append(x) or x)
    changing(torch.ones(3))
    changing(torch.zeros(3))
    np.testing.assert_array_equal(kept, [[1, 1, 1], [0, 0, 0]])


@pytest.mark.parametrize("name, function, schema, text", [
    ("nothing", abs, None, "no name of an operator"),
    ("a::b::c", abs, None, "no name of an operator"),
    (3, abs, None, "no name of an operator"),
    ("a::b", 3, None, "the function is an int"),
    ("aten::add.Tensor", abs, None, "exists already"),
])
def test_bad_registrations(name, function, schema, text):
    with pytest.raises(aitune.InvalidArgument, match=text):
        aitune.custom_op(name, function, schema=schema)


def test_writing_operators_are_refused():
    with torch.library._scoped_library("aitune_test6", "DEF") as scoped:
        scoped.define("w(Tensor(a!) x) -> Tensor")
        scoped.impl("w", lambda x: x.add_(1).clone(), "CPU")
        scoped.impl("w", lambda x: torch.empty_like(x), "Meta")
        with pytest.raises(aitune.AituneError, match="aitune_test6"):
            tuned(lambda x: torch.ops.aitune_test6.w(x * 1), torch.randn(3))


def test_a_file_reaches_only_what_python_defines(tmp_path):
    """An operator of a library in the process is found for a model that is tuned, not for a file that names it."""
    from aitune.torch import custom

    assert custom._find("aitune_test2.mix.default") is not None
    assert custom._find("image.write_file.default") is None
    assert custom._find("_test.leaky_relu.default") is None
    with custom.every_operator():
        assert custom._find("_test.leaky_relu.default") is not None
        assert custom._find("_test.nothing.default") is None
