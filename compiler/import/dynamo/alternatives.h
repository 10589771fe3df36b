#pragma once
// Exported operators that are imported as others: PyTorch's prims, fused ones and those of quantised programs.

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/import/dynamo/fused_attention.h"

namespace aitune::dynamo {

using NamedArgs = std::vector<std::pair<std::string, Arg>>;

/// A call of another operator with the same (first) result.
struct Alternative {
  std::string_view op;
  NamedArgs args;
};

/// Whether "prims.div.default" and its like are known.
bool has_alternative(std::string_view name);
/// The call to import in the place of one of `name`; may add nodes to `graph` that it needs. Throws Unsupported.
Alternative alternative_of(std::string_view name, NamedArgs args, Graph& graph);

/// The operator that does to one tensor what `name` does to each of its `tensors`; empty if it is none of these.
std::string_view form_of_each(std::string_view name);

// What alternatives are made with.
using AlternativeTable = std::map<std::string_view, std::function<Alternative(NamedArgs, Graph&)>>;
/// The argument of this name; None where it is not given.
Arg take(const NamedArgs& args, std::string_view name);
/// The same for one that has to be a tensor. Throws InvalidArgument.
Value* tensor(const NamedArgs& args, std::string_view name);
/// Appends operators to the graph, which must outlive it.
EmitOperator emitter(Graph& graph);
/// quantized_decomposed.* (quantised_alternatives.cpp).
void add_quantised_alternatives(AlternativeTable& table);
/// Windows and losses (function_alternatives.cpp).
void add_function_alternatives(AlternativeTable& table);

}  // namespace aitune::dynamo
