#pragma once
// The portable program of models that did not come as one: a graph, as imported, becomes what torch.export.load reads.

#include <span>
#include <vector>

#include "compiler/import/imported_model.h"

namespace aitune {

/// The entries of a PT2 archive (ImportedModel::portable) for this graph. Inputs and results are flat: forward() takes
/// the graph's inputs in order, and returns its one output or a tuple of them. Weights become buffers. `sample` is
/// stored as the program's sample inputs. Throws Unsupported for a symbol that is not the size of an input dimension by
/// itself.
std::vector<PortableEntry> portable_program(const Graph& graph, const NamedTensors& sample);

}  // namespace aitune
