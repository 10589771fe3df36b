#include "compiler/import/dynamo/filled_constants.h"

#include <fmt/format.h>

#include <unordered_map>
#include <unordered_set>

#include "compiler/import/dynamo/mutation.h"
#include "compiler/ops/aliasing.h"
#include "compiler/ops/schema.h"

namespace aitune::dynamo {
namespace {

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

std::vector<std::string> copy_filled_constants(Graph& graph, bool (*is_constant)(std::string_view weight),
                                               const std::string& where) {
  const auto written = written_weights(graph);
  std::vector<std::string> names;
  for (Value* weight : graph.weights) {
    if (!is_constant(weight->weight_name) || !written.contains(weight)) continue;
    refuse_shared_memory(graph, weight, "constant", where);
    const OpInfo& clone = op_info(OpId::aten_clone_default);
    Node* copy =
        graph.add_node(clone, bind_arguments(clone, {weight}, {}), {weight->type}, weight->name, graph.nodes().begin());
    graph.replace_all_uses(weight, copy->output());
    copy->args[0] = weight;
    names.push_back(weight->weight_name);
  }
  return names;
}

std::string filled_constant_warning(std::string_view weight) {
  return fmt::format(
      "the forward writes into {}, which tracing has made a constant: every call begins with what the file holds",
      weight.substr(0, 100));
}

}  // namespace aitune::dynamo
