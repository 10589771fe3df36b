"""ir=fx against PyTorch: every module, function and method of fx_cases.py, the zoo and torchvision's networks, traced with
torch.fx.symbolic_trace, saved, imported, and evaluated with the reference engine; all of them in one run of fx_tool."""

import pathlib
import re
import subprocess

import pytest
import support
import torch
import torch.fx
from fx_cases import CASES
from test_models import dynamic_shapes
from zoo import ZOO

TOOL = support.BIN / "fx_tool"
BIG = ["resnet18", "mobilenet_v3_large", "densenet121", "vit_b_16"]


def fx_tool(*words):
    return subprocess.run([str(TOOL), *map(str, words)], capture_output=True, text=True, timeout=3600, check=False)


def save(model, samples, stem):
    """Writes the traced model and its samples; returns what PyTorch answers, or the reason why it does not trace."""
    try:
        traced = torch.fx.symbolic_trace(model.forward if type(model).__name__ == "Function" else model)
    except Exception as error:  # noqa: BLE001: whatever tracing says
        return f"torch.fx cannot trace it: {error}"
    torch.save(traced, f"{stem}.pt")
    answers = []
    for i, sample in enumerate(samples):
        support.write_inputs(f"{stem}.{i}.npz", sample)
        with torch.no_grad():
            answer = traced(*[t.clone() for t in sample])
        # Numbers come out as tensors without dimensions.
        whole = torch.utils._pytree.tree_map(lambda leaf: leaf if isinstance(leaf, torch.Tensor) else torch.tensor(leaf), answer)
        answers.append(support.tensors_of(whole))
    return answers


def check(folder, name, answers, bound=support.FP32_BOUND):
    if isinstance(answers, str):
        pytest.skip(answers)
    error = folder / f"{name}.error"
    if error.exists():
        message = error.read_text()
        if "is not in aitune's list" in message:
            pytest.skip(message)
        pytest.fail(message)
    for i, want in enumerate(answers):
        support.check_same(support.read_outputs(folder / f"{name}.out{i}.npz"), want, bound, f"{name}, sample {i}")


@pytest.fixture(scope="module", autouse=True)
def tool_is_built():
    if not TOOL.exists():
        pytest.skip(f"there is no {TOOL}")


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    answers = {name: save(model, samples, folder / name) for name, (model, samples) in CASES.items()}
    ran = fx_tool("evaluate", folder)
    assert ran.returncode == 0, ran.stderr
    return folder, answers


@pytest.mark.parametrize("name", CASES)
def test_case(name, cases):
    check(cases[0], name, cases[1][name])


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zoo")
    generator = torch.Generator().manual_seed(torch.initial_seed() % 2**31)
    answers = {}
    for name, case in ZOO.items():
        samples = [case.inputs(batch, generator) for batch in ([2, 1, 5] if case.dynamic else [2])]
        answers[name] = save(case.model().eval(), samples, folder / name)
    ran = fx_tool("evaluate", folder)
    assert ran.returncode == 0, ran.stderr
    return folder, answers


@pytest.mark.parametrize("name", ZOO)
def test_zoo(name, zoo):
    check(zoo[0], name, zoo[1][name], support.BF16_BOUND if name == "BrainFloat" else support.FP32_BOUND)


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) for name in BIG])
def test_torchvision(name, tmp_path):
    torchvision = pytest.importorskip("torchvision")
    model = getattr(torchvision.models, name)(weights=None).eval()
    answers = save(model, [[torch.randn(1, 3, 224, 224)]], tmp_path / name)
    assert fx_tool("evaluate", tmp_path).returncode == 0
    check(tmp_path, name, answers)


def canonical(text):
    """The lowered graph without names that importers give: values and symbols by order, weights by content."""
    names, symbols = {}, {}
    text = re.sub(r"\bs\d+\b", lambda m: symbols.setdefault(m.group(), f"s{len(symbols)}"), text)
    text = re.sub(r"%[\w.]+", lambda m: names.setdefault(m.group(), f"%{len(names)}"), text)
    text = re.sub(r' as "[^"]*"', "", re.sub(r"weight (%\d+: \S+) \"[^\"]*\"", r"weight \1", text))
    lines = [re.sub(r" # .*$", "", line) for line in text.splitlines()]
    return "\n".join(line for line in lines if "_spec " not in line)


@pytest.mark.parametrize("name", ["Residual", "DepthwiseSqueezeExcite", "Attention", "TorchMultiheadAttention",
                                  "Dense", "ConvNext", "UNet"])
def test_same_plan_as_dynamo(name, tmp_path, generator):
    """One network through both importers lowers to one graph."""
    case = ZOO[name]
    model = case.model().eval()
    samples = [case.inputs(batch, generator) for batch in ([1, 16] if case.dynamic else [2])]
    assert not isinstance(save(model, samples, tmp_path / "model"), str)
    support.export(model, case.inputs(2, generator), tmp_path / "model.pt2", dynamic_shapes(case))
    files = [tmp_path / f"model.{i}.npz" for i in range(len(samples))]
    fx = fx_tool("lowered", tmp_path / "model.pt", *files)
    dynamo = fx_tool("lowered", tmp_path / "model.pt2")
    assert fx.returncode == 0 and dynamo.returncode == 0, fx.stderr + dynamo.stderr
    assert canonical(fx.stdout) == canonical(dynamo.stdout)


def test_warnings(tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Dropout(0.5)).train()
    save(model, [[torch.randn(2, 4)]], tmp_path / "dropout")
    save(torch.nn.Sequential(torch.nn.BatchNorm1d(4)).train(), [[torch.randn(2, 4)]], tmp_path / "norm")
    assert fx_tool("evaluate", tmp_path).returncode == 0
    assert "1: dropout in training mode" in (tmp_path / "dropout.warnings").read_text()
    assert "batch norm in training mode" in (tmp_path / "norm.error").read_text()


def test_other_files(tmp_path):
    """A model that is not traced, and weights alone: what the file is, and what to do."""
    x = torch.randn(2, 4)
    for name, value in {"module": torch.nn.Linear(4, 4), "weights": torch.nn.Linear(4, 4).state_dict(), "tensor": x}.items():
        torch.save(value, tmp_path / f"{name}.pt")
        support.write_inputs(tmp_path / f"{name}.0.npz", [x])
    assert fx_tool("evaluate", tmp_path).returncode == 0
    for name, said in {"module": "torch.nn.modules.linear.Linear", "weights": "a dict", "tensor": "a tensor"}.items():
        message = pathlib.Path(tmp_path / f"{name}.error").read_text()
        assert said in message and "symbolic_trace" in message, message
