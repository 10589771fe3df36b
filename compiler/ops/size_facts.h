#pragma once
// What a graph with symbolic sizes takes for granted of them, and nothing has proven: the runtime checks it.

#include <string>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/ops/schema.h"

namespace aitune {

/// "s0 == 2*s1", "s0 >= s1 + 1"
std::string to_string(const SizeFact& fact);

/// Facts of the graph's own nodes; those of regions are theirs alone, since a region may not run. Each fact once,
/// without those that hold for every value of the symbols. Throws Unsupported, naming the node, for one that holds for
/// no value in the symbols' ranges.
std::vector<SizeFact> size_facts(const Graph& graph);
/// The same of a region. What never holds is a fact as well: then the region cannot run.
std::vector<SizeFact> region_size_facts(const Graph& region);

/// The first of the graph's nodes whose rule takes the fact for granted; null if it is not one of these.
const Node* node_of_fact(const Graph& graph, const SizeFact& fact);

/// Throws InvalidArgument with the first of the facts that does not hold.
void check_size_facts(const std::vector<SizeFact>& facts, const SymValues& symbols);

}  // namespace aitune
