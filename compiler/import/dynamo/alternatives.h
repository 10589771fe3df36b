#pragma once
// Exported operators that are imported as others: PyTorch's prims, and attention as it is exported for some devices.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "compiler/graph/graph.h"

namespace aitune::dynamo {

using NamedArgs = std::vector<std::pair<std::string, Arg>>;

/// A call of another operator with the same (first) result.
struct Alternative {
  std::string_view op;
  NamedArgs args;
};

/// Whether "prims.div.default" and its like are known.
bool has_alternative(std::string_view name);
/// The call to import in the place of one of `name`; may add nodes to `graph` that it needs. Throws Unsupported.
Alternative alternative_of(std::string_view name, NamedArgs args, Graph& graph);

}  // namespace aitune::dynamo
