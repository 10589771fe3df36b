#pragma once
// Results of a cond whose sizes differ from branch to branch: padded inside, to what they never exceed, and cut behind.

#include <set>
#include <string>
#include <vector>

#include "compiler/graph/regions.h"

namespace aitune::dynamo {

/// A result of a cond that is padded.
struct PaddedResult {
  std::size_t output = 0;  // of the node; what counts of its dimensions stands in the outputs `sizes`
  std::vector<std::size_t> dims, sizes;
  std::vector<SymInt> bounds;  // by dims
};

/// Pads results of both branches where their sizes differ, or are symbols not among `known`, and appends outputs for
/// the sizes. Results that differ in more than sizes, or whose sizes nothing bounds, stay as they are.
std::vector<PaddedResult> pad_branches(Regions& branches, const std::set<std::string>& known);

/// The result without its padding. `names` are the program's for the sizes, by dims; empty for none.
Value* without_padding(Graph& graph, const Node& node, const PaddedResult& result,
                       const std::vector<std::string>& names);

}  // namespace aitune::dynamo
