#pragma once
// The null engine's compile half.

#include <memory>

#include "compiler/partition/engine.h"

namespace aitune::null {

/// Takes no operator.
std::unique_ptr<CompileEngine> make_null_engine();

}  // namespace aitune::null
