#pragma once
// aten.add.out and its like: operators of the list whose results go into tensors that are given for them.

#include <string_view>
#include <vector>

#include "compiler/import/dynamo/alternatives.h"

namespace aitune::dynamo {

/// Whether this is such an overload of an operator that the list has.
bool has_out_arguments(std::string_view name);

/// The call without them, and the tensors that its results go into.
struct CallWithoutOut {
  const OpInfo* op;
  NamedArgs args;
  std::vector<Value*> outs;
};
/// Throws Unsupported where no overload in the list takes the other arguments.
CallWithoutOut without_out_arguments(std::string_view name, const NamedArgs& args);

/// What `out` holds once `result` has been copied into it. Throws Unsupported for another size.
Value* copy_into(Graph& graph, Value* out, Value* result, const SourceLocation& source);

}  // namespace aitune::dynamo
