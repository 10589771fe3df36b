#pragma once
// What a graph with symbolic sizes takes for granted of them, and nothing has proven: the runtime checks it.

#include <string>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/ops/schema.h"

namespace aitune {

/// "s0 == 2*s1", "s0 >= s1 + 1"
std::string to_string(const SizeFact& fact);

/// Each fact once, without those that hold for every value of the symbols. Throws Unsupported, naming the node, for one
/// that holds for no value in the symbols' ranges.
std::vector<SizeFact> size_facts(const Graph& graph);

/// Throws InvalidArgument with the first of the facts that does not hold.
void check_size_facts(const std::vector<SizeFact>& facts, const SymValues& symbols);

}  // namespace aitune
