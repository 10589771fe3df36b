#pragma once
// Partition: which engine takes which node, and the graph cut into blocks that run one after another.

#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/partition/engine.h"

namespace aitune {

/// As in Torch-TensorRT.
struct PartitionOptions {
  /// Blocks of a compiled engine with fewer nodes go to the fallback. Disregarded under require_full_compilation.
  int min_block_size = 1;
  std::set<std::string, std::less<>> torch_executed_ops;  ///< operators that go to the fallback, "aten.gelu.default" or
                                                          ///< "torch.ops.aten.gelu.default"; ".default" may be left out
  bool require_full_compilation = false;                  ///< a node on the fallback is an error
  bool fallback_data_dependent_ops = false;  ///< nodes with a result whose size data decide go to the fallback
};

/// A run of nodes that one engine executes. Values outside of it are named by the whole graph's values; those stay
/// owned by that graph, which must outlive the block.
struct Block {
  std::string name;                       ///< "block0", ...
  const CompileEngine* engine = nullptr;  ///< null for control flow
  Graph graph;                            ///< the block by itself; weights share their bytes with the whole graph's
  std::vector<const Value*>
      inputs;  ///< parallel to graph.inputs: inputs of the whole graph or outputs of earlier blocks
  std::vector<const Value*> outputs;  ///< parallel to graph.outputs: values of the whole graph, each produced here
  std::string fallback_reason;        ///< why no preferred engine took it; empty on a preferred engine
  /// An `if` or a `loop`, the only node of its block: no engine executes it, the plan does.
  bool is_control() const { return engine == nullptr; }
};

/// An operator that no compiled engine took.
struct Fallback {
  std::string op;  ///< "aten.nonzero.default"
  std::string reason;
  std::size_t count = 0;
  std::vector<SourceLocation> sources;  ///< of the first few nodes
};

struct Partition {
  std::vector<Block> blocks;        ///< in execution order
  std::vector<Fallback> fallbacks;  ///< one for each operator and reason
  std::vector<std::string> warnings;
};

/// Cuts `graph` into blocks. `engines` stand in order of preference; the last one is the fallback (it is asked too).
/// Every node goes to the first engine that supports it; neighbours with the same engine are joined as far as blocks
/// stay convex. Nodes with regions are blocks of their own; what is in the regions is not looked at. Nodes that no
/// engine supports, and any fallback under require_full_compilation, throw Unsupported with all operators, counts,
/// reasons and source lines at once. With a single engine that engine is no fallback. Graph outputs that are inputs or
/// weights are produced by no block. Throws InvalidArgument on an unknown operator in torch_executed_ops, when engines
/// is empty, or on min_block_size < 1.
Partition partition(const Graph& graph, std::span<const CompileEngine* const> engines,
                    const EngineOptions& engine_options, const PartitionOptions& options = {});

}  // namespace aitune
