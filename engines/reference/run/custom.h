#pragma once
// Calls of custom operators: our tensors and arguments as those of their C interface.

#include "base/custom_ops.h"
#include "engines/reference/run/op_call.h"

namespace aitune::reference {

/// Runs the library's kernel. Its failures come back as the error that its status names, with its message.
void run_custom_op(const CustomOp& op, const OpCall& call);

}  // namespace aitune::reference
