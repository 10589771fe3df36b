#pragma once
// Whether two shapes may be one, as far as their sizes are known.

#include "base/symint.h"

namespace aitune {

/// False where the numbers of dimensions differ, or two sizes that are both constants.
inline bool known_sizes_agree(const SymShape& a, const SymShape& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t d = 0; d < a.size(); ++d) {
    const auto x = a[d].as_constant(), y = b[d].as_constant();
    if (x && y && *x != *y) return false;
  }
  return true;
}

}  // namespace aitune
