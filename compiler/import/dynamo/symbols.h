#pragma once
// Symbolic dimensions: their ranges, and where their values come from.

#include "compiler/graph/graph.h"
#include "compiler/import/dynamo/json.h"

namespace aitune::dynamo {

/// Puts the symbols of the inputs into graph.symbols, with their ranges: sizes that data decide get other names.
void reserve_input_symbols(const JsonView& root, Graph& graph);

/// Sets graph.symbols to the symbols in use with the ranges of the program's range_constraints. Unsupported when one is
/// not the size of an input dimension by itself, so that no caller's shapes could tell its value.
void import_symbols(const JsonView& root, Graph& graph);

}  // namespace aitune::dynamo
