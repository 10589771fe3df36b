#include "compiler/passes/pipeline.h"

namespace aitune {

std::vector<PassReport> lower(Graph&, const LowerOptions&) { return {}; }

}  // namespace aitune
