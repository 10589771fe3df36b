#pragma once
// Where in the user's model a node came from.

#include "compiler/graph/graph.h"
#include "compiler/import/dynamo/json.h"

namespace aitune::dynamo {

/// From the node's metadata: the innermost module, and the innermost line that is not PyTorch's own.
SourceLocation read_source(const JsonView& node);

}  // namespace aitune::dynamo
