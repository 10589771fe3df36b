// Operators of TorchScript that stand for several of the table.

#include <algorithm>
#include <array>
#include <map>

#include "compiler/import/torchscript/composites.h"
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

// (v, g, dim) -> v * (g / |v|), with the length of all of v (dim -1), or of each slice along a dimension.
std::optional<Val> weight_norm(Evaluator& evaluator, const Vals& args, const Keywords&) {
  if (args.size() < 2 || !args[0].is_tensor()) return std::nullopt;
  const auto rank = static_cast<std::int64_t>(evaluator.tensor(args[0])->type.shape.size());
  const auto dim = args.size() > 2 ? args[2].integer() : std::optional<std::int64_t>(0);
  if (!dim || *dim < -1 || *dim >= std::max<std::int64_t>(rank, 1)) return std::nullopt;
  Vals along;
  for (std::int64_t d = 0; d < rank; ++d)
    if (d != *dim) along.emplace_back(SymInt(d));
  const Val norm = along.empty()
                       ? op(evaluator, "abs", {args[0]})
                       : op(evaluator, "linalg_vector_norm", {args[0], SymInt(2), make_list(std::move(along)), true});
  return op(evaluator, "mul", {args[0], op(evaluator, "div", {args[1], norm})});
}

bool is_mask(const Val& value) {
  const auto* tensor = value.get<Value*>();
  return tensor != nullptr && (*tensor)->type.dtype == DType::b8;
}

// x[mask, i]: the positions that the mask keeps stand for it, a tensor for each of its dimensions.
std::optional<Val> with_masks(Evaluator& evaluator, std::string_view name, const Vals& args, const Keywords& keywords) {
  const Vals* indices = args.size() < 2 ? nullptr : args[1].items();
  if (indices == nullptr || std::ranges::none_of(*indices, is_mask) ||
      std::ranges::count_if(*indices, [](const Val& v) { return v.is_tensor(); }) < 2)
    return std::nullopt;
  Vals expanded;
  for (const Val& index : *indices) {
    if (!is_mask(index)) {
      expanded.push_back(index);
      continue;
    }
    const Val rows = op(evaluator, "nonzero", {index});
    const std::size_t rank = (*index.get<Value*>())->type.shape.size();
    for (std::size_t d = 0; d < rank; ++d)
      expanded.push_back(op(evaluator, "select", {rows, SymInt(1), SymInt(static_cast<std::int64_t>(d))}));
  }
  Vals given = args;
  given[1] = make_list(std::move(expanded));
  return call_operator(evaluator, name, given, keywords);
}
std::optional<Val> index(Evaluator& evaluator, const Vals& args, const Keywords& keywords) {
  return with_masks(evaluator, "index", args, keywords);
}
std::optional<Val> index_put(Evaluator& evaluator, const Vals& args, const Keywords& keywords) {
  return with_masks(evaluator, "index_put", args, keywords);
}
std::optional<Val> index_put_in_place(Evaluator& evaluator, const Vals& args, const Keywords& keywords) {
  return with_masks(evaluator, "index_put_", args, keywords);
}

const Val* find_keyword(const Keywords& keywords, std::string_view name) {
  const auto found = std::ranges::find(keywords, name, &std::pair<std::string, Val>::first);
  return found == keywords.end() ? nullptr : &found->second;
}

