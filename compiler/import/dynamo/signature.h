#pragma once
// What goes into a program and what comes out.

#include <string>
#include <vector>

#include "compiler/import/dynamo/program.h"
#include "compiler/import/dynamo/scope.h"

namespace aitune::dynamo {

/// Names and types of the user's inputs, in call order; those that are no tensors are left out.
std::vector<std::pair<std::string, TensorType>> user_inputs(const JsonView& signature, const Scope& scope);

/// Defines user inputs and weights, in the program's order. Inputs that were constants at export are left out.
void import_inputs(const JsonView& signature, const TensorLookup& tensors, Scope& scope, Graph& graph);

/// Sets the graph's outputs and their names. Every output must be a tensor. What a functional program writes to its
/// buffers and inputs becomes an aten.copy_ at the end.
void import_outputs(const JsonView& signature, const Scope& scope, Graph& graph);

}  // namespace aitune::dynamo
