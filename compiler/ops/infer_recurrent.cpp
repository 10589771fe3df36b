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

/// One step: the new states have the type of the old ones.
TensorType stepped(const Call& call, const TensorType& hidden, std::int64_t gates) {
  const SymShape &input = call.shape("input"), &w_ih = call.shape("w_ih"), &w_hh = call.shape("w_hh");
  call.require(!input.empty() && input.size() <= 2 && input.size() == hidden.shape.size() && w_ih.size() == 2 &&
                   w_hh.size() == 2,
               "an operand has the wrong rank");
  unify(call, input.back(), w_ih[1]);
  unify(call, hidden.shape.back(), w_hh[1]);
  unify(call, w_ih[0], hidden.shape.back() * gates);
  unify(call, w_hh[0], hidden.shape.back() * gates);
  if (input.size() == 2) unify(call, input[0], hidden.shape[0]);
  for (const std::string_view name : {"b_ih", "b_hh"})
    if (call.given(name)) unify(call, product(call.shape(name)), w_ih[0]);
  return hidden;
}

Types lstm_cell(const Call& call) {
  const auto states = call.tensors("hx");
  call.require(states.size() == 2, "hx is the hidden state and the cell state");
  return {stepped(call, states[0], 4), stepped(call, states[1], 4)};
}
Types gru_cell(const Call& call) { return {stepped(call, call.tensor("hx"), 3)}; }
Types rnn_cell(const Call& call) { return {stepped(call, call.tensor("hx"), 1)}; }

}  // namespace

void add_recurrent_rules(RuleTable& table) {
  using enum OpId;
  table.add({aten_lstm_input}, lstm);
  table.add({aten_gru_input, aten_rnn_tanh_input, aten_rnn_relu_input}, one_state);
  table.add({aten_lstm_cell_default}, lstm_cell);
  table.add({aten_gru_cell_default}, gru_cell);
  table.add({aten_rnn_tanh_cell_default, aten_rnn_relu_cell_default}, rnn_cell);
}

}  // namespace aitune::infer