/// A tensor of this size, filled with a number that data decide, of the dtype that is asked for or `otherwise`.
Val filled(Evaluator& evaluator, const Val& size, Value* value, const Keywords& keywords,
           std::optional<DType> otherwise) {
  const Val* given = find_keyword(keywords, "dtype");
  Val dtype = given == nullptr ? Val(None{}) : *given;
  if (dtype.is_none() && otherwise) dtype = SymInt(scalar_type_of(*otherwise));
  Val number = value;
  if (!dtype.is_none()) number = op(evaluator, "to", {number, dtype});
  return op(evaluator, "clone", {op(evaluator, "expand", {number, size})});
}
/// The number at a place among the arguments that data decide, or that is complex; null for others.
Value* unknown_at(Evaluator& evaluator, const Vals& args, std::size_t place) {
  if (args.size() <= place) return nullptr;
  if (const auto* number = args[place].get<ComplexNumber>()) return evaluator.complex_tensor(*number, false);
  const auto* value = args[place].get<Unknown>();
  return value == nullptr ? nullptr : value->value;
}
// full(size, value)
std::optional<Val> full(Evaluator& evaluator, const Vals& args, const Keywords& keywords) {
  Value* value = unknown_at(evaluator, args, 1);
  if (value == nullptr || args[0].items() == nullptr) return std::nullopt;
  const bool real = value->type.dtype == DType::f64;
  return filled(evaluator, args[0], value, keywords, real ? std::optional(DType::f32) : std::nullopt);
}
// full_like(x, value) and x.new_full(size, value)
std::optional<Val> full_like(Evaluator& evaluator, const Vals& args, const Keywords& keywords) {
  Value* value = unknown_at(evaluator, args, 1);
  if (value == nullptr || !args[0].is_tensor()) return std::nullopt;
  const TensorType type = evaluator.tensor(args[0])->type;
  return filled(evaluator, make_list(Vals(type.shape.begin(), type.shape.end())), value, keywords, type.dtype);
}
std::optional<Val> new_full(Evaluator& evaluator, const Vals& args, const Keywords& keywords) {
  Value* value = unknown_at(evaluator, args, 2);
  if (value == nullptr || !args[0].is_tensor()) return std::nullopt;
  return filled(evaluator, args[1], value, keywords, evaluator.tensor(args[0])->type.dtype);
}

// Whether sizes and elements are the same. Elements are compared as far as both tensors go.
std::optional<Val> equal(Evaluator& evaluator, const Vals& args, const Keywords&) {
  const auto is_tensor = [](const Val& value) { return value.is_tensor() || value.get<Stored>() != nullptr; };
  if (args.size() != 2 || !std::ranges::all_of(args, is_tensor)) return std::nullopt;
  Val left = evaluator.tensor(args[0]), right = evaluator.tensor(args[1]);
  const SymShape a = evaluator.tensor(left)->type.shape, b = evaluator.tensor(right)->type.shape;
  if (a.size() != b.size()) return false;
  Vals same;
  for (std::size_t d = 0; d < a.size(); ++d) {
    if (a[d] == b[d]) continue;
    if ((a[d] - b[d]).is_constant()) return false;
    const auto cut = [&](const Val& value) {
      return op(evaluator, "slice",
                {value, SymInt(static_cast<std::int64_t>(d)), SymInt(0), min(a[d], b[d]), SymInt(1)});
    };
    left = cut(left);
    right = cut(right);
    same.push_back(
        op(evaluator, "eq",
           {evaluator.size_tensor(evaluator.graph(), a[d]), evaluator.size_tensor(evaluator.graph(), b[d])}));
  }
  Val result = op(evaluator, "all", {op(evaluator, "eq", {left, right})});
  for (const Val& size : same) result = op(evaluator, "logical_and", {result, size});
  const auto known = evaluator.decided_number(result);
  return known ? known : evaluator.unknown_number(evaluator.tensor(result), DType::b8);
}

/// The items of a list that has as many as data decide; nullptr for other arguments.
const GrownItems* grown_list(const Vals& args) {
  const auto* list = args.empty() ? nullptr : args[0].get<ListPtr>();
  return list == nullptr ? nullptr : (*list)->grown.get();
}
std::optional<std::int64_t> dim_argument(const Vals& args, const Keywords& keywords) {
  if (args.size() > 1) return args[1].integer();
  for (const auto& [name, value] : keywords)
    if (name == "dim") return value.integer();
  return 0;
}
std::optional<Val> stack(Evaluator& evaluator, const Vals& args, const Keywords& keywords) {
  const GrownItems* items = grown_list(args);
  const auto dim = dim_argument(args, keywords);
  return items != nullptr && dim ? std::optional(evaluator.stacked(*items, *dim)) : std::nullopt;
}
std::optional<Val> concatenate(Evaluator& evaluator, const Vals& args, const Keywords& keywords) {
  const GrownItems* items = grown_list(args);
  const auto dim = dim_argument(args, keywords);
  return items != nullptr && dim ? std::optional(evaluator.concatenated(*items, *dim)) : std::nullopt;
}

