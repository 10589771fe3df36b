#include "compiler/ops/index_masks.h"

#include <algorithm>

#include "compiler/ops/data_sizes.h"
#include "compiler/ops/schema.h"

namespace aitune {
namespace {

bool is_mask(const Arg& arg) { return arg.is_value() && arg.value()->type.dtype == DType::b8; }

bool takes_indices(const OpInfo& op) {
  static constexpr OpId kOps[] = {OpId::aten_index_Tensor, OpId::aten_index_put_default, OpId::aten_index_put__default};
  return std::ranges::find(kOps, op.id) != std::end(kOps);
}

}  // namespace

bool has_mask_beside_indices(const OpInfo& op, const ArgList& args) {
  if (!takes_indices(op) || args.size() < 2 || !args[1].is_list()) return false;
  const ArgList& indices = args[1].list();
  return std::ranges::count_if(indices, &Arg::is_value) > 1 && std::ranges::any_of(indices, is_mask);
}

void expand_masks(Graph& graph, const OpInfo& op, ArgList& args, const std::string& wanted) {
  if (!has_mask_beside_indices(op, args)) return;
  const OpInfo& nonzero = op_info(OpId::aten_nonzero_default);
  ArgList expanded;
  std::string name = wanted;
  for (const Arg& index : args[1].list()) {
    if (!is_mask(index)) {
      expanded.push_back(index);
      continue;
    }
    const ArgList operand = {index};
    std::vector<TensorType> types = infer_types(nonzero, operand);
    name_data_size(graph, nonzero, operand, types, name);
    name.clear();
    Value* rows = graph.add_node(nonzero, operand, std::move(types))->output();
    for (std::size_t d = 0; d < index.value()->type.shape.size(); ++d)
      expanded.emplace_back(graph
                                .add_node_inferred(op_info(OpId::aten_select_int),
                                                   {rows, SymInt(1), SymInt(static_cast<std::int64_t>(d))})
                                ->output());
  }
  args[1] = std::move(expanded);
}

}  // namespace aitune
