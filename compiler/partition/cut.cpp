#include "compiler/partition/cut.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <unordered_map>

#include "compiler/ops/data_sizes.h"

namespace aitune {
namespace {

/// Levels cycle through `order`; each node takes the first level of its engine that no operand's level exceeds.
std::vector<std::size_t> levels_for(const std::vector<std::vector<std::size_t>>& producers,
                                    const std::vector<std::size_t>& engine_of, const std::vector<std::size_t>& order) {
  std::vector<std::size_t> levels(engine_of.size(), 0);
  for (std::size_t i = 0; i < engine_of.size(); ++i) {
    std::size_t level = 0;
    for (const std::size_t producer : producers[i]) level = std::max(level, levels[producer]);
    while (order[level % order.size()] != engine_of[i]) ++level;
    levels[i] = level;
  }
  return levels;
}

}  // namespace

std::vector<std::size_t> cut_levels(const Graph& graph, const std::vector<std::size_t>& engine_of,
                                    std::size_t engine_count) {
  std::unordered_map<const Node*, std::size_t> index;
  std::unordered_map<std::string, std::size_t> definers;  // of the sizes that data decide
  std::vector<std::vector<std::size_t>> producers;
  for (const auto& node : graph.nodes()) {
    auto& own = producers.emplace_back();
    for (const Value* operand : node->operands()) {
      if (operand->producer != nullptr) own.push_back(index.at(operand->producer));
    }
    if (!definers.empty())
      for (const std::string& name : symbols_of(*node))
        if (const auto it = definers.find(name); it != definers.end()) own.push_back(it->second);
    if (const auto symbol = data_symbol(*node)) definers.emplace(symbol->name, index.size());
    index.emplace(node.get(), index.size());
  }
  constexpr std::size_t kMaxOrders = 24;
  std::vector<std::size_t> order(engine_count), best;
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::size_t fewest = SIZE_MAX, tried = 0;
  do {
    auto levels = levels_for(producers, engine_of, order);
    const std::size_t blocks = std::set<std::size_t>(levels.begin(), levels.end()).size();
    if (blocks < fewest) {
      fewest = blocks;
      best = std::move(levels);
    }
  } while (++tried < kMaxOrders && std::next_permutation(order.begin(), order.end()));
  return best;
}

}  // namespace aitune
