#pragma once
// Tensors that tracing has made constants of although the model makes them anew in every call, and fills them.

#include <string>
#include <string_view>
#include <vector>

#include "compiler/graph/graph.h"

namespace aitune::dynamo {

/// `out = torch.zeros(2, 6); out[:, :3] = x` leaves a constant that the forward writes into. Such writes go to a copy
/// that every call makes, as the model has it that was traced. `is_constant` tells by their names in the file which
/// weights are constants. Gives the names of those that are written into. Throws Unsupported where another weight
/// shares their memory.
std::vector<std::string> copy_filled_constants(Graph& graph, bool (*is_constant)(std::string_view weight),
                                               const std::string& where);

/// What is to be said of such a constant, if tracing has made it.
std::string filled_constant_warning(std::string_view weight);

}  // namespace aitune::dynamo
