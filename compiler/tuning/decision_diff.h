#pragma once
// Why two files differ: the decisions that were not the same.

#include <string>
#include <string_view>
#include <vector>

#include "compiler/tuning/decisions.h"

namespace aitune {

/// One thing that is not the same in two decision logs. An empty side has none of it.
struct Difference {
  std::string group;  ///< one of kDifferenceGroups
  std::string what;   ///< "optimization_level", "fp32: conv2d_1 (layer1.conv1)"
  std::string a, b;
  bool operator==(const Difference&) const = default;
};

/// What comes first explains what comes after it. "figures" were measured, and decide nothing.
inline constexpr std::string_view kDifferenceGroups[] = {"aitune",  "program", "weights", "samples", "settings",
                                                         "machine", "plans",   "tactics", "figures"};

/// In the order of the groups.
std::vector<Difference> compare_decisions(const Decisions& a, const Decisions& b);

/// Of two configurations as Decisions has them, by the settings' names.
std::vector<Difference> compare_configurations(const std::string& a, const std::string& b);

}  // namespace aitune
