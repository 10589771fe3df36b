#pragma once
// Tensors that tracing has made constants of although the model makes them anew in every call, and fills them.

#include <string>
#include <vector>

#include "compiler/graph/graph.h"

namespace aitune::fx {

/// `out = torch.zeros(2, 6); out[:, :3] = x` leaves a constant that the forward writes into. Such writes go to a copy
/// that every call makes, as the model has it that was traced. Gives the names of those constants.
std::vector<std::string> copy_filled_constants(Graph& graph);

}  // namespace aitune::fx
