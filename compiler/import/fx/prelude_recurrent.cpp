#include "compiler/import/fx/prelude_text.h"

namespace aitune::fx {

const std::string_view kRecurrentPrelude = R"py(
def lstm_step(gates, state, w_hh, b_hh):
    h, c = state
    i, f, g, o = aten.chunk(gates + aten.linear(h, w_hh, b_hh), 4, 1)
    c = aten.sigmoid(f) * c + aten.sigmoid(i) * aten.tanh(g)
    return (aten.sigmoid(o) * aten.tanh(c), c)

def gru_step(gates, h, w_hh, b_hh):
    i_r, i_z, i_n = aten.chunk(gates, 3, 1)
    h_r, h_z, h_n = aten.chunk(aten.linear(h, w_hh, b_hh), 3, 1)
    n = aten.tanh(i_n + aten.sigmoid(i_r + h_r) * h_n)
    return n + aten.sigmoid(i_z + h_z) * (h - n)

def rnn_step(gates, h, w_hh, b_hh, nonlinearity):
    sum = gates + aten.linear(h, w_hh, b_hh)
    return aten.relu(sum) if nonlinearity == 'relu' else aten.tanh(sum)

def projected_size(self):
    return getattr(self, 'proj_size', 0)

# The parameters in the order of the operators: by layer, then by direction.
def parameters_in_order(self):
    names = ['weight_ih', 'weight_hh'] + (['bias_ih', 'bias_hh'] if self.bias else [])
    if projected_size(self) > 0:
        names = names + ['weight_hr']
    parameters = []
    for layer in range(self.num_layers):
        for suffix in (['', '_reverse'] if self.bidirectional else ['']):
            for name in names:
                parameters = parameters + [getattr(self, name + '_l' + str(layer) + suffix)]
    return parameters

def over_steps(self, mode, input, states):
    rest = (parameters_in_order(self), self.bias, self.num_layers, 0.0, False, self.bidirectional, self.batch_first)
    if mode == 'LSTM':
        return aten.lstm(input, states, *rest)
    if mode == 'GRU':
        return aten.gru(input, states[0], *rest)
    if mode == 'RNN_RELU':
        return aten.rnn_relu(input, states[0], *rest)
    return aten.rnn_tanh(input, states[0], *rest)

# The output, then the states behind the last step.
def recurrent(self, input, states):
    if input.dim() == 3:
        return over_steps(self, self.mode, input, states)
    batch = 0 if self.batch_first else 1
    one = []
    for state in states:
        one = one + [aten.unsqueeze(state, 1)]
    results = over_steps(self, self.mode, aten.unsqueeze(input, batch), one)
    plain = [aten.squeeze(results[0], batch)]
    for state in results[1:]:
        plain = plain + [aten.squeeze(state, 1)]
    return plain

def zero_state(self, input, size):
    count = self.num_layers * (2 if self.bidirectional else 1)
    if input.dim() == 2:
        return aten.zeros([count, size], dtype=input.dtype)
    return aten.zeros([count, input.shape[0 if self.batch_first else 1], size], dtype=input.dtype)

def LSTM(self, input, hx=None):
    if hx is None:
        projected = projected_size(self)
        h = zero_state(self, input, projected if projected > 0 else self.hidden_size)
        hx = (h, zero_state(self, input, self.hidden_size))
    output, h, c = recurrent(self, input, hx)
    return (output, (h, c))

def GRU(self, input, hx=None):
    h = zero_state(self, input, self.hidden_size) if hx is None else hx
    output, h = recurrent(self, input, [h])
    return (output, h)

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
    h, c = lstm_step(gates, (rows(h), rows(c)), self.weight_hh, self.bias_hh)
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
