#pragma once
// The program of torch.export, from its JSON.

#include <functional>
#include <string_view>

#include "compiler/graph/graph.h"
#include "compiler/import/dynamo/json.h"

namespace aitune::dynamo {

/// Gives the tensor of a parameter, buffer or constant by its fully qualified name, or an undefined one.
using TensorLookup = std::function<Tensor(std::string_view name, const TensorType& declared)>;

/// Builds the graph of the ExportedProgram in `root`. Throws Corrupt with the JSON path for what contradicts itself,
/// Incompatible for schemas of another time, Unsupported for what aitune cannot run: all unknown operators at once,
/// programs that write to their inputs or weights, values that are no tensors.
Graph import_program(const JsonView& root, const TensorLookup& tensors);

/// Names and types of the inputs in the ExportedProgram, in call order.
std::vector<std::pair<std::string, TensorType>> program_inputs(const JsonView& root);

}  // namespace aitune::dynamo
