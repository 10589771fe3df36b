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
  add_channels(values, dense.shape());
  const auto channels = static_cast<std::size_t>(dense.dim() > 0 ? dense.shape().back() : 1);
  // A share of every tensor. What comes later replaces as much of what is kept as its share is of all.
  const std::size_t count = std::min(values.size(), kKept / 8);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t first = i * values.size() / count, behind = (i + 1) * values.size() / count;
    const std::size_t at = first + random_() % (behind - first);
    const Kept kept{values[at], static_cast<std::uint32_t>(at % channels)};
    ++seen_;
    if (kept_.size() < kKept)
      kept_.push_back(kept);
    else if (const std::uint64_t place = random_() % seen_; place < kKept)
      kept_[place] = kept;
  }
}

void ValueRange::add_channels(std::span<const float> values, const Shape& shape) {
  constexpr std::int64_t kMostChannels = 1 << 16;
  if (shape.empty() || shape.back() > kMostChannels) return;
  const auto channels = static_cast<std::size_t>(shape.back());
  if (lows_.size() != channels) lows_.assign(channels, 0), highs_.assign(channels, 0);
  for (std::size_t row = 0; row < values.size(); row += channels)
    for (std::size_t c = 0; c < channels; ++c) {
      lows_[c] = std::min(lows_[c], values[row + c]);
      highs_[c] = std::max(highs_[c], values[row + c]);
    }
}

std::vector<float> ValueRange::magnitudes() const {
  std::vector<float> most(lows_.size());
  for (std::size_t c = 0; c < most.size(); ++c) most[c] = std::max(-lows_[c], highs_[c]);
  return most;
}

std::pair<double, double> ValueRange::range(const Shifts& shifts) const {
  if (shifts.empty()) return {low_, high_};
  double low = 0, high = 0;
  for (std::size_t c = 0; c < shifts.size(); ++c) {
    low = std::min(low, std::ldexp(static_cast<double>(lows_[c]), -shifts[c]));
    high = std::max(high, std::ldexp(static_cast<double>(highs_[c]), -shifts[c]));
  }
  return {low, high};
}

TensorScale ValueRange::whole(const Shifts& shifts) const {
  const auto [low, high] = range(shifts);
  TensorScale scale = TensorScale::of_range(low, high);
  scale.shifts = shifts;
  return scale;
}

TensorScale ValueRange::clipped(const Shifts& shifts) const {
  constexpr int kSteps = 24;
  constexpr double kLeast = 0.2;  // share of the range that is left at least
  const auto [low, high] = range(shifts);
  std::vector<float> values;
  for (const Kept& k : kept_)
    values.push_back(shifts.empty() ? k.value : std::ldexp(k.value, -shifts[k.channel % shifts.size()]));
  TensorScale best = whole(shifts);
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kSteps; ++i) {
    const double share = 1 - (1 - kLeast) * i / kSteps;
    TensorScale scale = TensorScale::of_range(low * share, high * share);
    double lost = 0;
    for (const float v : values) {
      const double off = static_cast<double>(v) - static_cast<double>(scale.rounded(v));
      lost += off * off;
    }
    if (lost >= least) continue;
    least = lost;
    best = std::move(scale);
  }
  best.shifts = shifts;
  return best;
}

ValueRange::Shifts even_shifts(std::span<const float> values, std::span<const float> weights) {
  std::vector<double> wanted(values.size(), 0);
  std::vector<double> known;
  for (std::size_t c = 0; c < values.size(); ++c) {
    if (!(values[c] > 0) || !(weights[c] > 0)) continue;
    wanted[c] = 0.5 * std::log2(static_cast<double>(values[c]) / static_cast<double>(weights[c]));
    known.push_back(wanted[c]);
  }
  if (known.empty()) return {};
  std::ranges::nth_element(known, known.begin() + static_cast<std::ptrdiff_t>(known.size() / 2));
  const double middle = known[known.size() / 2];
  ValueRange::Shifts shifts(values.size(), 0);
  bool any = false;
  for (std::size_t c = 0; c < values.size(); ++c) {
    if (!(values[c] > 0) || !(weights[c] > 0)) continue;
    const double shift = std::clamp(std::nearbyint(wanted[c] - middle), -double{TensorScale::kMostShift},
                                    double{TensorScale::kMostShift});
    shifts[c] = static_cast<std::int8_t>(shift);
    any = any || shifts[c] != 0;
  }
  return any ? shifts : ValueRange::Shifts();
}

