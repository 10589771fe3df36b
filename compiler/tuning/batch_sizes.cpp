#include "compiler/tuning/batch_sizes.h"

#include <algorithm>

namespace aitune {
namespace {

constexpr std::int64_t kMostWithoutBound = 1024;

/// The symbol, if the size is just that.
std::optional<std::string> symbol_of(const SymInt& size) {
  std::vector<std::string> symbols;
  size.collect_symbols(symbols);
  if (symbols.size() != 1 || size != SymInt::symbol(symbols.front())) return std::nullopt;
  return symbols.front();
}

}  // namespace

std::optional<std::string> batch_symbol(const Graph& graph) {
  for (const Value* input : graph.inputs)
    if (!input->type.shape.empty())
      if (auto symbol = symbol_of(input->type.shape.front())) return symbol;
  for (const Value* input : graph.inputs)
    for (const SymInt& size : input->type.shape)
      if (auto symbol = symbol_of(size)) return symbol;
  return std::nullopt;
}

std::vector<std::int64_t> batch_sizes(const SymRange& range) {
  const std::int64_t low = std::max<std::int64_t>(range.min, 1);
  const bool bounded = range.max < std::int64_t{1} << 32;
  const std::int64_t high = bounded ? range.max : std::max(low, kMostWithoutBound);
  std::vector<std::int64_t> sizes = {low};
  for (std::int64_t size = 1; size <= high; size *= 2)
    if (size > low) sizes.push_back(size);
  if (sizes.back() < high) sizes.push_back(high);
  return sizes;
}

std::int64_t batch_of(std::span<const Tensor> inputs) {
  const auto sized = std::ranges::find_if(inputs, [](const Tensor& t) { return !t.shape().empty(); });
  return sized == inputs.end() ? 1 : std::max<std::int64_t>(sized->shape().front(), 1);
}

}  // namespace aitune
