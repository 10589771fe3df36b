#pragma once
// What comes out of a TorchScript model.

#include "compiler/graph/graph.h"
#include "compiler/import/torchscript/evaluator.h"

namespace aitune::torchscript {

/// Sets the graph's outputs: the tensors of forward()'s result, containers taken apart in order and Nones left out,
/// then the tensors that it stored in the model's attributes ("_state"). Unsupported for results that are no tensors,
/// and for state that goes from call to call without being an input.
void set_outputs(Evaluator& evaluator, const Val& result, Graph& graph);

}  // namespace aitune::torchscript
