// Recurrent networks step by step: products with constant weights, and elementwise operators for the gates.

#include "compiler/passes/decompose.h"

namespace aitune {
namespace {

/// Steps, over all layers and directions, that are written out; longer sequences stay as they are.
constexpr std::int64_t kMostSteps = 512;

enum class CellKind { lstm, gru, tanh, relu };

/// Hidden state, and cell state of an LSTM.
struct State {
  Value* hidden = nullptr;
  Value* cell = nullptr;
};

/// Makes the steps of one cell.
class Cell {
 public:
  Cell(Inserter& insert, CellKind kind) : insert_(insert), kind_(kind) {}

  /// The state after a step. `from_input` and `from_state` are what the input and the old state contribute to the
  /// gates: [batch, gates * hidden] with their biases.
  State step(Value* from_input, Value* from_state, const State& old) {
    const SymInt width = (old.cell ? old.cell : old.hidden)->type.shape.back();
    const auto gate = [&](Value* all, std::int64_t i) { return insert_.slice(all, 1, width * i, width * (i + 1)); };
    switch (kind_) {
      case CellKind::lstm: {
        Value* const sum = add(from_input, from_state);
        Value* const kept = mul(call("aten.sigmoid.default", gate(sum, 1)), old.cell);
        Value* const fresh = mul(call("aten.sigmoid.default", gate(sum, 0)), call("aten.tanh.default", gate(sum, 2)));
        Value* const cell = add(kept, fresh);
        return {mul(call("aten.sigmoid.default", gate(sum, 3)), call("aten.tanh.default", cell)), cell};
      }
      case CellKind::gru: {
        Value* const reset = call("aten.sigmoid.default", add(gate(from_input, 0), gate(from_state, 0)));
        Value* const keep = call("aten.sigmoid.default", add(gate(from_input, 1), gate(from_state, 1)));
        Value* const candidate = call("aten.tanh.default", add(gate(from_input, 2), mul(reset, gate(from_state, 2))));
        Value* const change = insert_.call("aten.sub.Tensor", {old.hidden, candidate});
        return {add(candidate, mul(keep, change)), nullptr};
      }
      case CellKind::tanh:
        return {call("aten.tanh.default", add(from_input, from_state)), nullptr};
      case CellKind::relu:
        return {call("aten.relu.default", add(from_input, from_state)), nullptr};
    }
    return {};
  }

  Value* linear(Value* x, Value* weight, const Arg& bias) {
    return insert_.call("aten.linear.default", {x, weight, bias});
  }

 private:
  Value* call(std::string_view op, Value* x) { return insert_.call(op, {x}); }
  Value* add(Value* a, Value* b) { return insert_.call("aten.add.Tensor", {a, b}); }
  Value* mul(Value* a, Value* b) { return insert_.call("aten.mul.Tensor", {a, b}); }

  Inserter& insert_;
  CellKind kind_;
};

bool is_f32(const Value* value) { return value->type.dtype == DType::f32; }

/// The states that a call begins with; nothing where they are not there in the form that is wanted.
std::optional<State> states_of(const Node& node, CellKind kind) {
  const Arg& hx = argument(node, "hx");
  State state;
  if (kind == CellKind::lstm) {
    if (!hx.is_list() || hx.list().size() != 2) return std::nullopt;
    state = {hx.list()[0].value(), hx.list()[1].value()};
  } else {
    state.hidden = hx.value();
  }
  return is_f32(state.hidden) ? std::optional(state) : std::nullopt;
}

template <CellKind kind>
Replacement cell(Inserter& insert, Node& node) {
  Value* const input = operand(node, 0);
  const auto old = states_of(node, kind);
  if (!old || !is_f32(input) || rank(input) != 2) return std::nullopt;
  Cell maker(insert, kind);
  Value* from_input = maker.linear(input, argument(node, "w_ih").value(), argument(node, "b_ih"));
  Value* const from_state = maker.linear(old->hidden, argument(node, "w_hh").value(), argument(node, "b_hh"));
  // Sizes that agree in every call may be written in two ways; results have the state's.
  if (from_input->type != from_state->type) from_input = insert.view(from_input, from_state->type.shape);
  const State next = maker.step(from_input, from_state, *old);
  if (kind == CellKind::lstm) return {{next.hidden, next.cell}};
  return {{next.hidden}};
}

/// A whole sequence, layer by layer and direction by direction.
class Sequence {
 public:
  Sequence(Inserter& insert, Node& node, CellKind kind, const State& first)
      : insert_(insert),
        cell_(insert, kind),
        kind_(kind),
        first_(first),
        layers_(argument(node, "num_layers").integer()),
        directions_(argument(node, "bidirectional").boolean() ? 2 : 1),
        has_biases_(argument(node, "has_biases").boolean()) {
    for (const Arg& p : argument(node, "params").list()) params_.push_back(p.value());
  }

