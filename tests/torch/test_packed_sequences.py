"""Recurrences over packed sequences in TorchScript: pack_padded_sequence, nn.LSTM, nn.GRU and nn.RNN, pad_packed_sequence."""

import pytest
import support
import torch
from test_region_sizes import tune_and_check
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence


class Lstm(nn.Module):
    """The states at the end of every sequence, in both directions of two layers."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(6, 5, 2, batch_first=True, bidirectional=True)
        self.out = nn.Linear(10, 3)

    def forward(self, x: Tensor, lengths: Tensor):
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        y, (h, c) = self.rnn(packed)
        padded, kept = pad_packed_sequence(y, batch_first=True)
        return self.out(padded), h, c, kept


class Gru(nn.Module):
    """Sorted, time first, with a layer on the packed data, other padding, and an initial state."""

    def __init__(self):
        super().__init__()
        self.rnn, self.inner = nn.GRU(6, 5, bias=False), nn.Linear(5, 4)

    def forward(self, x: Tensor, lengths: Tensor):
        packed = pack_padded_sequence(x, lengths)
        y, h = self.rnn(packed, torch.ones(1, x.size(1), 5))
        inner = PackedSequence(torch.relu(self.inner(y.data)), y.batch_sizes, y.sorted_indices, y.unsorted_indices)
        padded, kept = pad_packed_sequence(inner, padding_value=-1.0, total_length=11)
        return padded, h, kept


class Rnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.RNN(6, 5, nonlinearity="relu", bidirectional=True)

    def forward(self, x: Tensor, lengths: Tensor):
        y, h = self.rnn(pack_padded_sequence(x, lengths, enforce_sorted=False))
        return pad_packed_sequence(y)[0], h


def sample(count, steps, batch_first, lengths):
    return [torch.randn(*((count, steps) if batch_first else (steps, count)), 6), torch.tensor(lengths)]


CASES = {
    "Lstm": (Lstm, [sample(3, 9, True, n) for n in ([9, 4, 7], [1, 9, 2], [3, 5, 1], [6, 6, 6])]),
    "Gru": (Gru, [sample(3, 9, False, n) for n in ([9, 7, 4], [9, 1, 1], [5, 5, 2])]),
    "Rnn": (Rnn, [sample(3, 9, False, n) for n in ([2, 9, 7], [1, 1, 1])]),
}


@pytest.mark.parametrize("engine", ["all", "reference"])
@pytest.mark.parametrize("name", CASES)
def test_scripted(name, engine, tmp_path):
    torch.manual_seed(0)
    kind, samples = CASES[name]
    model = kind().eval()
    torch.jit.save(torch.jit.script(model), tmp_path / "model.pt")
    tune_and_check(tmp_path, tmp_path / "model.pt", model, samples,
                   words=("--set", "engine=reference") if engine == "reference" else ())


def test_batches_that_move(tmp_path):
    torch.manual_seed(0)
    model = Lstm().eval()
    torch.jit.save(torch.jit.script(model), tmp_path / "model.pt")
    samples = [sample(len(n), steps, True, n) for steps, n in ((4, [4, 2]), (12, [3, 12, 1, 5]), (7, [7, 2, 6]))]
    tune_and_check(tmp_path, tmp_path / "model.pt", model, samples, tuning=2)
