#include "compiler/import/dynamo/symbols.h"

#include <fmt/format.h>

#include <cmath>
#include <set>

#include "base/error.h"
#include "compiler/graph/regions.h"

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

bool is_input_dimension(const Graph& graph, const SymInt& symbol) {
  for (const Value* input : graph.inputs)
    for (const SymInt& size : input->type.shape)
      if (size == symbol) return true;
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
  if (range.min > range.max) constraint.corrupt(fmt::format("the empty range {} to {}", range.min, range.max));
  return range;
}

}  // namespace

void import_symbols(const JsonView& root, Graph& graph) {
  const auto constraints = root.find("range_constraints");
  for (const std::string& name : symbols_in_use(graph)) {
    if (!is_input_dimension(graph, SymInt::symbol(name)))
      root.unsupported(fmt::format("the size {} is not the size of an input dimension: it depends on data, or on a "
                                   "dimension that is a formula of it",
                                   printable(name)),
                       "make that dimension static, or pass a dimension of that size as an input");
    const auto constraint = constraints ? constraints->find(name) : std::nullopt;
    graph.symbols[name] = constraint ? read_range(*constraint) : SymRange{};
  }
  spread_symbols(graph);
}

}  // namespace aitune::dynamo
