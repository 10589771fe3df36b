#pragma once
// Precision by rule, as Torch-TensorRT's autocast has it: which products stay in f32, whatever their error in bf16.

#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "compiler/graph/graph.h"
#include "compiler/tuning/settings.h"

namespace aitune {

/// What the rules of the settings say of a lowered graph.
struct AutocastRules {
  /// Products that stay in f32, by the name of their value, with the rule that says so.
  std::map<std::string, std::string, std::less<>> kept;
  /// A line for each pattern and operator that is nothing's in the model.
  std::vector<std::string> warnings;
};

/// Applies the rules: names and operators that are left out (of the model's nodes, which lowering may have merged: one
/// is enough), the length of a product's sums, and the largest number in its result on any of `samples` (in call
/// order), for which the graph is run once on each. Regions' products are among them.
AutocastRules autocast_rules(const Graph& lowered, const CompilationSettings& settings,
                             std::span<const std::vector<Tensor>> samples);

}  // namespace aitune
