#pragma once
#include "compiler/passes/pass.h"

namespace aitune {

/// Chains of view, permute and select become at most slice, view, permute, view, where that is shorter: whichever way a
/// model splits its heads, engines see one form.
void canonicalise_movement(Graph& graph, const PassContext& context);

}  // namespace aitune