  /// Whether every layer has its parameters: weights and biases, and an LSTM's projection.
  bool is_complete() const {
    return params_.size() == static_cast<std::size_t>(layers_ * directions_) * per_direction();
  }

  /// `x` is [steps, batch, width]. Gives the outputs of all steps, and what the states are at the end.
  std::vector<Value*> run(Value* x) {
    std::vector<Value*> hidden, cells;
    for (std::int64_t layer = 0; layer < layers_; ++layer) {
      std::vector<Value*> sides;
      for (std::int64_t direction = 0; direction < directions_; ++direction) {
        const State last = run_direction(x, layer * directions_ + direction, direction == 1, sides);
        hidden.push_back(last.hidden);
        cells.push_back(last.cell);
      }
      x = joined(sides, 2);
    }
    std::vector<Value*> results = {x, stacked(hidden)};
    if (kind_ == CellKind::lstm) results.push_back(stacked(cells));
    return results;
  }

 private:
  bool projects() const {
    return kind_ == CellKind::lstm && first_.hidden->type.shape.back() != first_.cell->type.shape.back();
  }
  std::size_t per_direction() const { return 2 + (has_biases_ ? 2u : 0u) + (projects() ? 1u : 0u); }

  State run_direction(Value* x, std::int64_t slot, bool backwards, std::vector<Value*>& sides) {
    Value* const* p = params_.data() + static_cast<std::size_t>(slot) * per_direction();
    const auto bias = [&](std::size_t i) { return has_biases_ ? Arg(p[i]) : Arg(None{}); };
    Value* const from_input = cell_.linear(x, p[0], bias(2));
    State state{part(first_.hidden, slot), first_.cell ? part(first_.cell, slot) : nullptr};
    const std::int64_t steps = x->type.shape[0].constant();
    std::vector<Value*> outputs(static_cast<std::size_t>(steps));
    for (std::int64_t i = 0; i < steps; ++i) {
      const std::int64_t step = backwards ? steps - 1 - i : i;
      state = cell_.step(part(from_input, step), cell_.linear(state.hidden, p[1], bias(3)), state);
      if (projects()) state.hidden = cell_.linear(state.hidden, p[per_direction() - 1], None{});
      outputs[static_cast<std::size_t>(step)] = state.hidden;
    }
    sides.push_back(stacked(outputs));
    return state;
  }

  Value* part(Value* all, std::int64_t i) { return insert_.call("aten.select.int", {all, 0, i}); }

  Value* joined(const std::vector<Value*>& parts, std::int64_t dim) {
    if (parts.size() == 1) return parts.front();
    ArgList list(parts.begin(), parts.end());
    return insert_.call("aten.cat.default", {std::move(list), dim});
  }

  Value* stacked(std::vector<Value*> parts) {
    for (Value*& value : parts) {
      SymShape shape = value->type.shape;
      shape.insert(shape.begin(), SymInt(1));
      value = insert_.view(value, shape);
    }
    return joined(parts, 0);
  }

  Inserter& insert_;
  Cell cell_;
  CellKind kind_;
  State first_;
  std::int64_t layers_, directions_;
  bool has_biases_;
  std::vector<Value*> params_;
};

template <CellKind kind>
Replacement sequence(Inserter& insert, Node& node) {
  Value* input = operand(node, 0);
  const auto first = states_of(node, kind);
  if (!first || !is_f32(input) || rank(input) != 3) return std::nullopt;
  const bool batch_first = argument(node, "batch_first").boolean();
  const auto steps = input->type.shape[batch_first ? 1 : 0].as_constant();
  Sequence layers(insert, node, kind, *first);
  const auto slots = first->hidden->type.shape[0].as_constant();
  if (!steps || !slots || *steps < 1 || *slots < 1 || *steps > kMostSteps / *slots || !layers.is_complete())
    return std::nullopt;
  if (batch_first) input = insert.permute(input, {1, 0, 2});
  std::vector<Value*> results = layers.run(input);
  if (batch_first) results[0] = insert.permute(results[0], {1, 0, 2});
  return results;
}

}  // namespace

void add_recurrent_decompositions(DecomposeRules& rules) {
  rules["aten.lstm_cell.default"] = cell<CellKind::lstm>;
  rules["aten.gru_cell.default"] = cell<CellKind::gru>;
  rules["aten.rnn_tanh_cell.default"] = cell<CellKind::tanh>;
  rules["aten.rnn_relu_cell.default"] = cell<CellKind::relu>;
  rules["aten.lstm.input"] = sequence<CellKind::lstm>;
  rules["aten.gru.input"] = sequence<CellKind::gru>;
  rules["aten.rnn_tanh.input"] = sequence<CellKind::tanh>;
  rules["aten.rnn_relu.input"] = sequence<CellKind::relu>;
}

}  // namespace aitune
