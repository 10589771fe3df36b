#include <algorithm>
#include <cstring>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "compiler/ops/data_sizes.h"
#include "compiler/ops/schema.h"
#include "compiler/passes/fold_constants.h"
#include "compiler/passes/rewrite.h"

namespace aitune {
namespace {

constexpr std::int64_t kMaxAssignments = 64;                  // combinations of symbol values that are tried
constexpr std::int64_t kMaxElements = std::int64_t{1} << 24;  // of one evaluated value

void collect_symbols(const Arg& arg, std::vector<std::string>& names) {
  if (const auto* size = std::get_if<SymInt>(&arg)) size->collect_symbols(names);
  if (arg.is_list()) {
    for (const Arg& element : arg.list()) collect_symbols(element, names);
  }
}

/// Every combination of values of `names` within their ranges; empty if there are too many.
std::vector<SymValues> assignments(const std::set<std::string>& names, const SymRanges& ranges) {
  std::vector<SymValues> result = {{}};
  for (const std::string& name : names) {
    const auto range = ranges.find(name);
    if (range == ranges.end() || range->second.max >= kMaxAssignments + range->second.min) return {};
    std::vector<SymValues> next;
    for (const SymValues& partial : result) {
      for (std::int64_t value = range->second.min; value <= range->second.max; ++value) {
        next.push_back(partial);
        next.back()[name] = value;
      }
    }
    if (static_cast<std::int64_t>(next.size()) > kMaxAssignments) return {};
    result = std::move(next);
  }
  return result;
}

/// A view of `tensor` with strides of its own.
Tensor restrided(const Tensor& tensor, Shape shape, Shape strides) {
  return {tensor.dtype(), std::move(shape), std::move(strides), tensor.owner(), tensor.data()};
}

/// The part of a contiguous tensor at index 0 of each marked dimension (kept with size 1), if the tensor repeats it.
std::optional<Tensor> repeated_part(const Tensor& tensor, const std::vector<bool>& marked) {
  Shape part = tensor.shape(), strides = tensor.strides();
  for (std::size_t d = 0; d < marked.size(); ++d) {
    if (!marked[d]) continue;
    part[d] = 1;
    strides[d] = 0;
  }
  const Tensor repeated = restrided(tensor, tensor.shape(), strides).contiguous();
  if (std::memcmp(repeated.data(), tensor.data(), tensor.byte_size()) != 0) return std::nullopt;
  return restrided(tensor, part, strides).clone();
}

class UniformFolder {
 public:
  UniformFolder(Graph& graph, const PassContext& context) : graph_(graph), context_(context) {}

  void run() {
    find_input_free();
    rewrite(graph_, [&](Inserter& insert, Node& node) -> Replacement {
      if (!frontier_.contains(&node)) return std::nullopt;
      const auto part = uniform_part(node);
      if (!part) return std::nullopt;
      return {{insert.expand(insert.constant(*part, node.output()->name), node.output()->type.shape)}};
    });
  }

 private:
  /// Nodes that no input reaches, and among them those with a symbolic result that other nodes need.
  void find_input_free() {
    const auto is_free = [&](const Value* value) {
      return is_weight(value) || (value->producer != nullptr && free_.contains(value->producer));
    };
    std::unordered_set<const Value*> needed(graph_.outputs.begin(), graph_.outputs.end());
    for (const auto& node : graph_.nodes()) {
      const auto operands = node->operands();
      // Sizes that data decide are none that a call may have: there is one for the data.
      if (!data_symbol(*node) && std::all_of(operands.begin(), operands.end(), is_free)) {
        free_.insert(node.get());
        operands_.emplace(node.get(), operands);
      } else {
        needed.insert(operands.begin(), operands.end());
      }
    }
    for (const Node* node : free_) {
      if (node->outputs.size() != 1 || !needed.contains(node->output())) continue;
      if (constant_shape(node->output()->type.shape)) continue;
      if (is_op(*node, "aten.expand.default") && is_weight(node->operands()[0])) continue;
      frontier_.insert(node);
    }
  }

  /// The nodes that `target` is computed from, itself included, and the symbols in them.
  void collect(const Node& target, std::set<std::string>& symbols, std::unordered_set<const Node*>& involved) const {
    std::vector<const Node*> pending = {&target};
    while (!pending.empty()) {
      const Node& node = *pending.back();
      pending.pop_back();
      if (!involved.insert(&node).second) continue;
      std::vector<std::string> names;
      for (const Arg& arg : node.args) collect_symbols(arg, names);
      for (const Value* output : node.outputs) {
        for (const SymInt& size : output->type.shape) size.collect_symbols(names);
      }
      symbols.insert(names.begin(), names.end());
      for (const Value* operand : operands_.at(&node)) {
        if (operand->producer != nullptr) pending.push_back(operand->producer);
      }
    }
  }

  std::optional<Tensor> uniform_part(const Node& node) const {
    std::set<std::string> symbols;
    std::unordered_set<const Node*> involved;
    collect(node, symbols, involved);
    std::vector<bool> marked;
    for (const SymInt& size : node.output()->type.shape) marked.push_back(!size.is_constant());
    std::optional<Tensor> part;
    for (const SymValues& values : assignments(symbols, graph_.symbols)) {
      const auto result = evaluate(node, involved, values);
      if (!result) return std::nullopt;
      if (result->numel() == 0) continue;
      const auto own = repeated_part(*result, marked);
      if (!own) return std::nullopt;
      if (part && std::memcmp(part->data(), own->data(), own->byte_size()) != 0) return std::nullopt;
      part = own;
    }
    return part;
  }

  std::optional<Tensor> evaluate(const Node& target, const std::unordered_set<const Node*>& involved,
                                 const SymValues& values) const {
    std::unordered_map<const Value*, Tensor> known;
    for (const auto& node : graph_.nodes()) {
      if (!involved.contains(node.get())) continue;
      std::vector<Tensor> operands;
      for (const Value* operand : operands_.at(node.get())) {
        operands.push_back(is_weight(operand) ? operand->data : known.at(operand));
      }
      try {
        for (const Value* output : node->outputs) {
          if (product(output->type.shape).evaluate(values) > kMaxElements) return std::nullopt;
        }
        const auto results = context_.options.evaluator(*node, operands, values);
        for (std::size_t i = 0; i < results.size(); ++i) known[node->outputs[i]] = results[i];
      } catch (const Unsupported&) {
        return std::nullopt;
      }
      if (node.get() == &target) break;
    }
    return known.at(target.output()).contiguous();
  }

  Graph& graph_;
  const PassContext& context_;
  std::unordered_set<const Node*> free_, frontier_;
  std::unordered_map<const Node*, std::vector<Value*>> operands_;  // of free nodes, as before this pass
};

}  // namespace

void fold_uniform(Graph& graph, const PassContext& context) {
  if (context.options.evaluator) UniformFolder(graph, context).run();
}

}  // namespace aitune
