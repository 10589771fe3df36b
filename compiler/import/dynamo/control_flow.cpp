#include "compiler/import/dynamo/control_flow.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "compiler/graph/regions.h"
#include "compiler/import/dynamo/arguments.h"
#include "compiler/import/dynamo/branch_sizes.h"
#include "compiler/import/dynamo/numbers.h"
#include "compiler/import/dynamo/operators.h"
#include "compiler/import/dynamo/region_values.h"
#include "compiler/import/dynamo/source_location.h"
#include "compiler/import/dynamo/targets.h"
#include "compiler/ops/schema.h"

namespace aitune::dynamo {

namespace {

constexpr std::size_t kMaxName = 120;

using Operands = std::vector<RegionOperand>;

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

Value* condition_of(const JsonView& argument, const Scope& scope, Graph& graph) {
  const auto [kind, value] = argument.tagged();
  if (kind == "as_tensor") return scope.tensor(value.at("name"));
  const auto name = kind == "as_sym_bool" ? value.find("as_name") : std::nullopt;
  Value* number = name ? scope.number(name->string()) : nullptr;
  if (number != nullptr) return number_of(graph, number, DType::b8);
  const SizeFact* fact = name ? scope.fact(name->string()) : nullptr;
  if (fact == nullptr)
    argument.unsupported("a condition that is neither a tensor nor a comparison of sizes",
                         "decide it when exporting, or write it with tensors");
  return fact_tensor(graph, *fact);
}

/// `around`, of `scope`, gets the symbols of sizes that data decide in the region: they have one meaning everywhere.
std::unique_ptr<Graph> read_region(const JsonView& graph, const Operands& operands, const Scope& scope, Graph& around,
                                   Problems& problems) {
  auto region = std::make_unique<Graph>();
  region->symbols = around.symbols;
  region->bounds = around.bounds;
  Scope inner(graph, scope);
  const auto inputs = graph.at("inputs").items();
  if (inputs.size() != operands.size())
    graph.corrupt(fmt::format("a graph with {} inputs is given {} operands", inputs.size(), operands.size()));
  Operands own;  // all are inputs before anything is made of them
  for (std::size_t i = 0; i < inputs.size(); ++i) own.push_back(entered(operands[i], inputs[i], *region));
  for (std::size_t i = 0; i < inputs.size(); ++i) define_operand(inputs[i], own[i], inner, *region);
  import_nodes(inner, *region, problems);
  for (const JsonView& output : graph.at("outputs").items()) {
    Value* value = region_output(output, inner, *region);
    if (value == nullptr) continue;
    region->outputs.push_back(value);
    region->output_names.push_back(value->name);
  }
  around.symbols.insert(region->symbols.begin(), region->symbols.end());
  around.bounds.insert(region->bounds.begin(), region->bounds.end());
  return region;
}

ArgList values_of(const Operands& operands) {
  ArgList values;
  for (const RegionOperand& operand : operands)
    if (operand.value != nullptr) values.emplace_back(operand.value);
  return values;
}

/// What the program calls the sizes of a result that its branches decide.
std::vector<std::string> declared_sizes(const JsonView& name, const PaddedResult& result, const Scope& scope) {
  const SymShape shape = scope.declared_type(name).shape;
  std::vector<std::string> names;
  for (const std::size_t d : result.dims)
    names.push_back(declared_symbol(d < shape.size() ? std::optional(shape[d]) : std::nullopt));
  return names;
}

}  // namespace

void import_control_flow(const JsonView& node, Scope& scope, Graph& graph, Problems& problems) {
  const OpInfo& op = *find_op(op_name_of(node.at("target").string()));
  const bool loop = op.id == OpId::higher_order_while_loop_default;
  const CallParts parts = parts_of(node, loop);
  std::vector<Operands> lists;
  for (const JsonView& list : parts.lists) lists.push_back(read_operands(list, scope, graph));
  lists.resize(loop ? 2 : 1);
  if (loop)
    for (RegionOperand& operand : lists[0]) operand = as_carried(operand, graph);
  Operands operands = lists[0];
  if (loop) operands.insert(operands.end(), lists[1].begin(), lists[1].end());

  std::set<std::string> known;  // symbols that have a meaning outside of the branches
  for (const auto& [symbol, range] : graph.symbols) known.insert(symbol);
  Regions regions;
  for (const JsonView& inner : parts.graphs) regions.push_back(read_region(inner, operands, scope, graph, problems));
  ArgList args;
  if (loop)
    args = {values_of(lists[0]), values_of(lists[1]), None{}};
  else
    args = {condition_of(*parts.condition, scope, graph), values_of(lists[0])};
  const auto results = region_results(node);
  if (results.size() != region_result_types(op, args, regions).size())
    node.corrupt(fmt::format("{} gives {} results here, its graphs {}", op.name, results.size(),
                             region_result_types(op, args, regions).size()));
  const auto padded = loop || !problems.empty() ? std::vector<PaddedResult>() : pad_branches(regions, known);
  std::vector<TensorType> types = region_result_types(op, args, regions);
  Node* added = graph.add_node(op, std::move(args), std::move(types),
                               results.empty() ? std::string() : results[0].name.string().substr(0, kMaxName));
  added->source = read_source(node);
  added->regions = std::move(regions);
  // After a problem inside, a region has inputs for what could not be computed.
  if (const auto problem = problems.empty() ? region_problem(*added) : std::nullopt)
    problems.add_call(node, op.name, *problem, "give every branch, and every trip, results of the same types");
  for (std::size_t i = 0; i < results.size(); ++i) {
    const auto cut = std::ranges::find(padded, i, &PaddedResult::output);
    Value* value = added->outputs[i];
    if (cut != padded.end()) value = without_padding(graph, *added, *cut, declared_sizes(results[i].name, *cut, scope));
    define_result(results[i], value, scope, graph);
  }
}

}  // namespace aitune::dynamo
