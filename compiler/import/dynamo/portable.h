#pragma once
// The program as entries of a PT2 archive, for whoever writes one.

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "compiler/import/dynamo/archive.h"
#include "compiler/import/dynamo/import.h"

namespace aitune::dynamo {

/// See ImportedModel::portable. `program` is the parsed JSON of the program.
std::vector<PortableEntry> portable_entries(const Pt2Archive& archive, const nlohmann::json& program);

}  // namespace aitune::dynamo