/// (x, n, dim) of a size that moves: n pieces, where all sizes are large enough for so many.
std::optional<Val> chunk(Evaluator& evaluator, const Vals& args, const Keywords& keywords) {
  if (args.size() < 2 || !args[0].is_tensor()) return std::nullopt;
  const SymShape& shape = evaluator.tensor(args[0])->type.shape;
  const Val* named = find_keyword(keywords, "dim");
  const auto n = args[1].integer(), dim = args.size() > 2    ? args[2].integer()
                                          : named != nullptr ? named->integer()
                                                             : std::optional<std::int64_t>(0);
  const auto rank = static_cast<std::int64_t>(shape.size());
  constexpr std::int64_t kMostPieces = 1 << 10;
  if (!n || !dim || *n < 1 || *n > kMostPieces || *dim < -rank || *dim >= rank) return std::nullopt;
  const SymInt size = shape[static_cast<std::size_t>(*dim < 0 ? *dim + rank : *dim)];
  // Of m elements in pieces of ceil(m / n) there may be fewer than n where m is no larger than (n - 1)^2.
  if (size.is_constant() || divide_exact(size, *n) || evaluator.range_of(size).min <= (*n - 1) * (*n - 1))
    return std::nullopt;
  const SymInt piece = floordiv(size + (*n - 1), *n);
  Vals pieces;
  for (std::int64_t i = 0; i < *n; ++i)
    pieces.push_back(
        op(evaluator, "slice", {args[0], SymInt(*dim), piece * i, i + 1 < *n ? piece * (i + 1) : size, SymInt(1)}));
  return make_list(std::move(pieces));
}

/// The old name of outer().
std::optional<Val> outer_product(Evaluator& evaluator, const Vals& args, const Keywords& keywords) {
  return call_operator(evaluator, "outer", args, keywords);
}

/// Along a dimension that moves it gives a list with as many items as data decide.
std::optional<Val> unbind(Evaluator& evaluator, const Vals& args, const Keywords& keywords) {
  const auto dim = dim_argument(args, keywords);
  if (args.empty() || args[0].get<Value*>() == nullptr || !dim) return std::nullopt;
  const SymShape& shape = (*args[0].get<Value*>())->type.shape;
  const auto rank = static_cast<std::int64_t>(shape.size());
  const std::int64_t at = *dim < 0 ? *dim + rank : *dim;
  if (at < 0 || at >= rank || shape[static_cast<std::size_t>(at)].is_constant()) return std::nullopt;
  GrownItems items;
  items.rows = at == 0 ? args[0] : op(evaluator, "movedim", {args[0], SymInt(at), SymInt(0)});
  return evaluator.copy_of(items);
}

}  // namespace

Val Ops::operator()(std::string_view name, const Vals& args) const { return call_operator(evaluator, name, args, {}); }
Val Ops::part(const Val& value, std::int64_t dim, std::int64_t first, std::int64_t last) const {
  return (*this)("slice", {value, SymInt(dim), SymInt(first), SymInt(last), SymInt(1)});
}

std::optional<Val> call_composite(Evaluator& evaluator, std::string_view name, const Vals& args,
                                  const Keywords& keywords) {
  static const std::map<std::string_view, Composite> table = {{"_convolution", convolution},
                                                              {"_convolution_mode", convolution_by_name},
                                                              {"_native_multi_head_attention", fused_attention},
                                                              {"_pack_padded_sequence", pack_padded_sequence},
                                                              {"_pad_packed_sequence", pad_packed_sequence},
                                                              {"lstm", packed_lstm},
                                                              {"gru", packed_gru},
                                                              {"rnn_tanh", packed_rnn_tanh},
                                                              {"rnn_relu", packed_rnn_relu},
                                                              {"_transformer_encoder_layer_fwd", fused_encoder_layer},
                                                              {"_weight_norm", weight_norm},
                                                              {"cat", concatenate},
                                                              {"concat", concatenate},
                                                              {"concatenate", concatenate},
                                                              {"chunk", chunk},
                                                              {"equal", equal},
                                                              {"full", full},
                                                              {"full_like", full_like},
                                                              {"new_full", new_full},
                                                              {"ger", outer_product},
                                                              {"index", index},
                                                              {"index_put", index_put},
                                                              {"index_put_", index_put_in_place},
                                                              {"lstm_cell", lstm_cell},
                                                              {"stack", stack},
                                                              {"gru_cell", gru_cell},
                                                              {"unbind", unbind}};
  const auto found = table.find(name);
  return found == table.end() ? std::nullopt : found->second(evaluator, args, keywords);
}

}  // namespace aitune::torchscript
