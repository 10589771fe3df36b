#pragma once
// Numbers that data decide in exported programs: what item() gives, and what Python's arithmetic makes of it, as 0-dim
// tensors of float64, int64 or bool. An integer is a size as well, for operators that want one.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/import/dynamo/json.h"
#include "compiler/import/dynamo/scope.h"
#include "compiler/ops/schema.h"

namespace aitune::dynamo {

using NamedArgs = std::vector<std::pair<std::string, Arg>>;

/// Whether the sizes of a run are as the fact says, as a tensor.
Value* fact_tensor(Graph& graph, const SizeFact& fact);
/// A size of a run, as a tensor.
Value* size_tensor(Graph& graph, const SymInt& size);
/// A number, also a constant or a size, as a tensor; nullptr where the argument is none that is known.
Value* number_argument(const JsonView& argument, const Scope& scope, Graph& graph);
/// A whole number as a size, which is called `wanted` if that name is free.
SymInt number_as_size(Graph& graph, Value* number, const std::string& wanted);
/// The value of a tensor of one element, as a number of this dtype.
Value* number_of(Graph& graph, Value* tensor, DType dtype);

/// The result of arithmetic on numbers, of which one at least is no size unless `always`; nullptr where all are sizes,
/// or where the node cannot be computed.
Value* number_result(const JsonView& node, const Scope& scope, Graph& graph, bool always);

/// The name of an argument that is a number which data decide; an integer may be taken as a size as well.
struct NumberArg {
  std::string name;
  std::optional<SymInt> size;
};

/// The overload of an operator that takes tensors in the place of the arguments `numbers`, with what it takes: numbers
/// promote as Python's do. Where there is none, they are sizes. Throws Unsupported where they cannot be.
const OpInfo* with_numbers(const OpInfo& op, NamedArgs& args, const std::vector<NumberArg>& numbers, Graph& graph);

}  // namespace aitune::dynamo
