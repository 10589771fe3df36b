#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "compiler/graph/regions.h"
#include "compiler/ops/data_sizes.h"
#include "compiler/passes/cleanup.h"
#include "compiler/passes/fold_constants.h"
#include "compiler/passes/rewrite.h"

namespace aitune {
namespace {

constexpr std::int64_t kMaxElementsLookedAt = std::int64_t{1} << 22;

/// The whole number that a node makes a size, where it is a constant one.
std::optional<std::int64_t> known_size(const Node& node) {
  if (!is_op(node, "aten.item.default") && !is_op(node, "aten._local_scalar_dense.default")) return std::nullopt;
  const auto number = scalar_weight(node.args.at(0).value());
  if (!number || !(*number >= 0) || !(*number < 1e15)) return std::nullopt;
  return static_cast<std::int64_t>(std::trunc(*number));
}

/// What a node gives whose result has a size that data decide, where these are constants: x[mask] with a mask of the
/// model's own. Empty where they are none.
std::vector<Tensor> results_of_constants(const Node& node, const PassContext& context) {
  const auto operands = node.operands();
  const auto is_small = [](const Value* value) {
    return value->kind == ValueKind::weight && value->data.numel() <= kMaxElementsLookedAt;
  };
  if (!context.options.evaluator || node.op->has_regions() || !is_deterministic(node) || operands.empty() ||
      !std::ranges::all_of(operands, is_small))
    return {};
  std::vector<Tensor> data;
  for (const Value* operand : operands) data.push_back(operand->data);
  try {
    return context.options.evaluator(node, data, {});
  } catch (const Error&) {  // it says so when it runs
    return {};
  }
}

bool replace_known_sizes(Graph& graph, const PassContext& context) {
  std::set<std::string> given_away;  // symbols in the types of results, which belong to the caller
  for (const Value* output : graph.outputs)
    for (const SymInt& size : output->type.shape) {
      std::vector<std::string> names;
      size.collect_symbols(names);
      given_away.insert(names.begin(), names.end());
    }
  std::vector<const Node*> done;
  for (auto it = graph.nodes().begin(); it != graph.nodes().end(); ++it) {
    const Node& node = **it;
    const auto symbol = data_symbol(node);
    if (!symbol || given_away.contains(symbol->name)) continue;
    auto value = known_size(node);
    if (!value) {
      const std::vector<Tensor> results = results_of_constants(node, context);
      if (results.empty()) continue;
      value = results.at(symbol->place.output).size(symbol->place.dim);
      Inserter insert(graph, it);
      for (std::size_t i = 0; i < results.size(); ++i)
        graph.replace_all_uses(node.outputs[i], insert.constant(results[i].contiguous(), node.outputs[i]->name));
    }
    replace_symbol(graph, symbol->name, *value);
    done.push_back(&node);
  }
  erase_nodes(graph, done);
  return !done.empty();
}

}  // namespace

void fold_numbers(Graph& graph, const PassContext& context) {
  constexpr int kMaxRounds = 8;  // a size makes numbers known, which are sizes
  for (int round = 0; round < kMaxRounds && replace_known_sizes(graph, context); ++round)
    fold_constants(graph, context);
}

}  // namespace aitune
