#include "tools/plan_text.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace aitune::tools {
namespace {

/// "conv2d" of "aten.conv2d.default".
std::string short_op(const std::string& op) {
  const auto first = op.find('.');
  if (first == std::string::npos) return op;
  return op.substr(first + 1, op.find('.', first + 1) - first - 1);
}

/// The innermost module around two.
std::string around(const std::string& a, const std::string& b) {
  std::size_t end = 0;
  for (std::size_t i = 0; i <= std::min(a.size(), b.size()); ++i) {
    const bool a_ends = i == a.size() || a[i] == '.', b_ends = i == b.size() || b[i] == '.';
    if (a_ends && b_ends) end = i;
    if (i == a.size() || i == b.size() || a[i] != b[i]) break;
  }
  return a.substr(0, end);
}

std::string place_text(const std::string& module, const std::string& code) {
  const std::string line = line_of(code);
  return (module.empty() ? "" : " in " + module) + (line.empty() ? "" : " at " + line);
}

std::string node_text(const PlanSource& node) { return short_op(node.op) + place_text(node.module, node.code); }

}  // namespace

std::vector<const PlanSource*> model_nodes(const Plan& plan, const PlanStep& step) {
  std::set<std::uint32_t> origins;
  for (const std::uint32_t s : step.sources)
    origins.insert(plan.sources[s].origins.begin(), plan.sources[s].origins.end());
  std::vector<const PlanSource*> nodes;
  for (const std::uint32_t o : origins) nodes.push_back(&plan.origins[o]);
  if (nodes.empty())
    for (const std::uint32_t s : step.sources) nodes.push_back(&plan.sources[s]);
  return nodes;
}

std::string nodes_text(const Plan& plan, const PlanStep& step) {
  const auto nodes = model_nodes(plan, step);
  if (nodes.empty()) return "";
  std::string operators, module = nodes.front()->module;
  for (const PlanSource* node : nodes) {
    operators += (operators.empty() ? "" : " + ") + short_op(node->op);
    module = around(module, node->module);
  }
  const auto located = std::ranges::find_if(nodes, [](const PlanSource* node) { return !node->code.empty(); });
  return operators + place_text(module, located == nodes.end() ? "" : (*located)->code);
}

std::string step_text(const Plan& plan, std::size_t index) {
  if (index >= plan.steps.size()) return "the end of the plan";
  const PlanStep& step = plan.steps[index];
  const std::string nodes = nodes_text(plan, step);
  return fmt::format("step {} ({}) of block {} ({}){}", index, step.name.substr(0, 64), step.block,
                     plan.blocks[step.block].engine, nodes.empty() ? "" : ": " + nodes);
}

std::string block_places(const Plan& plan, std::size_t block) {
  const PlanSource *first = nullptr, *last = nullptr;
  for (const PlanStep& step : plan.steps) {
    if (step.block != block) continue;
    for (const PlanSource* node : model_nodes(plan, step)) {
      if (first == nullptr) first = node;
      last = node;
    }
  }
  if (first == nullptr) return "";
  return first == last ? ", " + node_text(*first) : fmt::format(", from {} to {}", node_text(*first), node_text(*last));
}

nlohmann::ordered_json nodes_json(const Plan& plan, const PlanStep& step) {
  auto list = nlohmann::ordered_json::array();
  for (const PlanSource* node : model_nodes(plan, step))
    list.push_back({{"node", node->node}, {"op", node->op}, {"module", node->module}, {"code", node->code}});
  return list;
}

std::string line_of(const std::string& code) {
  const auto in = code.find(" in ");
  const std::string line = code.substr(0, in);
  return line.substr(line.find_last_of('/') + 1);
}

}  // namespace aitune::tools
