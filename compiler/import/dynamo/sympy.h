#pragma once
// Size expressions as torch.export writes them.

#include <string_view>

#include "base/symint.h"

namespace aitune::dynamo {

/// Reads "Add(Mul(Integer(2), Symbol('s0', positive=True, integer=True)), Integer(-1))" (PyTorch 2.6 and newer) and
/// "2*s0 - 1" (2.5). Throws Corrupt with the column; Unsupported for functions that have no whole-number meaning here.
SymInt parse_sympy(std::string_view text);

}  // namespace aitune::dynamo
