#include "compiler/import/dynamo/mutation.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "compiler/ops/schema.h"

namespace aitune::dynamo {
namespace {

// Operators whose schema promises a fresh tensor, but that hand back their argument when there is nothing to do.
bool may_return_argument(OpId op) {
  return op == OpId::aten_dropout_default || op == OpId::aten_feature_dropout_default ||
         op == OpId::aten_alpha_dropout_default;
}

// Whether results may share memory with the first argument: "(Tensor(a) self, ...) -> Tensor(a)".
bool aliases_first_argument(const OpInfo& op) {
  const auto arrow = op.schema.rfind("->");
  return op.schema.find("(a", arrow) != std::string::npos || may_return_argument(op.id);
}

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
    if (node.args.empty() || !aliases_first_argument(*node.op)) return;
    const auto operands = node.operands();
    if (operands.empty()) return;
    for (const Value* output : node.outputs)
      if (output->type.dtype == operands.front()->type.dtype) roots_[output] = of(operands.front());
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
      if (node->op->args[i].written) report(roots.of(node->args[i].value_or_null()));
    if (updates_running_stats(*node))
      for (const auto* stat : {"running_mean", "running_var"})
        report(roots.of(node->args.at(node->op->arg_index(stat)).value_or_null()));
    roots.add(*node);
  }
  return names;
}

}  // namespace aitune::dynamo
