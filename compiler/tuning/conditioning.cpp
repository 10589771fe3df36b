#include "compiler/tuning/conditioning.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "compiler/ops/schema.h"
#include "compiler/passes/evaluate.h"

namespace aitune {
namespace {

constexpr std::size_t kSamples = 2;

Tensor moved(const Tensor& tensor, std::minstd_rand& random) {
  if (tensor.dtype() != DType::f32) return tensor;
  Tensor to = tensor.contiguous().clone();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (float& x : std::span(to.as<float>(), static_cast<std::size_t>(to.numel())))
    if (std::isfinite(x)) x = std::nextafter(x, (random() & 0x100) != 0 ? kInfinity : -kInfinity);
  return to;
}

}  // namespace

double rounding_noise(const Graph& program, std::span<const RecordedSample> samples, int trials) {
  std::minstd_rand random(1);
  double noise = 0;
  for (int trial = 0; trial < trials; ++trial)
    for (const RecordedSample& sample : samples.first(std::min(samples.size(), kSamples))) {
      std::vector<Tensor> inputs;
      inputs.reserve(sample.inputs.size());
      for (const Tensor& input : sample.inputs) inputs.push_back(moved(input, random));
      const auto outputs = evaluate(program, inputs);
      for (std::size_t i = 0; i < outputs.size(); ++i)
        if (outputs[i].shape() == sample.outputs[i].shape())
          noise = std::max(noise, relative_error(outputs[i], sample.outputs[i]));
    }
  return noise;
}

bool orders_numbers(const Graph& program) {
  static constexpr auto kOrder =
      std::to_array<OpId>({OpId::aten_topk_default, OpId::aten_sort_default, OpId::aten_sort_stable,
                           OpId::aten_argsort_default, OpId::aten_argsort_stable, OpId::torchvision_nms_default});
  return std::ranges::any_of(program.nodes(), [](const auto& node) {
    return std::ranges::find(kOrder, node->op->id) != kOrder.end() ||
           std::ranges::any_of(node->regions, [](const auto& region) { return orders_numbers(*region); });
  });
}

}  // namespace aitune
