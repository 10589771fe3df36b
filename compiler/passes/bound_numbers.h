#pragma once
// Sizes out of numbers: how large item() can be, from what the values of tensors are bound by.

#include "compiler/passes/pass.h"

namespace aitune {

/// Gives every size that is the value of a tensor the bound that the operators before it imply, in regions too: boxes
/// that are clamped to an image are no wider than it, and so is what is resized to them. Without, memory would be
/// planned for the setting max_data_dependent_size in each dimension. Bounds have some room for rounding in lower
/// precisions. What guards of the plan hold to other sizes is bound by these: `x[:n]` takes n to be no more than x has.
void bound_numbers(Graph& graph, const PassContext& context);

}  // namespace aitune
