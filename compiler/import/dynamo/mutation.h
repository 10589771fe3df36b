#pragma once
// Programs that write to what they were given.

#include <string>
#include <vector>

#include "compiler/graph/graph.h"

namespace aitune::dynamo {

/// The inputs and weights that nodes of the graph write into, through any chain of views, and where the first write of
/// each is. In-place operators on intermediate results are fine and not listed.
struct Mutations {
  std::vector<std::string> inputs, weights;  ///< "input x at net.py:12 in forward", "weight bn.mean"
  bool empty() const { return inputs.empty() && weights.empty(); }
  /// "input x, weight bn.mean"
  std::string list() const;
  /// What to do about it.
  std::string advice() const;
};
Mutations find_mutations(const Graph& graph);

}  // namespace aitune::dynamo
