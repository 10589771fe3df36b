#include "compiler/tuning/calibration.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <unordered_map>

#include "compiler/passes/evaluate.h"

namespace aitune {

void ValueRange::add(const Tensor& tensor) {
  const Tensor dense = tensor.contiguous();
  const std::span<const float> values(dense.as<float>(), static_cast<std::size_t>(dense.numel()));
  if (values.empty()) return;
  float low = 0, high = 0;
  bool finite = true;
  for (const float v : values) {
    low = std::min(low, v), high = std::max(high, v);
    finite = finite && std::isfinite(v);
  }
  finite_ = finite_ && finite;
  low_ = std::min(low_, static_cast<double>(low)), high_ = std::max(high_, static_cast<double>(high));
  // A share of every tensor. What comes later replaces as much of what is kept as its share is of all.
  const std::size_t count = std::min(values.size(), kKept / 8);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t first = i * values.size() / count, behind = (i + 1) * values.size() / count;
    const float v = values[first + random_() % (behind - first)];
    ++seen_;
    if (kept_.size() < kKept)
      kept_.push_back(v);
    else if (const std::uint64_t at = random_() % seen_; at < kKept)
      kept_[at] = v;
  }
}

TensorScale ValueRange::clipped() const {
  constexpr int kSteps = 24;
  constexpr double kLeast = 0.2;  // share of the range that is left at least
  TensorScale best = whole();
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kSteps; ++i) {
    const double share = 1 - (1 - kLeast) * i / kSteps;
    const TensorScale scale = TensorScale::of_range(low_ * share, high_ * share);
    double lost = 0;
    for (const float v : kept_) {
      const double off = static_cast<double>(v) - static_cast<double>(scale.rounded(v));
      lost += off * off;
    }
    if (lost < least) least = lost, best = scale;
  }
  return best;
}

std::map<std::string, ScaleChoice, std::less<>> calibrate(const Graph& lowered, const ProductNames& products,
                                                          std::span<const RecordedSample> samples, Progress* progress,
                                                          const std::function<bool()>& is_over) {
  std::map<std::string, const Value*> inputs;  // by product
  std::unordered_map<const Value*, ValueRange> ranges;
  for (const auto& node : lowered.nodes()) {
    if (!can_quantise(*node) || !products.contains(node->output()->name)) continue;
    const Value* input = node->args[0].value();
    inputs[node->output()->name] = input;
    ranges.try_emplace(input);
  }
  std::size_t done = 0;
  for (const RecordedSample& sample : samples) {
    if (ranges.empty() || (done > 0 && is_over && is_over())) break;
    if (progress) progress->step("sample", done, samples.size());
    for (std::size_t i = 0; i < lowered.inputs.size(); ++i)
      if (const auto found = ranges.find(lowered.inputs[i]); found != ranges.end()) found->second.add(sample.inputs[i]);
    evaluate(lowered, sample.inputs, [&](const Node& node, std::span<const Tensor> outputs) {
      for (std::size_t i = 0; i < outputs.size(); ++i)
        if (const auto found = ranges.find(node.output(i)); found != ranges.end()) found->second.add(outputs[i]);
    });
    ++done;
  }
  std::map<std::string, ScaleChoice, std::less<>> choices;
  std::map<const Value*, ScaleChoice> known;
  for (const auto& [product, input] : inputs) {
    const ValueRange& range = ranges.at(input);
    if (!range.is_finite()) continue;
    const auto [it, fresh] = known.try_emplace(input);
    if (fresh) it->second = {input->name, range.whole(), range.clipped()};
    choices[product] = it->second;
  }
  return choices;
}

}  // namespace aitune
