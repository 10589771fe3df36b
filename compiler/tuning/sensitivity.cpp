#include "compiler/tuning/sensitivity.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>

#include "compiler/tuning/stopwatch.h"
#include "runtime/arena.h"

namespace aitune {
namespace {

using Steps = std::vector<const ProductStep*>;

constexpr int kTimedRuns = 12;

/// To the nearest bf16, halves to even; kept as f32.
void round_to_bf16(std::span<float> values) {
  for (float& value : values) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const bool finite = (bits & 0x7f800000u) != 0x7f800000u;
    const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) & 0xffff0000u;
    value = std::bit_cast<float>(finite ? rounded : bits);
  }
}

/// Has some steps read rounded copies of their operands.
class Rounding final : public StepProbe {
 public:
  Rounding(const Instance& instance, const Steps& products, const OperandRounding& rounding)
      : instance_(instance), rounding_(rounding) {
    for (const ProductStep* p : products) {
      nodes_[p->step] = p->node;
      auto& operands = operands_[p->step];
      operands.emplace_back(p->input_slot, Arena());
      for (const auto& [slot, bytes] : p->rounded_weights([&](std::span<float> w) { rounding.weights(p->node, w); })) {
        Arena copy(bytes.size());
        std::memcpy(copy.data(), bytes.data(), bytes.size());
        operands.emplace_back(slot, std::move(copy));
      }
    }
  }

  void before(std::size_t step, std::span<void*> buffers) override {
    const auto it = operands_.find(step);
    if (it == operands_.end()) return;
    auto& [slot, copy] = it->second.front();
    const std::size_t bytes = instance_.buffer_bytes(instance_.program().plan().steps[step].buffers[slot]);
    if (copy.size() != bytes) copy = Arena(bytes);
    std::memcpy(copy.data(), buffers[slot], bytes);
    rounding_.input(nodes_.at(step), {reinterpret_cast<float*>(copy.data()), bytes / sizeof(float)});
    for (const auto& [at, memory] : it->second) {
      old_.push_back(buffers[at]);
      buffers[at] = memory.data();
    }
  }

  void after(std::size_t step, std::span<void*> buffers) override {
    const auto it = operands_.find(step);
    if (it == operands_.end()) return;
    for (std::size_t i = 0; i < old_.size(); ++i) buffers[it->second[i].first] = old_[i];
    old_.clear();
  }

 private:
  const Instance& instance_;
  const OperandRounding& rounding_;
  std::map<std::size_t, std::string> nodes_;                                    // by step
  std::map<std::size_t, std::vector<std::pair<std::size_t, Arena>>> operands_;  // by step: slot, what it reads there
  std::vector<void*> old_;
};

double worst_error(std::span<const Tensor> got, std::span<const Tensor> expected) {
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (all_finite(expected[i]) && !all_finite(got[i])) return std::numeric_limits<double>::infinity();
    const double error = relative_error(got[i], expected[i]);
    worst = std::max(worst, std::isnan(error) ? std::numeric_limits<double>::infinity() : error);
  }
  return worst;
}

/// Steps in f32 by node, in order.
std::vector<std::pair<std::string, Steps>> by_node(std::span<const ProductStep> products) {
  std::vector<std::pair<std::string, Steps>> nodes;
  for (const ProductStep& p : products) {
    if (p.type != DType::f32) continue;
    const auto it = std::ranges::find(nodes, p.node, &std::pair<std::string, Steps>::first);
    (it != nodes.end() ? *it : nodes.emplace_back(p.node, Steps())).second.push_back(&p);
  }
  return nodes;
}

}  // namespace

OperandRounding bf16_rounding() {
  const auto round = [](const std::string& /*node*/, std::span<float> values) { round_to_bf16(values); };
  return {round, round};
}

ByNode measure_errors(Instance& f32, std::span<const ProductStep> products,
                      std::span<const std::vector<Tensor>> samples, double seconds,
                      const OperandRounding& rounding_of) {
  const auto nodes = by_node(products);
  ByNode errors;
  const double budget = seconds / static_cast<double>(samples.size());
  for (const auto& inputs : samples) {
    const auto expected = f32.run(inputs);
    const Stopwatch clock;
    std::size_t group = 1;
    for (std::size_t first = 0; first < nodes.size(); first += group) {
      if (first > 0) {
        const double each = clock.seconds() / static_cast<double>(first);
        const double left = std::max(1e-3, budget - clock.seconds());
        const double wanted = each * static_cast<double>(group) * static_cast<double>(nodes.size() - first) / left;
        group = std::max<std::size_t>(1, static_cast<std::size_t>(std::min(std::ceil(wanted), 64.0)));
      }
      const std::size_t last = std::min(nodes.size(), first + group);
      Steps together;
      for (std::size_t i = first; i < last; ++i)
        together.insert(together.end(), nodes[i].second.begin(), nodes[i].second.end());
      Rounding rounding(f32, together, rounding_of);
      const double error =
          worst_error(f32.run(inputs, rounding), expected) / std::sqrt(static_cast<double>(last - first));
      for (std::size_t i = first; i < last; ++i) {
        double& worst = errors[nodes[i].first];
        worst = std::max(worst, error);
      }
    }
  }
  return errors;
}

std::vector<ByNode> measure_times(std::span<const TimedPlan> plans, std::span<const Tensor> inputs) {
  std::vector<std::vector<double>> fastest;  // by plan and step
  for (const TimedPlan& p : plans)
    fastest.emplace_back(p.instance.program().plan().steps.size(), std::numeric_limits<double>::infinity());
  for (int run = 0; run < kTimedRuns; ++run)
    for (std::size_t p = 0; p < plans.size(); ++p)
      for (const StepTime& t : plans[p].instance.profile(inputs)) {
        double& best = fastest[p][t.step];
        best = std::min(best, std::chrono::duration<double, std::micro>(t.elapsed).count());
      }
  std::vector<ByNode> times(plans.size());
  for (std::size_t p = 0; p < plans.size(); ++p)
    for (const ProductStep& product : plans[p].products) times[p][product.node] += fastest[p][product.step];
  return times;
}

}  // namespace aitune
