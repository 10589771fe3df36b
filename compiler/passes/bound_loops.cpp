#include "compiler/passes/bound_loops.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <ranges>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "compiler/graph/regions.h"
#include "compiler/ops/data_sizes.h"
#include "compiler/ops/schema.h"
#include "compiler/passes/rewrite.h"

namespace aitune {
namespace {

/// One loop, whose node has its regions: {condition, body}. Values of branches inside of them are looked at as well:
/// what a branch is given stands for what it was.
class Loop {
 public:
  explicit Loop(const Node& node)
      : condition_(*node.regions[0]), body_(*node.regions[1]), carried_(carried_count(node)) {
    enter(condition_);
    enter(body_);
  }

  /// Whether the condition may say something else on a later trip than on the one before.
  bool can_change() const {
    const std::set<std::size_t> settled = settled_values();
    const auto read = inputs_behind(condition_, condition_.outputs.at(0));
    return std::ranges::any_of(read, [&](std::size_t i) { return i < carried_ && !settled.contains(i); });
  }

  bool counts_to_a_bound() const { return bounds(condition_.outputs.at(0), 0); }

 private:
  enum class Way : std::uint8_t { up, down };

  /// Which inputs of the region a value of it depends on, also by sizes that data decide: who reads such a size depends
  /// on the node that found it out.
  static std::set<std::size_t> inputs_behind(const Graph& region, const Value* value) {
    std::unordered_set<const Value*> reached = {value};
    std::unordered_set<std::string> sizes;
    const auto is_read = [&](const Node& node) {
      const auto size = data_symbol(node);
      return (size && sizes.contains(size->name)) ||
             std::ranges::any_of(node.outputs, [&](const Value* v) { return reached.contains(v); });
    };
    for (const auto& node : std::views::reverse(region.nodes())) {
      if (!is_read(*node)) continue;
      for (const Value* operand : node->operands()) reached.insert(operand);
      for (std::string& name : symbols_of(*node)) sizes.insert(std::move(name));
    }
    std::set<std::size_t> inputs;
    for (std::size_t i = 0; i < region.inputs.size(); ++i)
      if (reached.contains(region.inputs[i])) inputs.insert(i);
    return inputs;
  }

  /// Carried values that are the same on every trip but for the first few: they are handed on, or made of such.
  std::set<std::size_t> settled_values() const {
    std::set<std::size_t> settled;
    for (bool grows = true; grows;) {
      grows = false;
      for (std::size_t i = 0; i < carried_; ++i) {
        if (settled.contains(i)) continue;
        const auto behind = inputs_behind(body_, body_.outputs[i]);
        if (!is_kept(i) &&
            std::ranges::any_of(behind, [&](std::size_t k) { return k < carried_ && !settled.contains(k); }))
          continue;
        settled.insert(i);
        grows = true;
      }
    }
    return settled;
  }

  void enter(const Graph& graph) {
    for (const auto& node : graph.nodes()) {
      if (!node->op->has_regions() || !is_if(*node)) continue;
      const auto operands = region_operands(*node);
      for (const auto& region : node->regions) {
        for (std::size_t i = 0; i < operands.size(); ++i) given_[region->inputs[i]] = operands[i];
        enter(*region);
      }
    }
  }

  static bool is_any_of(const Node& node, std::initializer_list<std::string_view> ops) {
    return std::ranges::find(ops, node.op_name()) != ops.end();
  }

  /// Whether a bool is false after some number of trips, whatever the data are. A flag that is carried is looked for
  /// where the body makes it.
  bool bounds(const Value* value, int depth) const {
    constexpr int kMaxDepth = 32;
    if (depth > kMaxDepth) return false;
    value = through_views(value);
    if (const auto i = index_in(condition_, value); i && *i < carried_) return bounds(body_.outputs[*i], depth + 1);
    const Node* node = value->producer;
    if (node == nullptr) return scalar_weight(value) == 0.0;
    if (node->op->has_regions()) {
      return is_if(*node) && std::ranges::all_of(node->regions, [&](const auto& region) {
               return bounds(region->outputs[value->index], depth + 1);
             });
    }
    if (is_any_of(*node, {"aten.logical_and.default", "aten.bitwise_and.Tensor", "aten.__and__.Tensor"}))
      return bounds(node->args[0].value(), depth + 1) || bounds(node->args[1].value(), depth + 1);
    if (is_any_of(*node, {"aten.lt.Scalar", "aten.le.Scalar"})) return counts(node->args[0], Way::up);
    if (is_any_of(*node, {"aten.gt.Scalar", "aten.ge.Scalar"})) return counts(node->args[0], Way::down);
    if (is_any_of(*node, {"aten.lt.Tensor", "aten.le.Tensor"}))
      return (counts(node->args[0], Way::up) && is_fixed(node->args[1])) ||
             (counts(node->args[1], Way::down) && is_fixed(node->args[0]));
    if (is_any_of(*node, {"aten.gt.Tensor", "aten.ge.Tensor"}))
      return (counts(node->args[0], Way::down) && is_fixed(node->args[1])) ||
             (counts(node->args[1], Way::up) && is_fixed(node->args[0]));
    return false;
  }

