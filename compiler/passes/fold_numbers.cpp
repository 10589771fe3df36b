#include <algorithm>
#include <cmath>
#include <set>

#include "compiler/graph/regions.h"
#include "compiler/ops/data_sizes.h"
#include "compiler/passes/fold_constants.h"
#include "compiler/passes/rewrite.h"

namespace aitune {
namespace {

/// The whole number that a node makes a size, where it is a constant one.
std::optional<std::int64_t> known_size(const Node& node) {
  if (!is_op(node, "aten.item.default") && !is_op(node, "aten._local_scalar_dense.default")) return std::nullopt;
  const auto number = scalar_weight(node.args.at(0).value());
  if (!number || !(*number >= 0) || !(*number < 1e15)) return std::nullopt;
  return static_cast<std::int64_t>(std::trunc(*number));
}

bool replace_known_sizes(Graph& graph) {
  std::set<std::string> given_away;  // symbols in the types of results, which belong to the caller
  for (const Value* output : graph.outputs)
    for (const SymInt& size : output->type.shape) {
      std::vector<std::string> names;
      size.collect_symbols(names);
      given_away.insert(names.begin(), names.end());
    }
  std::vector<const Node*> done;
  for (const auto& node : graph.nodes()) {
    const auto value = known_size(*node);
    const auto symbol = value ? data_symbol(*node) : std::nullopt;
    if (!symbol || given_away.contains(symbol->name)) continue;
    replace_symbol(graph, symbol->name, *value);
    done.push_back(node.get());
  }
  erase_nodes(graph, done);
  return !done.empty();
}

}  // namespace

void fold_numbers(Graph& graph, const PassContext& context) {
  constexpr int kMaxRounds = 8;  // a size makes numbers known, which are sizes
  for (int round = 0; round < kMaxRounds && replace_known_sizes(graph); ++round) fold_constants(graph, context);
}

}  // namespace aitune
