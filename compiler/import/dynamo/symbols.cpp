#include "compiler/import/dynamo/symbols.h"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <set>

#include "base/error.h"
#include "compiler/graph/regions.h"
#include "compiler/ops/data_sizes.h"

namespace aitune::dynamo {
namespace {

void collect(const SymInt& size, std::set<std::string>& symbols) {
  std::vector<std::string> names;
  size.collect_symbols(names);
  symbols.insert(names.begin(), names.end());
}

void collect(const ArgList& args, std::set<std::string>& symbols) {
  for (const Arg& arg : args) {
    if (const SymInt* size = std::get_if<SymInt>(&arg))
      collect(*size, symbols);
    else if (const ArgList* list = std::get_if<ArgList>(&arg))
      collect(*list, symbols);
  }
}

void collect(const Graph& graph, std::set<std::string>& symbols) {
  for (const Value* input : graph.inputs)
    for (const SymInt& size : input->type.shape) collect(size, symbols);
  for (const auto& node : graph.nodes()) {
    collect(node->args, symbols);
    for (const Value* output : node->outputs)
      for (const SymInt& size : output->type.shape) collect(size, symbols);
    for (const auto& region : node->regions) collect(*region, symbols);
  }
}

std::set<std::string> symbols_in_use(const Graph& graph) {
  std::set<std::string> symbols;
  collect(graph, symbols);
  return symbols;
}

/// Whether the symbol is the value of a tensor in the program, not the extent of one, nor one that branches decide.
bool is_number(const Node& definer) {
  if (definer.op->id != OpId::aten_item_default && definer.op->id != OpId::aten__local_scalar_dense_default)
    return false;
  const Node* producer = definer.args.at(0).value()->producer;
  return producer == nullptr || !is_if(*producer);
}

/// Whether an input has a dimension of so many, or of a multiple of so many and a constant.
bool is_input_dimension(const Graph& graph, std::string_view symbol) {
  for (const Value* input : graph.inputs)
    for (const SymInt& size : input->type.shape)
      if (const auto linear = linear_size(size); linear && linear->symbol == symbol) return true;
  return false;
}

// A bound may be null, "Infinity", or in old files a float beyond 64 bits: all mean none.
std::int64_t read_bound(const JsonView& constraint, std::string_view key, std::int64_t unbounded) {
  const auto bound = constraint.find(key);
  if (!bound) return unbounded;
  const double value = bound->number();
  if (std::isnan(value)) bound->corrupt("no number");
  return std::abs(value) >= 9e18 ? unbounded : bound->integer();
}

SymRange read_range(const JsonView& constraint) {
  SymRange range{.min = std::max<std::int64_t>(0, read_bound(constraint, "min_val", 0)),
                 .max = read_bound(constraint, "max_val", SymRange::kNoMax)};
  if (range.max < 0) return {.min = 0, .max = 0};  // a number that is no size
  if (range.min > range.max) constraint.corrupt(fmt::format("the empty range {} to {}", range.min, range.max));
  return range;
}

/// The nodes that define sizes, in regions too. `used`: symbols that have been met.
void collect_definers(const JsonView& root, const Graph& graph, std::map<std::string, const Node*>& definers,
                      std::set<std::string>& used) {
  for (const auto& node : graph.nodes()) {
    for (const auto& region : node->regions) collect_definers(root, *region, definers, used);
    if (const auto symbol = data_symbol(*node)) {
      if (used.contains(symbol->name))
        root.corrupt(fmt::format("the size {} is used before data decide it", printable(symbol->name)));
      definers[symbol->name] = node.get();
    }
    for (std::string& name : symbols_of(*node)) used.insert(std::move(name));
  }
}

/// Whatever uses a size that data decide stands behind the node that does, in its graph or in regions of it.
void check_scopes(const JsonView& root, const Graph& graph, const std::map<std::string, const Node*>& definers,
                  std::set<std::string> known) {
  for (const auto& node : graph.nodes()) {
    std::set<std::string> used;
    collect(node->args, used);
    for (const Value* output : node->outputs)
      for (const SymInt& size : output->type.shape) collect(size, used);
    if (const auto symbol = data_symbol(*node)) known.insert(symbol->name);
    for (const std::string& name : used)
      if (definers.contains(name) && !known.contains(name))
        root.corrupt(fmt::format("the size {} is used where no data have decided it", printable(name)));
    for (const auto& region : node->regions) check_scopes(root, *region, definers, known);
  }
}

/// What the program says of a size; anything where it says nothing.
SymRange declared_range(const JsonView& root, const std::string& name) {
  const auto constraints = root.find("range_constraints");
  const auto constraint = constraints ? constraints->find(name) : std::nullopt;
  return constraint ? read_range(*constraint) : SymRange{};
}

}  // namespace

void reserve_input_symbols(const JsonView& root, Graph& graph) {
  std::set<std::string> symbols;
  for (const Value* input : graph.inputs)
    for (const SymInt& size : input->type.shape) collect(size, symbols);
  for (const std::string& name : symbols) graph.symbols[name] = declared_range(root, name);
}

void import_symbols(const JsonView& root, Graph& graph) {
  std::map<std::string, const Node*> by_data;
  std::set<std::string> used;
  collect_definers(root, graph, by_data, used);
  check_scopes(root, graph, by_data, {});
  for (const std::string& name : symbols_in_use(graph)) {
    const auto definer = by_data.find(name);
    if (definer == by_data.end() && !is_input_dimension(graph, name))
      root.unsupported(
          fmt::format("the size {} is not the size of an input dimension: it depends on a dimension that is "
                      "a formula of it",
                      printable(name)),
          "make that dimension static, or pass a dimension of that size as an input");
    SymRange range = declared_range(root, name);
    // torch.export takes 2 for the smallest result of some operators, so as not to look at smaller ones; eager PyTorch
    // gives those, too. What the operator itself can give is the range, up to a limit of the model. Numbers of the
    // program are what the model says that they are.
    if (definer != by_data.end() && !is_number(*definer->second))
      range.min = std::min(range.max, graph.symbols[name].min);
    graph.symbols[name] = range;
  }
  spread_symbols(graph);
}

}  // namespace aitune::dynamo