  /// An integer that every trip changes by a constant, in this direction: carried, or as the body hands it on.
  bool counts(const Arg& arg, Way way) const {
    const Value* value = through_views(arg.value());
    if (!is_integral(value->type.dtype)) return false;
    for (const Graph* region : {&condition_, &body_})
      if (const auto i = index_in(*region, value)) return steps(*i, way);
    for (std::size_t i = 0; i < carried_; ++i)
      if (through_views(body_.outputs[i]) == value && steps(i, way)) return true;
    return false;
  }

  bool steps(std::size_t carried, Way way) const {
    if (carried >= carried_) return false;
    const Node* node = through_views(body_.outputs[carried])->producer;
    if (node == nullptr) return false;
    const bool adds = is_any_of(*node, {"aten.add.Tensor", "aten.add.Scalar"});
    if (!adds && !is_any_of(*node, {"aten.sub.Tensor", "aten.sub.Scalar"})) return false;
    const bool first = through_views(node->args[0].value()) == body_.inputs[carried];
    const bool second =
        adds && node->args[1].is_value() && through_views(node->args[1].value()) == body_.inputs[carried];
    if (!first && !second) return false;
    const Arg& step = node->args[first ? 1 : 0];
    const auto by = step.is_value() ? scalar_weight(step.value()) : constant_number(step);
    const auto alpha = constant_number(argument(*node, "alpha"));
    if (!by || !alpha) return false;
    const double change = (adds ? 1 : -1) * *by * *alpha;
    return way == Way::up ? change > 0 : change < 0;
  }

  /// Whether every trip sees the same.
  bool is_fixed(const Arg& arg, int depth = 0) const {
    constexpr int kMaxDepth = 6;
    const Value* value = through_views(arg.value());
    if (is_weight(value)) return true;
    for (const Graph* region : {&condition_, &body_})
      if (const auto i = index_in(*region, value)) return *i >= carried_ || is_kept(*i);
    const Node* node = value->producer;
    return node != nullptr && !node->op->has_regions() && depth < kMaxDepth &&
           std::ranges::all_of(node->operands(), [&](Value* operand) { return is_fixed(operand, depth + 1); });
  }

  bool is_kept(std::size_t carried) const { return through_views(body_.outputs[carried]) == body_.inputs[carried]; }

  const Value* through_views(const Value* value) const {
    while (true) {
      if (const auto given = given_.find(value); given != given_.end())
        value = given->second;
      else if (value->producer != nullptr &&
               is_any_of(*value->producer, {"aten.view.default", "aten.reshape.default", "aten.squeeze.default",
                                            "aten.clone.default", "aten.alias.default", "aten.unsqueeze.default"}))
        value = value->producer->args[0].value();
      else
        return value;
    }
  }

  static std::optional<std::size_t> index_in(const Graph& region, const Value* value) {
    const auto it = std::ranges::find(region.inputs, value);
    if (it == region.inputs.end()) return std::nullopt;
    return static_cast<std::size_t>(it - region.inputs.begin());
  }

  const Graph &condition_, &body_;
  const std::size_t carried_;
  std::unordered_map<const Value*, const Value*> given_;  // of inputs of branches
};

void look_at(Node& node, const PassContext& context) {
  const Loop loop(node);
  const auto known = scalar_weight(node.regions[0]->outputs.at(0));
  if (known == 0.0) return;
  if (!loop.can_change())
    throw Unsupported(
        "a loop that cannot end once it has begun: its condition depends on nothing that changes from trip to trip",
        describe_node(node), "Let the loop change what its condition reads, or write an if");
  if (loop.counts_to_a_bound() || !node.args[2].is_none()) return;
  node.args[2] = SymInt(kMaxTrips);
  context.warn(
      fmt::format("{}: nothing bounds the trips of this loop; it is an error if it runs more than {} times. A "
                  "counter in its condition (i < limit) bounds it",
                  describe_node(node), kMaxTrips));
}

}  // namespace

void bound_loops(Graph& graph, const PassContext& context) {
  for (const auto& node : graph.nodes()) {
    for (const auto& region : node->regions) bound_loops(*region, context);
    if (node->op->has_regions() && is_loop(*node)) look_at(*node, context);
  }
}

}  // namespace aitune
