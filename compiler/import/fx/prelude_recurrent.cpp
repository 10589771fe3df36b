#include "compiler/import/fx/prelude_text.h"

namespace aitune::fx {

// Unrolled over time: the length of a sequence must be fixed. Inputs are (time, batch, feature) inside.
const std::string_view kRecurrentPrelude = R"py(
def lstm_step(gates, state, w_hh, b_hh, w_hr):
    h, c = state
    i, f, g, o = aten.chunk(gates + aten.linear(h, w_hh, b_hh), 4, 1)
    c = aten.sigmoid(f) * c + aten.sigmoid(i) * aten.tanh(g)
    h = aten.sigmoid(o) * aten.tanh(c)
    return (h if w_hr is None else aten.linear(h, w_hr), c)

def gru_step(gates, h, w_hh, b_hh):
    i_r, i_z, i_n = aten.chunk(gates, 3, 1)
    h_r, h_z, h_n = aten.chunk(aten.linear(h, w_hh, b_hh), 3, 1)
    n = aten.tanh(i_n + aten.sigmoid(i_r + h_r) * h_n)
    return n + aten.sigmoid(i_z + h_z) * (h - n)

def rnn_step(gates, h, w_hh, b_hh, nonlinearity):
    sum = gates + aten.linear(h, w_hh, b_hh)
    return aten.relu(sum) if nonlinearity == 'relu' else aten.tanh(sum)

def step(self, mode, gates, state, w_hh, b_hh, w_hr):
    if mode == 'LSTM':
        return lstm_step(gates, state, w_hh, b_hh, w_hr)
    if mode == 'GRU':
        return (gru_step(gates, state[0], w_hh, b_hh),)
    return (rnn_step(gates, state[0], w_hh, b_hh, 'relu' if mode == 'RNN_RELU' else 'tanh'),)

def one_direction(self, x, state, suffix, backwards):
    biased = self.bias
    w_hh = getattr(self, 'weight_hh' + suffix)
    b_hh = getattr(self, 'bias_hh' + suffix) if biased else None
    w_hr = getattr(self, 'weight_hr' + suffix, None)
    gates = aten.linear(x, getattr(self, 'weight_ih' + suffix), getattr(self, 'bias_ih' + suffix) if biased else None)
    steps = aten.unbind(gates, 0)
    outputs = []
    for gate in (reversed(steps) if backwards else steps):
        state = step(self, self.mode, gate, state, w_hh, b_hh, w_hr)
        outputs = outputs + [state[0]]
    return (aten.stack(reversed(outputs) if backwards else outputs, 0), state)

def recurrent(self, input, states):
    batched = input.dim() == 3
    swap = batched and self.batch_first
    x = aten.transpose(input, 0, 1) if swap else input if batched else aten.unsqueeze(input, 1)
    suffixes = ('', '_reverse') if self.bidirectional else ('',)
    given = []
    for state in states:
        given = given + [aten.unbind(state if batched else aten.unsqueeze(state, 1), 0)]
    lasts = []
    for layer in range(self.num_layers):
        sides = []
        for side, suffix in enumerate(suffixes):
            at = layer * len(suffixes) + side
            start = []
            for state in given:
                start = start + [state[at]]
            output, last = one_direction(self, x, start, '_l' + str(layer) + suffix, side == 1)
            sides = sides + [output]
            lasts = lasts + [last]
        x = sides[0] if len(sides) == 1 else aten.cat(sides, 2)
    results = []
    for i in range(len(states)):
        kind = []
        for last in lasts:
            kind = kind + [last[i]]
        stacked = aten.stack(kind, 0)
        results = results + [stacked if batched else aten.squeeze(stacked, 1)]
    x = aten.transpose(x, 0, 1) if swap else x if batched else aten.squeeze(x, 1)
    return (x, results)

def zero_state(self, input, size):
    count = self.num_layers * (2 if self.bidirectional else 1)
    if input.dim() == 2:
        return aten.zeros([count, size], dtype=input.dtype)
    return aten.zeros([count, input.shape[0 if self.batch_first else 1], size], dtype=input.dtype)

def LSTM(self, input, hx=None):
    if hx is None:
        projected = getattr(self, 'proj_size', 0)
        h = zero_state(self, input, projected if projected > 0 else self.hidden_size)
        hx = (h, zero_state(self, input, self.hidden_size))
    output, states = recurrent(self, input, hx)
    return (output, (states[0], states[1]))

def GRU(self, input, hx=None):
    h = zero_state(self, input, self.hidden_size) if hx is None else hx
    output, states = recurrent(self, input, (h,))
    return (output, states[0])

RNN = GRU

def cell_state(self, input):
    if input.dim() == 1:
        return aten.zeros([self.hidden_size], dtype=input.dtype)
    return aten.zeros([input.shape[0], self.hidden_size], dtype=input.dtype)

def rows(tensor):
    return tensor if tensor.dim() == 2 else aten.unsqueeze(tensor, 0)

def like(result, input):
    return result if input.dim() == 2 else aten.squeeze(result, 0)

def LSTMCell(self, input, hx=None):
    h, c = (cell_state(self, input), cell_state(self, input)) if hx is None else hx
    gates = aten.linear(rows(input), self.weight_ih, self.bias_ih)
    h, c = lstm_step(gates, (rows(h), rows(c)), self.weight_hh, self.bias_hh, None)
    return (like(h, input), like(c, input))

def GRUCell(self, input, hx=None):
    h = cell_state(self, input) if hx is None else hx
    gates = aten.linear(rows(input), self.weight_ih, self.bias_ih)
    return like(gru_step(gates, rows(h), self.weight_hh, self.bias_hh), input)

def RNNCell(self, input, hx=None):
    h = cell_state(self, input) if hx is None else hx
    gates = aten.linear(rows(input), self.weight_ih, self.bias_ih)
    return like(rnn_step(gates, rows(h), self.weight_hh, self.bias_hh, self.nonlinearity), input)
)py";

}  // namespace aitune::fx
