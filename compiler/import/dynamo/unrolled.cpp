#include "compiler/import/dynamo/unrolled.h"

#include <fmt/format.h>

#include "compiler/import/dynamo/arguments.h"
#include "compiler/import/dynamo/control_flow.h"
#include "compiler/import/dynamo/operators.h"
#include "compiler/import/dynamo/source_location.h"
#include "compiler/import/dynamo/targets.h"
#include "compiler/ops/schema.h"

namespace aitune::dynamo {
namespace {

constexpr std::size_t kMaxNodes = 100'000;

/// map(graph, sliced, additional) or scan(graph, carried, sliced, additional).
struct Parts {
  ArgList carried, sliced, additional;
};

Parts parts_of(const JsonView& node, const Scope& scope) {
  std::vector<ArgList> lists;
  for (const JsonView& input : node.at("inputs").items())
    if (input.at("arg").tagged().first != "as_graph") lists.push_back(tensor_operands(input.at("arg"), scope));
  const bool scan = op_name_of(node.at("target").string()) == "higher_order.scan";
  if (scan) {
    if (lists.size() != 3) node.corrupt("a scan without its operands");
    return {lists[0], lists[1], lists[2]};
  }
  if (lists.size() != 2) node.corrupt("a map without its operands");
  return {{}, lists[0], lists[1]};
}

std::size_t count_of(const JsonView& node, const ArgList& sliced, std::size_t nodes) {
  if (sliced.empty()) node.corrupt("nothing to go over");
  const SymShape& first = sliced[0].value()->type.shape;
  if (first.empty()) node.corrupt("slices of a tensor without dimensions");
  const auto count = first[0].as_constant();
  if (!count)
    node.unsupported(
        fmt::format("{} over a dimension that moves, {}", op_name_of(node.at("target").string()), first[0].str()),
        "export it with a fixed size there, or write it with operators on the whole tensor");
  for (const Arg& arg : sliced)
    if (arg.value()->type.shape.empty() || !arg.value()->type.shape[0].is(*count))
      node.corrupt("tensors with different numbers of slices");
  if (*count < 1) node.unsupported("going over no slices at all", "leave it out");
  if (static_cast<std::size_t>(*count) > kMaxNodes / std::max<std::size_t>(nodes, 1))
    node.unsupported(fmt::format("{} slices, for each of which {} operators would stand in the graph", *count, nodes),
                     "write it with operators on the whole tensor");
  return static_cast<std::size_t>(*count);
}

Value* call(const JsonView& node, Graph& graph, std::string_view op, ArgList args) {
  Node* added = graph.add_node_inferred(*find_op(op), std::move(args));
  added->source = read_source(node);
  return added->output();
}

}  // namespace

void import_unrolled(const JsonView& node, Scope& scope, Graph& graph, Problems& problems) {
  const JsonView inner_graph = region_graph(node);
  const auto inputs = inner_graph.at("inputs").items(), outputs = inner_graph.at("outputs").items();
  Parts parts = parts_of(node, scope);
  const std::size_t carried = parts.carried.size(), sliced = parts.sliced.size();
  if (inputs.size() != carried + sliced + parts.additional.size() || outputs.size() < carried)
    node.corrupt(fmt::format("a graph with {} inputs is given {} operands", inputs.size(),
                             carried + sliced + parts.additional.size()));
  const std::size_t count = count_of(node, parts.sliced, inner_graph.at("nodes").items().size());

  std::vector<ArgList> slices(outputs.size() - carried);
  for (std::size_t i = 0; i < count; ++i) {
    Scope inner(inner_graph);
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      Value* value = nullptr;
      if (k < carried)
        value = parts.carried[k].value();
      else if (k < carried + sliced)
        value = call(node, graph, "aten.select.int",
                     {parts.sliced[k - carried], SymInt(0), SymInt(static_cast<std::int64_t>(i))});
      else
        value = parts.additional[k - carried - sliced].value();
      inner.define_tensor(tensor_name(inputs[k]), value);
    }
    import_nodes(inner, graph, problems);
    for (std::size_t k = 0; k < outputs.size(); ++k) {
      Value* result = inner.tensor(tensor_name(outputs[k]));
      if (k < carried)
        parts.carried[k] = result;
      else
        slices[k - carried].emplace_back(result);
    }
  }
  const auto names = result_names(node);
  if (names.size() != outputs.size())
    node.corrupt(fmt::format("{} results of a graph that gives {}", names.size(), outputs.size()));
  for (std::size_t k = 0; k < outputs.size(); ++k)
    scope.define_tensor(names[k], k < carried
                                      ? parts.carried[k].value()
                                      : call(node, graph, "aten.stack.default", {slices[k - carried], SymInt(0)}));
}

}  // namespace aitune::dynamo
