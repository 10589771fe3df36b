#include "compiler/report/value_errors.h"

#include <map>
#include <optional>
#include <unordered_set>

#include "compiler/passes/evaluate.h"

namespace aitune {
namespace {

/// Values of the reference that wait to be compared, in its order.
class Waiting {
 public:
  std::size_t bytes() const { return bytes_; }
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
  struct Row {
    Tensor value;
    std::optional<double> error;
  };
  std::map<std::string, Row> rows_;
  std::vector<std::string> order_;
  std::size_t bytes_ = 0;
};

}  // namespace

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
    if (!wanted || !names.contains(name)) return;
    waiting.add(name, value);
    if (waiting.bytes() >= budget) compare();
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
    instance.run_values(inputs,
                        [&](std::size_t, const PlanValue& value, const Tensor& tensor) { show(value.name, tensor); });
  };
}

ShowValues values_of(const Graph& graph, std::vector<Tensor> inputs) {
  return [&graph, inputs = std::move(inputs)](const ShowValue& show) {
    std::unordered_set<const Node*> own;
    for (const auto& node : graph.nodes()) own.insert(node.get());
    evaluate(graph, inputs, [&](const Node& node, std::span<const Tensor> outputs) {
      if (own.contains(&node) && !outputs.empty()) show(node.output()->name, outputs[0]);
    });
  };
}

std::set<std::string, std::less<>> value_names(const Plan& plan) {
  std::set<std::string, std::less<>> names;
  for (const PlanStep& step : plan.steps)
    for (const PlanValue& value : step.values) names.insert(value.name);
  return names;
}

}  // namespace aitune
