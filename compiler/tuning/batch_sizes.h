#pragma once
// Which batch sizes a model takes, and inputs of them.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "compiler/graph/graph.h"

namespace aitune {

/// The symbol that counts samples: that of the first input's leading dimension which moves, or else of the first
/// dimension that moves at all. Nothing for a model of fixed sizes.
std::optional<std::string> batch_symbol(const Graph& graph);

/// Sizes to try, ascending: the powers of two in the symbol's range, and its bounds. Where it has no upper bound to
/// speak of, up to 1024.
std::vector<std::int64_t> batch_sizes(const SymRange& range);

/// How many samples the inputs hold: the size of the first dimension of the first input that has one; 1 if none has.
std::int64_t batch_of(std::span<const Tensor> inputs);

}  // namespace aitune
