#include "compiler/import/dynamo/mutation.h"

#include <fmt/format.h>

#include <algorithm>
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

std::vector<std::string> mutated_names(const Graph& graph) {
  std::vector<std::string> names;
  const auto report = [&](const Value* root) {
    if (root == nullptr || root->kind == ValueKind::node) return;
    std::string name = root->kind == ValueKind::input ? "input " + root->name : "weight " + root->weight_name;
    if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
  };
  Roots roots;
  for (const auto& node : graph.nodes()) {
    for (std::size_t i = 0; i < node->args.size(); ++i)
      if (node->op->args[i].written && !changes_only_shape(*node->op)) report(roots.of(node->args[i].value_or_null()));
    if (updates_running_stats(*node))
      for (const auto* stat : {"running_mean", "running_var"})
        report(roots.of(node->args.at(node->op->arg_index(stat)).value_or_null()));
    roots.add(*node);
    for (const auto& region : node->regions)
      for (std::string& name : mutated_names(*region))
        if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
  }
  return names;
}

}  // namespace aitune::dynamo
