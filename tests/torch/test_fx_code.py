"""ir=fx: what traced models do besides calling layers: data decide sizes and numbers, lengths move, constants are filled."""

import pytest
import support
import torch
import torchvision
from test_region_sizes import tune_and_check
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor


class Unique(nn.Module):
    def forward(self, x):
        y = x.round()
        values, inverse, counts = torch.unique(y, return_inverse=True, return_counts=True)
        return torch.unique(y), values, inverse, counts, y.unique(dim=0), torch.unique_consecutive(y.flatten())


class Nonzero(nn.Module):
    def forward(self, x):
        rows, columns = torch.nonzero(x > 0, as_tuple=True)
        same_rows, same_columns = (x > 0).nonzero(as_tuple=True)
        return x[rows, columns], same_rows, same_columns, torch.nonzero(x > 0)


class Item(nn.Module):
    def forward(self, x, n):
        shifted = x * x.sum().item() + 1
        return shifted, x[:n.max().item()], x.clamp(max=x.mean().item()), x + n.sum().item()


class Recurrent(nn.Module):
    """As many steps as there are."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(4, 6, 2, batch_first=True, bidirectional=True)
        self.gru, self.rnn = nn.GRU(12, 5), nn.RNN(5, 3, nonlinearity="relu", bias=False)
        self.projected = nn.LSTM(4, 6, proj_size=3, batch_first=True)

    def forward(self, x):
        y, (h, c) = self.lstm(x)
        z, last = self.gru(y.transpose(0, 1))
        return y, h, c, z, last, self.rnn(z)[0], self.projected(x)[0]


def draw(kind, rows):
    if kind is Item:
        return [torch.randn(rows), torch.randint(1, 3, (2,))]
    return [torch.randn(2, rows, 4)] if kind is Recurrent else [torch.randn(rows, 4)]


@pytest.mark.parametrize("engine", ["all", "reference"])
@pytest.mark.parametrize("kind", [Unique, Nonzero, Item, Recurrent], ids=lambda kind: kind.__name__)
def test_traced(kind, engine, tmp_path):
    torch.manual_seed(0)
    model = kind().eval()
    torch.save(torch.fx.symbolic_trace(model), tmp_path / "model.pt")
    words = ("--set", "engine=reference") if engine == "reference" else ()
    tune_and_check(tmp_path, tmp_path / "model.pt", model, [draw(kind, rows) for rows in (3, 9, 5)], tuning=2, words=words)


class Filled(nn.Module):
    """Tracing makes a constant of the zeros; each call begins with zeros all the same."""

    def forward(self, x):
        out = torch.zeros(2, 6)
        out[:, :3] = x
        out[:, 2:5] = x * 2
        return out


def test_constants_that_are_filled(tmp_path):
    torch.save(torch.fx.symbolic_trace(Filled()), tmp_path / "model.pt")
    tune_and_check(tmp_path, tmp_path / "model.pt", Filled(), [[torch.randn(2, 3)] for _ in range(3)])


@pytest.mark.parametrize("name,nodes", [
    ("resnet18", {"layer1": "a", "layer3": "b"}),
    ("mobilenet_v3_small", ["features.1", "features.3"]),
    ("vit", ["encoder.ln"]),
])
def test_feature_extractors(name, nodes, tmp_path):
    if name == "vit":
        network = torchvision.models.VisionTransformer(32, 8, 1, 4, 32, 64)
    else:
        network = torchvision.models.get_model(name, weights=None)
    torch.save(create_feature_extractor(network.eval(), nodes).eval(), tmp_path / "model.pt")
    again = torch.load(tmp_path / "model.pt", weights_only=False)
    batches = (1,) if name == "vit" else (1, 3, 2)
    tune_and_check(tmp_path, tmp_path / "model.pt", again, [[torch.randn(n, 3, 32, 32)] for n in batches], tuning=len(batches[:2]))


def refusal(traced, tmp_path):
    torch.save(traced, tmp_path / "model.pt")
    inputs = support.write_inputs(tmp_path / "in.npz", [torch.randn(2, 3)])
    result = support.aitune("tune", tmp_path / "model.pt", "-i", inputs, "-o", tmp_path / "m.ait", *support.FAST)
    assert result.status != 0
    return str(result)


@torch.library.custom_op("fxcode::twice", mutates_args=())
def twice(x: torch.Tensor) -> torch.Tensor:
    return x * 2


class Custom(nn.Module):
    def forward(self, x):
        return torch.ops.fxcode.twice(x)


def test_custom_operators_are_named(tmp_path):
    message = refusal(torch.fx.symbolic_trace(Custom()), tmp_path)
    assert "fxcode.twice" in message and "--set custom_ops=LIBRARY" in message


class ToDevice(nn.Module):
    def forward(self, x):
        return x.to("cuda") + 1


def test_a_device_is_named_with_its_line(tmp_path):
    torch.save(torch.fx.symbolic_trace(ToDevice()), tmp_path / "model.pt")
    inputs = support.write_inputs(tmp_path / "in.npz", [torch.randn(2, 3)])
    result = support.must("tune", tmp_path / "model.pt", "-i", inputs, "-o", tmp_path / "m.ait", *support.FAST)
    assert "model.pt:5 in forward: to: the model moves a tensor to cuda" in str(result)


def test_weights_without_values(tmp_path):
    model = nn.Sequential(nn.Linear(3, 4)).to("meta").eval()
    assert "0.weight: the tensor is on the meta device" in refusal(torch.fx.symbolic_trace(model), tmp_path)
    torch.jit.save(torch.jit.script(model), tmp_path / "model.pt")
    inputs = support.write_inputs(tmp_path / "in.npz", [torch.randn(2, 3)])
    result = support.aitune("tune", tmp_path / "model.pt", "-i", inputs, "-o", tmp_path / "m.ait")
    assert result.status != 0 and "0.weight: the tensor is on the meta device" in str(result)
    result = support.aitune("tune", tmp_path / "model.pt", "--ir", "fx", "-i", inputs, "-o", tmp_path / "m.ait")
    assert "this is a TorchScript file" in str(result) and "ir=ts" in str(result)


def test_old_quantisation_is_named(tmp_path):
    model = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(3, 4)), {nn.Linear})
    message = refusal(torch.fx.symbolic_trace(model), tmp_path)
    assert "the module 0 is a torch.ao.nn.quantized.dynamic" in message and "PT2E" in message
    torch.jit.save(torch.jit.script(model), tmp_path / "model.pt")
    inputs = support.write_inputs(tmp_path / "in.npz", [torch.randn(2, 3)])
    result = support.aitune("tune", tmp_path / "model.pt", "-i", inputs, "-o", tmp_path / "m.ait")
    assert result.status != 0 and "old quantisation" in str(result) and "PT2E" in str(result)


class Leaf(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.leaf = Leaf()

    def forward(self, x):
        return self.leaf(x) + 1


class Tracer(torch.fx.Tracer):
    def is_leaf_module(self, module, name):
        return isinstance(module, Leaf) or super().is_leaf_module(module, name)


def test_leaves_of_other_classes(tmp_path):
    whole = Whole()
    message = refusal(torch.fx.GraphModule(whole, Tracer().trace(whole)), tmp_path)
    assert "the module leaf is a" in message and "Leaf, which aitune does not know" in message


class Convolved(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.linear = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, x):
        return self.linear(torch.relu(self.conv(x)).mean((2, 3)))


@pytest.mark.filterwarnings("ignore")
def test_modules_that_convert_fx_has_quantised_are_named(tmp_path):
    quantize_fx = pytest.importorskip("torch.ao.quantization.quantize_fx")
    x = torch.randn(1, 3, 8, 8)
    mapping = torch.ao.quantization.get_default_qconfig_mapping("x86")
    prepared = quantize_fx.prepare_fx(Convolved().eval(), mapping, x)
    prepared(x)
    message = refusal(quantize_fx.convert_fx(prepared), tmp_path)
    assert "quanti" in message and "contains itself" not in message, message
