#pragma once
// The schema language of native_functions.yaml, as far as our operators use it.

#include <string_view>

#include "compiler/ops/schema.h"

namespace aitune {

/// Fills args and results of `info` from its schema text. Throws InternalError with the position: our own table is
/// wrong.
void parse_schema(OpInfo& info);

}  // namespace aitune
