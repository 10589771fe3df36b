#pragma once
// The graph interpreter on the reference kernels: the oracle that lowering, engines and tuning are checked against.

#include <functional>
#include <span>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/passes/pipeline.h"

namespace aitune {

/// Binds the symbols in the shapes of `graph`'s inputs to the sizes of `inputs`. Throws InvalidArgument naming the
/// input on a wrong count, dtype, rank or size, on sizes that contradict each other, and on values outside a symbol's
/// range.
SymValues bind_symbols(const Graph& graph, std::span<const Tensor> inputs);

/// Runs one node; sizes that data decide become what they turn out to be. `operands` stand as in Node::operands(); they
/// may be strided. Outputs are contiguous; they may share bytes with operands (views). Throws Unsupported where the
/// reference engine has no kernel.
std::vector<Tensor> evaluate_node(const Node& node, std::span<const Tensor> operands, const SymValues& symbols = {});

/// Called with each node after it ran, in graph order; nodes of regions as often as they run.
using NodeObserver = std::function<void(const Node& node, std::span<const Tensor> outputs)>;

/// Runs the whole graph, whose operators write to nothing (functionalise), on inputs in call order; returns the outputs
/// in order. Intermediates are freed after their last
/// use. Errors as bind_symbols and evaluate_node, with the node's printed name in front. Thread-safe.
/// `sizes`, if given, gets the values of all symbols, those that data decided too.
std::vector<Tensor> evaluate(const Graph& graph, std::span<const Tensor> inputs, const NodeObserver& observer = {},
                             SymValues* sizes = nullptr);

/// The evaluator that constant folding uses: evaluate_node.
NodeEvaluator reference_evaluator();

}  // namespace aitune
