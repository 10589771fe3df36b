#pragma once
// The forms of saved models.

#include <string_view>

namespace aitune {

/// Form of the saved model: torch.export.save, torch.jit.save, torch.save of a torch.fx.GraphModule.
enum class IRType { dynamo, ts, fx };
std::string_view ir_name(IRType ir);
/// "dynamo", "ts", "fx"; throws InvalidArgument on anything else.
IRType parse_ir(std::string_view name);

}  // namespace aitune
