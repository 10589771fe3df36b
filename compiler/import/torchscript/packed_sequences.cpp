// Packed sequences: the elements that there are, step by step, and how many there are at each step. Recurrences run
// over the padded form; what they compute for padding is left out.

#include <array>

#include "compiler/import/torchscript/composites.h"
#include "compiler/import/torchscript/operators.h"
#include "compiler/ops/schema.h"

namespace aitune::torchscript {
namespace {

/// A gate that is so far up or down is 1 or 0, in every floating dtype.
constexpr double kSaturated = 1e4;

const SymShape& shape_of(const Ops& ops, const Val& value) { return ops.evaluator.tensor(value)->type.shape; }

Val kept_elements(const Ops& ops, const Val& padded, const Val& mask) {
  return ops("index", {padded, make_list({mask})});
}

/// [steps, batch, ...] with `filling` where no element is.
Val padded_form(const Ops& ops, const Evaluator::Packed& packed, const Val& data, double filling) {
  Vals sizes = {packed.steps, packed.batch};
  const SymShape& rows = shape_of(ops, data);
  for (std::size_t d = 1; d < rows.size(); ++d) sizes.emplace_back(rows[d]);
  const DType dtype = ops.evaluator.tensor(data)->type.dtype;
  const Val full = call_operator(ops.evaluator, "full", {make_list(std::move(sizes)), filling},
                                 {{"dtype", SymInt(scalar_type_of(dtype))}});
  return ops("index_put", {full, make_list({packed.mask}), data});
}

/// Indices [steps, batch] spread over the last dimension of `like`.
Val spread_over(const Ops& ops, const Val& indices, const Val& like) {
  const SymShape& own = shape_of(ops, indices);
  return ops("expand", {ops("unsqueeze", {indices, SymInt(2)}), make_list({own[0], own[1], shape_of(ops, like)[2]})});
}

/// One layer in one direction.
struct Run {
  Val output, state, cell;
};

class Recurrence {
 public:
  Recurrence(Ops ops, std::string_view op, const Evaluator::Packed& packed) : ops_(ops), op_(op), packed_(packed) {
    const Val last = ops("sub", {packed.lengths, SymInt(1)});
    last_ = ops("unsqueeze", {last, SymInt(0)});
    const Val time = ops("unsqueeze", {ops("arange", {packed.steps}), SymInt(1)});
    backward_ = ops("where", {packed.mask, ops("sub", {last_, time}), time});
  }

  /// `states`: [1, batch, width] of the hidden state, and of the cell for an LSTM.
  Run run(const Val& input, const Vals& states, Vals weights, bool biases, bool backward) const {
    Val x = backward ? reversed(input) : input;
    const bool cells = states.size() > 1;
    if (cells) freeze(x, weights);
    const Val hidden = cells ? Val(make_list(states)) : states[0];
    const Val all = ops_(op_, {x, hidden, make_list(std::move(weights)), biases, SymInt(1), 0.0, false, false, false});
    const Vals& results = *all.items();
    const Val& output = results.at(0);
    return {backward ? reversed(output) : output, ops_("gather", {output, SymInt(0), spread_over(ops_, last_, output)}),
            cells ? results.at(2) : Val(None{})};
  }

 private:
  /// Every sequence from its own end.
  Val reversed(const Val& x) const { return ops_("gather", {x, SymInt(0), spread_over(ops_, backward_, x)}); }

  /// Where no element is, one more input closes the input gate and opens the forget gate: the cell stays as it is.
  void freeze(Val& x, Vals& weights) const {
    const Value* tensor = ops_.evaluator.tensor(x);
    const Val dtype = SymInt(scalar_type_of(tensor->type.dtype));
    const Val flag = ops_("to", {ops_("unsqueeze", {ops_("logical_not", {packed_.mask}), SymInt(2)}), dtype});
    x = ops_("cat", {make_list({x, flag}), SymInt(-1)});
    const SymInt gate = floordiv(shape_of(ops_, weights.at(0))[0], 4);
    const auto column = [&](double value, const SymInt& rows) {
      return call_operator(ops_.evaluator, "full", {make_list({rows, SymInt(1)}), value}, {{"dtype", dtype}});
    };
    const Val columns =
        ops_("cat", {make_list({column(-kSaturated, gate), column(kSaturated, gate), column(0, gate * 2)}), SymInt(0)});
    weights[0] = ops_("cat", {make_list({weights[0], columns}), SymInt(1)});
  }

