#pragma once
// What the importer's tests and fuzz target share.

#include <string>

#include "compiler/import/dynamo/program.h"

namespace aitune::dynamo {

/// The JSON of a small program: view(x + w, [3 * s0]) with x f32[s0,3], a buffer "scale" as w, s0 in [1, 16].
std::string small_program();

/// Tensors of zeros for every name but "missing", as long as they are small.
TensorLookup fake_tensors();

}  // namespace aitune::dynamo
