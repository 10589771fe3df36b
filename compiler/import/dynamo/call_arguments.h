#pragma once
// The arguments that an exported program was called with, by name and position.

#include <string_view>
#include <vector>

#include "compiler/import/dynamo/json.h"
#include "format/arguments.h"

namespace aitune::dynamo {

/// One for each tensor and number that the call's pytree (`in_spec`, of torch.utils._pytree) has. Where it does not
/// fit the signature, positions count tensors and numbers alone. Numbers that torch.export has fixed are constants.
std::vector<Argument> call_arguments(const JsonView& signature, std::string_view in_spec);

}  // namespace aitune::dynamo
