#pragma once
// torch.cond and torch.while_loop.

#include "compiler/import/dynamo/problems.h"
#include "compiler/import/dynamo/scope.h"

namespace aitune::dynamo {

/// Imports a call of higher_order.cond or higher_order.while_loop as a node with regions. What it needs and aitune does
/// not have goes to `problems`.
void import_control_flow(const JsonView& node, Scope& scope, Graph& graph, Problems& problems);

/// A list of tensors, as control flow takes.
ArgList tensor_operands(const JsonView& list, const Scope& scope);
/// The name of an input or a result that is a tensor.
JsonView tensor_name(const JsonView& argument);
/// The names of all results of a node, which are tensors.
std::vector<JsonView> result_names(const JsonView& node);

}  // namespace aitune::dynamo
