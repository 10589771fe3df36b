#pragma once
// Calls of operators with the results that PyTorch gave (made by make_goldens.py).

#include <string>
#include <utility>
#include <vector>

#include "base/tensor.h"
#include "compiler/graph/graph.h"
#include "compiler/ops/schema.h"
#include "engines/reference/run/op_call.h"

namespace aitune::test {

/// One call. Tensors among the arguments are inputs of `graph`, with their contents in `inputs`, in the same order;
/// those that the operator takes as constants are its weights.
struct GoldenCall {
  const OpInfo* op = nullptr;
  std::string text;    ///< the call as it stands in calls.json, for messages
  std::string source;  ///< where its inputs are from, if that was recorded
  Graph graph;
  std::vector<Tensor> inputs;
  ArgList args;  ///< in schema order, defaults filled in
  std::vector<Tensor> results;

  /// The same arguments for the reference engine.
  std::vector<reference::OpArg> concrete_args() const;
};

/// Empty if they agree up to what rounding allows in one operator, else the first difference.
std::string difference(const Tensor& got, const Tensor& expected);

/// All of goldens/, read once.
const std::vector<GoldenCall>& golden_calls();

}  // namespace aitune::test
