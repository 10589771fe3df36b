#include "compiler/import/fx/filled_constants.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "compiler/ops/aliasing.h"
#include "compiler/ops/schema.h"

namespace aitune::fx {
namespace {

/// What torch.fx calls them: "_tensor_constant0", in a submodule with its path before it.
bool is_constant_of_tracing(const Value* value) {
  if (value->kind != ValueKind::weight) return false;
  const std::string& name = value->weight_name;
  return name.compare(name.rfind('.') + 1, std::string_view("_tensor_constant").size(), "_tensor_constant") == 0;
}

/// The weights whose memory nodes write into.
std::unordered_set<const Value*> written_weights(const Graph& graph) {
  std::unordered_map<const Value*, const Value*> owners;
  const auto owner = [&](const Value* value) {
    const auto known = owners.find(value);
    return known == owners.end() ? value : known->second;
  };
  std::unordered_set<const Value*> written;
  for (const auto& node : graph.nodes()) {
    for (std::size_t i = 0; i < node->args.size(); ++i)
      if (node->op->args[i].written && node->args[i].is_value()) written.insert(owner(node->args[i].value()));
    for (std::size_t i = 0; i < node->outputs.size(); ++i)
      if (const Alias alias = alias_of(*node, i); alias.kind != Aliasing::fresh)
        owners[node->outputs[i]] = owner(alias.operand);
  }
  return written;
}

}  // namespace

std::vector<std::string> copy_filled_constants(Graph& graph) {
  const auto written = written_weights(graph);
  std::vector<std::string> names;
  for (Value* weight : graph.weights) {
    if (!is_constant_of_tracing(weight) || !written.contains(weight)) continue;
    const OpInfo& clone = op_info(OpId::aten_clone_default);
    Node* copy =
        graph.add_node(clone, bind_arguments(clone, {weight}, {}), {weight->type}, weight->name, graph.nodes().begin());
    graph.replace_all_uses(weight, copy->output());
    copy->args[0] = weight;
    names.push_back(weight->weight_name);
  }
  return names;
}

}  // namespace aitune::fx
