#pragma once
// Which operations of kernels are functions.

#include "compiler/kernels/kernel.h"

namespace aitune::kernels {

/// Whether the operation takes tens of instructions, where others take one or a few. What is worth computing twice, how
/// far to unroll and how to cut tasks depend on it.
constexpr bool is_function(ExprOp op) {
  switch (op) {
    case ExprOp::pow:
    case ExprOp::exp:
    case ExprOp::log:
    case ExprOp::tanh:
    case ExprOp::erf:
    case ExprOp::sigmoid:
    case ExprOp::sin:
    case ExprOp::cos:
      return true;
    default:
      return false;
  }
}

}  // namespace aitune::kernels
