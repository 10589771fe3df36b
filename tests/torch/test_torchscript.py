"""Files of torch.jit.save, scripted and traced: aitune's numbers against PyTorch's, as through a .pt2."""

import warnings

import pytest
import support
import torch
import torchvision
from torch import nn
from zoo import ZOO

warnings.filterwarnings("ignore", category=FutureWarning)
warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)



def save(model, inputs, how, path):
    with torch.no_grad():
        if how == "traced":
            made = torch.jit.trace(model, tuple(t.clone() for t in inputs), check_trace=False)
        else:
            made = torch.jit.script(model)
    torch.jit.save(made, path)
    return made


def tune_and_check(folder, model, samples, bound, name, tuning=None, words=()):
    files = [support.write_inputs(folder / f"in{i}.npz", sample) for i, sample in enumerate(samples)]
    with_samples = [word for file in files[:tuning] for word in ("-i", file)]
    support.must("tune", folder / "model.pt", *with_samples, "-o", folder / "model.ait", *support.FAST, *words)
    support.must("run", folder / "model.ait", *[w for file in files for w in ("-i", file)], "-o", folder / "out.npz")
    for i, sample in enumerate(samples):
        with torch.no_grad():
            want = support.tensors_of(model(*[t.clone() for t in sample]))
        out = folder / (f"out.{i}.npz" if len(samples) > 1 else "out.npz")
        support.check_same(support.read_outputs(out), want, bound, f"{name}, inputs {i}")


@pytest.mark.parametrize("how", ["scripted", "traced"])
@pytest.mark.parametrize("name", ZOO)
def test_zoo(name, how, tmp_path, generator):
    case = ZOO[name]
    model = case.model().eval()
    # A traced model keeps the sizes that it was traced with wherever Python computed with them.
    moves = case.dynamic and how == "scripted"
    samples = [case.inputs(batch, generator) for batch in ([2, 5, 3] if moves else [2, 2])]
    try:
        save(model, samples[0], how, tmp_path / "model.pt")
    except Exception as error:  # torch.jit's, of many types
        pytest.skip(f"torch.jit cannot save it: {str(error).splitlines()[0] if str(error) else type(error)}")
    bound = support.BF16_BOUND if name == "BrainFloat" else support.FP32_BOUND
    tune_and_check(tmp_path, model, samples, bound, name, tuning=2 if moves else 1)


@pytest.mark.parametrize("how", ["scripted", "traced"])
@pytest.mark.parametrize("name,size", [("resnet18", 64), ("mobilenet_v3_large", 64),
                                       pytest.param("vit_b_16", 224, marks=pytest.mark.slow)])
def test_torchvision(name, size, how, tmp_path, generator):
    model = torchvision.models.get_model(name, weights=None).eval()
    image = torch.rand(1, 3, size, size, generator=generator)
    save(model, [image], how, tmp_path / "model.pt")
    tune_and_check(tmp_path, model, [[image]], support.FP32_BOUND, name, words=["--set", "portable=false"])


class Dynamic(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(6, 4)
        self.register_buffer("offset", torch.rand(4))

    def forward(self, x: torch.Tensor, k: int = 2):
        y = self.inner(x) + self.offset
        return y.reshape(x.shape[0] * 2, -1).relu() * k, torch.zeros(x.size(0) // 2 + 1, 3), y.max(1)[0]


def test_the_file_is_a_program_of_torch_export(tmp_path, generator):
    """Whatever form it came from, torch.export.load opens the .ait, with the symbol's range."""
    model = Dynamic().eval()
    save(model, [torch.rand(2, 6)], "scripted", tmp_path / "model.pt")
    samples = [[torch.rand(batch, 6, generator=generator)] for batch in (2, 7, 4)]
    tune_and_check(tmp_path, model, samples, support.FP32_BOUND, "Dynamic", tuning=2)
    program = torch.export.load(tmp_path / "model.ait")
    assert [(c.lower, c.upper) for c in program.range_constraints.values()] == [(2, 7)]
    assert set(program.state_dict) >= {"inner.weight", "inner.bias", "offset"}
    for sample in samples:
        with torch.no_grad():
            for want, got in zip(support.tensors_of(model(*sample)), program.module()(*sample), strict=True):
                assert torch.allclose(want, got, atol=1e-6)


@pytest.mark.parametrize("how", ["scripted", "traced"])
def test_residual_as_a_program_of_torch_export(how, tmp_path, generator):
    case = ZOO["Residual"]
    model = case.model().eval()
    inputs = case.inputs(2, generator)
    save(model, inputs, how, tmp_path / "model.pt")
    tune_and_check(tmp_path, model, [inputs], support.FP32_BOUND, "Residual")
    with torch.no_grad():
        want, got = model(*inputs), torch.export.load(tmp_path / "model.ait").module()(*inputs)
    assert torch.allclose(want, got, atol=1e-5)


class Undecided(nn.Module):
    def forward(self, x: torch.Tensor):
        if bool(x.sum() > 0):
            return x
        return x[0]


def test_what_cannot_be_decided_is_named_with_its_line(tmp_path):
    save(Undecided(), [torch.zeros(2)], "scripted", tmp_path / "model.pt")
    support.write_inputs(tmp_path / "in.npz", [torch.zeros(2)])
    result = support.aitune("tune", tmp_path / "model.pt", "-i", tmp_path / "in.npz", "-o", tmp_path / "model.ait")
    assert result.status != 0
    assert "f32[2] in one branch and f32[] in the other" in result.err
    assert "test_torchscript.py:" in result.err and "if bool(x.sum() > 0)" in result.err


class Encoder(nn.Module):
    def __init__(self, norm_first, activation, mask, padding):
        super().__init__()
        self.mask, self.padding = mask, padding
        layer = nn.TransformerEncoderLayer(16, 4, 32, norm_first=norm_first, activation=activation, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x):
        return self.layers(x, mask=self.mask, src_key_padding_mask=self.padding)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)

    def forward(self, x, y):
        return self.attention(x, y, y)[0], self.attention(x, x, x, average_attn_weights=False), self.attention(x, x, x)[1]


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("masks", ["none", "pairs", "keys", "both"])
def test_traces_have_the_fused_encoder_layer(norm_first, activation, masks, tmp_path):
    torch.manual_seed(0)
    x, padding = torch.randn(3, 5, 16), torch.zeros(3, 5, dtype=torch.bool)
    padding[1, 3:] = True
    pairs = torch.ones(5, 5, dtype=torch.bool).triu(1)
    model = Encoder(norm_first, activation, pairs if masks in ("pairs", "both") else None,
                    padding if masks in ("keys", "both") else None).eval()
    made = save(model, [x], "traced", tmp_path / "model.pt")
    assert "_transformer_encoder_layer_fwd" in str(made.inlined_graph)
    tune_and_check(tmp_path, model, [[x], [torch.randn(3, 5, 16)]], support.FP32_BOUND, masks, 1)


def test_traces_have_the_fused_attention(tmp_path):
    torch.manual_seed(0)
    model = Attention().eval()
    made = save(model, [torch.randn(2, 5, 16), torch.randn(2, 3, 16)], "traced", tmp_path / "model.pt")
    assert "_native_multi_head_attention" in str(made.inlined_graph)
    tune_and_check(tmp_path, model, [[torch.randn(2, 5, 16), torch.randn(2, 3, 16)]], support.FP32_BOUND, "attention")
