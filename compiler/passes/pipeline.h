#pragma once
// Lowering: from the graph as imported to the core set that engines read. See pipeline.cpp for the list of passes.

#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/graph/graph.h"

namespace aitune {

/// Runs one node on concrete tensors (`operands` as in Node::operands()) and returns its outputs. Used to fold
/// constants; `reference_evaluator()` in evaluate.h is one. May throw Unsupported: the node then stays.
using NodeEvaluator =
    std::function<std::vector<Tensor>(const Node& node, std::span<const Tensor> operands, const SymValues& symbols)>;

/// How to lower. Everything here is read only during lower().
struct LowerOptions {
  std::set<std::string, std::less<>> disabled;  ///< names of passes to leave out; unknown names: InvalidArgument
  NodeEvaluator evaluator;                      ///< empty: nodes on constants are not folded
  std::int64_t max_folded_bytes = 64 << 20;     ///< a folded result larger than this and than its operands stays a node
  bool truncate_double = false;                 ///< compute in float32 what the program computes in float64
  bool decompose_attention = false;             ///< attention stays single operators, or becomes them
  bool verify = true;                           ///< run the graph verifier after each pass
  std::function<void(std::string_view pass, const Graph&)> dump;  ///< called after each pass; may be empty
  std::function<void(std::string_view message)> warn;             ///< things the user should know; may be empty
};

/// What one pass did.
struct PassReport {
  std::string name;
  double seconds = 0;
  std::size_t nodes_after = 0;
};

/// Lowers `graph` in place: functional, only core operators, constants folded, patterns fused. Inputs, outputs (count,
/// order, names, types) and symbols stay. Throws Unsupported naming the nodes that cannot be lowered, and InternalError
/// if a pass breaks the graph. Thread-safe on distinct graphs.
std::vector<PassReport> lower(Graph& graph, const LowerOptions& options = {});

/// Names of all passes, in the order of their first run.
std::vector<std::string_view> pass_names();

}  // namespace aitune
