#include "compiler/import/dynamo/branch_sizes.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "compiler/import/dynamo/numbers.h"
#include "compiler/ops/data_sizes.h"
#include "compiler/ops/schema.h"

namespace aitune::dynamo {
namespace {

/// What the size never exceeds, in symbols that are known around the branches; none where nothing bounds it.
std::optional<SymInt> bound_of(const SymInt& size, const Graph& branch, const std::set<std::string>& known) {
  std::vector<std::string> names;
  size.collect_symbols(names);
  for (const std::string& name : names) {
    const auto range = branch.symbols.find(name);
    const bool limited = range != branch.symbols.end() && range->second.max != SymRange::kNoMax;
    if (!known.contains(name) && !branch.bounds.contains(name) && !limited) return std::nullopt;
  }
  if (std::ranges::all_of(names, [&](const std::string& name) { return known.contains(name); })) return size;
  try {
    return upper_bound(size, branch, SymRange::kNoMax);
  } catch (const Unsupported&) {
    return std::nullopt;
  }
}

bool is_known(const SymInt& size, const std::set<std::string>& known) {
  std::vector<std::string> names;
  size.collect_symbols(names);
  return std::ranges::all_of(names, [&](const std::string& name) { return known.contains(name); });
}

Value* padded(Graph& graph, Value* value, const PaddedResult& result) {
  ArgList amounts;  // from the last dimension to the first one: none before, the rest behind
  const SymShape& shape = value->type.shape;
  for (std::size_t d = shape.size(); d-- > result.dims.front();) {
    amounts.emplace_back(SymInt(0));
    const auto at = std::ranges::find(result.dims, d);
    amounts.emplace_back(at == result.dims.end()
                             ? SymInt(0)
                             : result.bounds[static_cast<std::size_t>(at - result.dims.begin())] - shape[d]);
  }
  const OpInfo& op = op_info(OpId::aten_constant_pad_nd_default);
  Value* made = graph.add_node_inferred(op, bind_arguments(op, {value, amounts, SymInt(0)}, {}))->output();
  for (std::size_t i = 0; i < result.dims.size(); ++i) made->type.shape[result.dims[i]] = result.bounds[i];
  return made;
}

}  // namespace

std::vector<PaddedResult> pad_branches(Regions& branches, const std::set<std::string>& known) {
  std::vector<PaddedResult> results;
  Graph &first = *branches.at(0), &second = *branches.at(1);
  if (first.outputs.size() != second.outputs.size()) return results;
  const std::size_t count = first.outputs.size();
  for (std::size_t i = 0; i < count; ++i) {
    const TensorType a = first.outputs[i]->type, b = second.outputs[i]->type;
    if (a.dtype != b.dtype || a.shape.size() != b.shape.size()) continue;
    PaddedResult result{.output = i, .dims = {}, .sizes = {}, .bounds = {}};
    bool bounded = true;
    for (std::size_t d = 0; d < a.shape.size(); ++d) {
      if (a.shape[d] == b.shape[d] && is_known(a.shape[d], known)) continue;
      const auto x = bound_of(a.shape[d], first, known), y = bound_of(b.shape[d], second, known);
      bounded = bounded && x && y;
      if (!bounded) break;
      result.dims.push_back(d);
      result.bounds.push_back(*x == *y ? *x : max(*x, *y));
    }
    if (!bounded || result.dims.empty()) continue;
    for (Graph* branch : {&first, &second}) {
      const SymShape shape = branch->outputs[i]->type.shape;
      branch->outputs[i] = padded(*branch, branch->outputs[i], result);
      for (const std::size_t d : result.dims) branch->outputs.push_back(size_tensor(*branch, shape[d]));
    }
    for (std::size_t d = 0; d < result.dims.size(); ++d)
      result.sizes.push_back(first.outputs.size() - result.dims.size() + d);
    results.push_back(std::move(result));
  }
  for (Graph* branch : {&first, &second}) {
    branch->output_names.clear();
    for (const Value* output : branch->outputs) branch->output_names.push_back(output->name);
  }
  return results;
}

Value* without_padding(Graph& graph, const Node& node, const PaddedResult& result,
                       const std::vector<std::string>& names) {
  const OpInfo& slice = op_info(OpId::aten_slice_Tensor);
  Value* value = node.outputs.at(result.output);
  for (std::size_t i = 0; i < result.dims.size(); ++i) {
    const SymInt size = number_as_size(graph, node.outputs.at(result.sizes[i]), names.at(i));
    graph.bounds[size.str()] = result.bounds[i];
    const auto dim = static_cast<std::int64_t>(result.dims[i]);
    value = graph.add_node_inferred(slice, bind_arguments(slice, {value, SymInt(dim), SymInt(0), size, SymInt(1)}, {}))
                ->output();
    value->type.shape[result.dims[i]] = size;
  }
  return value;
}

}  // namespace aitune::dynamo
