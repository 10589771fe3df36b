#include "compiler/tuning/conditioning.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "compiler/ops/aliasing.h"
#include "compiler/ops/schema.h"
#include "compiler/passes/evaluate.h"

namespace aitune {
namespace {

constexpr std::size_t kSamples = 2;

void move_each(std::span<float> numbers, std::minstd_rand& random) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (float& x : numbers)
    if (std::isfinite(x)) x = std::nextafter(x, (random() & 0x100) != 0 ? kInfinity : -kInfinity);
}

Tensor moved(const Tensor& tensor, std::minstd_rand& random) {
  if (tensor.dtype() != DType::f32) return tensor;
  Tensor to = tensor.contiguous().clone();
  move_each({to.as<float>(), static_cast<std::size_t>(to.numel())}, random);
  return to;
}

/// Moves what a node has computed where it lies: nobody else has seen it yet. Views may be of weights.
void move_results(const Node& node, std::span<const Tensor> outputs, std::minstd_rand& random) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Tensor& result = outputs[i];
    const bool complex = result.dtype() == DType::c64;
    if ((result.dtype() != DType::f32 && !complex) || !result.is_contiguous() ||
        alias_of(node, i).kind != Aliasing::fresh)
      continue;
    move_each({result.as<float>(), static_cast<std::size_t>(result.numel()) * (complex ? 2 : 1)}, random);
  }
}

}  // namespace

double rounding_noise(const Graph& program, std::span<const RecordedSample> samples, int trials, bool inside) {
  std::minstd_rand random(1);
  NodeObserver move;
  if (inside) move = [&](const Node& node, std::span<const Tensor> outputs) { move_results(node, outputs, random); };
  double noise = 0;
  for (int trial = 0; trial < trials; ++trial)
    for (const RecordedSample& sample : samples.first(std::min(samples.size(), kSamples))) {
      std::vector<Tensor> inputs;
      inputs.reserve(sample.inputs.size());
      for (const Tensor& input : sample.inputs) inputs.push_back(moved(input, random));
      const auto outputs = evaluate(program, inputs, move);
      for (std::size_t i = 0; i < outputs.size(); ++i)
        if (outputs[i].shape() == sample.outputs[i].shape())
          noise = std::max(noise, relative_error(outputs[i], sample.outputs[i]));
    }
  return noise;
}

bool jumps(const Graph& program) {
  static constexpr auto kJumping = std::to_array<OpId>(
      {OpId::aten_topk_default, OpId::aten_sort_default, OpId::aten_sort_stable, OpId::aten_argsort_default,
       OpId::aten_argsort_stable, OpId::torchvision_nms_default, OpId::aten_angle_default, OpId::aten_atan2_default});
  return std::ranges::any_of(program.nodes(), [](const auto& node) {
    return std::ranges::find(kJumping, node->op->id) != kJumping.end() ||
           std::ranges::any_of(node->regions, [](const auto& region) { return jumps(*region); });
  });
}

}  // namespace aitune