namespace {

/// The largest magnitude of the weights that meet each channel, over all products that read the value.
void add_magnitudes(const Tensor& weight, std::vector<float>& most) {
  const Tensor dense = weight.contiguous();
  const auto channels = static_cast<std::size_t>(dense.shape().back());
  most.resize(std::max(most.size(), channels), 0);
  const std::span<const float> values(dense.as<float>(), static_cast<std::size_t>(dense.numel()));
  for (std::size_t i = 0; i < values.size(); ++i)
    most[i % channels] = std::max(most[i % channels], std::abs(values[i]));
}

/// What is known of a value that products read.
struct Read {
  ValueRange range;
  bool shiftable = true;
  std::vector<float> weights;
};

std::vector<TensorScale> ways_of(const Read& read) {
  std::vector<TensorScale> ways = {read.range.whole(), read.range.clipped()};
  if (!read.shiftable) return ways;
  const std::vector<float> magnitudes = read.range.magnitudes();
  if (magnitudes.size() != read.weights.size()) return ways;
  const ValueRange::Shifts shifts = even_shifts(magnitudes, read.weights);
  if (shifts.empty()) return ways;
  ways.push_back(read.range.whole(shifts));
  ways.push_back(read.range.clipped(shifts));
  return ways;
}

}  // namespace

std::map<std::string, ScaleChoice, std::less<>> calibrate(const Graph& lowered, const ProductNames& products,
                                                          const ProductNames& shiftable,
                                                          std::span<const RecordedSample> samples, Progress* progress,
                                                          const std::function<bool()>& is_over) {
  std::map<std::string, const Value*> inputs;  // by product
  std::unordered_map<const Value*, Read> reads;
  for (const auto& node : lowered.nodes()) {
    if (!can_quantise(*node) || !products.contains(node->output()->name)) continue;
    const Value* input = node->args[0].value();
    inputs[node->output()->name] = input;
    Read& read = reads[input];
    read.shiftable = read.shiftable && shiftable.contains(node->output()->name);
    if (read.shiftable) add_magnitudes(node->args[1].value()->data, read.weights);
  }
  std::size_t done = 0;
  const auto look = [&](const Value* value, const Tensor& tensor) {
    if (const auto found = reads.find(value); found != reads.end()) found->second.range.add(tensor);
  };
  for (const RecordedSample& sample : samples) {
    if (reads.empty() || (done > 0 && is_over && is_over())) break;
    if (progress) progress->step("sample", done, samples.size());
    for (std::size_t i = 0; i < lowered.inputs.size(); ++i) look(lowered.inputs[i], sample.inputs[i]);
    evaluate(lowered, sample.inputs, [&](const Node& node, std::span<const Tensor> outputs) {
      for (std::size_t i = 0; i < outputs.size(); ++i) look(node.output(i), outputs[i]);
    });
    ++done;
  }
  std::map<std::string, ScaleChoice, std::less<>> choices;
  std::map<const Value*, ScaleChoice> known;
  for (const auto& [product, input] : inputs) {
    const Read& read = reads.at(input);
    if (!read.range.is_finite()) continue;
    const auto [it, fresh] = known.try_emplace(input);
    if (fresh) it->second = {input->name, ways_of(read)};
    choices[product] = it->second;
  }
  return choices;
}

}  // namespace aitune
