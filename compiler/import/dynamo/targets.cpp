#include "compiler/import/dynamo/targets.h"

#include <set>

#include "compiler/import/dynamo/alternatives.h"
#include "compiler/import/dynamo/out_arguments.h"
#include "compiler/ops/schema.h"

namespace aitune::dynamo {
namespace {

constexpr std::string_view kOps = "torch.ops.";

}  // namespace

std::string_view op_name_of(std::string_view target) {
  if (target.starts_with(kOps)) target.remove_prefix(kOps.size());
  return target;
}

TargetKind target_kind(std::string_view target) {
  static const std::set<std::string_view> symbolic = {"torch.ops.aten.sym_size.int",
                                                      "torch.ops.aten.sym_size.default",
                                                      "torch.ops.aten.sym_numel.default",
                                                      "torch.ops.aten.sym_stride.int",
                                                      "torch.ops.aten.sym_storage_offset.default",
                                                      "torch.ops.aten.sym_size",
                                                      "math.trunc",
                                                      "torch.sym_not",
                                                      "torch.sym_int",
                                                      "torch.sym_float",
                                                      "torch.sym_ite",
                                                      "torch.sym_max",
                                                      "torch.sym_min",
                                                      "torch.sym_sqrt",
                                                      "torch._sym_sqrt",
                                                      "torch.sym_sum"};
  static const std::set<std::string_view> dropped = {
      "torch.ops.aten._assert_scalar.default", "torch.ops.aten._assert_tensor_metadata.default",
      "torch.ops.aten._assert_async.default", "torch.ops.aten._assert_async.msg",
      "torch.ops.aten.sym_constrain_range.default", "torch.ops.aten.sym_constrain_range_for_size.default",
      // Questions about dtypes, which were answered when exporting.
      "torch.ops.aten.promote_types.default", "torch.ops.aten.result_type.Tensor", "torch.ops.aten.result_type.Scalar",
      "torch.ops.aten.result_type.Scalar_Tensor", "torch.ops.aten.result_type.Scalar_Scalar",
      "torch.ops.aten.can_cast.default", "torch._check", "torch._C._set_grad_enabled"};
  static const std::set<std::string_view> regions = {"torch.ops.higher_order.wrap_with_set_grad_enabled",
                                                     "torch.ops.higher_order.wrap_with_autocast"};
  if (dropped.contains(target)) return TargetKind::dropped;
  if (regions.contains(target)) return TargetKind::region;
  if (target == "torch.ops.higher_order.cond" || target == "torch.ops.higher_order.while_loop")
    return TargetKind::control;
  if (target == "torch.ops.higher_order.map_impl" || target == "torch.ops.higher_order.scan") return TargetKind::sliced;
  if (target == "torch.ops.higher_order.with_effects" || target == "torch.ops.aten._linalg_check_errors.default")
    return TargetKind::effect;
  if (symbolic.contains(target) || target.starts_with("_operator.")) return TargetKind::symbolic;
  if (!target.starts_with(kOps)) return TargetKind::unknown;
  const std::string_view name = op_name_of(target);
  return find_op(name) != nullptr || has_alternative(name) || has_out_arguments(name) ? TargetKind::op
                                                                                      : TargetKind::unknown;
}

std::vector<JsonView> inner_graphs(const JsonView& node) {
  std::vector<JsonView> graphs;
  for (const JsonView& input : node.at("inputs").items()) {
    const auto [kind, value] = input.at("arg").tagged();
    if (kind == "as_graph") graphs.push_back(value.at("graph"));
  }
  return graphs;
}

JsonView region_graph(const JsonView& node) {
  const auto graphs = inner_graphs(node);
  if (graphs.empty()) node.corrupt("a region node without its graph");
  return graphs.front();
}

}  // namespace aitune::dynamo
