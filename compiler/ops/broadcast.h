#pragma once
// Sizes that broadcasting repeats.

#include "base/symint.h"

namespace aitune {

/// Whether a dimension of `size` is repeated where one of `wanted` is to be: it is 1, or 1 wherever `wanted` has
/// elements, as the first row of y is beside y: min(u0, 1) beside u0.
inline bool is_repeated(const SymInt& size, const SymInt& wanted) {
  return size.is(1) || (!size.is_constant() && !(size == wanted) && size == min(wanted, 1));
}

}  // namespace aitune
