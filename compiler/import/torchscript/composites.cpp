// Operators of TorchScript that stand for several of the table.

#include <array>
#include <map>

#include "compiler/import/torchscript/operators.h"

namespace aitune::torchscript {
namespace {

using Composite = std::optional<Val> (*)(Evaluator&, const Vals& args, const Keywords& keywords);

Val op(Evaluator& evaluator, std::string_view name, const Vals& args) {
  return call_operator(evaluator, name, args, {});
}

// What traced models write for every convolution; the flags at its end choose among PyTorch's own kernels.
std::optional<Val> convolution(Evaluator& evaluator, const Vals& args, const Keywords&) {
  constexpr std::size_t kMeaning = 9;
  if (args.size() < kMeaning) return std::nullopt;
  return op(evaluator, "convolution", Vals(args.begin(), args.begin() + kMeaning));
}

// (input, weight, bias, stride, padding, dilation, groups) with the padding by name, for any number of dimensions.
std::optional<Val> convolution_by_name(Evaluator& evaluator, const Vals& args, const Keywords&) {
  if (args.size() != 7 || !args[1].is_tensor()) return std::nullopt;
  const std::size_t rank = evaluator.tensor(args[1])->type.shape.size();
  if (rank < 3 || rank > 5) return std::nullopt;
  static constexpr std::array<std::string_view, 3> kNames = {"conv1d", "conv2d", "conv3d"};
  return op(evaluator, kNames[rank - 3], args);
}

// (input, [h, c], w_ih, w_hh, b_ih, b_hh) -> (h, c)
std::optional<Val> lstm_cell(Evaluator& evaluator, const Vals& args, const Keywords&) {
  if (is_operator("lstm_cell") || args.size() < 4 || args[1].items() == nullptr || args[1].items()->size() != 2)
    return std::nullopt;
  const Val h = (*args[1].items())[0], c = (*args[1].items())[1];
  const auto bias = [&](std::size_t i) { return args.size() > i ? args[i] : Val(None{}); };
  const Val gates =
      op(evaluator, "add",
         {op(evaluator, "linear", {args[0], args[2], bias(4)}), op(evaluator, "linear", {h, args[3], bias(5)})});
  const Val parts = op(evaluator, "chunk", {gates, SymInt(4), SymInt(1)});
  const Vals& gate = *parts.items();
  if (gate.size() != 4) return std::nullopt;
  const auto sigmoid = [&](const Val& value) { return op(evaluator, "sigmoid", {value}); };
  const auto tanh = [&](const Val& value) { return op(evaluator, "tanh", {value}); };
  const Val next_c =
      op(evaluator, "add",
         {op(evaluator, "mul", {sigmoid(gate[1]), c}), op(evaluator, "mul", {sigmoid(gate[0]), tanh(gate[2])})});
  return make_tuple({op(evaluator, "mul", {sigmoid(gate[3]), tanh(next_c)}), next_c});
}

// (input, h, w_ih, w_hh, b_ih, b_hh) -> h
std::optional<Val> gru_cell(Evaluator& evaluator, const Vals& args, const Keywords&) {
  if (is_operator("gru_cell") || args.size() < 4) return std::nullopt;
  const auto bias = [&](std::size_t i) { return args.size() > i ? args[i] : Val(None{}); };
  const auto gates = [&](const Val& input, const Val& weight, const Val& add) {
    return op(evaluator, "chunk", {op(evaluator, "linear", {input, weight, add}), SymInt(3), SymInt(1)});
  };
  const Val from_input = gates(args[0], args[2], bias(4)), from_state = gates(args[1], args[3], bias(5));
  const Vals &x = *from_input.items(), &h = *from_state.items();
  if (x.size() != 3 || h.size() != 3) return std::nullopt;
  const Val reset = op(evaluator, "sigmoid", {op(evaluator, "add", {x[0], h[0]})});
  const Val update = op(evaluator, "sigmoid", {op(evaluator, "add", {x[1], h[1]})});
  const Val fresh = op(evaluator, "tanh", {op(evaluator, "add", {x[2], op(evaluator, "mul", {reset, h[2]})})});
  return op(evaluator, "add", {fresh, op(evaluator, "mul", {update, op(evaluator, "sub", {args[1], fresh})})});
}

}  // namespace

std::optional<Val> call_composite(Evaluator& evaluator, std::string_view name, const Vals& args,
                                  const Keywords& keywords) {
  static const std::map<std::string_view, Composite> table = {{"_convolution", convolution},
                                                              {"_convolution_mode", convolution_by_name},
                                                              {"lstm_cell", lstm_cell},
                                                              {"gru_cell", gru_cell}};
  const auto found = table.find(name);
  return found == table.end() ? std::nullopt : found->second(evaluator, args, keywords);
}

}  // namespace aitune::torchscript
