#pragma once
// Names of inputs as the program has them.

#include <algorithm>
#include <string>

namespace aitune {

/// Parts of an input may be named as they are in Python ("pair.left"); the program says pair_left.
inline std::string in_program(std::string name) {
  std::ranges::replace(name, '.', '_');
  return name;
}

}  // namespace aitune
