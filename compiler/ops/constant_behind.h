#pragma once
#include "compiler/graph/graph.h"

namespace aitune {

/// The constant that a value is, or is a copy of: exported programs copy the constants of the model's source before
/// they use them. nullptr if it is none. Valid as long as the graph.
const Tensor* constant_behind(const Value* value);

}  // namespace aitune
