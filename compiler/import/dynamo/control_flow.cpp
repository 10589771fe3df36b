#include "compiler/import/dynamo/control_flow.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "compiler/graph/regions.h"
#include "compiler/import/dynamo/arguments.h"
#include "compiler/import/dynamo/operators.h"
#include "compiler/import/dynamo/source_location.h"
#include "compiler/import/dynamo/targets.h"
#include "compiler/ops/schema.h"

namespace aitune::dynamo {

ArgList tensor_operands(const JsonView& list, const Scope& scope) {
  const Arg read = read_argument(list, scope);
  if (!read.is_list()) list.corrupt("operands of control flow that are no list");
  for (const Arg& operand : read.list())
    if (!operand.is_value())
      list.unsupported(fmt::format("an operand of control flow that is {}", operand.kind_name()),
                       "let loops and branches take and give tensors");
  return read.list();
}

JsonView tensor_name(const JsonView& argument) {
  const auto [kind, value] = argument.tagged();
  if (kind != "as_tensor")
    argument.unsupported(fmt::format("a branch or a loop with a value of the kind {}", printable(kind)),
                         "let loops and branches take and give tensors");
  return value.at("name");
}

std::vector<JsonView> result_names(const JsonView& node) {
  std::vector<JsonView> names;
  for (const JsonView& output : node.at("outputs").items()) {
    const auto [kind, value] = output.tagged();
    if (kind == "as_tensors")
      for (const JsonView& item : value.items()) names.push_back(item.at("name"));
    else
      names.push_back(tensor_name(output));
  }
  return names;
}

namespace {

constexpr std::size_t kMaxName = 120;

/// The arguments of a call: its graphs, the condition of a cond, and the lists of operands.
struct CallParts {
  std::vector<JsonView> graphs;
  std::optional<JsonView> condition;
  std::vector<JsonView> lists;
};

CallParts parts_of(const JsonView& node, bool loop) {
  CallParts parts;
  for (const JsonView& input : node.at("inputs").items()) {
    const JsonView argument = input.at("arg");
    const std::string kind = argument.tagged().first;
    if (kind == "as_graph")
      parts.graphs.push_back(argument.tagged().second.at("graph"));
    else if (!loop && !parts.condition)
      parts.condition = argument;
    else
      parts.lists.push_back(argument);
  }
  const bool whole = parts.graphs.size() == 2 && parts.lists.size() <= (loop ? 2u : 1u) && (loop || parts.condition);
  if (!whole) node.corrupt("a call of control flow without its graphs and operands");
  return parts;
}

/// Whether the sizes of a run are as the fact says, as a tensor.
Value* holds(Graph& graph, const SizeFact& fact) {
  const OpInfo& full = op_info(OpId::aten_full_default);
  const auto number = [&](const SymInt& size) {
    return graph.add_node_inferred(full, bind_arguments(full, {ArgList{}, size}, {{"dtype", DType::i64}}))->output();
  };
  const OpInfo& compare = op_info(fact.equal ? OpId::aten_eq_Tensor : OpId::aten_ge_Tensor);
  return graph.add_node_inferred(compare, {number(fact.lhs), number(fact.rhs)})->output();
}

Value* condition_of(const JsonView& argument, const Scope& scope, Graph& graph) {
  const auto [kind, value] = argument.tagged();
  if (kind == "as_tensor") return scope.tensor(value.at("name"));
  const auto name = kind == "as_sym_bool" ? value.find("as_name") : std::nullopt;
  const SizeFact* fact = name ? scope.fact(name->string()) : nullptr;
  if (fact == nullptr)
    argument.unsupported("a condition that is neither a tensor nor a comparison of sizes",
                         "decide it when exporting, or write it with tensors");
  return holds(graph, *fact);
}

/// `around` gets the symbols of sizes that data decide in the region: they have one meaning everywhere.
std::unique_ptr<Graph> read_region(const JsonView& graph, const ArgList& operands, Graph& around, Problems& problems) {
  auto region = std::make_unique<Graph>();
  region->symbols = around.symbols;
  region->bounds = around.bounds;
  Scope inner(graph);
  const auto inputs = graph.at("inputs").items();
  if (inputs.size() != operands.size())
    graph.corrupt(fmt::format("a graph with {} inputs is given {} operands", inputs.size(), operands.size()));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const JsonView name = tensor_name(inputs[i]);
    inner.define_tensor(name, region->add_input(name.string().substr(0, kMaxName), operands[i].value()->type));
  }
  import_nodes(inner, *region, problems);
  for (const JsonView& output : graph.at("outputs").items()) {
    region->outputs.push_back(inner.tensor(tensor_name(output)));
    region->output_names.push_back(region->outputs.back()->name);
  }
  around.symbols.insert(region->symbols.begin(), region->symbols.end());
  around.bounds.insert(region->bounds.begin(), region->bounds.end());
  return region;
}

}  // namespace

void import_control_flow(const JsonView& node, Scope& scope, Graph& graph, Problems& problems) {
  const OpInfo& op = *find_op(op_name_of(node.at("target").string()));
  const bool loop = op.id == OpId::higher_order_while_loop_default;
  const CallParts parts = parts_of(node, loop);
  std::vector<ArgList> lists;
  for (const JsonView& list : parts.lists) lists.push_back(tensor_operands(list, scope));
  lists.resize(loop ? 2 : 1);
  ArgList operands = lists[0];
  if (loop) operands.insert(operands.end(), lists[1].begin(), lists[1].end());

  Regions regions;
  for (const JsonView& inner : parts.graphs) regions.push_back(read_region(inner, operands, graph, problems));
  ArgList args;
  if (loop)
    args = {lists[0], lists[1], None{}};
  else
    args = {condition_of(*parts.condition, scope, graph), lists[0]};
  const auto names = result_names(node);
  std::vector<TensorType> types = region_result_types(op, args, regions);
  if (names.size() != types.size())
    node.corrupt(fmt::format("{} gives {} results here, its graphs {}", op.name, names.size(), types.size()));
  Node* added = graph.add_node(op, std::move(args), std::move(types),
                               names.empty() ? std::string() : names[0].string().substr(0, kMaxName));
  added->source = read_source(node);
  added->regions = std::move(regions);
  // After a problem inside, a region has inputs for what could not be computed.
  if (const auto problem = problems.empty() ? region_problem(*added) : std::nullopt)
    problems.add_call(node, op.name, *problem, "give every branch, and every trip, results of the same types");
  for (std::size_t i = 0; i < names.size(); ++i) scope.define_tensor(names[i], added->outputs[i]);
}

}  // namespace aitune::dynamo
