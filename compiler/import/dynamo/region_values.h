#pragma once
// What goes into the graphs of control flow and comes out of them: tensors, and numbers as 0-dim ones.

#include <optional>
#include <string>
#include <vector>

#include "compiler/graph/graph.h"
#include "compiler/import/dynamo/json.h"
#include "compiler/import/dynamo/scope.h"

namespace aitune::dynamo {

/// A tensor, a number that data decide, or a size of the graph around, whose symbols every region knows.
struct RegionOperand {
  Value* value = nullptr;      ///< nullptr for a size and for a constant
  std::optional<SymInt> size;  ///< also of a number that may be one
  bool is_number = false;      ///< the value stands for a number of Python
};

/// The operands of a list, in order. `graph` gets what they are made with.
std::vector<RegionOperand> read_operands(const JsonView& list, const Scope& scope, Graph& graph);
/// As a tensor, which a loop may change: sizes become numbers.
RegionOperand as_carried(const RegionOperand& operand, Graph& graph);
/// As an input of the region. What is no tensor stays as it is.
RegionOperand entered(const RegionOperand& operand, const JsonView& argument, Graph& region);
/// Defines the name that an inner graph has for an operand. A whole number without a size gets one in `graph`.
void define_operand(const JsonView& argument, const RegionOperand& operand, Scope& inner, Graph& graph);

/// What an inner graph gives, as a tensor; nullptr for None.
Value* region_output(const JsonView& argument, const Scope& inner, Graph& region);

/// A result of a node of control flow.
struct RegionResult {
  JsonView name;
  std::string kind;  // of an argument: as_tensor, as_sym_int, ...
};
/// All results but Nones.
std::vector<RegionResult> region_results(const JsonView& node);
/// Defines the name of a result. A whole number becomes a size as well, in `graph`.
void define_result(const RegionResult& result, Value* value, Scope& scope, Graph& graph);

}  // namespace aitune::dynamo
