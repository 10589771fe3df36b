#include "compiler/passes/widen_halves.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "compiler/ops/schema.h"
#include "compiler/passes/rewrite.h"

namespace aitune {
namespace {

bool is_half(DType dtype) { return dtype == DType::f16 || dtype == DType::bf16; }
bool is_half(const Value* value) { return is_half(value->type.dtype); }

/// "floor_divide" of "aten.floor_divide.Scalar"; empty for operators of other libraries.
std::string_view base_name(std::string_view op) {
  constexpr std::string_view kAten = "aten.";
  if (!op.starts_with(kAten)) return {};
  op.remove_prefix(kAten.size());
  return op.substr(0, op.find('.'));
}

/// The result of a number may differ by more than the number does, or depends on its type.
constexpr auto kExact =
    std::to_array<std::string_view>({"ceil", "fix", "floor", "floor_divide", "fmod", "frac", "nan_to_num", "heaviside",
                                     "nextafter", "remainder", "round", "sgn", "sign", "special_round", "trunc"});

/// These give their operands' numbers as they are: they are widened only where what they move has been.
constexpr auto kMovement = std::to_array<std::string_view>({"alias",
                                                            "as_strided",
                                                            "cat",
                                                            "chunk",
                                                            "clone",
                                                            "concat",
                                                            "constant_pad_nd",
                                                            "contiguous",
                                                            "detach",
                                                            "embedding",
                                                            "expand",
                                                            "expand_as",
                                                            "flatten",
                                                            "flip",
                                                            "gather",
                                                            "index",
                                                            "index_select",
                                                            "lift_fresh_copy",
                                                            "movedim",
                                                            "narrow",
                                                            "permute",
                                                            "repeat",
                                                            "repeat_interleave",
                                                            "reshape",
                                                            "roll",
                                                            "select",
                                                            "slice",
                                                            "split",
                                                            "split_with_sizes",
                                                            "squeeze",
                                                            "stack",
                                                            "swapaxes",
                                                            "t",
                                                            "take_along_dim",
                                                            "tile",
                                                            "transpose",
                                                            "unbind",
                                                            "unflatten",
                                                            "unfold",
                                                            "unsqueeze",
                                                            "view",
                                                            "view_as"});

constexpr auto kCasts = std::to_array<std::string_view>({"_to_copy", "to", "type_as"});

template <typename Names>
bool among(const Names& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

bool is_cast(const Node& node) { return among(kCasts, base_name(node.op_name())) && node.outputs.size() == 1; }

class Widening {
 public:
  explicit Widening(Graph& graph) : graph_(graph) {
    for (const auto& node : graph.nodes())
      for_each_value(std::as_const(node->args), [&](Value* value) {
        if (!is_cast(*node) || node->output()->type.dtype != DType::f32) computed_with_.insert(value);
      });
    for (const Value* output : graph.outputs) computed_with_.insert(output);
  }

  void run() {
    rewrite(graph_, [this](Inserter& insert, Node& node) { return widen(insert, node); });
  }

 private:
  Replacement widen(Inserter& insert, Node& node) {
    if (is_cast(node)) return widen_cast(insert, node);
    if (!may_widen(node)) return std::nullopt;
    ArgList args = node.args;
    map_operands(args, [&](Value* value) { return is_half(value) ? wide(insert, value) : value; });
    for (Arg& arg : args)
      if (DType* dtype = std::get_if<DType>(&arg); dtype && is_half(*dtype)) *dtype = DType::f32;
    std::vector<TensorType> types;
    for (const Value* output : node.outputs) {
      types.push_back(output->type);
      types.back().dtype = DType::f32;
    }
    const auto inferred = infer_types(*node.op, args);
    if (!std::ranges::equal(inferred, types, {}, &TensorType::dtype, &TensorType::dtype)) return std::nullopt;
    const Node* widened = insert.call_typed(node.op_name(), std::move(args), std::move(types));
    std::vector<Value*> results;
    for (std::size_t i = 0; i < node.outputs.size(); ++i)
      results.push_back(rounded(insert, widened->outputs[i], node.outputs[i]->type.dtype));
    return results;
  }

  /// Casts between f32 and what has been widened change nothing. A rounding that is only there to be seen in f32 stays.
  Replacement widen_cast(Inserter& insert, const Node& node) {
    Value* x = operand(node);
    const DType to = node.output()->type.dtype;
    if (to == DType::f32) {
      const auto known = wide_.find(x);
      return known == wide_.end() ? Replacement() : Replacement({{known->second}});
    }
    if (!is_half(to) || !computed_with_.contains(node.output())) return std::nullopt;
    if (x->type.dtype == DType::f32) return {{rounded(insert, x, to)}};
    const auto known = wide_.find(x);  // from one half to the other
    return known == wide_.end() ? Replacement() : Replacement({{rounded(insert, known->second, to)}});
  }

  bool may_widen(const Node& node) const {
    const std::string_view name = base_name(node.op_name());
    const auto half = [](const Value* value) { return is_half(value); };
    if (name.empty() || among(kExact, name) || node.op_name() == "aten.view.dtype" || !node.regions.empty())
      return false;
    if (node.outputs.empty() || !std::ranges::all_of(node.outputs, half)) return false;
    if (std::ranges::any_of(node.op->args, [](const SchemaArg& arg) { return arg.name == "rounding_mode"; }) &&
        !argument(node, "rounding_mode").is_none())
      return false;
    bool reads = false, reads_wide = false;
    for_each_value(node.args, [&](const Value* value) {
      reads = reads || is_half(value);
      reads_wide = reads_wide || wide_.contains(value);
    });
    return among(kMovement, name) ? reads_wide : reads;
  }

  /// The value before it was rounded, or as it is, in f32.
  Value* wide(Inserter& insert, Value* value) {
    if (const auto known = wide_.find(value); known != wide_.end()) return known->second;
    Value*& cast = casts_[value];
    if (cast == nullptr) cast = insert.cast(value, DType::f32);
    return cast;
  }

  Value* rounded(Inserter& insert, Value* x, DType to) {
    Value* result = insert.cast(x, to);
    wide_[result] = x;
    return result;
  }

  Graph& graph_;
  std::unordered_set<const Value*> computed_with_;  // read by more than casts to f32
  std::unordered_map<const Value*, Value*> wide_;   // of a rounded value: the f32 that it was rounded from
  std::unordered_map<const Value*, Value*> casts_;  // of others: them in f32
};

}  // namespace

void widen_halves(Graph& graph, const PassContext& context) {
  Widening(graph).run();
  for (const auto& node : graph.nodes())
    for (const auto& region : node->regions) widen_halves(*region, context);
}

bool holds_bf16(const Graph& graph) {
  const auto is_bf16 = [](const Value* value) { return value->type.dtype == DType::bf16; };
  return std::ranges::any_of(graph.inputs, is_bf16) || std::ranges::any_of(graph.weights, is_bf16);
}

}  // namespace aitune
