#pragma once
#include "compiler/passes/pass.h"

namespace aitune {

/// Evaluates nodes that depend on weights and constants alone, with PassContext's evaluator, and makes weights of the
/// results that other nodes need. Broadcasts stay nodes; so do results larger than the limit and than their operands.
/// Nodes that the evaluator refuses stay.
void fold_constants(Graph& graph, const PassContext& context);

/// Folds values that depend on symbols but hold the same numbers for each index of a symbolic dimension, as masks and
/// positions for a dynamic batch do: found by evaluating at every value of a symbol with a small range, and replaced by
/// an expanded constant.
void fold_uniform(Graph& graph, const PassContext& context);

}  // namespace aitune
