#pragma once
// Operators that address the memory of a tensor, which graphs know nothing of: the file says how it lies.

#include "compiler/graph/graph.h"
#include "compiler/import/dynamo/json.h"
#include "compiler/import/dynamo/scope.h"
#include "compiler/ops/schema.h"

namespace aitune::dynamo {

/// For as_strided and its kin, whose bound arguments these are: where the operand's declared strides make the call show
/// the operand as it is, as the decompositions of PyTorch write after pooling in channels-last order, it becomes that.
/// Otherwise the operand becomes one that is row-major in the order in which its elements lie. Does nothing where
/// strides are not declared, or leave gaps.
void resolve_memory_order(const JsonView& node, const OpInfo*& op, ArgList& args, const Scope& scope, Graph& graph);

}  // namespace aitune::dynamo
