"""Recurrent networks: sequences that are written out step by step, and cells, compiled and compared with PyTorch."""

import pytest
import support
import torch
from torch import nn


class Sequence(nn.Module):
    """Outputs of all steps and the last states, from states that are given or not."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x, *states):
        given = (states if len(states) > 1 else states[0],) if states else ()
        y, last = self.layer(x, *given)
        return y, last


LAYERS = {
    "lstm": lambda: nn.LSTM(12, 16, 2, bidirectional=True),
    "lstm, projected": lambda: nn.LSTM(12, 16, 2, proj_size=5, batch_first=True),
    "lstm, no bias": lambda: nn.LSTM(12, 7, bias=False),
    "gru": lambda: nn.GRU(12, 16, 2, batch_first=True, bidirectional=True),
    "rnn": lambda: nn.RNN(12, 16, 2),
    "rnn, relu": lambda: nn.RNN(12, 16, nonlinearity="relu", batch_first=True),
}


@pytest.mark.parametrize("name", LAYERS)
def test_sequence(name, tmp_path, generator):
    model = Sequence(LAYERS[name]()).eval()
    draw = lambda: [torch.randn(3, 9, 12, generator=generator)]  # noqa: E731
    support.check_compiled(model, draw(), [draw(), draw()], tmp_path)


def test_states_come_and_go_and_the_batch_moves(tmp_path, generator):
    model = Sequence(nn.LSTM(12, 16, 2, batch_first=True)).eval()
    draw = lambda b: [torch.randn(b, 5, 12, generator=generator), torch.randn(2, b, 16, generator=generator),  # noqa: E731
                      torch.randn(2, b, 16, generator=generator)]
    b = torch.export.Dim("b", min=1, max=8)
    support.check_compiled(model, draw(3), [draw(1), draw(8)], tmp_path, {"x": {0: b}, "states": ({1: b}, {1: b})})


@pytest.mark.parametrize("cell", [nn.LSTMCell, nn.GRUCell, nn.RNNCell])
def test_cell(cell, tmp_path, generator):
    model = cell(12, 16).eval()
    draw = lambda: [torch.randn(3, 12, generator=generator)]  # noqa: E731
    support.check_compiled(model, draw(), [draw()], tmp_path)


class LastStates(nn.Module):
    def __init__(self, both):
        super().__init__()
        self.layer = nn.LSTM(12, 16, batch_first=True, bidirectional=both)

    def forward(self, x):
        y, (h, c) = self.layer(x)
        return y, h.transpose(0, 1).flatten(1), torch.cat([c[0], c[-1]], -1)


class Counts(nn.Module):
    def forward(self, x):
        values, places, counts = torch.unique(x.round(), return_inverse=True, return_counts=True)
        return values, places * 2, counts


def with_one_dimension_more(value):
    value["sizes"].insert(1, {"as_int": 1})


def as_the_elements(value):
    value["dtype"] = 7  # f32


@pytest.mark.parametrize("model, wrong", [(LastStates(False), with_one_dimension_more), (LastStates(True), with_one_dimension_more),
                                          (Counts(), as_the_elements)], ids=["one way", "two ways", "unique"])
def test_results_as_torch_2_11_declares_them(model, wrong, tmp_path, generator):
    """There last states, counts of unique elements, and what is made of them are declared wrongly."""
    draw = lambda: torch.randn(3, 9, 12, generator=generator)  # noqa: E731
    x = draw()
    program = support.export(model, [x], tmp_path / "model.pt2")
    made = [node.name for node in program.graph.nodes if node.op == "call_function"]
    first, second = (next(n.name for n in program.graph.nodes if n.name.startswith("getitem") and n.args[1] == i) for i in (0, 1))

    def misdeclared(exported):
        values = exported["graph_module"]["graph"]["tensor_values"]
        for name in made[made.index(second):]:
            if name in values and name != first:
                wrong(values[name])

    support.edit_program(tmp_path / "model.pt2", tmp_path / "old.pt2", misdeclared)
    support.must("tune", tmp_path / "old.pt2", "-i", support.write_inputs(tmp_path / "x.npz", [x]), "-o", tmp_path / "old.ait",
                 *support.FAST)
    fresh = draw()
    support.must("run", tmp_path / "old.ait", "-i", support.write_inputs(tmp_path / "x.npz", [fresh]), "-o", tmp_path / "y.npz")
    with torch.no_grad():
        support.check_same(support.read_outputs(tmp_path / "y.npz"), model(fresh), support.FP32_BOUND, "as 2.11 declares it")
