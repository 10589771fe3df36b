// Recurrent networks over whole sequences.

#include "compiler/ops/infer.h"

namespace aitune::infer {
namespace {

/// Batch-first or not, the result is the input with the hidden size of both directions last.
TensorType sequence(const Call& call, const TensorType& hidden) {
  TensorType t = call.tensor("input");
  const std::int64_t directions = call.boolean("bidirectional") ? 2 : 1, layers = call.integer("num_layers");
  call.require(t.shape.size() == 3 && hidden.shape.size() == 3, "input and hidden state have three dimensions");
  call.require(layers >= 1 && hidden.shape[0].is(layers * directions),
               "the hidden state has the wrong number of layers");
  call.require(!call.boolean("train") || call["dropout"].number() == 0, "dropout between layers is for training");
  const SymInt& batch = t.shape[call.boolean("batch_first") ? 0 : 1];
  call.require(!differ(batch, hidden.shape[1]), "input and hidden state have different batches");
  t.shape[2] = hidden.shape[2] * directions;
  return t;
}

Types lstm(const Call& call) {
  const auto states = call.tensors("hx");
  call.require(states.size() == 2, "hx is the hidden state and the cell state");
  return {sequence(call, states[0]), states[0], states[1]};
}

Types one_state(const Call& call) {
  const TensorType& hidden = call.tensor("hx");
  return {sequence(call, hidden), hidden};
}

}  // namespace

void add_recurrent_rules(RuleTable& table) {
  using enum OpId;
  table.add({aten_lstm_input}, lstm);
  table.add({aten_gru_input, aten_rnn_tanh_input, aten_rnn_relu_input}, one_state);
}

}  // namespace aitune::infer
