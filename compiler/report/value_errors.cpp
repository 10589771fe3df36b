#include "compiler/report/value_errors.h"

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>

#include <fmt/format.h>

#include "compiler/graph/regions.h"
#include "compiler/passes/evaluate.h"

namespace aitune {
namespace {

/// Values of the reference that wait to be compared, in its order.
class Waiting {
 public:
  bool full(std::size_t budget) const { return bytes_ >= budget || order_.size() >= kMostRows; }
  void add(const std::string& name, const Tensor& value) {
    if (!rows_.try_emplace(name, Row{value.clone(), std::nullopt}).second) return;
    order_.push_back(name);
    bytes_ += value.byte_size();
  }
  void compare(const std::string& name, const Tensor& value) {
    const auto row = rows_.find(name);
    if (row == rows_.end() || row->second.error || row->second.value.shape() != value.shape() ||
        is_complex(row->second.value.dtype()) != is_complex(value.dtype()))
      return;
    row->second.error = relative_error(value, row->second.value);
  }
  bool empty() const { return order_.empty(); }
  /// What was compared, in the reference's order.
  std::vector<ValueError> take() {
    std::vector<ValueError> errors;
    for (const std::string& name : order_)
      if (const auto error = rows_.at(name).error) errors.push_back({name, *error});
    *this = {};
    return errors;
  }

 private:
  static constexpr std::size_t kMostRows = 1 << 16;  // of a loop with small values, say

  struct Row {
    Tensor value;
    std::optional<double> error;
  };
  std::map<std::string, Row> rows_;
  std::vector<std::string> order_;
  std::size_t bytes_ = 0;
};

/// Tells the times apart in which a value of a branch or loop is shown in one run.
class Times {
 public:
  std::string name(const std::string& place) {
    const std::size_t time = ++times_[place];
    return time == 1 ? place : fmt::format("{}@{}", place, time);
  }

 private:
  std::map<std::string, std::size_t> times_;
};

std::string region_place(std::string_view place, std::string_view node, bool is_branch, std::size_t region) {
  const std::string_view words[] = {is_branch ? "then" : "condition", is_branch ? "else" : "body"};
  return fmt::format("{}{}/{}/", place, node, words[region]);
}

void see_places(const Graph& graph, const std::string& place,
                const std::function<void(const Node&, const std::string&)>& see) {
  for (const auto& node : graph.nodes()) {
    if (node->outputs.empty()) continue;
    see(*node, place);
    for (std::size_t r = 0; r < node->regions.size(); ++r)
      see_places(*node->regions[r], region_place(place, node->output()->name, is_if(*node), r), see);
  }
}

}  // namespace

std::string_view without_time(std::string_view name) { return name.substr(0, name.rfind('@')); }

void for_each_place(const Graph& graph, const std::function<void(const Node&, const std::string&)>& see) {
  see_places(graph, "", see);
}

std::vector<std::string> step_places(const Plan& plan) {
  struct Range {
    std::size_t end;
    std::string place;
  };
  std::vector<std::string> places;
  std::vector<Range> open;  // the innermost last
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    while (!open.empty() && i >= open.back().end) open.pop_back();
    places.push_back(open.empty() ? "" : open.back().place);
    const PlanStep& step = plan.steps[i];
    if (!is_control(step.kind)) continue;
    const std::string& node = step.sources.empty() ? step.name : plan.sources[step.sources.front()].node;
    const std::size_t middle = i + 1 + step.ranges[0];
    const bool is_branch = step.kind == StepKind::branch;
    open.push_back({middle + step.ranges[1], region_place(places.back(), node, is_branch, 1)});
    open.push_back({middle, region_place(places.back(), node, is_branch, 0)});
  }
  return places;
}

void compare_values(const ShowValues& reference, const ShowValues& subject,
                    const std::set<std::string, std::less<>>& names, std::size_t budget,
                    const std::function<bool(const ValueError&)>& look) {
  Waiting waiting;
  bool wanted = true;
  const auto compare = [&] {
    if (waiting.empty()) return;
    subject([&](const std::string& name, const Tensor& value) { waiting.compare(name, value); });
    for (const ValueError& error : waiting.take()) wanted = wanted && look(error);
  };
  reference([&](const std::string& name, const Tensor& value) {
    if (!wanted || !names.contains(without_time(name))) return;
    waiting.add(name, value);
    if (waiting.full(budget)) compare();
  });
  if (wanted) compare();
}

std::vector<ValueError> compare_values(const ShowValues& reference, const ShowValues& subject,
                                       const std::set<std::string, std::less<>>& names, std::size_t budget) {
  std::vector<ValueError> errors;
  compare_values(reference, subject, names, budget, [&](const ValueError& error) {
    errors.push_back(error);
    return true;
  });
  return errors;
}

ShowValues values_of(Instance& instance, std::vector<Tensor> inputs) {
  return [&instance, inputs = std::move(inputs)](const ShowValue& show) {
    const Plan& plan = instance.program_for(inputs).plan();
    const auto places = step_places(plan);
    std::map<std::string, const PlanValue*> first;  // a value may be kept twice, in two types
    for (std::size_t s = 0; s < plan.steps.size(); ++s)
      for (const PlanValue& value : plan.steps[s].values) first.try_emplace(places[s] + value.name, &value);
    Times times;
    instance.run_values(inputs, [&](std::size_t step, const PlanValue& value, const Tensor& tensor) {
      const std::string place = places[step] + value.name;
      if (first.at(place) == &value) show(times.name(place), tensor);
    });
  };
}

ShowValues values_of(const Graph& graph, std::vector<Tensor> inputs) {
  return [&graph, inputs = std::move(inputs)](const ShowValue& show) {
    std::unordered_map<const Node*, std::string> places;
    for_each_place(graph, [&](const Node& node, const std::string& place) { places.emplace(&node, place); });
    Times times;
    evaluate(graph, inputs, [&](const Node& node, std::span<const Tensor> outputs) {
      const auto place = places.find(&node);
      if (place != places.end() && !outputs.empty()) show(times.name(place->second + node.output()->name), outputs[0]);
    });
  };
}

std::set<std::string, std::less<>> value_names(const Plan& plan) {
  std::set<std::string, std::less<>> names;
  const auto places = step_places(plan);
  for (std::size_t s = 0; s < plan.steps.size(); ++s)
    for (const PlanValue& value : plan.steps[s].values) names.insert(places[s] + value.name);
  return names;
}

std::set<std::string, std::less<>> value_names(const Graph& graph) {
  std::set<std::string, std::less<>> names;
  for_each_place(graph, [&](const Node& node, const std::string& place) { names.insert(place + node.output()->name); });
  return names;
}

}  // namespace aitune
