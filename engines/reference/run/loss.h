#pragma once
// What kernels of losses share.

#include <vector>

#include "engines/reference/run/kernel.h"

namespace aitune::reference {

/// Writes the values, their sum, or their sum over `weight`, as the call's reduction says.
void reduce_loss(const Call& call, const std::vector<double>& values, double weight);
/// The elements of a real tensor in row-major order.
std::vector<double> loss_numbers(const Tensor& tensor);

}  // namespace aitune::reference
