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

/// Sizes that data decide become known where the data are constants: item() of one is replaced by its value, and what
/// depends on it is folded in turn. Those that stand in the types of the graph's outputs stay as they are.
void fold_numbers(Graph& graph, const PassContext& context);

}  // namespace aitune
