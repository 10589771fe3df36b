#pragma once
// The reference engine's compile half: one step for each node, executed by engines/reference/run.

#include <memory>

#include "compiler/partition/engine.h"

namespace aitune::reference {

/// Takes every operator that has a reference kernel.
std::unique_ptr<CompileEngine> make_reference_engine();

}  // namespace aitune::reference