  Ops ops_;
  std::string_view op_;
  const Evaluator::Packed& packed_;
  Val last_, backward_;
};

/// (data, batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional); `hidden` are the states.
std::optional<Val> recur(Evaluator& evaluator, std::string_view op, const Vals& args, const Vals& hidden) {
  const Evaluator::Packed* known = args.size() == 9 ? evaluator.find_packed(args[1]) : nullptr;
  if (known == nullptr || args[3].items() == nullptr) return std::nullopt;
  const Evaluator::Packed packed = *known;
  const auto *biases = args[4].get<bool>(), *both = args[8].get<bool>();
  const auto layers = args[5].integer();
  const Vals weights = *args[3].items();
  if (biases == nullptr || both == nullptr || !layers || *layers < 1) return std::nullopt;
  const std::size_t runs = static_cast<std::size_t>(*layers) * (*both ? 2 : 1);
  if (weights.empty() || weights.size() % runs != 0) return std::nullopt;
  const Ops ops{evaluator};
  const Recurrence recurrence(ops, op, packed);
  const std::size_t each = weights.size() / runs;
  Val x = padded_form(ops, packed, args[0], 0);
  Vals states, cells;
  for (std::size_t r = 0; r < runs;) {
    Vals outputs;
    for (std::size_t direction = 0; direction < (*both ? 2 : 1); ++direction, ++r) {
      const auto k = static_cast<std::int64_t>(r);
      Vals initial;
      for (const Val& state : hidden) initial.push_back(ops.part(state, 0, k, k + 1));
      const auto first = weights.begin() + static_cast<std::ptrdiff_t>(r * each);
      Run run =
          recurrence.run(x, initial, Vals(first, first + static_cast<std::ptrdiff_t>(each)), *biases, direction == 1);
      outputs.push_back(std::move(run.output));
      states.push_back(std::move(run.state));
      cells.push_back(std::move(run.cell));
    }
    x = outputs.size() == 1 ? outputs[0] : ops("cat", {make_list(std::move(outputs)), SymInt(2)});
  }
  Vals results = {kept_elements(ops, x, packed.mask), ops("cat", {make_list(std::move(states)), SymInt(0)})};
  if (hidden.size() > 1) results.push_back(ops("cat", {make_list(std::move(cells)), SymInt(0)}));
  return make_tuple(std::move(results));
}

}  // namespace

const Evaluator::Packed* Evaluator::find_packed(const Val& batch_sizes) const {
  const auto* value = batch_sizes.get<Value*>();
  const auto found = value == nullptr ? packed_.end() : packed_.find(*value);
  return found == packed_.end() ? nullptr : &found->second;
}

std::optional<SymInt> Evaluator::batch_of_packed(const Value* value) const {
  const Node* node = value->producer;
  if (node == nullptr || node->op->id != OpId::aten_select_int || node->args.at(2) != Arg(SymInt(0)))
    return std::nullopt;
  const Packed* packed = find_packed(node->args.at(0).value());
  return packed == nullptr ? std::nullopt : std::optional(packed->batch);
}

std::optional<Val> pack_padded_sequence(Evaluator& evaluator, const Vals& args, const Keywords&) {
  const bool* batch_first = args.size() == 3 ? args[2].get<bool>() : nullptr;
  if (batch_first == nullptr) return std::nullopt;
  const Ops ops{evaluator};
  const Val x = *batch_first ? ops("transpose", {args[0], SymInt(0), SymInt(1)}) : args[0];
  const SymShape shape = shape_of(ops, x);
  if (shape.size() < 2) return std::nullopt;
  const Val time = ops("unsqueeze", {ops("arange", {shape[0]}), SymInt(1)});
  Evaluator::Packed packed{ops("lt", {time, args[1]}), args[1], shape[0], shape[1]};
  const Val counts = ops("sum", {packed.mask, make_list({SymInt(1)})});
  const Val batch_sizes = ops("masked_select", {counts, ops("gt", {counts, SymInt(0)})});
  const Val data = kept_elements(ops, x, packed.mask);
  evaluator.note_packed(evaluator.tensor(batch_sizes), std::move(packed));
  return make_tuple({data, batch_sizes});
}

std::optional<Val> pad_packed_sequence(Evaluator& evaluator, const Vals& args, const Keywords&) {
  const Evaluator::Packed* known = args.size() == 5 ? evaluator.find_packed(args[1]) : nullptr;
  const bool* batch_first = known != nullptr ? args[2].get<bool>() : nullptr;
  const auto* total = known != nullptr ? args[4].get<SymInt>() : nullptr;
  if (batch_first == nullptr || total == nullptr) return std::nullopt;
  const double filling =
      args[3].get<double>() != nullptr ? *args[3].get<double>() : static_cast<double>(args[3].integer().value_or(0));
  const Evaluator::Packed packed = *known;
  const Ops ops{evaluator};
  Val padded = padded_form(ops, packed, args[0], filling);
  const SymInt more = *total - packed.steps;
  if (const auto constant = more.as_constant(); constant && *constant > 0) {
    Vals edges(2 * (shape_of(ops, padded).size() - 1), SymInt(0));
    edges.emplace_back(SymInt(0));
    edges.emplace_back(more);
    padded = ops("constant_pad_nd", {padded, make_list(std::move(edges)), filling});
  } else if (!constant || *constant < 0) {
    padded = ops("slice", {padded, SymInt(0), SymInt(0), *total, SymInt(1)});
  }
  if (*batch_first) padded = ops("transpose", {padded, SymInt(0), SymInt(1)});
  return make_tuple({padded, packed.lengths});
}

std::optional<Val> packed_lstm(Evaluator& evaluator, const Vals& args, const Keywords&) {
  const Vals* hidden = args.size() == 9 ? args[2].items() : nullptr;
  if (hidden == nullptr || hidden->size() != 2) return std::nullopt;
  return recur(evaluator, "lstm", args, Vals(*hidden));
}
std::optional<Val> packed_gru(Evaluator& evaluator, const Vals& args, const Keywords&) {
  return args.size() == 9 ? recur(evaluator, "gru", args, {args[2]}) : std::nullopt;
}
std::optional<Val> packed_rnn_tanh(Evaluator& evaluator, const Vals& args, const Keywords&) {
  return args.size() == 9 ? recur(evaluator, "rnn_tanh", args, {args[2]}) : std::nullopt;
}
std::optional<Val> packed_rnn_relu(Evaluator& evaluator, const Vals& args, const Keywords&) {
  return args.size() == 9 ? recur(evaluator, "rnn_relu", args, {args[2]}) : std::nullopt;
}

}  // namespace aitune::torchscript
