#pragma once
#include "compiler/passes/pass.h"

namespace aitune {

/// With LowerOptions::truncate_double: computes in float32 what the program computes in float64, and in complex64 what
/// it computes in complex128. Inputs and outputs keep their types; casts stand behind and before them. What shows the
/// bits of a number (a view as another dtype), and custom operators, stay in double precision.
void truncate_double(Graph& graph, const PassContext& context);

}  // namespace aitune
