#pragma once
// Arguments of exported nodes.

#include "compiler/graph/graph.h"
#include "compiler/import/dynamo/scope.h"

namespace aitune::dynamo {

/// One union Argument of the file as an argument of our graph. Throws Unsupported for kinds that no operator of ours
/// takes (regions, custom objects, complex numbers, ...).
Arg read_argument(const JsonView& argument, const Scope& scope);

/// {"as_name": "sym_size_int"} or {"as_int": 3}.
SymInt read_size_argument(const JsonView& argument, const Scope& scope);

}  // namespace aitune::dynamo
