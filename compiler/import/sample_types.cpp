#include "compiler/import/sample_types.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/error.h"

namespace aitune {
namespace {

void check_alike(const std::string& name, std::span<const Tensor> tensors) {
  for (const Tensor& tensor : tensors) {
    const Tensor& first = tensors.front();
    if (tensor.dtype() == first.dtype() && tensor.dim() == first.dim()) continue;
    throw InvalidArgument(fmt::format("one sample is {}, another {}", describe(first.dtype(), first.shape()),
                                      describe(tensor.dtype(), tensor.shape())),
                          fmt::format("input '{}'", name),
                          "give samples that differ in sizes alone, or tune the module twice");
  }
}

// What one dimension was in each sample.
Shape sizes_of(std::span<const Tensor> tensors, std::size_t dim) {
  Shape sizes;
  for (const Tensor& tensor : tensors) sizes.push_back(tensor.size(dim));
  return sizes;
}

}  // namespace

std::optional<std::vector<Tensor>> find_samples(std::string_view name, std::size_t position,
                                                std::span<const NamedTensors> samples) {
  std::vector<Tensor> found;
  const std::string number = std::to_string(position);
  for (const NamedTensors& sample : samples) {
    auto it = std::ranges::find(sample, name, &NamedTensors::value_type::first);
    if (it == sample.end()) it = std::ranges::find(sample, number, &NamedTensors::value_type::first);
    if (it != sample.end()) found.push_back(it->second);
  }
  if (found.empty()) return std::nullopt;
  if (found.size() != samples.size()) {
    throw InvalidArgument(fmt::format("{} of {} samples have it", found.size(), samples.size()),
                          fmt::format("input '{}'", name), "give it in every sample, or in none");
  }
  return found;
}

std::vector<TensorType> types_of_samples(std::span<const std::string> names,
                                         std::span<const std::vector<Tensor>> inputs, SymRanges& symbols) {
  std::map<Shape, std::string> named;  // sizes over the samples -> symbol
  std::vector<TensorType> types;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    check_alike(names[i], inputs[i]);
    TensorType type{.dtype = inputs[i].front().dtype(), .shape = {}};
    for (std::size_t d = 0; d < static_cast<std::size_t>(inputs[i].front().dim()); ++d) {
      const Shape sizes = sizes_of(inputs[i], d);
      const auto [least, most] = std::ranges::minmax(sizes);
      if (least == most) {
        type.shape.emplace_back(least);
        continue;
      }
      const auto [it, fresh] = named.try_emplace(sizes, fmt::format("s{}", named.size()));
      if (fresh) symbols[it->second] = {.min = least, .max = most};
      type.shape.push_back(SymInt::symbol(it->second));
    }
    types.push_back(std::move(type));
  }
  return types;
}

}  // namespace aitune
