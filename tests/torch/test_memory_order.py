"""Programs that address the memory of tensors that are not row-major: the file says how they lie."""

import pytest
import support
import torch
from torch import nn


class Pooled(nn.Module):
    """PyTorch decomposes a pooling in channels-last order into a mean whose strides it then sets."""

    def __init__(self):
        super().__init__()
        self.norm, self.pool, self.head = nn.LayerNorm(6), nn.AdaptiveAvgPool2d(1), nn.Linear(6, 5)

    def forward(self, x):
        return self.head(self.pool(self.norm(x).permute(0, 3, 1, 2)).flatten(1))


class Transposed(nn.Module):
    def forward(self, x):
        y = x.sin().transpose(1, 2)  # [batch, 5, 3, 6], of which 3 lies outermost
        return y.as_strided((2, 9), (7, 2), 1), torch.as_strided_copy(y.permute(0, 3, 2, 1), (4, 3, 2), (18, 5, 1))


class Scattered(nn.Module):
    def forward(self, x):
        y = x.mean((1, 2), keepdim=True)  # [batch, 1, 1, 6]: row-major, for all that the graph knows of its operand
        return torch.as_strided_scatter(y, x[0, 0, 0, :3], (3,), (2,), 1), y


MODELS = {"pooled": (Pooled(), True), "transposed": (Transposed(), False), "scattered": (Scattered(), False)}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("order", ["rows", "channels last"])
def test_order_of_memory(name, order, tmp_path, generator):
    model, moves = MODELS[name]

    def draw(batch):
        x = torch.randn(batch, 3, 5, 6, generator=generator)
        return x.contiguous(memory_format=torch.channels_last) if order == "channels last" else x

    sizes = ({0: torch.export.Dim("batch", min=1, max=9)},) if moves else None
    program = torch.export.export(model.eval(), (draw(2),), dynamic_shapes=sizes).run_decompositions()
    assert any("as_strided" in str(node.target) for node in program.graph.nodes)
    torch.export.save(program, tmp_path / "model.pt2")
    support.must("tune", tmp_path / "model.pt2", "-i", support.write_inputs(tmp_path / "x.npz", [draw(2)]), "-o", tmp_path / "m.ait",
                 *support.FAST)
    for batch in (2, 1, 4) if moves else (2,):
        fresh = draw(batch)
        support.must("run", tmp_path / "m.ait", "-i", support.write_inputs(tmp_path / "x.npz", [fresh]), "-o", tmp_path / "y.npz")
        with torch.no_grad():
            support.check_same(support.read_outputs(tmp_path / "y.npz"), support.tensors_of(model(fresh)), support.FP32_BOUND, name)
