#include "compiler/passes/cleanup.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <ranges>
#include <tuple>
#include <unordered_set>

#include "base/ops.h"
#include "compiler/ops/aliasing.h"
#include "compiler/ops/data_sizes.h"
#include "compiler/ops/schema.h"
#include "compiler/passes/rewrite.h"

namespace aitune {
namespace {

/// A text that two arguments share exactly when they are equal. Doubles by bits: -0.0 and NaN count.
void append_key(std::string& key, const Arg& arg) {
  fmt::format_to(std::back_inserter(key), "{}:", arg.index());
  if (arg.is_list()) {
    key += '[';
    for (const Arg& element : arg.list()) append_key(key, element);
    key += ']';
  } else if (arg.is_value()) {
    fmt::format_to(std::back_inserter(key), "{}", static_cast<const void*>(arg.value()));
  } else if (const auto* size = std::get_if<SymInt>(&arg)) {
    key += size->str();
  } else if (const auto* number = std::get_if<double>(&arg)) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, number, sizeof bits);
    fmt::format_to(std::back_inserter(key), "{:x}", bits);
  } else if (const auto* text = std::get_if<std::string>(&arg)) {
    fmt::format_to(std::back_inserter(key), "{}'{}'", text->size(), *text);
  } else if (const auto* flag = std::get_if<bool>(&arg)) {
    key += *flag ? '1' : '0';
  } else if (const auto* dtype = std::get_if<DType>(&arg)) {
    fmt::format_to(std::back_inserter(key), "{}", static_cast<int>(*dtype));
  } else if (const auto* format = std::get_if<MemoryFormat>(&arg)) {
    fmt::format_to(std::back_inserter(key), "{}", static_cast<int>(*format));
  }
  key += ',';
}

/// Weights that view the same elements (tied embeddings), and equal scalars.
void merge_weights(Graph& graph) {
  using Key = std::tuple<const std::byte*, DType, Shape, Shape>;
  std::map<Key, Value*> by_memory;
  std::map<std::tuple<DType, std::size_t, std::string>, Value*> scalars;
  std::unordered_map<Value*, Value*> merged;
  for (Value* weight : graph.weights) {
    const Tensor& data = weight->data;
    Value* first = nullptr;
    if (data.numel() == 1) {
      const std::string bytes(reinterpret_cast<const char*>(data.data()), dtype_size(data.dtype()));
      first = scalars.try_emplace({data.dtype(), data.shape().size(), bytes}, weight).first->second;
    } else {
      first = by_memory.try_emplace({data.data(), data.dtype(), data.shape(), data.strides()}, weight).first->second;
    }
    if (first != weight && first->type == weight->type) merged[weight] = first;
  }
  if (merged.empty()) return;
  const auto map = [&](Value* value) {
    const auto it = merged.find(value);
    return it == merged.end() ? value : it->second;
  };
  for (const auto& node : graph.nodes()) map_operands(node->args, map);
  for (Value*& output : graph.outputs) output = map(output);
}

}  // namespace

bool is_deterministic(const Node& node) { return !is_random(node.op->id) && !is_dropout(node); }

void eliminate_dead_code(Graph& graph, const PassContext&) {
  std::unordered_set<const Value*> used(graph.outputs.begin(), graph.outputs.end());
  std::vector<const Node*> dead;
  std::unordered_set<std::string> sizes;  // symbols that live nodes use
  for (const auto& owned : std::views::reverse(graph.nodes())) {
    const Node& node = *owned;
    bool live = std::any_of(node.outputs.begin(), node.outputs.end(),
                            [&](const Value* output) { return used.contains(output); });
    if (const auto symbol = data_symbol(node)) live = live || sizes.contains(symbol->name);
    if (!live) {
      dead.push_back(&node);
      continue;
    }
    for (std::string& name : symbols_of(node)) sizes.insert(std::move(name));
    for (const Value* operand : node.operands()) used.insert(operand);
  }
  erase_nodes(graph, dead);
  std::erase_if(graph.weights, [&](const Value* weight) { return !used.contains(weight); });
}

void eliminate_common_subexpressions(Graph& graph, const PassContext&) {
  merge_weights(graph);
  std::unordered_map<std::string, std::vector<Value*>> seen;
  rewrite(graph, [&](Inserter&, Node& node) -> Replacement {
    if (node.op->is_inplace() || node.op->has_regions() || node.outputs.empty() || !is_deterministic(node))
      return std::nullopt;
    std::string key(node.op_name());
    for (const Arg& arg : node.args) append_key(key, arg);
    const auto [it, fresh] = seen.try_emplace(std::move(key), node.outputs);
    if (fresh || it->second.size() != node.outputs.size()) return std::nullopt;
    // The same data decide the same size.
    if (const auto gone = data_symbol(node))
      replace_symbol(graph, gone->name, SymInt::symbol(data_symbol(*it->second[0]->producer)->name));
    return it->second;
  });
}

}  // namespace aitune
