#include "compiler/tuning/conditioning.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "base/error.h"
#include "compiler/ops/aliasing.h"
#include "compiler/ops/schema.h"
#include "compiler/passes/evaluate.h"

namespace aitune {
namespace {

constexpr std::size_t kSamples = 2;
/// An engine's sums differ from the reference's by some units in the last place; each trial may go either way.
constexpr auto kUnitsOfTrials = std::to_array({4, 8, 16, 16, 32, 32});

/// Whether arithmetic that ends here was exact as likely as not: an index, a count, a mask.
bool is_small_integer(float x) { return std::abs(x) < 0x1p22F && x == std::trunc(x); }

/// Moves numbers up or down by so many units in the last place.
class Mover {
 public:
  Mover(int units, bool integers) : units_(units), integers_(integers) {}

  void move(std::span<float> numbers) {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    for (float& x : numbers) {
      if (!std::isfinite(x) || (!integers_ && is_small_integer(x))) continue;
      const float towards = (random_() & 0x100) != 0 ? kInfinity : -kInfinity;
      float moved = x;
      for (int i = 0; i < units_; ++i) moved = std::nextafter(moved, towards);
      if (std::isfinite(moved)) x = moved;
    }
  }

  std::vector<Tensor> moved(std::span<const Tensor> tensors) {
    std::vector<Tensor> list;
    list.reserve(tensors.size());
    for (const Tensor& tensor : tensors) list.push_back(moved(tensor));
    return list;
  }

  /// Moves what a node has computed where it lies: nobody else has seen it yet. Views may be of weights.
  void move_results(const Node& node, std::span<const Tensor> outputs) {
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const Tensor& result = outputs[i];
      const bool complex = result.dtype() == DType::c64;
      if ((result.dtype() != DType::f32 && !complex) || !result.is_contiguous() ||
          alias_of(node, i).kind != Aliasing::fresh)
        continue;
      move({result.as<float>(), static_cast<std::size_t>(result.numel()) * (complex ? 2 : 1)});
    }
  }

 private:
  Tensor moved(const Tensor& tensor) {
    if (tensor.dtype() != DType::f32) return tensor;
    Tensor to = tensor.contiguous().clone();
    move({to.as<float>(), static_cast<std::size_t>(to.numel())});
    return to;
  }

  int units_;
  bool integers_;
  std::minstd_rand random_{1};
};

/// What the reference gives for moved inputs, and `inside` with moved results; nothing where the model refuses them.
std::vector<Tensor> run_moved(const Graph& program, std::span<const Tensor> inputs, Mover& mover, bool inside) {
  NodeObserver move;
  if (inside) move = [&](const Node& node, std::span<const Tensor> outputs) { mover.move_results(node, outputs); };
  try {
    return evaluate(program, mover.moved(inputs), move);
  } catch (const Error&) {
    return {};
  }
}

}  // namespace

double rounding_noise(const Graph& program, std::span<const RecordedSample> samples, int trials, bool inside) {
  Mover mover(1, !inside);
  double noise = 0;
  for (int trial = 0; trial < trials; ++trial)
    for (const RecordedSample& sample : samples.first(std::min(samples.size(), kSamples))) {
      const auto outputs = run_moved(program, sample.inputs, mover, inside);
      for (std::size_t i = 0; i < outputs.size(); ++i)
        if (outputs[i].shape() == sample.outputs[i].shape())
          noise = std::max(noise, relative_error(outputs[i], sample.outputs[i]));
    }
  return noise;
}

bool jumps(const Graph& program) {
  static constexpr auto kJumping = std::to_array<OpId>(
      {OpId::aten_topk_default, OpId::aten_sort_default, OpId::aten_sort_stable, OpId::aten_argsort_default,
       OpId::aten_argsort_stable, OpId::torchvision_nms_default, OpId::aten_angle_default, OpId::aten_atan2_default,
       OpId::aten_argmax_default, OpId::aten_argmin_default, OpId::aten_max_dim, OpId::aten_min_dim,
       OpId::aten_nonzero_default});
  return std::ranges::any_of(program.nodes(), [](const auto& node) {
    return std::ranges::find(kJumping, node->op->id) != kJumping.end() ||
           std::ranges::any_of(node->regions, [](const auto& region) { return jumps(*region); });
  });
}

std::vector<bool> unsettled_sizes(const Graph& program, const RecordedSample& sample) {
  std::vector<bool> unsettled(sample.outputs.size());
  for (const int units : kUnitsOfTrials) {
    Mover mover(units, false);
    const auto outputs = run_moved(program, sample.inputs, mover, true);
    for (std::size_t i = 0; i < outputs.size(); ++i)
      if (outputs[i].shape() != sample.outputs[i].shape()) unsettled[i] = true;
  }
  return unsettled;
}

}  // namespace aitune
