#pragma once
// Sizes that data decide: how many rows nonzero() has is known when it has run. In a graph such a size is a symbol of
// its own, defined by the node in whose results it first stands, with a range and an upper bound for memory.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/ops/schema.h"

namespace aitune {

/// What stands in infer_types' result for the size that data decide. A call has one at most, which may stand in
/// several results.
const SymInt& data_size();

/// Where a size that data decide stands first in the results of a call.
struct DataSizePlace {
  std::size_t output = 0, dim = 0;
};
/// The place of data_size() among types as infer_types gives them.
std::optional<DataSizePlace> data_size_place(std::span<const TensorType> inferred);
/// Whether the operator may have results whose size data decide.
bool may_have_data_size(const OpInfo& op);
/// The largest that the size can be, from the operands' shapes; empty if they do not tell.
std::optional<SymInt> data_size_bound(const OpInfo& op, const ArgList& args);
/// The smallest that it can be.
std::int64_t data_size_minimum(const OpInfo& op, const ArgList& args);

/// Replaces data_size() in the types of a new node by a symbol of `graph`, with its range and bound. The symbol is
/// called `wanted`, or "u0" for lack of a wish, with a number behind it if that is taken. Nothing happens to types
/// without such a size.
void name_data_size(Graph& graph, const OpInfo& op, const ArgList& args, std::vector<TensorType>& types,
                    const std::string& wanted = {});

/// A symbol that a node defines.
struct DataSymbol {
  std::string name;
  DataSizePlace place;
};
/// The symbol that this node defines; empty for most. InternalError if the size is none (the verifier sees to that).
std::optional<DataSymbol> data_symbol(const Node& node);

/// The names of all symbols in the node's arguments and results, and in its regions.
std::vector<std::string> symbols_of(const Node& node);
/// Every occurrence of the symbol becomes `value`; its range and bound go.
void replace_symbol(Graph& graph, const std::string& symbol, const SymInt& value);

/// Drops ranges and bounds of symbols that data decide which no node of the graph or of its regions has any more.
void drop_unused_symbols(Graph& graph);

/// An expression without the symbols that data decide that is never smaller than `size`, for memory. Symbols without a
/// bound count as `limit` at most. Throws Unsupported where there is no such expression.
SymInt upper_bound(const SymInt& size, const Graph& graph, std::int64_t limit);

}  // namespace aitune
