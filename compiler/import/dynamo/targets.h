#pragma once
// What the target of an exported node means to the importer.

#include <string>
#include <string_view>

#include "compiler/import/dynamo/json.h"

namespace aitune::dynamo {

enum class TargetKind {
  op,        ///< an ATen overload in base/ops.def
  symbolic,  ///< arithmetic on sizes: folded
  dropped,   ///< an assertion or switch without a result that matters
  region,    ///< a wrapper around a region that changes nothing here: inlined
  control,   ///< torch.cond, torch.while_loop
  sliced,    ///< map, scan: a graph for every slice
  effect,    ///< with_effects, and what it wraps: calls that are made for what they refuse
  unknown,
};

/// "torch.ops.aten.add.Tensor" is "aten.add.Tensor"; other targets stay as they are.
std::string_view op_name_of(std::string_view target);
TargetKind target_kind(std::string_view target);

/// The graphs among the arguments of a node: those of regions and of control flow.
std::vector<JsonView> inner_graphs(const JsonView& node);
/// The graph of a region node.
JsonView region_graph(const JsonView& node);

}  // namespace aitune::dynamo
