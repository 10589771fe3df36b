#pragma once
// The import block beside a generated forward: what its short names mean. Nothing is imported.

#include <map>
#include <string>
#include <string_view>

namespace aitune::fx {

/// Local names to qualified ones: "from math import sqrt as math_sqrt" maps math_sqrt to math.sqrt. Lines of another
/// form are passed over: names that they would define are then unknown.
std::map<std::string, std::string, std::less<>> parse_imports(std::string_view block);

}  // namespace aitune::fx
