#include "compiler/passes/simplify_regions.h"

#include <algorithm>
#include <unordered_map>

#include "compiler/graph/regions.h"
#include "compiler/ops/schema.h"
#include "compiler/passes/rewrite.h"

namespace aitune {
namespace {

using Values = std::vector<Value*>;

std::optional<bool> constant_condition(const Value* value) {
  const auto number = scalar_weight(value);
  return number ? std::optional(*number != 0) : std::nullopt;
}

/// Puts the nodes of a region where its node stands; gives the values of its outputs.
Values inline_region(Inserter& insert, Node& node, Graph& region, const Values& operands) {
  Graph& graph = insert.graph();
  const auto position = graph.iterator_of(&node);
  std::unordered_map<const Value*, Value*> outer;
  for (std::size_t i = 0; i < operands.size(); ++i) outer[region.inputs[i]] = operands[i];
  for (const Value* weight : region.weights) {
    outer[weight] = graph.add_weight(weight->name, weight->weight_name, weight->data);
  }
  for (const auto& inner : region.nodes()) {
    ArgList args = inner->args;
    map_operands(args, [&](Value* value) { return outer.at(value); });
    std::vector<TensorType> types;
    for (const Value* output : inner->outputs) types.push_back(output->type);
    Node* copy = graph.add_node(*inner->op, std::move(args), std::move(types),
                                inner->outputs.empty() ? std::string() : inner->outputs[0]->name, position);
    copy->source = inner->source;
    copy->regions = std::move(inner->regions);
    for (std::size_t i = 0; i < inner->outputs.size(); ++i) outer[inner->outputs[i]] = copy->outputs[i];
  }
  Values results;
  for (const Value* output : region.outputs) results.push_back(outer.at(output));
  return results;
}

/// A node with regions, taken apart to be put together again with less.
class Parts {
 public:
  Parts(Node& node, const UseCounts& uses)
      : node_(node), loop_(is_loop(node)), operands_(region_operands(node)), carried_(carried_count(node)) {
    for (Value* output : node.outputs) results_.push_back({output, nullptr, uses.of(output) > 0});
  }

  /// Whether anything became less.
  bool simplify() {
    if (loop_)
      keep_unchanged_values_outside();
    else
      drop_results();
    move_weights_inside();
    drop_unread_operands();
    return changed_;
  }

  Values rebuild(Inserter& insert) {
    Graph& graph = insert.graph();
    ArgList args;
    if (loop_)
      args = {list(0, carried_), list(carried_, operands_.size()), node_.args[2]};
    else
      args = {node_.args[0], list(0, operands_.size())};
    std::vector<TensorType> types;
    for (const Result& result : results_)
      if (result.kept()) types.push_back(result.old->type);
    Node* made = graph.add_node(*node_.op, std::move(args), std::move(types), "results", graph.iterator_of(&node_));
    made->source = node_.source;
    made->regions = std::move(node_.regions);
    Values values;
    std::size_t next = 0;
    for (Result& result : results_) {
      if (result.kept()) {
        result.now = made->output(next++);
        std::swap(result.now->name, result.old->name);
      }
      values.push_back(result.now);
    }
    return values;
  }

 private:
  struct Result {
    Value* old = nullptr;
    Value* now = nullptr;  // an operand that it is
    bool used = true;
    bool kept() const { return used && now == nullptr; }
  };

  Graph& first() { return *node_.regions[0]; }
  Graph& second() { return *node_.regions[1]; }

  ArgList list(std::size_t begin, std::size_t end) const {
    return {operands_.begin() + static_cast<std::ptrdiff_t>(begin),
            operands_.begin() + static_cast<std::ptrdiff_t>(end)};
  }

  static void drop(Values& values, std::size_t index) {
    values.erase(values.begin() + static_cast<std::ptrdiff_t>(index));
  }
  static void drop_output(Graph& region, std::size_t index) {
    drop(region.outputs, index);
    if (index < region.output_names.size())
      region.output_names.erase(region.output_names.begin() + static_cast<std::ptrdiff_t>(index));
  }

  void keep_unchanged_values_outside() {
    std::size_t result = 0;
    for (std::size_t i = 0; i < carried_; ++result) {
      if (second().outputs[i] != second().inputs[i]) {
        results_[result].used = true;  // its trips need it even where nobody reads the last one
        ++i;
        continue;
      }
      changed_ = true;
      results_[result].now = operands_[i];
      drop_output(second(), i);
      for (Values* values : {&operands_, &first().inputs, &second().inputs})
        std::rotate(values->begin() + static_cast<std::ptrdiff_t>(i),
                    values->begin() + static_cast<std::ptrdiff_t>(i) + 1, values->end());
      --carried_;
    }
  }

  void drop_results() {
    for (std::size_t i = results_.size(); i-- > 0;) {
      Result& result = results_[i];
      const auto a = input_index(first(), first().outputs[i]), b = input_index(second(), second().outputs[i]);
      if (a && a == b && operands_[*a]->type == result.old->type) result.now = operands_[*a];
      if (result.kept()) continue;
      changed_ = true;
      drop_output(first(), i);
      drop_output(second(), i);
    }
  }

  static std::optional<std::size_t> input_index(const Graph& region, const Value* value) {
    const auto it = std::ranges::find(region.inputs, value);
    if (it == region.inputs.end()) return std::nullopt;
    return static_cast<std::size_t>(it - region.inputs.begin());
  }

  void move_weights_inside() {
    for (std::size_t i = operands_.size(); i-- > carried_;) {
      if (!is_weight(operands_[i])) continue;
      changed_ = true;
      for (const auto& region : node_.regions) input_becomes_weight(*region, i, *operands_[i]);
      drop(operands_, i);
    }
  }

  void drop_unread_operands() {
    const UseCounts in_first(first()), in_second(second());
    for (std::size_t i = operands_.size(); i-- > carried_;) {
      if (in_first.of(first().inputs[i]) + in_second.of(second().inputs[i]) > 0) continue;
      changed_ = true;
      for (Values* values : {&operands_, &first().inputs, &second().inputs}) drop(*values, i);
    }
  }

  Node& node_;
  const bool loop_;
  Values operands_;
  std::size_t carried_;
  std::vector<Result> results_;
  bool changed_ = false;
};

}  // namespace

void simplify_regions(Graph& graph, const PassContext&) {
  const UseCounts uses(graph);
  rewrite(graph, [&](Inserter& insert, Node& node) -> Replacement {
    if (!node.op->has_regions()) return std::nullopt;
    const Values operands = region_operands(node);
    if (is_if(node)) {
      const auto known = constant_condition(node.args[0].value());
      if (known) return inline_region(insert, node, *node.regions[*known ? 0 : 1], operands);
    } else if (constant_condition(node.regions[0]->outputs[0]) == false) {
      return Values(operands.begin(), operands.begin() + static_cast<std::ptrdiff_t>(carried_count(node)));
    }
    Parts parts(node, uses);
    if (!parts.simplify()) return std::nullopt;
    return parts.rebuild(insert);
  });
}

}  // namespace aitune
