#pragma once
#include <string_view>
#include <unordered_map>

#include "compiler/passes/pass.h"
#include "compiler/passes/rewrite.h"

namespace aitune {

/// Local identities on core operators, to a fixed point: chains of views, permutes, expands, slices and casts;
/// arithmetic with neutral elements and one-element constants; broadcasts moved below elementwise operators; masks of
/// attention that mask nothing or are causal.
void simplify(Graph& graph, const PassContext& context);

using SimplifyRule = Replacement (*)(Inserter&, Node&, const UseCounts&);
using SimplifyRules = std::unordered_map<std::string_view, SimplifyRule>;
void add_movement_simplifications(SimplifyRules& rules);    ///< simplify_movement.cpp
void add_arithmetic_simplifications(SimplifyRules& rules);  ///< simplify_arithmetic.cpp
/// Tried on every node after the operator's own rule: expand below elementwise operators.
Replacement sink_expand(Inserter& insert, Node& node);

}  // namespace aitune
