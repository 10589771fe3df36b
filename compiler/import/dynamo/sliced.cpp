#include "compiler/import/dynamo/sliced.h"

#include <fmt/format.h>

#include "compiler/import/dynamo/operators.h"
#include "compiler/import/dynamo/source_location.h"
#include "compiler/import/dynamo/targets.h"
#include "compiler/ops/schema.h"

namespace aitune::dynamo {
namespace {

constexpr std::int64_t kMaxUnrolledNodes = 4096;

/// map(graph, sliced, additional) or scan(graph, carried, sliced, additional).
SlicedCall read_call(const JsonView& node, const Scope& scope, Graph& graph) {
  const JsonView inner = region_graph(node);
  std::vector<std::vector<RegionOperand>> lists;
  for (const JsonView& input : node.at("inputs").items()) {
    const auto [kind, value] = input.at("arg").tagged();
    if (kind == "as_graph") continue;
    if (kind == "as_string") {  // mutated_arg_indices
      if (!value.string().empty()) node.unsupported("a map or a scan that writes into its operands");
      continue;
    }
    lists.push_back(read_operands(input.at("arg"), scope, graph));
  }
  const std::string_view name = op_name_of(node.at("target").string());
  const bool scan = name == "higher_order.scan";
  if (lists.size() != (scan ? 3 : 2)) node.corrupt(fmt::format("{} without its operands", name));
  if (!scan) lists.insert(lists.begin(), {{}});
  SlicedCall call{
      node, inner, std::move(lists[0]), std::move(lists[1]), std::move(lists[2]), SymInt(0), region_results(node)};
  if (call.sliced.empty()) node.corrupt("nothing to go over");
  for (const RegionOperand& operand : call.sliced) {
    if (operand.value == nullptr || operand.value->type.shape.empty())
      node.corrupt("slices of a tensor without dimensions");
  }
  call.count = call.sliced[0].value->type.shape[0];
  for (const RegionOperand& operand : call.sliced) {
    const SymInt& size = operand.value->type.shape[0];
    if (size != call.count && size.is_constant() && call.count.is_constant())
      node.corrupt("tensors with different numbers of slices");
  }
  const std::size_t inputs = call.graph.at("inputs").items().size(), outputs = call.graph.at("outputs").items().size();
  const std::size_t given = call.carried.size() + call.sliced.size() + call.additional.size();
  if (inputs != given || outputs < call.carried.size())
    node.corrupt(fmt::format("a graph with {} inputs is given {} operands", inputs, given));
  if (call.results.size() != outputs)
    node.corrupt(fmt::format("{} results of a graph that gives {}", call.results.size(), outputs));
  return call;
}

Value* add_call(const JsonView& node, Graph& graph, std::string_view op, ArgList args) {
  Node* added = graph.add_node_inferred(*find_op(op), std::move(args));
  added->source = read_source(node);
  return added->output();
}

void unroll(const SlicedCall& call, std::int64_t count, Scope& scope, Graph& graph, Problems& problems) {
  const auto inputs = call.graph.at("inputs").items(), outputs = call.graph.at("outputs").items();
  const std::size_t carried = call.carried.size(), sliced = call.sliced.size();
  std::vector<RegionOperand> now = call.carried;
  std::vector<ArgList> rows(outputs.size() - carried);
  for (std::int64_t i = 0; i < count; ++i) {
    Scope inner(call.graph, scope);
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      RegionOperand operand;
      if (k < carried)
        operand = now[k];
      else if (k < carried + sliced)
        operand.value =
            add_call(call.node, graph, "aten.select.int", {call.sliced[k - carried].value, SymInt(0), SymInt(i)});
      else
        operand = call.additional[k - carried - sliced];
      define_operand(inputs[k], operand, inner, graph);
    }
    import_nodes(inner, graph, problems);
    for (std::size_t k = 0; k < outputs.size(); ++k) {
      Value* result = region_output(outputs[k], inner, graph);
      if (result == nullptr) outputs[k].corrupt("a slice gives None where there is a result");
      if (k < carried)
        now[k] = {result, std::nullopt, call.results[k].kind != "as_tensor"};
      else
        rows[k - carried].emplace_back(result);
    }
  }
  for (std::size_t k = 0; k < outputs.size(); ++k)
    define_result(
        call.results[k],
        k < carried ? now[k].value : add_call(call.node, graph, "aten.stack.default", {rows[k - carried], SymInt(0)}),
        scope, graph);
}

}  // namespace

void import_sliced(const JsonView& node, Scope& scope, Graph& graph, Problems& problems) {
  SlicedCall call = read_call(node, scope, graph);
  for (RegionOperand& operand : call.carried) operand = as_carried(operand, graph);
  const auto nodes = static_cast<std::int64_t>(call.graph.at("nodes").items().size());
  const auto count = call.count.as_constant();
  if (count && *count >= 1 && *count <= kMaxUnrolledNodes / std::max<std::int64_t>(nodes, 1))
    unroll(call, *count, scope, graph, problems);
  else
    loop_over_slices(std::move(call), scope, graph, problems);
}

}  // namespace aitune::dynamo
