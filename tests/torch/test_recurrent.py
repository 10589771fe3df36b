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
