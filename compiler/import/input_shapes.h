#pragma once
// The ranges of sizes that the user gives for inputs: what they mean for a graph.

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/symint.h"
#include "compiler/graph/graph.h"
#include "compiler/import/input.h"

namespace aitune {

/// The index of what is given for the input of this name and position; nothing if nothing is.
std::optional<std::size_t> find_input(std::span<const Input> inputs, std::string_view name, std::size_t position);

/// Narrows the ranges of the graph's symbols to what is given for its inputs; a size that may have one value alone
/// becomes a constant. Throws InvalidArgument, with both ranges, for what is not within the program's own.
void narrow_inputs(Graph& graph, std::span<const Input> inputs);

/// The values of the graph's symbols at the preferred sizes, as far as there are any. Throws InvalidArgument where two
/// inputs disagree.
SymValues preferred_sizes(const Graph& graph, std::span<const Input> inputs);

/// "[1, 16]", "[2, any]": in messages.
std::string to_string(const SymRange& range);

}  // namespace aitune
