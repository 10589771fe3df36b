#include "compiler/import/sample_types.h"

#include <fmt/format.h>

#include <algorithm>

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

TensorType SampleTypes::type_of(const std::string& name, std::size_t position, std::span<const Tensor> tensors) {
  check_alike(name, tensors);
  TensorType type{.dtype = tensors.front().dtype(), .shape = {}};
  const auto rank = static_cast<std::size_t>(tensors.front().dim());
  const Input* given = nullptr;
  if (const auto at = find_input(given_, name, position)) {
    used_.insert(*at);
    given = &given_[*at];
    check_input(*given);
    if (given->min_shape.size() != rank)
      throw InvalidArgument(fmt::format("{} dimensions are given, the samples have {}", given->min_shape.size(), rank),
                            fmt::format("the shapes of input '{}'", name));
  }
  std::map<Shape, int> within;
  for (std::size_t d = 0; d < rank; ++d) {
    const Shape sizes = sizes_of(tensors, d);
    std::optional<SymRange> range;
    if (given != nullptr && given->min_shape[d] != Input::kAsIs) {
      range = {given->min_shape[d], given->max_shape[d]};
      for (std::size_t s = 0; s < sizes.size(); ++s)
        if (sizes[s] < range->min || sizes[s] > range->max)
          throw InvalidArgument(fmt::format("dimension {} is {} in sample {}, outside of the range {} that is given", d,
                                            sizes[s], s, to_string(*range)),
                                fmt::format("input '{}'", name));
    }
    type.shape.push_back(symbol(sizes, range, within));
  }
  return type;
}

SymInt SampleTypes::symbol(const Shape& sizes, std::optional<SymRange> range, std::map<Shape, int>& within) {
  const auto [least, most] = std::ranges::minmax(sizes);
  if (least != most) return moving(sizes, range, {least, most});
  if (!range || range->min == range->max) return least;
  const int before = within[{least, range->min, range->max}]++;
  const auto [it, fresh] = ranged_.try_emplace({least, range->min, range->max, before}, "");
  if (fresh) {
    it->second = fmt::format("s{}", symbols_.size());
    symbols_[it->second] = *range;
  }
  return SymInt::symbol(it->second);
}

SymInt SampleTypes::moving(const Shape& sizes, const std::optional<SymRange>& range, SymRange seen) {
  const auto [it, fresh] = moving_.try_emplace(sizes);
  Moving& known = it->second;
  if (fresh) {
    known.symbol = fmt::format("s{}", symbols_.size());
    symbols_[known.symbol] = range.value_or(seen);
  } else if (range) {
    SymRange& all = symbols_[known.symbol];
    all = known.given ? SymRange{std::max(all.min, range->min), std::min(all.max, range->max)} : *range;
  }
  known.given = known.given || range;
  return SymInt::symbol(known.symbol);
}

void SampleTypes::check_given() const {
  for (std::size_t i = 0; i < given_.size(); ++i)
    if (!used_.contains(i))
      throw InvalidArgument(fmt::format("the samples have no tensor for the input '{}', or it is given twice",
                                        given_[i].name.empty() ? std::to_string(i) : given_[i].name),
                            "input shapes");
}

}  // namespace aitune
