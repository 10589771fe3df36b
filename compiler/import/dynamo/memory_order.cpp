#include "compiler/import/dynamo/memory_order.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <vector>

#include "compiler/import/dynamo/tensor_meta.h"
#include "compiler/ops/aliasing.h"

namespace aitune::dynamo {
namespace {

/// Of the first operand, in elements.
std::optional<SymShape> declared_strides(const JsonView& node, const Scope& scope) {
  const auto inputs = node.at("inputs").items();
  if (inputs.empty() || !scope.trusts_declared_types()) return std::nullopt;
  const auto [kind, value] = inputs.front().at("arg").tagged();
  if (kind != "as_tensor") return std::nullopt;
  const auto meta = scope.graph().at("tensor_values").find(value.at("name").string());
  const auto strides = meta ? meta->find("strides") : std::nullopt;
  if (!strides) return std::nullopt;
  SymShape result;
  for (const JsonView& stride : strides->items()) result.push_back(read_size(stride));
  return result;
}

SymShape sizes_in(const Arg& list) {
  SymShape sizes;
  for (const Arg& item : list.list()) sizes.push_back(item.sym());
  return sizes;
}

/// Whether these strides show a tensor of this shape as it is. Those of single elements do not count.
bool is_the_same(const TensorType& type, const SymShape& declared, const OpInfo& op, const ArgList& args) {
  const Arg& offset = args.at(op.arg_index("storage_offset"));
  if (!offset.is_none() && !offset.sym().is(0)) return false;
  if (sizes_in(args.at(op.arg_index("size"))) != type.shape) return false;
  const SymShape strides = sizes_in(args.at(op.arg_index("stride")));
  if (strides.size() != declared.size()) return false;
  for (std::size_t d = 0; d < strides.size(); ++d)
    if (!type.shape[d].is(1) && strides[d] != declared[d]) return false;
  return true;
}

/// The dimensions in the order in which they lie, the outermost first; nothing where elements leave gaps or overlap.
std::optional<std::vector<std::size_t>> order_of(const SymShape& shape, const SymShape& strides) {
  std::vector<std::size_t> left, order, single;  // the order from the innermost on; single elements lie anywhere
  for (std::size_t d = shape.size(); d-- > 0;) (shape[d].is(1) ? single : left).push_back(d);
  SymInt next = 1;
  while (!left.empty()) {
    const auto found = std::ranges::find_if(left, [&](std::size_t d) { return strides[d] == next; });
    if (found == left.end()) return std::nullopt;
    next *= shape[*found];
    order.push_back(*found);
    left.erase(found);
  }
  const bool row_major = std::ranges::is_sorted(order, std::greater());
  order.insert(order.end(), single.begin(), single.end());
  if (row_major) std::ranges::sort(order, std::greater());
  std::ranges::reverse(order);
  return order;
}

Value* add(Graph& graph, std::string_view name, ArgList args) {
  const OpInfo& op = *find_op(name);
  return graph.add_node_inferred(op, bind_arguments(op, std::move(args), {}))->output();
}

}  // namespace

void resolve_memory_order(const JsonView& node, const OpInfo*& op, ArgList& args, const Scope& scope, Graph& graph) {
  if (!addresses_memory(*op) || !args.at(0).is_value()) return;
  Value* const operand = args.at(0).value();
  const auto strides = declared_strides(node, scope);
  if (!strides || strides->size() != operand->type.shape.size()) return;
  const bool scatters = op->id == OpId::aten_as_strided_scatter_default;
  if (!scatters && is_the_same(operand->type, *strides, *op, args)) {
    const bool copies = op->id == OpId::aten_as_strided_copy_default;
    op = find_op(copies ? "aten.clone.default" : "aten.alias.default");
    args = bind_arguments(*op, {operand}, {});
    return;
  }
  const auto order = order_of(operand->type.shape, *strides);
  if (!order) return;
  Value* lies = operand;
  if (!std::ranges::is_sorted(*order)) {
    if (scatters) return;  // its result would lie in the operand's order
    ArgList dims;
    for (const std::size_t d : *order) dims.emplace_back(SymInt(static_cast<std::int64_t>(d)));
    lies = add(graph, "aten.permute.default", {lies, dims});
  }
  args.at(0) = add(graph, "aten.contiguous.default", {lies});
}

}  // namespace aitune::dynamo
