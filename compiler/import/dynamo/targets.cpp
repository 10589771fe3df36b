#include "compiler/import/dynamo/targets.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "compiler/import/dynamo/source_location.h"
#include "compiler/ops/schema.h"

namespace aitune::dynamo {
namespace {

constexpr std::string_view kOps = "torch.ops.";
constexpr std::size_t kMaxListed = 50;

struct Unknown {
  std::size_t count = 0;
  SourceLocation first;
};
using UnknownTargets = std::map<std::string, Unknown>;

void survey(const JsonView& graph, UnknownTargets& unknown) {
  for (const JsonView& node : graph.at("nodes").items()) {
    const std::string& target = node.at("target").string();
    const TargetKind kind = target_kind(target);
    if (kind == TargetKind::region) survey(region_graph(node), unknown);
    if (kind != TargetKind::unknown) continue;
    Unknown& entry = unknown[printable(op_name_of(target))];
    if (++entry.count == 1) entry.first = read_source(node);
  }
}

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
  static const std::set<std::string_view> dropped = {"torch.ops.aten._assert_scalar.default",
                                                     "torch.ops.aten._assert_tensor_metadata.default",
                                                     "torch.ops.aten._assert_async.default",
                                                     "torch.ops.aten._assert_async.msg",
                                                     "torch.ops.aten.sym_constrain_range.default",
                                                     "torch.ops.aten.sym_constrain_range_for_size.default",
                                                     "torch._check",
                                                     "torch._C._set_grad_enabled"};
  static const std::set<std::string_view> regions = {"torch.ops.higher_order.wrap_with_set_grad_enabled",
                                                     "torch.ops.higher_order.wrap_with_autocast"};
  if (dropped.contains(target)) return TargetKind::dropped;
  if (regions.contains(target)) return TargetKind::region;
  if (symbolic.contains(target) || target.starts_with("_operator.")) return TargetKind::symbolic;
  return target.starts_with(kOps) && find_op(op_name_of(target)) != nullptr ? TargetKind::op : TargetKind::unknown;
}

JsonView region_graph(const JsonView& node) {
  for (const JsonView& input : node.at("inputs").items()) {
    const auto [kind, value] = input.at("arg").tagged();
    if (kind == "as_graph") return value.at("graph");
  }
  node.corrupt("a region node without its graph");
}

void refuse_unknown_targets(const JsonView& graph) {
  UnknownTargets unknown;
  survey(graph, unknown);
  if (unknown.empty()) return;
  std::vector<std::pair<std::string, Unknown>> sorted(unknown.begin(), unknown.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second.count > b.second.count; });
  std::string list = fmt::format("{} operator{} not supported:", sorted.size(), sorted.size() == 1 ? " is" : "s are");
  for (std::size_t i = 0; i < std::min(sorted.size(), kMaxListed); ++i) {
    const auto& [name, entry] = sorted[i];
    list += fmt::format("\n  {} ({} time{})", name, entry.count, entry.count == 1 ? "" : "s");
    if (!entry.first.code.empty()) list += fmt::format(", first at {}", entry.first.code);
    if (!entry.first.module.empty()) list += fmt::format(" [{}]", entry.first.module);
  }
  if (sorted.size() > kMaxListed) list += fmt::format("\n  and {} more", sorted.size() - kMaxListed);
  graph.unsupported(list, "Write these lines with other operators, or export with program.run_decompositions()");
}

}  // namespace aitune::dynamo
