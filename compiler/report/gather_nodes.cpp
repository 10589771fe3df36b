#include "compiler/report/gather_nodes.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <tuple>
#include <unordered_map>

#include "compiler/report/gather_plan.h"

namespace aitune {
namespace {

using Key = std::tuple<std::string, std::string, std::string, std::string>;

/// Nodes in the model's order, those of a region behind the node that it is in.
class Walk {
 public:
  explicit Walk(const Graph& graph) { visit(graph); }
  std::vector<NodeReport> take() { return std::move(nodes_); }

 private:
  void visit(const Graph& graph) {
    for (const auto& node : graph.nodes()) {
      NodeReport report{.name = std::string(node->outputs.empty() ? node->op_name() : node->output()->name),
                        .op = std::string(node->op_name()),
                        .module = node->source.module,
                        .code = node->source.code,
                        .type = node->outputs.empty() ? "" : to_string(node->output()->type)};
      std::set<std::size_t> inputs;
      for (const Value* operand : node->operands())
        if (const auto at = places_.find(operand->producer); operand->producer != nullptr && at != places_.end())
          inputs.insert(at->second);
      report.inputs.assign(inputs.begin(), inputs.end());
      places_[node.get()] = nodes_.size();
      nodes_.push_back(std::move(report));
      for (const auto& region : node->regions) visit(*region);
    }
  }

  std::vector<NodeReport> nodes_;
  std::unordered_map<const Node*, std::size_t> places_;
};

/// Whether every node that the plan names is one of the program's; `of_origin` says which.
bool find_origins(const Plan& plan, const std::vector<NodeReport>& nodes, std::vector<std::size_t>& of_origin) {
  std::map<Key, std::size_t> places;
  for (std::size_t i = 0; i < nodes.size(); ++i)
    places.try_emplace(Key{nodes[i].name, nodes[i].op, nodes[i].module, nodes[i].code}, i);
  for (const PlanSource& origin : plan.origins) {
    const auto found = places.find(Key{origin.node, origin.op, origin.module, origin.code});
    if (found == places.end()) return false;
    of_origin.push_back(found->second);
  }
  return true;
}

}  // namespace

NodesReport describe_nodes(const Plan& plan, const Graph* program) {
  NodesReport report;
  report.by_source = plan.origins.empty();
  if (report.by_source) {
    for (const PlanSource& source : plan.sources)
      report.nodes.push_back({.name = source.node, .op = source.op, .module = source.module, .code = source.code});
    return report;
  }
  if (program != nullptr) {
    report.nodes = Walk(*program).take();
    report.has_graph = find_origins(plan, report.nodes, report.of_origin);
    if (report.has_graph) return report;
  }
  report = {};
  for (const PlanSource& origin : plan.origins)
    report.nodes.push_back({.name = origin.node, .op = origin.op, .module = origin.module, .code = origin.code});
  report.of_origin.resize(report.nodes.size());
  std::iota(report.of_origin.begin(), report.of_origin.end(), std::size_t{0});
  return report;
}

void connect(const Plan& plan, NodesReport& nodes, std::vector<StepReport>& steps) {
  for (std::size_t s = 0; s < steps.size(); ++s) {
    std::set<std::size_t> own;
    for (const std::uint32_t source : plan.steps[s].sources) {
      if (nodes.by_source) own.insert(source);
      for (const std::uint32_t origin : plan.sources[source].origins) own.insert(nodes.of_origin[origin]);
    }
    steps[s].nodes.assign(own.begin(), own.end());
    std::vector<std::size_t> payers;
    for (const std::size_t n : own) {
      nodes.nodes[n].steps.push_back(s);
      if (is_heavy(nodes.nodes[n].op)) payers.push_back(n);
    }
    const auto& known_by = payers.empty() ? steps[s].nodes : payers;
    if (!known_by.empty() && !nodes.nodes[known_by.front()].code.empty())
      steps[s].code = nodes.nodes[known_by.front()].code;
    if (payers.empty()) payers.assign(own.begin(), own.end());
    for (const std::size_t n : payers)
      nodes.nodes[n].microseconds += steps[s].microseconds / static_cast<double>(payers.size());
  }
}

std::vector<ModuleReport> describe_modules(const std::vector<NodeReport>& nodes) {
  std::vector<ModuleReport> modules = {{"", 0, 0}};
  std::map<std::string, std::size_t, std::less<>> places = {{"", 0}};
  for (const NodeReport& node : nodes) {
    const auto count = [&](std::string_view path) {
      const auto [at, fresh] = places.try_emplace(std::string(path), modules.size());
      if (fresh) modules.push_back({std::string(path), 0, 0});
      ++modules[at->second].nodes;
      modules[at->second].microseconds += node.microseconds;
    };
    count("");
    for (std::size_t dot = node.module.find('.'); dot != std::string::npos; dot = node.module.find('.', dot + 1))
      count(std::string_view(node.module).substr(0, dot));
    if (!node.module.empty()) count(node.module);
  }
  return modules;
}

}  // namespace aitune
