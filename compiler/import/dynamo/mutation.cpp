#include "compiler/import/dynamo/mutation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>
#include <unordered_map>

#include "compiler/ops/aliasing.h"
#include "compiler/ops/schema.h"

namespace aitune::dynamo {
namespace {

bool updates_running_stats(const Node& node) {
  return node.op->id == OpId::aten_batch_norm_default && node.args.at(node.op->arg_index("training")).boolean();
}

class Roots {
 public:
  // The input, weight or fresh result whose memory `value` may be.
  const Value* of(const Value* value) const {
    const auto it = roots_.find(value);
    return it == roots_.end() ? value : it->second;
  }

  void add(const Node& node) {
    for (std::size_t i = 0; i < node.outputs.size(); ++i)
      if (const Alias alias = alias_of(node, i); alias.kind != Aliasing::fresh)
        roots_[node.outputs[i]] = of(alias.operand);
  }

 private:
  std::unordered_map<const Value*, const Value*> roots_;
};

}  // namespace

namespace {

void add_mutations(const Graph& graph, std::set<const Value*>& seen, Mutations& found) {
  const auto report = [&](const Value* root, const Node& by) {
    if (root == nullptr || root->kind == ValueKind::node || !seen.insert(root).second) return;
    const std::string place = by.source.code.empty() ? "" : " at " + by.source.code;
    if (root->kind == ValueKind::input)
      found.inputs.push_back("input " + root->name + place);
    else
      found.weights.push_back("weight " + root->weight_name + place);
  };
  Roots roots;
  for (const auto& node : graph.nodes()) {
    for (std::size_t i = 0; i < node->args.size(); ++i)
      if (node->op->args[i].written && !changes_only_shape(*node->op))
        report(roots.of(node->args[i].value_or_null()), *node);
    if (updates_running_stats(*node))
      for (const auto* stat : {"running_mean", "running_var"})
        report(roots.of(node->args.at(node->op->arg_index(stat)).value_or_null()), *node);
    roots.add(*node);
    for (const auto& region : node->regions) add_mutations(*region, seen, found);
  }
}

}  // namespace

Mutations find_mutations(const Graph& graph) {
  Mutations found;
  std::set<const Value*> seen;
  add_mutations(graph, seen, found);
  return found;
}

std::string Mutations::list() const {
  std::vector<std::string> all = inputs;
  all.insert(all.end(), weights.begin(), weights.end());
  return fmt::format("{}", fmt::join(all, ", "));
}

std::string Mutations::advice() const {
  const std::string of_inputs =
      "Let forward() return new values, and clone an input before the model writes to it (a first layer with "
      "inplace=True does): x = x.clone()";
  const std::string of_weights =
      "Let forward() return new values instead of storing them; a batch norm in training mode writes, too: call "
      "model.eval() before saving";
  if (weights.empty()) return of_inputs;
  return inputs.empty() ? of_weights : of_inputs + ". " + of_weights;
}

}  // namespace aitune::dynamo
