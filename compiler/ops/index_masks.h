#pragma once
// Masks beside other indices: x[mask, i] is x[rows, i] with the positions that the mask keeps.

#include <string>

#include "compiler/graph/graph.h"

namespace aitune {

/// Whether a call of index or index_put has a mask beside other indices.
bool has_mask_beside_indices(const OpInfo& op, const ArgList& args);

/// Replaces each mask of such a call by its positions, one tensor for each of its dimensions; nodes that find them are
/// appended to the graph. The first size that data decide is called `wanted`, if that is given. Other calls stay.
void expand_masks(Graph& graph, const OpInfo& op, ArgList& args, const std::string& wanted = {});

}  // namespace aitune
